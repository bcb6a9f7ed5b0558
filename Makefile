# Every target is a few lines; what takes more stands in tools/.
SHELL := /bin/sh
.DEFAULT_GOAL := help
# The distribution's own Python, because python3-dev belongs to that one.
PYTHON ?= $$(command -v /usr/bin/python3 || echo python3)
BIN := .venv/bin
READY := .venv/.ready-project

.PHONY: help setup check test demo bench bench-planning lab-up lab-down clean-lab lock docs

help:  ## This list (needs nothing)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## System packages, .venv with the locked packages (Debian or Ubuntu; root or sudo)

check: $(READY)  ## Format, lint, types, import contracts, pure tests; about two minutes (no root)
	@$(BIN)/python tools/check.py

test: $(READY)  ## The same, and the whole path in the lab with real hosts (root)
	@$(BIN)/python tools/check.py --static
	@$(BIN)/pytest

demo: $(READY)  ## Three real hosts, guests under load, one host drained live, a report (root)
	@$(BIN)/python tools/demo.py

bench: $(READY)  ## Against virsh and others, forecast against fact (root, an hour)
	@$(BIN)/python -m bench.outage.run
	@$(BIN)/python -m bench.promise.run
	@$(BIN)/python -m bench.forecast.run

bench-planning: $(READY)  ## Planning on public problems (no root; $$GODWIT_BENCH_DATA has their data; two hours)
	@$(BIN)/python -m bench.planner.run
	@$(BIN)/python -m bench.schedule.run
	@$(BIN)/python -m bench.hbal.run
	@$(BIN)/python -m bench.roadef.run

lab-up: $(READY)  ## Start the lab and leave it running: see godwit lab --help (root)
	@$(BIN)/godwit lab up

lab-down: $(READY)  ## Stop the lab; harmless when there is none (root)
	@$(BIN)/godwit lab down

clean-lab: $(READY)  ## Stop the lab and remove what it keeps between runs (root)
	@$(BIN)/godwit lab clean

lock:  ## Resolve the locked requirements anew from pyproject.toml (uv, network)
	@sh tools/lock

docs: $(READY)  ## Write docs/states.md and docs/openapi.json anew from the code (no root)
	@$(BIN)/python tools/make_states.py
	@$(BIN)/python tools/make_openapi.py

# Stamps: a second run does nothing. Those of the environment lie inside it and go with it.
build/system: tools/setup-system
	@test "$(SYSTEM)" = skip || sh tools/setup-system
	@mkdir -p build && touch $@

.venv/.ready-packages: build/system requirements/dev.txt
	@$(PYTHON) tools/check_python.py && $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(READY): .venv/.ready-packages pyproject.toml
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@$(BIN)/python tools/compile_search.py
	@touch $@
