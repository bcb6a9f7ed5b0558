"""The same hot guests under Godwit, plain virsh and the published policies of four other systems.

All run on the same hypervisors, alternating in one run, with one client outside that measures. A
promise of one second is given for every guest: a pause above it, or an outage that a pause above
it made, is a broken promise. Whoever is not done within the time limit is aborted and counted as
not completed. Written: ``bench/results/promise.md`` and ``promise.json``.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.peers.driving import drive
from bench.peers.ladders import LADDERS, Ladder
from bench.trials import (
    RESULTS,
    describe,
    here_and_there,
    quantile,
    record_hosts,
    refuse_a_lab_that_is_up,
    run_godwit,
    say,
)
from godwit.lab.lab import Lab
from godwit.lab.meter_report import MeterReport

PROMISE_S: Final = 1.0
#: What the guests' owner aims at; the peers have no such word.
TARGET: Final = "300ms"
SETTLE_S: Final = 2.0
HEADER: Final = (
    "| | completed | promises broken | outage p50 / p95, ms | pause p50, ms | time p50, s"
    " | sent p50, MB |"
)
GODWIT: Final = "Godwit"
TOOLS: Final = (GODWIT, *(ladder.name for ladder in LADDERS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One guest of the benchmark."""

    name: str
    memory: str
    working_set: str
    dirty_rate: str
    says: str


