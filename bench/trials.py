"""What every benchmark in the lab needs: commands of Godwit, the machine described, figures."""

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from bench.machine import describe_machine
from godwit.lab.lab import Lab
from godwit.lab.problems import LabMisused

RESULTS: Final = Path(__file__).resolve().parent / "results"
COMMAND_S: Final = 600


def run_godwit(state: Path, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run one command; returns its exit status, the JSON documents it printed, and its stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "godwit", *words],
        env=os.environ | {"GODWIT_STATE": str(state)},
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    return done.returncode, list(_documents(done.stdout)), done.stderr


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """The JSON documents of an output, a line each or over many lines."""
    decoder, at = json.JSONDecoder(), 0
    while (at := text.find("{", at)) >= 0:
        found, at = decoder.raw_decode(text, at)
        yield found


def godwit(state: Path, *words: str) -> list[dict[str, Any]]:
    """Run one command that must work, and return the JSON documents it printed."""
    status, documents, complaint = run_godwit(state, *words)
    if status != 0:
        sys.exit(f"godwit {' '.join(words)} ended with {status}:\n{complaint}")
    return documents


def record_hosts(lab: Lab, state: Path) -> None:
    """Put the lab's hosts into the inventory of a state folder."""
    hosts = state / "hosts.toml"
    hosts.write_text(lab.hosts_toml())
    godwit(state, "host", "add", "--file", str(hosts))


def refuse_a_lab_that_is_up() -> None:
    """End when a lab is up: its load would falsify the figures."""
    with suppress(LabMisused):
        Lab.load()
        sys.exit("A lab is up already, and its load would falsify the figures: make lab-down")


def here_and_there(lab: Lab, guest: str) -> tuple[str, str]:
    """Say where a guest runs, and the other of the first two hosts."""
    source = lab.where(guest)
    assert source is not None, "the guest runs on one host"
    return source, "h2" if source == "h1" else "h1"


def quantile(values: list[float], fraction: float) -> float:
    """The value below which this fraction of the values lies, interpolated."""
    if len(values) == 1:
        return values[0]
    hundredths = statistics.quantiles(values, n=100, method="inclusive")
    return hundredths[round(fraction * 100) - 1]


def spread(values: list[float], scale: float = 1.0, digits: int = 0) -> str:
    """Median, and the range of the middle 80 %."""
    low, high = quantile(values, 0.1) * scale, quantile(values, 0.9) * scale
    return f"{statistics.median(values) * scale:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def describe(lab: Lab, link: str) -> dict[str, str]:
    """The machine and the versions, without a name or a path of it."""
    about = describe_machine()
    version = lab.host("h1").run(["virsh", "version"])
    return {
        "date": about["date"],
        "machine": about["machine"],
        "hosts": f"{len(lab.hosts())} in namespaces of that machine, guests under "
        + ("KVM" if lab.state().accelerator == "kvm" else "TCG (no hardware virtualisation)"),
        "libvirt and QEMU": ", ".join(
            dict.fromkeys(re.findall(r"(?:library|hypervisor): (.*)", version))
        ),
        "migration link": link,
        "python": about["python"],
    }


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(f"{text}\n")
