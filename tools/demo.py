"""The main job, shown: a host with guests under client load is drained live, and what clients saw.

Three real hosts in namespaces of this machine, five guests of different appetites, a client outside
that never stops asking, `godwit drain`; then a table and a picture in ``demo-report/``. Everything
goes through the commands that a person would type. Ends with 1 when a client or a guest was harmed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from godwit.core.units import format_bytes, format_duration
from godwit.lab.lab import Lab
from godwit.lab.meter_report import MeterReport
from godwit.lab.picture import Window, draw_outages
from godwit.lab.problems import LabMisused

REPORT: Final = Path("demo-report")
DRAINED: Final = "h1"

#: Name, memory, bytes written per second, over how much of it, host.
GUESTS: Final = (
    ("idle", "256MiB", "0", "32MiB", DRAINED),
    ("web", "256MiB", "2MiB/s", "48MiB", DRAINED),
    ("mail", "384MiB", "10MiB/s", "64MiB", DRAINED),
    ("database", "512MiB", "25MiB/s", "128MiB", DRAINED),
    ("neighbour", "256MiB", "1MiB/s", "32MiB", "h2"),
)

MARKED_FROM_S: Final = 0.2

console = Console(highlight=False)


def main() -> int:
    """Run the demonstration; returns the exit status."""
    begun_s = time.monotonic()
    say("Three hosts: libvirt and QEMU each, in namespaces of this machine")
    with suppress(LabMisused):
        Lab.load()
        console.print("A lab is up already, and the demonstration takes its own down at the end.")
        console.print("Remedy: make lab-down")
        return 3
    lab = Lab.up(hosts=3, link="1gbit", say=console.print)
    try:
        with tempfile.TemporaryDirectory() as folder:
            harmed = show(lab, Path(folder))
    finally:
        say("Putting everything away")
        Lab.down(say=console.print)
    console.print(f"\nDone in {format_duration(time.monotonic() - begun_s)}.")
    return 1 if harmed else 0


def show(lab: Lab, state: Path) -> bool:
    """Drain a host under load; returns whether anybody was harmed."""
    say("Five guests that serve clients, write memory at different rates, and check all they wrote")
    for name, memory, rate, working_set, host in GUESTS:
        lab.add_guest(name, memory=memory, dirty_rate=rate, working_set=working_set, host=host)
        console.print(f"  {name:10} {memory:>7} on {host}, writes {rate} over {working_set}")
    hosts = state / "hosts.toml"
    hosts.write_text(lab.hosts_toml())
    godwit(state, "host", "add", "--file", str(hosts))
    godwit(state, "scan")
    names = [name for name, *_ in GUESTS]
    with lab.meter(names, seconds_max=600) as meter:
        say("A client outside asks every guest: UDP every 2 ms, one TCP connection kept open")
        meter.wait(3.0)
        say(f"$ godwit drain {DRAINED} --parallel 1 --yes")
        failed = godwit(state, "drain", DRAINED, "--parallel", "1", "--yes", shown=False)
        meter.wait(3.0)
        reports = meter.stop()
    godwit(state, "status")
    migrations = {one["vm_name"]: one for one in finished(state)}
    say("Every guest checks its whole memory and disk")
    intact = {name: lab.guest(name).verify().is_intact for name in names}
    return report(reports, migrations, intact) or failed


def finished(state: Path) -> list[dict[str, Any]]:
    """Every migration of the history, whole."""
    rows = json.loads(ask(state, "history", "--output", "json"))
    return [json.loads(ask(state, "show", row["id"], "--output", "json")) for row in rows]


def report(
    reports: Mapping[str, MeterReport],
    migrations: dict[str, dict[str, Any]],
    intact: dict[str, bool],
) -> bool:
    """Print the table, write table and picture; returns whether anybody was harmed."""
    say(f"What clients saw while {DRAINED} was drained")
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("guest", "to", "rounds", "time", "pause", "outage", "sent"):
        left = column in {"guest", "to"}
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for column in ("UDP", "HTTP", "broken", "checks"):
        table.add_column(column, justify="right", no_wrap=True)
    harmed, rows, windows = False, [], []
    skew_s = time.monotonic() - time.time()
    for name, *_ in GUESTS:
        seen, moved = reports[name], migrations.get(name)
        row = figures(name, seen, moved, intact=intact[name] and seen.is_intact)
        rows.append(row)
        table.add_row(*cells(row))
        harmed |= bool(row["connections_broken"] or not row["intact"])
        if moved is not None:
            windows.append(
                Window(
                    label=f"{moved['source']} -> {moved['destination']}",
                    start_s=moved["started_at_s"] + skew_s,
                    end_s=moved["ended_at_s"] + skew_s,
                    guest=name,
                )
            )
    console.print(table)
    console.print("UDP, HTTP: requests lost. broken: TCP connections. checks: memory and disk.")
    console.print("A guest that stayed shows what this machine's own load does to its clients.")
    REPORT.mkdir(exist_ok=True)
    (REPORT / "guests.json").write_text(json.dumps(rows, indent=1) + "\n")
    # Shorter gaps are the noise of five emulated guests on this machine, and would hide the rest.
    ordered = [
        replace(
            reports[name],
            outages=tuple(one for one in reports[name].outages if one.duration_s >= MARKED_FROM_S),
        )
        for name, *_ in GUESTS
    ]
    draw_outages(
        ordered,
        REPORT / "outage.svg",
        windows=windows,
        title=f"Round trips of a client while {DRAINED} was drained"
        f" (marked: no answer for {MARKED_FROM_S * 1000:.0f} ms or more)",
    )
    console.print(
        "[red]Somebody was harmed: see the table.[/red]"
        if harmed
        else "No connection broken, nothing lost in memory or on disk."
    )
    console.print(f"Written: {REPORT / 'outage.svg'}, {REPORT / 'guests.json'}")
    return harmed


def figures(
    name: str, seen: MeterReport, moved: dict[str, Any] | None, *, intact: bool
) -> dict[str, Any]:
    """What was measured of one guest; None where nothing moved or nothing was measured."""
    result = (moved or {}).get("result") or {}
    return {
        "guest": name,
        "source": (moved or {}).get("source"),
        "destination": (moved or {}).get("destination"),
        "rounds": result.get("rounds"),
        "time_s": result.get("total_s"),
        "pause_s": result.get("pause_s"),
        "outage_s": seen.outage_s_max,
        "sent_bytes": result.get("transferred_bytes"),
        "udp_sent": seen.udp_sent,
        "udp_lost": seen.udp_lost,
        "http_requests": seen.http_requests,
        "http_lost": seen.http_lost,
        "connections_broken": seen.tcp_broken,
        "intact": intact,
    }


def cells(row: dict[str, Any]) -> list[str]:
    """A row as a person reads it."""
    sent = row["sent_bytes"]
    return [
        row["guest"],
        row["destination"] or "stayed",
        "-" if row["rounds"] is None else str(row["rounds"]),
        "-" if row["time_s"] is None else format_duration(row["time_s"]),
        "-" if row["pause_s"] is None else format_duration(row["pause_s"]),
        format_duration(row["outage_s"]),
        "-" if sent is None else format_bytes(sent),
        format_share(row["udp_lost"], row["udp_sent"]),
        f"{row['http_lost']}/{row['http_requests']}",
        str(row["connections_broken"]),
        "clean" if row["intact"] else "HARMED",
    ]


def format_share(part: int, whole: int) -> str:
    """A share that may be far below one percent."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def godwit(state: Path, *words: str, shown: bool = True) -> bool:
    """Run a command with its output on this terminal; returns whether it failed."""
    if shown:
        say(f"$ godwit {' '.join(words)}")
    done = subprocess.run(
        [sys.executable, "-m", "godwit", *words],
        env=os.environ | {"GODWIT_STATE": str(state)},
        timeout=600,
        check=False,
    )
    return done.returncode != 0


def ask(state: Path, *words: str) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "godwit", *words],
        env=os.environ | {"GODWIT_STATE": str(state)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def say(text: str) -> None:
    """Head a part of the demonstration."""
    console.print(f"\n[bold]{text}[/bold]")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