WORKLOADS: Final = (
    Workload(
        name="warm",
        memory="512MiB",
        working_set="128MiB",
        dirty_rate="70MiB/s",
        says="writes slower than the link carries: converges with a small pause",
    ),
    Workload(
        name="hot",
        memory="512MiB",
        working_set="96MiB",
        dirty_rate="250MiB/s",
        says="writes faster than the link carries; its working set passes within the promise, just",
    ),
    Workload(
        name="boiling",
        memory="512MiB",
        working_set="224MiB",
        dirty_rate="350MiB/s",
        says="its working set takes two seconds on the link: no pause within the promise is enough",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One migration. Times are of the monotonic clock of this machine."""

    tool: str
    begun_s: float
    ended_s: float
    completed: bool
    why_not: str
    time_s: float
    pause_s: float | None
    sent_bytes: int | None


def policy(time_limit_s: float) -> str:
    """What the owner of the guests permits Godwit; the others do what their policies do."""
    return (
        f'<godwit:vm xmlns:godwit="urn:godwit:vm:1" downtime-max="{PROMISE_S:g}s"'
        f' downtime-target="{TARGET}"'
        f' deadline="{time_limit_s:g}s" throttle="yes" postcopy="yes"/>'
    )


def by_godwit(state: Path, guest: str, destination: str) -> Run:
    """Migrate with the command that a person would type."""
    begun_s = time.monotonic()
    status, documents, complaint = run_godwit(
        state, "migrate", guest, "--to", destination, "--yes", "--output", "json"
    )
    ended_s = time.monotonic()
    if status not in {0, 1}:
        sys.exit(f"godwit migrate ended with {status}:\n{complaint}")
    migration = documents[-1]["migration"]
    result = migration["result"] or {}
    failure = migration["failure"] or {}
    return Run(
        tool=GODWIT,
        begun_s=begun_s,
        ended_s=ended_s,
        completed=status == 0,
        why_not=failure.get("cause", ""),
        time_s=result.get("total_s") or migration["ended_at_s"] - migration["started_at_s"],
        pause_s=result.get("pause_s"),
        sent_bytes=result.get("transferred_bytes"),
    )


def by_ladder(lab: Lab, guest: str, ladder: Ladder, where: tuple[str, str], limit_s: float) -> Run:
    """Migrate under another system's policy."""
    made = drive(lab, guest, *where, ladder, time_limit_s=limit_s)
    return Run(
        tool=ladder.name,
        begun_s=made.begun_s,
        ended_s=made.ended_s,
        completed=made.completed,
        why_not=made.why_not,
        time_s=made.ended_s - made.begun_s,
        pause_s=made.pause_s,
        sent_bytes=made.sent_bytes,
    )


def measure(
    lab: Lab, state: Path, workload: Workload, turns: int, limit_s: float
) -> list[dict[str, Any]]:
    """Every tool once a turn; who begins moves on from turn to turn."""
    # A name of its own: what is learnt of one guest must not be taken for another.
    guest = workload.name
    lab.add_guest(
        guest,
        memory=workload.memory,
        working_set=workload.working_set,
        dirty_rate=workload.dirty_rate,
        metadata=policy(limit_s),
    )
    runs: list[Run] = []
    try:
        seconds = turns * len(TOOLS) * (limit_s + 20) + 60
        with lab.meter([guest], seconds_max=seconds) as meter:
            meter.wait(3.0)
            for turn in range(turns):
                order = TOOLS[turn % len(TOOLS) :] + TOOLS[: turn % len(TOOLS)]
                for tool in order:
                    where = here_and_there(lab, guest)
                    if tool == GODWIT:
                        runs.append(by_godwit(state, guest, where[1]))
                    else:
                        ladder = next(one for one in LADDERS if one.name == tool)()
                        runs.append(by_ladder(lab, guest, ladder, where, limit_s))
                    meter.wait(SETTLE_S)
                    say(f"{workload.name} {turn + 1}/{turns} {tool}: {_told(runs[-1])}")
            report = meter.stop()[guest]
        checked = lab.guest(guest).verify()
    finally:
        lab.remove_guest(guest)
    if not (checked.is_intact and report.is_intact):
        sys.exit(f"{workload.name}: the guest was harmed: {checked}")
    return [row(workload, run, report) for run in runs]


def _told(run: Run) -> str:
    if not run.completed:
        return f"not completed after {run.time_s:.1f} s ({run.why_not})"
    return f"{run.time_s:.1f} s, pause {(run.pause_s or 0) * 1000:.0f} ms"


def row(workload: Workload, run: Run, report: MeterReport) -> dict[str, Any]:
    """One run as a row of the results, with the outage that the client saw."""
    outage_s = report.outage_in(run.begun_s, run.ended_s + SETTLE_S / 2)
    kept = run.pause_s is None or run.pause_s <= PROMISE_S
    figures = {k: v for k, v in asdict(run).items() if k not in {"begun_s", "ended_s"}}
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
    return {
        "workload": workload.name,
        "outage_s": round(outage_s, 4),
        "broken": not kept or outage_s > PROMISE_S,
    } | rounded


def columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one tool; outage and pause are of the completed ones, the rest of all."""
    done = [one for one in rows if one["completed"]]
    found: dict[str, Any] = {
        "runs": len(rows),
        "completed": len(done),
        "broken_promises": sum(one["broken"] for one in rows),
    }
    for key, counted in (
        ("outage_s", done),
        ("pause_s", done),
        ("time_s", rows),
        ("sent_bytes", rows),
    ):
        values = [float(one[key]) for one in counted if one[key] is not None]
        found[f"{key}_p50"] = round(quantile(values, 0.5), 4) if values else None
        found[f"{key}_p95"] = round(quantile(values, 0.95), 4) if values else None
    return found


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Every tool over all guests, and the figures that are watched over time."""
    tools = {tool: columns([one for one in rows if one["tool"] == tool]) for tool in TOOLS}
    ratios = {
        workload: _ratio(rows, workload) for workload in dict.fromkeys(r["workload"] for r in rows)
    }
    both = [one for one in ratios.values() if one is not None]
    return {
        "broken_promises": tools[GODWIT]["broken_promises"],
        "completed": tools[GODWIT]["completed"],
        "runs": tools[GODWIT]["runs"],
        "outage_ratio_p50_vs_virsh": round(quantile(both, 0.5), 3) if both else None,
        "outage_ratio_p50_vs_virsh_by_guest": ratios,
        "tools": tools,
    }


def _ratio(rows: list[dict[str, Any]], workload: str) -> float | None:
    """Median outage of Godwit over that of virsh; None where virsh completed none."""
    middles = []
    for tool in (GODWIT, "virsh"):
        mine = [one for one in rows if one["tool"] == tool and one["workload"] == workload]
        outages = [one["outage_s"] for one in mine if one["completed"]]
        if not outages:
            return None
        middles.append(quantile(outages, 0.5))
    return round(middles[0] / middles[1], 3)


def table(rows: list[dict[str, Any]], about: dict[str, str], turns: int, limit_s: float) -> str:
    """The page that a person reads."""
    lines = [
        "# Promises: Godwit against virsh and four published policies",
        "",
        (
            f"{turns} migrations a guest and tool, alternating in one run on one machine; written"
            f" by `bench/promise/run.py`. Every guest's users were promised a pause of at most"
            f" {PROMISE_S:g} s. A migration that was not over after {limit_s:g} s was aborted and"
            " is not completed. The policies are written from the documents and sources that"
            " `bench/peers/ladders.py` names, with their defaults, and run on the same hypervisors"
            " as Godwit; time-outs of theirs that are longer than the limit never struck. The"
            f" guests' policy aims at {TARGET} and permits Godwit to throttle and post-copy;"
            " oVirt and Proxmox throttle by default. Outage and pause are of completed migrations"
            " only; time and bytes are of all, an aborted one with what it had spent, and a time"
            " with > is that of one that did not complete. The guests change a small part of each"
            " page that they write, which suits xbzrle: Godwit chose it where it forecast a gain,"
            " and a guest that fills its pages anew gains less from it."
        ),
        "",
        *[f"- {key}: {value}" for key, value in about.items()],
        "",
    ]
    sections: list[tuple[str, str, list[dict[str, Any]]]] = [("All guests together", "", rows)]
    for one in WORKLOADS:
        mine = [row for row in rows if row["workload"] == one.name]
        sections.append((one.name, _says(one), mine))
    for title, says, chosen in sections:
        if not chosen:
            continue
        lines += [
            f"## {title}",
            "",
            *([says, ""] if says else []),
            HEADER,
            "|---|---|---|---|---|---|---|",
        ]
        for tool in TOOLS:
            found = columns([one for one in chosen if one["tool"] == tool])
            lines.append(_line(tool, found, limit_s))
        lines.append("")
    lines += ["After all migrations every guest checked its memory and disk: nothing was lost.", ""]
    return "\n".join(lines)


def _says(workload: Workload) -> str:
    return (
        f"{workload.memory} of memory, {workload.dirty_rate} written over"
        f" {workload.working_set}: {workload.says}."
    )


def _line(tool: str, found: dict[str, Any], limit_s: float) -> str:
    def shown(key: str, scale: float, digits: int) -> str:
        return f"{found[key] * scale:.{digits}f}" if found[key] is not None else "-"

    over = ">" if (found["time_s_p50"] or 0.0) >= limit_s else ""
    return (
        f"| {tool} | {found['completed']} of {found['runs']} | {found['broken_promises']}"
        f" | {shown('outage_s_p50', 1000, 0)} / {shown('outage_s_p95', 1000, 0)}"
        f" | {shown('pause_s_p50', 1000, 0)} | {over}{shown('time_s_p50', 1, 1)}"
        f" | {shown('sent_bytes_p50', 1e-6, 0)} |"
    )


def main() -> None:
    """Run it all and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=4, help="migrations a guest and tool")
    parser.add_argument("--link", default="1gbit", help="migration link (default 1gbit)")
    parser.add_argument("--limit", type=float, default=30.0, help="time limit, seconds")
    parser.add_argument("--only", choices=[one.name for one in WORKLOADS], help="one guest")
    parser.add_argument("--trial", action="store_true", help="write nothing")
    chosen = parser.parse_args()
    refuse_a_lab_that_is_up()
    lab = Lab.up(hosts=2, link=chosen.link, say=say)
    rows: list[dict[str, Any]] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder)
            record_hosts(lab, state)
            for workload in WORKLOADS:
                if chosen.only in {None, workload.name}:
                    rows += measure(lab, state, workload, chosen.turns, chosen.limit)
        about = describe(lab, chosen.link)
    finally:
        Lab.down(say=say)
    page = table(rows, about, chosen.turns, chosen.limit)
    if chosen.trial:
        say(page)
        return
    figures = summary(rows) | {"turns": chosen.turns, "limit_s": chosen.limit, "about": about}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(figures | {"runs_made": rows}, indent=1)
    (RESULTS / "promise.json").write_text(text + "\n")
    (RESULTS / "promise.md").write_text(page)
    say(page)


if __name__ == "__main__":
    main()
