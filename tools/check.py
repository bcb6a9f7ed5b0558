"""Runs the checks that need no lab: format, lint, types, import contracts, and the pure tests.

All of them run even when one fails; the output of those that failed comes at the end, each with
the command that repeats it.
"""

import argparse
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
FOLDERS = {"bench", "src", "tests", "tools"}

#: Their order is that of the report. The tests run beside the type checker: together they take
#: nearly all the time.
STATIC = {
    "format": "ruff format --check --output-format concise .",
    "lint": "ruff check --output-format concise .",
    "imports": "lint-imports",
    "types": "mypy src tools bench",
}
_PYTEST = "pytest -q --tb=short --timeout 60 -p no:cacheprovider"
#: In two processes that take about as long as each other: what starts servers, and the rest.
_SERVING = ("api", "cli", "client", "daemon")
TESTS = {
    "served": " ".join([_PYTEST, *(f"tests/unit/{one}" for one in _SERVING)]),
    "tests": " ".join(
        [
            *[_PYTEST, "tests/unit", "tests/property", "tests/arch"],
            *(f"--ignore tests/unit/{one}" for one in _SERVING),
        ]
    ),
}


@dataclass(frozen=True)
class Outcome:
    """How one check ended."""

    name: str
    command: str
    status: int
    output: str
    took_s: float


def run(name: str, command: str) -> Outcome:
    """Run one check to its end."""
    words = shlex.split(command)
    started_s = time.monotonic()
    done = subprocess.run(
        [str(BIN / words[0]), *words[1:]],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    took_s = time.monotonic() - started_s
    return Outcome(name, command, done.returncode, done.stdout, took_s)


def without_empty(command: str) -> str:
    """Leave out folders that hold no Python (yet): the checkers stumble over them."""
    words = shlex.split(command)
    empty = {
        word
        for word in words
        if word.split("/")[0] in FOLDERS and not any((ROOT / word).rglob("*.py"))
    }
    return shlex.join(word for word in words if word not in empty)


def run_all(checks: dict[str, str]) -> list[Outcome]:
    """Run every check, two at a time, and say how each ended as soon as it has."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        # The longest first.
        running = [pool.submit(run, name, checks[name]) for name in reversed(checks)]
        outcomes = [one.result() for one in reversed(running)]
    for one in outcomes:
        print(f"{one.name:<8} {'ok' if one.status == 0 else 'FAILED':<7} {one.took_s:5.1f} s")
    return outcomes


def main() -> int:
    """Run the checks; 0 when all of them passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--static", action="store_true", help="no tests: these run elsewhere")
    checks = {name: without_empty(command) for name, command in STATIC.items()}
    if not parser.parse_args().static:
        checks |= TESTS
    failed = [one for one in run_all(checks) if one.status != 0]
    for one in failed:
        print(f"\n--- {one.name}: {one.command}\n{one.output.rstrip()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
