"""What a report says: the outcome, the numbers against what was promised, and what is not known.

Times are seconds after the acceptance, as ``godwit show`` counts them. It holds no markup and no
drawing, and judges nothing that the engine has not judged.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from godwit import wire
from godwit.cli.forecast_words import span_words
from godwit.cli.words import outage_words, verdict_words
from godwit.core.units import format_bytes, format_duration

__all__ = [
    "Fact",
    "LimitStep",
    "Moment",
    "facts",
    "limit_steps",
    "outcome",
    "shown_span",
    "switch_moments",
    "unknowns",
    "utc",
]

_SWITCH: Final = frozenset(
    {
        "vcpus_stopped",
        "postcopy_started",
        "postcopy_broke",
        "resume_ordered",
        "cancel_ordered",
        "call_ended",
        "found",
        "repair_ordered",
        "verify_ended",
        "record_stepped",
    }
)
#: The glass shows at most so many moments; the table of the journal has them all.
_MOMENTS_MAX: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One number, and below it what it is measured against."""

    name: str
    value: str
    against: str
    tone: Literal["good", "bad", "plain"] = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitStep:
    """A pause limit and since when it was ordered, with the reason."""

    after_s: float
    limit_s: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened around the switch-over."""

    after_s: float
    event: str
    says: str


def utc(at_s: float | None) -> str:
    """Write a time in UTC: the page is read in other zones than it is written in."""
    if at_s is None:
        return "not yet"
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_s))


def outcome(migration: wire.MigrationDetail) -> str:
    """Say in one sentence how it ended, or where it is."""
    name, source, destination = migration.vm_name, migration.source, migration.destination
    cause = f": {migration.failure.cause}" if migration.failure is not None else ""
    match migration.phase:
        case "done":
            return f"{name} runs on {destination}, and only there{_paused(migration)}."
        case "cancelled":
            return f"{name} was not moved: cancelled; it runs on {source}, unharmed."
        case "failed":
            return f"{name} was not moved; it runs on {source}, unharmed{cause}."
        case "split":
            return f"{name} needs a person now: BOTH {source} and {destination} run it{cause}."
        case "lost":
            return f"{name} needs a person now: neither {source} nor {destination} runs it{cause}."
        case _:
            return f"Not over yet: {name} is {migration.phase}, {migration.phase_says}{cause}."


def _paused(migration: wire.MigrationDetail) -> str:
    result = migration.result
    if result is None or result.pause_s is None:
        return "; how long it stood still was not measured"
    said = f"; it stood still for {format_duration(result.pause_s)}"
    if result.pause_s > migration.pause_max_s:
        return f"{said}, longer than the {format_duration(migration.pause_max_s)} promised"
    return f"{said}, {format_duration(migration.pause_max_s)} were promised"


def facts(migration: wire.MigrationDetail, now_s: float) -> tuple[Fact, ...]:
    """Pause, outage, time, bytes and rounds, each against what was promised or expected."""
    return (
        _pause(migration),
        _outage(migration),
        _time(migration, now_s),
        _sent(migration),
        Fact(
            name="Rounds",
            value=str(migration.result.rounds if migration.result else migration.rounds_done),
            against=_foretold(migration, lambda one: one.rounds, lambda one: f"{one:.0f}"),
        ),
    )


def _foretold(
    migration: wire.MigrationDetail,
    read: Callable[[wire.Forecast], wire.Range],
    say: Callable[[float], str],
) -> str:
    if migration.forecast is None:
        return "no forecast was made"
    return f"forecast: {span_words(read(migration.forecast), say)}"


def _pause(migration: wire.MigrationDetail) -> Fact:
    pause_s = migration.result.pause_s if migration.result is not None else None
    promised = f"promised: at most {format_duration(migration.pause_max_s)}"
    if pause_s is None:
        never = migration.is_ended and migration.stopped_at_s is None
        value = "no stop seen" if never else "not known"
        return Fact(name="Pause", value=value, against=promised)
    verdict = verdict_words(migration)
    return Fact(
        name="Pause",
        value=format_duration(pause_s),
        against=f"{promised}{verdict or '; kept'}",
        tone="bad" if verdict else "good",
    )


def _outage(migration: wire.MigrationDetail) -> Fact:
    result = migration.result
    if result is None:
        return Fact(name="Outage", value="not known", against="measured when it has moved")
    if result.outage_s is None:
        words = outage_words(result)
        value, _, why = words.partition(": ")
        tone: Literal["bad", "plain"] = "bad" if result.answers is False else "plain"
        return Fact(name="Outage", value=value, against=why or words, tone=tone)
    within = ""
    if result.outage_resolution_s is not None:
        within = f"; looked every {format_duration(result.outage_resolution_s)}"
    foretold = _foretold(migration, lambda one: one.outage_s, format_duration)
    return Fact(
        name="Outage",
        value=format_duration(result.outage_s),
        against=f"seen by Godwit's probe{within}; {foretold}",
        tone="bad" if result.answers is False else "plain",
    )


def _time(migration: wire.MigrationDetail, now_s: float) -> Fact:
    against = _foretold(migration, lambda one: one.total_s, format_duration)
    result = migration.result
    if result is not None and result.total_s is not None:
        return Fact(name="Time", value=format_duration(result.total_s), against=against)
    if migration.started_at_s is None:
        return Fact(name="Time", value="not started", against=against)
    until_s = migration.ended_at_s if migration.ended_at_s is not None else now_s
    so_far = "" if migration.is_ended else " so far"
    value = format_duration(max(0.0, until_s - migration.started_at_s)) + so_far
    return Fact(name="Time", value=value, against=against)


def _sent(migration: wire.MigrationDetail) -> Fact:
    foretold = _foretold(migration, lambda one: one.sent_bytes, format_bytes)
    against = f"the VM has {format_bytes(migration.memory_bytes)} of memory; {foretold}"
    result = migration.result
    if result is not None and result.transferred_bytes is not None:
        value = format_bytes(result.transferred_bytes)
    elif migration.progress is not None:
        value = f"{format_bytes(migration.progress.transferred_bytes)} so far"
    elif migration.rounds:
        value = f"{format_bytes(migration.rounds[-1].transferred_bytes)} or more"
    else:
        value = "not known"
    return Fact(name="Sent", value=value, against=against)


def limit_steps(migration: wire.MigrationDetail) -> tuple[LimitStep, ...]:
    """Every pause limit that was ordered, the first one with the start."""
    return tuple(
        LimitStep(
            after_s=one.at_s - migration.accepted_at_s,
            limit_s=one.pause_limit_s,
            why=one.ground or "the recipe starts with it",
        )
        for one in migration.journal
        if one.pause_limit_s is not None
    )


def shown_span(migration: wire.MigrationDetail) -> tuple[float, float]:
    """From when to when the plots go: the copy, without the wait before and the checks after."""
    zero_s = migration.accepted_at_s
    first_s = (migration.started_at_s or zero_s) - zero_s
    ends = [one.at_s for one in migration.journal if one.event == "call_ended"]
    last_s = max(ends or [one.at_s for one in migration.journal]) - zero_s
    last_s = max([last_s, *(one.ended_at_s - zero_s for one in migration.rounds)])
    if migration.progress is not None:
        last_s = max(last_s, migration.progress.taken_at_s - zero_s)
    return first_s, max(last_s, first_s + 0.1)


def switch_moments(migration: wire.MigrationDetail) -> tuple[Moment, ...]:
    """The last two rounds and all that belongs to the switch-over, in the order of time."""
    if migration.stopped_at_s is None:
        return ()
    rounds = [one for one in migration.journal if one.event == "round_ended"][-2:]
    others = [one for one in migration.journal if one.event in _SWITCH]
    entries = sorted([*rounds, *others], key=lambda one: one.at_s)
    return tuple(
        Moment(after_s=one.at_s - migration.accepted_at_s, event=one.event, says=_short(one))
        for one in entries[:_MOMENTS_MAX]
    )


def _short(entry: wire.JournalEntry) -> str:
    match entry.event:
        case "round_ended":
            return entry.what.partition(";")[0].partition(",")[0]
        case "vcpus_stopped":
            return "vCPUs stopped"
        case "call_ended":
            return entry.what.partition(":")[0].removeprefix("the ")
        case "found":
            return f"hosts: {entry.what.removeprefix('say that ').removesuffix(', and only it')}"
        case "verify_ended":
            return "verified"
        case _:
            return entry.what.partition(":")[0]


def unknowns(migration: wire.MigrationDetail) -> tuple[str, ...]:
    """Say what this page can't tell, and why."""
    found = []
    if not migration.is_ended:
        found.append(f"The end: the migration was {migration.phase} when this page was written.")
    if migration.runner == "uncertain":
        found.append("Who runs the guest: both hosts must be read, and have not been yet.")
    found += _unknown_course(migration)
    result = migration.result
    if migration.phase == "done" and (result is None or result.pause_s is None):
        found.append("The pause: the hypervisors did not report it.")
    if migration.phase == "done" and (result is None or result.outage_s is None):
        found.append(f"The outage: {outage_words(result) if result else 'not measured'}.")
    elif result is not None and result.outage_s is not None:
        found.append("When in the switch-over the outage lay: only its length is recorded.")
    if not migration.rounds or all(one.dirty_bytes_per_s <= 0 for one in migration.rounds):
        found.append("How fast the guest writes: it is not known before the second round.")
    if migration.forecast is None:
        found.append("Forecast against fact: no forecast was made of this migration.")
    return tuple(found)


def _unknown_course(migration: wire.MigrationDetail) -> list[str]:
    if not migration.rounds:
        return ["How the memory moved: no round was recorded."]
    found = []
    if len(migration.rounds) < sum(one.event == "round_ended" for one in migration.journal):
        found.append("The first rounds in the plots: only the last ones are kept as numbers.")
    if not migration.samples:
        found.append(
            "What happened between two syncs: no samples of memory and rates were kept, so the"
            " lines between the dots are drawn, not measured."
        )
    return found
