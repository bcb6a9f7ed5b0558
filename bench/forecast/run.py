"""Forecast against fact, over guests from idle to faster than the link, on four links.

Each guest is moved twice: *cold*, with nothing known of it but a measurement of a few seconds
before the move, and *warm*, when its first migration has been learnt from. The settings that are
marked as held out are kept out of all fitting: what is learnt from one of them is thrown away
before the next. Beside the forecast stand two baselines with the same knowledge of the path:
memory over bandwidth, and the classic model of a constant dirty rate. Written:
``bench/results/forecast.md`` and ``forecast.json``.
"""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.forecast.report import summary, table
from bench.forecast.settings import LINKS, SETTINGS, Setting
from bench.trials import (
    RESULTS,
    describe,
    here_and_there,
    record_hosts,
    refuse_a_lab_that_is_up,
    run_godwit,
    say,
)
from godwit.core.units import parse_rate
from godwit.lab.lab import Lab

#: Longer than any of them needs that converges; the others are given up by themselves.
DEADLINE: Final = "120s"
SETTLE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Leg:
    """One of the two migrations of a guest."""

    name: str
    warm: bool


LEGS: Final = (Leg("cold", warm=False), Leg("warm", warm=True))


def policy(setting: Setting) -> str:
    """The metadata of the guest."""
    throttle = "yes" if setting.may_throttle else "no"
    postcopy = "yes" if setting.may_postcopy else "no"
    return (
        f'<godwit:vm xmlns:godwit="urn:godwit:vm:1" downtime-max="1s" deadline="{DEADLINE}"'
        f' throttle="{throttle}" postcopy="{postcopy}"/>'
    )


def measure(lab: Lab, state: Path, setting: Setting) -> list[dict[str, Any]]:
    """Move a fresh guest there and back; its name is its own, so that nothing is known of it."""
    guest = f"subject-{SETTINGS.index(setting)}"
    lab.add_guest(
        guest,
        memory=setting.memory,
        working_set=setting.working_set,
        dirty_rate=setting.dirty_rate,
        metadata=policy(setting),
    )
    rows = []
    try:
        with lab.meter([guest], seconds_max=600) as meter:
            meter.wait(2.0)
            for leg in LEGS:
                _, destination = here_and_there(lab, guest)
                rows.append(one_move(state, guest, setting, leg, destination))
                say(f"{setting.name}: {leg.name} {_told(rows[-1])}")
                meter.wait(SETTLE_S)
        if not lab.guest(guest).verify().is_intact:
            sys.exit(f"{setting.name}: the guest was harmed")
    finally:
        lab.remove_guest(guest)
    return rows


def one_move(
    state: Path, guest: str, setting: Setting, leg: Leg, destination: str
) -> dict[str, Any]:
    """Move it once, with the command that a person would type; forecast and fact as one row."""
    status, documents, complaint = run_godwit(
        state, "migrate", guest, "--to", destination, "--yes", "--output", "json"
    )
    if status not in {0, 1}:
        sys.exit(f"godwit migrate ended with {status}:\n{complaint}")
    move = next(one["plan"] for one in documents if "plan" in one)["moves"][0]
    migration = documents[-1]["migration"]
    result, failure = migration["result"] or {}, migration["failure"] or {}
    if not result and failure.get("code") != "not_converging":
        sys.exit(f"{setting.name}: {failure}")
    return {
        "setting": setting.name,
        "link": setting.link,
        "held_out": setting.held_out,
        "leg": leg.name,
        "recipe": move["recipe"],
        "forecast": move["forecast"],
        "memory_bytes": move["memory_bytes"],
        "written_bytes_per_s": parse_rate(setting.dirty_rate),
        "completed": status == 0,
        "why_not": failure.get("evidence", ""),
        "total_s": result.get("total_s"),
        "pause_s": result.get("pause_s"),
        "outage_s": result.get("outage_s"),
        "sent_bytes": result.get("transferred_bytes"),
        "rounds": len(migration["rounds"]),
        "bandwidth_bytes_per_s": _bandwidth(migration["rounds"]),
    }


def _bandwidth(rounds: list[dict[str, Any]]) -> float | None:
    """What the stream carried from the first sync to the last."""
    if len(rounds) < 2:
        return None
    took_s = rounds[-1]["ended_at_s"] - rounds[0]["ended_at_s"]
    sent = rounds[-1]["transferred_bytes"] - rounds[0]["transferred_bytes"]
    return float(sent / took_s) if took_s > 0 else None


def _told(row: dict[str, Any]) -> str:
    forecast = row["forecast"]
    if not row["completed"]:
        return f"did not converge (forecast {forecast['converges']:.0%})"
    total, sent = forecast["total_s"], forecast["sent_bytes"]
    return (
        f"{row['total_s']:.2f} s (forecast {total['likely']:.2f},"
        f" {total['low']:.2f} to {total['high']:.2f}),"
        f" {row['sent_bytes'] / 1e6:.0f} MB (forecast {sent['likely'] / 1e6:.0f}),"
        f" pause {(row['pause_s'] or 0) * 1000:.0f} ms"
        f" (forecast {forecast['pause_s']['likely'] * 1000:.0f}),"
        f" converges {forecast['converges']:.0%}"
    )


def on_one_link(
    link: str, chosen: list[Setting], folder: Path
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """All settings of one link: those to be learnt from first, then the held-out ones."""
    lab = Lab.up(hosts=2, link=link, say=say)
    rows: list[dict[str, Any]] = []
    try:
        state = folder / link
        state.mkdir()
        record_hosts(lab, state)
        for setting in (one for one in chosen if not one.held_out):
            rows += measure(lab, state, setting)
        for number, setting in enumerate(one for one in chosen if one.held_out):
            # A copy: what is learnt from this one ends with it.
            apart = folder / f"{link}-{number}"
            shutil.copytree(state, apart)
            rows += measure(lab, apart, setting)
        about = describe(lab, "four: " + ", ".join(LINKS))
    finally:
        Lab.down(say=say)
    return rows, about


def main() -> None:
    """Run it all and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--link", choices=LINKS, help="one link")
    parser.add_argument("--every", type=int, default=1, help="each nth setting only")
    parser.add_argument("--rows", type=Path, help="keep the rows there after each link, and go on")
    parser.add_argument("--trial", action="store_true", help="write no results")
    chosen = parser.parse_args()
    refuse_a_lab_that_is_up()
    kept = json.loads(chosen.rows.read_text()) if chosen.rows and chosen.rows.exists() else {}
    rows: list[dict[str, Any]] = kept.get("rows", [])
    about: dict[str, str] = kept.get("about", {})
    done = {row["link"] for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        for link in LINKS:
            settings = [one for one in SETTINGS if one.link == link][:: chosen.every]
            if chosen.link in {None, link} and settings and link not in done:
                found, about = on_one_link(link, settings, Path(folder))
                rows += found
                if chosen.rows is not None:
                    chosen.rows.write_text(json.dumps({"rows": rows, "about": about}))
    if chosen.trial:
        say(table(rows, about))
        return
    RESULTS.mkdir(exist_ok=True)
    figures = summary(rows) | {"about": about, "migrations": rows}
    (RESULTS / "forecast.json").write_text(json.dumps(figures, indent=1) + "\n")
    (RESULTS / "forecast.md").write_text(table(rows, about))
    say(table(rows, about))


if __name__ == "__main__":
    main()
