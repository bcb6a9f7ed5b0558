"""The history as rows for other programs: one a migration, the oldest first.

The columns are a promise: a new one comes last, none changes its meaning. What was not measured is
empty (CSV) or null (JSON), never zero. Values stand as they are: a program that reads the file as
formulas must be told not to. Parquet is not here.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from godwit import wire

__all__ = ["COLUMNS", "to_csv", "to_jsonl"]

Cell: TypeAlias = str | float | bool | None


def _result(name: str) -> Callable[[wire.Migration], Cell]:
    return lambda one: getattr(one.result, name) if one.result is not None else None


def _failure(name: str) -> Callable[[wire.Migration], Cell]:
    return lambda one: getattr(one.failure, name) if one.failure is not None else None


def _is_kept(one: wire.Migration) -> Cell:
    if one.result is None or one.result.pause_s is None:
        return None
    return one.result.pause_s <= one.pause_max_s


#: Name, meaning, and where it comes from. Times end in ``_at_s``: seconds since the epoch, UTC.
_COLUMNS: Final[tuple[tuple[str, str, Callable[[wire.Migration], Cell]], ...]] = (
    ("migration", "its id", lambda one: one.id),
    ("plan", "the id of its plan", lambda one: one.plan),
    ("attempt", "counts from 1 within a drain", lambda one: one.attempt),
    ("vm", "the UUID of the VM", lambda one: one.vm),
    ("vm_name", "its name", lambda one: one.vm_name),
    ("source", "the host it was on", lambda one: one.source),
    ("destination", "the host it was to go to", lambda one: one.destination),
    ("phase", "done, failed, cancelled, or where it is", lambda one: one.phase),
    ("is_ended", "whether it is over and nothing is in doubt", lambda one: one.is_ended),
    ("needs_person", "whether it waits for a person", lambda one: one.needs_person),
    ("cancelled_by_person", "whether a person cancelled it", lambda one: one.cancel_by_person),
    ("accepted_at_s", "when it was accepted", lambda one: one.accepted_at_s),
    ("started_at_s", "when the source was told to start", lambda one: one.started_at_s),
    ("stopped_at_s", "when the vCPUs stopped", lambda one: one.stopped_at_s),
    ("ended_at_s", "when it was over", lambda one: one.ended_at_s),
    ("memory_bytes", "the memory of the VM", lambda one: one.memory_bytes),
    ("pause_max_s", "the promise", lambda one: one.pause_max_s),
    ("pause_limit_s", "the limit ordered last", lambda one: one.pause_limit_s),
    ("pause_s", "how long the guest stood still", _result("pause_s")),
    ("is_promise_kept", "whether pause_s is at most pause_max_s", _is_kept),
    ("outage_s", "the longest time without an answer", _result("outage_s")),
    ("outage_resolution_s", "how finely that was looked at", _result("outage_resolution_s")),
    ("answers", "whether the guest answered afterwards", _result("answers")),
    ("total_s", "how long it took", _result("total_s")),
    ("transferred_bytes", "how much was sent", _result("transferred_bytes")),
    ("rounds", "rounds of copying that were seen", lambda one: one.rounds_done),
    ("announced_again", "whether the network was told again", _result("announced_again")),
    ("failure_code", "why it failed: a stable word", _failure("code")),
    ("failure_cause", "why it failed", _failure("cause")),
    ("failure_evidence", "what shows it", _failure("evidence")),
)

#: Every column with its meaning, in order.
COLUMNS: Final = tuple((name, meaning) for name, meaning, _ in _COLUMNS)


def to_csv(migrations: Sequence[wire.Migration]) -> str:
    """Write RFC 4180: a line of names, CRLF, quotes where needed; booleans are true and false."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(name for name, _ in COLUMNS)
    for one in _in_order(migrations):
        writer.writerow(_cell(read(one)) for _, _, read in _COLUMNS)
    return text.getvalue()


def to_jsonl(migrations: Sequence[wire.Migration]) -> str:
    """Write one JSON object a line, with the keys in the order of the columns."""
    rows = ({name: read(one) for name, _, read in _COLUMNS} for one in _in_order(migrations))
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def _in_order(migrations: Sequence[wire.Migration]) -> list[wire.Migration]:
    return sorted(migrations, key=lambda one: (one.accepted_at_s, one.id))


def _cell(value: Cell) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)
