"""The history as rows for other programs: one a migration, the oldest first.

The columns are a promise: a new one comes last, none changes its meaning. What was not measured is
empty (CSV) or null (JSON, Parquet), never zero. Values stand as they are: a program that reads the
file as formulas must be told not to. Parquet needs a package that not everybody has.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from godwit import wire
from godwit.core.errors import Unsupported

__all__ = ["COLUMNS", "to_csv", "to_jsonl", "to_parquet"]

Cell: TypeAlias = str | float | bool | None
#: How a column is typed where types are written down: text, a float, a whole number, a yes or no.
_Kind: TypeAlias = Literal["string", "float64", "int64", "bool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    name: str
    meaning: str
    kind: _Kind
    read: Callable[[wire.Migration], Cell]


def _result(name: str) -> Callable[[wire.Migration], Cell]:
    return lambda one: getattr(one.result, name) if one.result is not None else None


def _failure(name: str) -> Callable[[wire.Migration], Cell]:
    return lambda one: getattr(one.failure, name) if one.failure is not None else None


def _is_kept(one: wire.Migration) -> Cell:
    if one.result is None or one.result.pause_s is None:
        return None
    return one.result.pause_s <= one.pause_max_s


def _column(
    name: str, meaning: str, kind: _Kind, read: Callable[[wire.Migration], Cell]
) -> _Column:
    return _Column(name=name, meaning=meaning, kind=kind, read=read)


def _forecast(read: Callable[[wire.Forecast], Cell]) -> Callable[[wire.Migration], Cell]:
    return lambda one: read(one.forecast) if one.forecast is not None else None


def _range(
    name: str, unit: str, what: str, read: Callable[[wire.Forecast], wire.Range]
) -> Iterator[_Column]:
    ends: tuple[tuple[str, str, Callable[[wire.Range], float]], ...] = (
        ("low", "the low end of nine cases in ten", lambda one: one.low),
        ("likely", "the median", lambda one: one.likely),
        ("high", "the high end of nine cases in ten", lambda one: one.high),
    )
    for end, says, pick in ends:
        yield _column(
            f"forecast_{name}_{end}{unit}",
            f"forecast of {what}: {says}",
            "float64",
            _forecast(lambda one, pick=pick: pick(read(one))),  # type: ignore[misc]
        )


#: Times end in ``_at_s``: seconds since the epoch, UTC.
_FACTS: Final = (
    _column("migration", "its id", "string", lambda one: one.id),
    _column("plan", "the id of its plan", "string", lambda one: one.plan),
    _column("attempt", "counts from 1 within a drain", "int64", lambda one: one.attempt),
    _column("vm", "the UUID of the VM", "string", lambda one: one.vm),
    _column("vm_name", "its name", "string", lambda one: one.vm_name),
    _column("source", "the host it was on", "string", lambda one: one.source),
    _column("destination", "the host it was to go to", "string", lambda one: one.destination),
    _column("phase", "done, failed, cancelled, or where it is", "string", lambda one: one.phase),
    _column(
        "is_ended", "whether it is over and nothing is in doubt", "bool", lambda one: one.is_ended
    ),
    _column("needs_person", "whether it waits for a person", "bool", lambda one: one.needs_person),
    _column(
        "cancelled_by_person",
        "whether a person cancelled it",
        "bool",
        lambda one: one.cancel_by_person,
    ),
    _column("accepted_at_s", "when it was accepted", "float64", lambda one: one.accepted_at_s),
    _column(
        "started_at_s", "when the source was told to start", "float64", lambda one: one.started_at_s
    ),
    _column("stopped_at_s", "when the vCPUs stopped", "float64", lambda one: one.stopped_at_s),
    _column("ended_at_s", "when it was over", "float64", lambda one: one.ended_at_s),
    _column("memory_bytes", "the memory of the VM", "int64", lambda one: one.memory_bytes),
    _column("pause_max_s", "the promise", "float64", lambda one: one.pause_max_s),
    _column("pause_limit_s", "the limit ordered last", "float64", lambda one: one.pause_limit_s),
    _column("pause_s", "how long the guest stood still", "float64", _result("pause_s")),
    _column("is_promise_kept", "whether pause_s is at most pause_max_s", "bool", _is_kept),
    _column("outage_s", "the longest time without an answer", "float64", _result("outage_s")),
    _column(
        "outage_resolution_s",
        "how finely that was looked at",
        "float64",
        _result("outage_resolution_s"),
    ),
    _column("answers", "whether the guest answered afterwards", "bool", _result("answers")),
    _column("total_s", "how long it took", "float64", _result("total_s")),
    _column("transferred_bytes", "how much was sent", "int64", _result("transferred_bytes")),
    _column("rounds", "rounds of copying that were seen", "int64", lambda one: one.rounds_done),
    _column(
        "announced_again", "whether the network was told again", "bool", _result("announced_again")
    ),
    _column("failure_code", "why it failed: a stable word", "string", _failure("code")),
    _column("failure_cause", "why it failed", "string", _failure("cause")),
    _column("failure_evidence", "what shows it", "string", _failure("evidence")),
)

_RECIPE: Final = (
    _column(
        "stream", "one of plain, xbzrle, multifd-2, ...", "string", lambda one: one.recipe.stream
    ),
    _column(
        "may_throttle",
        "whether vCPUs could be slowed",
        "bool",
        lambda one: one.recipe.throttle is not None,
    ),
    _column(
        "may_postcopy", "whether post-copy was permitted", "bool", lambda one: one.recipe.postcopy
    ),
    _column("deadline_s", "how long it could take", "float64", lambda one: one.recipe.deadline_s),
    _column(
        "pause_longer_s",
        "a pause permitted as the last resort",
        "float64",
        lambda one: one.recipe.pause_longer_s,
    ),
)

#: Each figure as its range; the fact stands in the column named here.
_FORECAST: Final = (
    *_range("total", "_s", "the time", lambda one: one.total_s),
    *_range("pause", "_s", "the pause", lambda one: one.pause_s),
    *_range("outage", "_s", "the outage", lambda one: one.outage_s),
    *_range("transferred", "_bytes", "what is sent", lambda one: one.sent_bytes),
    *_range("rounds", "", "the rounds", lambda one: one.rounds),
    _column(
        "forecast_converges_fraction",
        "the chance that the copy comes to its end",
        "float64",
        _forecast(lambda one: one.converges),
    ),
    _column(
        "forecast_keeps_promise_fraction",
        "the chance that it does so within the promise",
        "float64",
        _forecast(lambda one: one.keeps_promise),
    ),
    _column(
        "forecast_made_at_s",
        "when the forecast was made",
        "float64",
        _forecast(lambda one: one.made_at_s),
    ),
)

_COLUMNS: Final = (*_FACTS, *_RECIPE, *_FORECAST)

#: Every column with its meaning, in order.
COLUMNS: Final = tuple((one.name, one.meaning) for one in _COLUMNS)


def to_csv(migrations: Sequence[wire.Migration]) -> str:
    """Write RFC 4180: a line of names, CRLF, quotes where needed; booleans are true and false."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(name for name, _ in COLUMNS)
    for one in _in_order(migrations):
        writer.writerow(_cell(column.read(one)) for column in _COLUMNS)
    return text.getvalue()


def to_jsonl(migrations: Sequence[wire.Migration]) -> str:
    """Write one JSON object a line, with the keys in the order of the columns."""
    rows = ({column.name: column.read(one) for column in _COLUMNS} for one in _in_order(migrations))
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def to_parquet(migrations: Sequence[wire.Migration]) -> bytes:
    """Write a Parquet file; a column keeps its type where it holds no value.

    Raises: Unsupported without pyarrow, which only the extra ``parquet`` brings.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise Unsupported(
            "Parquet can't be written: pyarrow is not installed",
            evidence=str(error),
            remedy="Install it with `pip install 'godwit[parquet]'`, or export --format csv.",
        ) from error
    rows = _in_order(migrations)
    schema = pa.schema(
        [
            pa.field(one.name, pa.type_for_alias(one.kind), metadata={"says": one.meaning})
            for one in _COLUMNS
        ]
    )
    columns = {one.name: [one.read(row) for row in rows] for one in _COLUMNS}
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns, schema=schema), buffer)
    return buffer.getvalue()


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
