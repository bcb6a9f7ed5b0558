"""Writes docs/states.md from the table of a migration; with --check says whether it is stale.

Nothing of it is written by hand: what the page says is what ``step`` allows.
"""

import argparse
import inspect
import sys
from pathlib import Path
from typing import get_args

from godwit.core.migration import DEADLINES_S, TABLE, Event, Phase, Runner, is_ended
from godwit.core.units import format_duration

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "states.md"

_INTRODUCTION = """\
# The life of a migration

Made by `make docs` from `src/godwit/core/migration/table.py`; a test fails when it is stale.

A migration is the fold of its events. What is not drawn here is illegal: it raises, and changes
nothing. Live code and recovery after a crash walk the same table.
"""

_GUEST = {
    Runner.SOURCE: "the source",
    Runner.DESTINATION: "the destination",
    Runner.NOBODY: "nobody",
    Runner.BOTH: "both",
    Runner.UNCERTAIN: "not certain",
}


def render() -> str:
    """Return the page as text, the same for the same table."""
    parts = (_INTRODUCTION, _diagram(), _phases(), _transitions(), _events())
    return "\n".join(parts)


def _diagram() -> str:
    lines = ["```mermaid", "stateDiagram-v2", "    direction TB", "    [*] --> accepted"]
    for phase in Phase:
        for target in Phase:
            names = [event for event, targets in _row(phase) if target in targets]
            if names and target is not phase:
                lines.append(f"    {phase.word} --> {target.word} : {', '.join(names)}")
        if is_ended(phase):
            lines.append(f"    {phase.word} --> [*]")
    return "\n".join([*lines, "```", ""])


def _row(phase: Phase) -> list[tuple[str, frozenset[Phase]]]:
    return [(event.__name__, targets) for event, targets in TABLE[phase].items()]


def _phases() -> str:
    lines = [
        "## Phases",
        "",
        "| phase | who runs the guest | what goes on | deadline |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| **{phase.word}** | {_GUEST[phase.runner]} | {phase.says} | {_deadline(phase)} |"
        for phase in Phase
    ]
    return "\n".join([*lines, ""])


def _deadline(phase: Phase) -> str:
    if phase not in DEADLINES_S:
        return "over" if is_ended(phase) else "waits for a person"
    limit = format_duration(DEADLINES_S[phase])
    return f"{limit}, and more with the memory's size" if phase is Phase.COPYING else limit


def _transitions() -> str:
    lines = ["## Transitions", "", "| in | on | to |", "|---|---|---|"]
    for phase in Phase:
        for event, targets in _row(phase):
            words = ", ".join(target.word for target in Phase if target in targets)
            lines.append(f"| {phase.word} | {event} | {words} |")
    return "\n".join([*lines, ""])


def _events() -> str:
    lines = ["## Events", "", "| event | what it says |", "|---|---|"]
    for event in get_args(Event):
        says = " ".join((inspect.getdoc(event) or "").split())
        lines.append(f"| {event.__name__} | {says} |")
    return "\n".join([*lines, ""])


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether it is stale")
    text = render()
    if parser.parse_args().check:
        if not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != text:
            print(f"{DOCUMENT.name} is stale: run `make docs`", file=sys.stderr)
            return 1
        return 0
    DOCUMENT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
