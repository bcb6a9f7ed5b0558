"""Godwit against ``virsh migrate --live`` on the same guests, alternating in one run.

For an idle, a moderate and a hot guest it makes at least ten pairs of migrations, one by each,
between two of the lab's hosts, while one client outside measures. Written:
``bench/results/outage.md`` (the table) and ``outage.json`` (every figure). Ratios are Godwit's
figure over virsh's of the same pair; below 1 is better for Godwit.

What is compared: the outage that the client saw, the pause that libvirt reports, the bytes that
QEMU sent, and the time from the order to the guest confirmed at the destination. For virsh that is
the whole command, run inside the source host; for Godwit it is the migration itself, and the whole
command with the start of its interpreter and of its controller is told beside it.
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.trials import (
    RESULTS,
    describe,
    godwit,
    here_and_there,
    record_hosts,
    refuse_a_lab_that_is_up,
    say,
    spread,
)
from godwit.lab.lab import Lab
from godwit.lab.meter_report import MeterReport

GUEST: Final = "bench"
#: The client's view settles: announcements and catching up are over well before that.
SETTLE_S: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One guest of the benchmark."""

    name: str
    memory: str
    working_set: str
    dirty_rate: str


WORKLOADS: Final = (
    Workload(name="idle", memory="512MiB", working_set="64MiB", dirty_rate="0"),
    Workload(name="moderate", memory="512MiB", working_set="128MiB", dirty_rate="25MiB/s"),
    Workload(name="hot", memory="512MiB", working_set="256MiB", dirty_rate="70MiB/s"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One migration, by one of the two. Times are of the monotonic clock of this machine."""

    tool: str
    begun_s: float
    ended_s: float
    time_s: float
    command_s: float
    pause_s: float
    sent_bytes: int


def by_virsh(lab: Lab, source: str, destination: str) -> Run:
    """Migrate with plain virsh, as its manual says, inside the source host."""
    address = lab.host(destination).address
    begun_s = time.monotonic()
    lab.host(source).run(
        [
            *["virsh", "migrate", "--live", "--p2p", "--persistent", "--undefinesource"],
            *[GUEST, address.peer_uri, f"tcp://{address.migration}"],
        ]
    )
    ended_s = time.monotonic()
    stats = lab.host(destination).run(["virsh", "domjobinfo", GUEST, "--completed", "--rawstats"])
    figures = dict(re.findall(r"^(\w+): (\d+)$", stats, re.MULTILINE))
    return Run(
        tool="virsh",
        begun_s=begun_s,
        ended_s=ended_s,
        time_s=ended_s - begun_s,
        command_s=ended_s - begun_s,
        pause_s=int(figures["downtime"]) / 1000,
        sent_bytes=int(figures["data_processed"]),
    )


def by_godwit(state: Path, destination: str) -> Run:
    """Migrate with the command that a person would type."""
    begun_s = time.monotonic()
    lines = godwit(state, "migrate", GUEST, "--to", destination, "--yes", "--output", "json")
    ended_s = time.monotonic()
    migration = lines[-1]["migration"]
    result = migration["result"]
    return Run(
        tool="godwit",
        begun_s=begun_s,
        ended_s=ended_s,
        time_s=result["total_s"],
        command_s=ended_s - begun_s,
        pause_s=result["pause_s"],
        sent_bytes=result["transferred_bytes"],
    )


def measure(lab: Lab, state: Path, workload: Workload, pairs: int) -> list[dict[str, Any]]:
    """Make all pairs of one workload; who begins alternates from pair to pair."""
    lab.add_guest(
        GUEST,
        memory=workload.memory,
        working_set=workload.working_set,
        dirty_rate=workload.dirty_rate,
    )
    runs: list[Run] = []
    try:
        with lab.meter([GUEST], seconds_max=pairs * 60 + 60) as meter:
            meter.wait(3.0)
            for pair in range(pairs):
                for tool in ("virsh", "godwit") if pair % 2 == 0 else ("godwit", "virsh"):
                    source, destination = here_and_there(lab, GUEST)
                    made = (
                        by_virsh(lab, source, destination)
                        if tool == "virsh"
                        else by_godwit(state, destination)
                    )
                    runs.append(made)
                    meter.wait(SETTLE_S)
                say(f"{workload.name}: pair {pair + 1} of {pairs}")
            report = meter.stop()[GUEST]
        checked = lab.guest(GUEST).verify()
    finally:
        lab.remove_guest(GUEST)
    if not (checked.is_intact and report.is_intact and report.tcp_broken == 0):
        sys.exit(f"{workload.name}: the guest was harmed: {checked}, broken {report.tcp_broken}")
    return [rounded(workload, run, report) for run in runs]


def rounded(workload: Workload, run: Run, report: MeterReport) -> dict[str, Any]:
    """One run as a row of the results, with the outage that the client saw."""
    row = {key: value for key, value in asdict(run).items() if key not in {"begun_s", "ended_s"}}
    row = {
        key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()
    }
    outage_s = report.outage_in(run.begun_s, run.ended_s + SETTLE_S / 2)
    return {"workload": workload.name, "outage_s": round(outage_s, 4)} | row


def ratios(rows: list[dict[str, Any]], workload: str, key: str) -> list[float]:
    """Godwit over virsh, pair by pair."""
    by = {
        tool: [row[key] for row in rows if row["workload"] == workload and row["tool"] == tool]
        for tool in ("godwit", "virsh")
    }
    return [ours / theirs for ours, theirs in zip(by["godwit"], by["virsh"], strict=True)]


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures that are watched over time."""
    found: dict[str, float] = {}
    for workload in dict.fromkeys(row["workload"] for row in rows):
        for key in ("outage", "time", "pause", "sent"):
            field = "sent_bytes" if key == "sent" else f"{key}_s"
            middle = statistics.median(ratios(rows, workload, field))
            found[f"{key}_ratio_p50_{workload}"] = round(middle, 3)
    return found


def table(rows: list[dict[str, Any]], about: dict[str, str], pairs: int) -> str:
    """The page that a person reads."""
    lines = [
        "# Outage: Godwit against `virsh migrate --live`",
        "",
        (
            f"{pairs} pairs a guest, alternating in one run, on one machine; written by"
            " `bench/outage/run.py`. Median, and in brackets the 10th to 90th percentile. A ratio"
            " is Godwit's figure over virsh's of the same pair: below 1 is better for Godwit."
        ),
        "",
        *[f"- {key}: {value}" for key, value in about.items()],
        "",
    ]
    for workload in WORKLOADS:
        mine = [row for row in rows if row["workload"] == workload.name]
        if not mine:
            continue
        lines += [
            f"## {workload.name}",
            "",
            (
                f"{workload.memory} of memory, {workload.dirty_rate} written over"
                f" {workload.working_set}."
            ),
            "",
            "| | Godwit | virsh | ratio |",
            "|---|---|---|---|",
        ]
        for label, key, scale, digits in (
            ("outage the client saw, ms", "outage_s", 1000, 0),
            ("pause libvirt reports, ms", "pause_s", 1000, 0),
            ("time of the migration, s", "time_s", 1, 2),
            ("whole command, s", "command_s", 1, 2),
            ("sent, MB", "sent_bytes", 1e-6, 0),
        ):
            cells = [
                spread([row[key] for row in mine if row["tool"] == tool], scale, digits)
                for tool in ("godwit", "virsh")
            ]
            ratio = spread(ratios(rows, workload.name, key), digits=2)
            lines.append(f"| {label} | {cells[0]} | {cells[1]} | {ratio} |")
        lines.append("")
    lines += [
        (
            "After all migrations every guest checked its whole memory and disk and found nothing"
            " wrong, and the client's one TCP connection to it was never broken."
        ),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run it all and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10, help="pairs a workload (default 10)")
    parser.add_argument("--link", default="1gbit", help="migration link (default 1gbit)")
    parser.add_argument("--only", help="one workload")
    chosen = parser.parse_args()
    if chosen.pairs < 2:
        parser.error("--pairs: a spread needs 2 at least")
    if chosen.only not in {None, *(workload.name for workload in WORKLOADS)}:
        parser.error(f"--only: {', '.join(workload.name for workload in WORKLOADS)}")
    refuse_a_lab_that_is_up()
    lab = Lab.up(hosts=3, link=chosen.link, say=say)
    rows: list[dict[str, Any]] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder)
            record_hosts(lab, state)
            for workload in WORKLOADS:
                if chosen.only in {None, workload.name}:
                    rows += measure(lab, state, workload, chosen.pairs)
        about = describe(lab, chosen.link)
    finally:
        Lab.down(say=say)
    RESULTS.mkdir(exist_ok=True)
    figures = summary(rows) | {"pairs": chosen.pairs, "about": about, "runs": rows}
    (RESULTS / "outage.json").write_text(json.dumps(figures, indent=1) + "\n")
    (RESULTS / "outage.md").write_text(table(rows, about, chosen.pairs))
    say(json.dumps(summary(rows), indent=1))


if __name__ == "__main__":
    main()
