"""The journal of a migration as entries for people: when, who, what, and on what ground.

Every kind of event has its sentence here; the mapping is one way, the journal itself is elsewhere.
"""

from typing import assert_never

from godwit.core import migration as core
from godwit.core.units import format_bytes, format_duration, format_rate
from godwit.wire.shape import Reply

__all__ = ["JournalEntry", "Sample", "journal_to_wire", "samples_to_wire"]


class Sample(Reply):
    """A point between two rounds: ``remaining_bytes`` is of the round that goes on."""

    taken_at_s: float
    remaining_bytes: int
    transferred_bytes: int
    dirty_bytes_per_s: float
    bandwidth_bytes_per_s: float
    throttle_fraction: float = 0.0


class JournalEntry(Reply):
    """One entry. ``who`` is godwit, a person, a host, or the hosts; ``ground`` is its evidence.

    ``is_decision`` marks what Godwit or a person decided, as against what was seen.
    ``pause_limit_s`` is the limit that this entry orders, None where it orders none. An entry whose
    event is ``bandwidth_ordered`` or ``start_ordered`` limits the memory stream to
    ``bandwidth_bytes_per_s``; None leaves it unlimited.
    """

    at_s: float
    event: str
    who: str
    what: str
    ground: str = ""
    is_decision: bool = False
    pause_limit_s: float | None = None
    bandwidth_bytes_per_s: float | None = None


def journal_to_wire(
    accepted: core.Accepted, events: tuple[core.Event, ...]
) -> tuple[JournalEntry, ...]:
    """Convert the birth of a migration and all its events, in order."""
    move = accepted.move
    attempt = f" (attempt {accepted.attempt})" if accepted.attempt > 1 else ""
    told = (one for one in events if not isinstance(one, core.Traced))
    first = JournalEntry(
        at_s=accepted.at_s,
        event="accepted",
        who="person",
        what=f"accepted the move of {move.vm_name} from {move.source}"
        f" to {move.destination}{attempt}",
        ground=move.reason,
        is_decision=True,
    )
    return (first, *(_entry(accepted, one) for one in told))


def samples_to_wire(events: tuple[core.Event, ...]) -> tuple[Sample, ...]:
    """Collect the points between the rounds, in order: they are no entries of the journal."""
    return tuple(
        Sample(
            taken_at_s=one.taken_at_s,
            remaining_bytes=one.remaining_bytes,
            transferred_bytes=one.transferred_bytes,
            dirty_bytes_per_s=one.dirty_bytes_per_s,
            bandwidth_bytes_per_s=one.bandwidth_bytes_per_s,
            throttle_fraction=one.throttle_fraction,
        )
        for event in events
        if isinstance(event, core.Traced)
        for one in event.samples
    )


def _entry(accepted: core.Accepted, event: core.Event) -> JournalEntry:
    match event:
        case (
            core.PreconditionsHeld()
            | core.PreconditionsBroke()
            | core.StartOrdered()
            | core.CancelOrdered()
            | core.RepairOrdered()
            | core.ResumeOrdered()
            | core.PersonAsked()
            | core.DeadlinePassed()
            | core.ControllerRestarted()
        ):
            return _decided(accepted, event)
        case (
            core.PauseLimitOrdered()
            | core.BandwidthOrdered()
            | core.ThrottleOrdered()
            | core.PostcopyOrdered()
        ):
            return _steered(event)
        case core.RecordStepped():
            return _record(event)
        case (
            core.CopyStarted()
            | core.RoundEnded()
            | core.VcpusStopped()
            | core.PostcopyStarted()
            | core.PostcopyBroke()
            | core.CallEnded()
            | core.Found()
            | core.VerifyEnded()
        ):
            return _seen(accepted, event)
        case core.Traced():
            # Left out before: it has points to draw and nothing to say.
            return _by_godwit(event.at_s, "traced", f"kept {len(event.samples)} points")
        case _:
            assert_never(event)


def _decided(  # noqa: PLR0911 - one arm an event
    accepted: core.Accepted,
    event: core.PreconditionsHeld
    | core.PreconditionsBroke
    | core.StartOrdered
    | core.CancelOrdered
    | core.RepairOrdered
    | core.ResumeOrdered
    | core.PersonAsked
    | core.DeadlinePassed
    | core.ControllerRestarted,
) -> JournalEntry:
    at_s, move = event.at_s, accepted.move
    match event:
        case core.PreconditionsHeld():
            return _by_godwit(at_s, "preconditions_held", "read everything again: it still holds")
        case core.PreconditionsBroke(failure=failure):
            return _by_godwit(
                at_s, "preconditions_broke", f"did not start it: {failure.cause}", failure.evidence
            )
        case core.StartOrdered():
            what = f"tells {move.source} to start; pause limit"
            limit_s = move.recipe.pause_start_s
            what += f" {format_duration(limit_s)}"
            return _by_godwit(
                at_s,
                "start_ordered",
                what,
                pause_limit_s=limit_s,
                bandwidth_bytes_per_s=move.recipe.bandwidth_bytes_per_s,
            )
        case core.ResumeOrdered():
            what = f"takes the broken post-copy up again (attempt {event.attempt})"
            return _by_godwit(at_s, "resume_ordered", what)
        case core.CancelOrdered():
            return _cancel(event)
        case core.RepairOrdered():
            what = f"repairs on {event.host}: {event.action.replace('_', ' ')}"
            return _by_godwit(at_s, "repair_ordered", what, event.why)
        case core.PersonAsked():
            return JournalEntry(
                at_s=at_s,
                event="person_asked",
                who="person",
                what="asks to read both hosts again",
                is_decision=True,
            )
        case core.DeadlinePassed():
            return _by_godwit(at_s, "deadline_passed", "the phase lasted longer than it may")
        case core.ControllerRestarted():
            return _by_godwit(at_s, "controller_restarted", "a new controller took it over")
        case _:
            assert_never(event)


def _steered(
    event: core.PauseLimitOrdered
    | core.BandwidthOrdered
    | core.ThrottleOrdered
    | core.PostcopyOrdered,
) -> JournalEntry:
    match event:
        case core.PauseLimitOrdered(limit_s=limit_s):
            what = f"sets the pause limit to {format_duration(limit_s)}"
            return _by_godwit(
                event.at_s, "pause_limit_ordered", what, event.why, pause_limit_s=limit_s
            )
        case core.BandwidthOrdered(bytes_per_s=rate):
            what = "lifts the limit of the memory stream"
            if rate is not None:
                what = f"limits the memory stream to {format_rate(rate)}"
            return _by_godwit(
                event.at_s, "bandwidth_ordered", what, event.why, bandwidth_bytes_per_s=rate
            )
        case core.ThrottleOrdered():
            what = f"slows the vCPUs by {event.increment_fraction:.0%} more at each sync"
            return _by_godwit(event.at_s, "throttle_ordered", what, event.why)
        case core.PostcopyOrdered():
            what = "runs the guest at the destination, the rest of its memory follows"
            return _by_godwit(event.at_s, "postcopy_ordered", what, event.why)
        case _:
            assert_never(event)


def _record(event: core.RecordStepped) -> JournalEntry:
    outcome = "" if event.worked else " FAILED"
    return _by_godwit(
        event.at_s, "record_stepped", f"record {event.record}, {event.step}{outcome}", event.what
    )


def _seen(  # noqa: PLR0911 - one arm an event
    accepted: core.Accepted,
    event: core.CopyStarted
    | core.RoundEnded
    | core.VcpusStopped
    | core.PostcopyStarted
    | core.PostcopyBroke
    | core.CallEnded
    | core.Found
    | core.VerifyEnded,
) -> JournalEntry:
    at_s, move = event.at_s, accepted.move
    source = move.source
    match event:
        case core.CopyStarted():
            return JournalEntry(
                at_s=at_s, event="copy_started", who=source, what="copies the first memory"
            )
        case core.RoundEnded():
            return _round(source, event)
        case core.VcpusStopped():
            what = "stopped the vCPUs for the switch-over"
            return JournalEntry(at_s=at_s, event="vcpus_stopped", who=source, what=what)
        case core.PostcopyStarted():
            what = "runs the guest; the rest of its memory follows"
            return JournalEntry(
                at_s=at_s, event="postcopy_started", who=move.destination, what=what
            )
        case core.PostcopyBroke():
            what = "lost the stream of the post-copy"
            return JournalEntry(at_s=at_s, event="postcopy_broke", who=source, what=what)
        case core.CallEnded():
            failure = event.failure
            return JournalEntry(
                at_s=at_s,
                event="call_ended",
                who=source,
                what=f"the migrate call {_CALLS[event.outcome]}"
                + (f": {failure.cause}" if failure is not None else ""),
                ground=failure.evidence if failure is not None else "",
            )
        case core.Found():
            return JournalEntry(
                at_s=at_s,
                event="found",
                who="hosts",
                what=f"say that {_WHERE[event.where].format(move=accepted.move)}",
                ground=event.why,
            )
        case core.VerifyEnded():
            return _verified(accepted, event)
        case _:
            assert_never(event)


_CALLS = {
    core.CallOutcome.SUCCEEDED: "returned success",
    core.CallOutcome.REFUSED: "was refused",
    core.CallOutcome.ABORTED: "was aborted",
    core.CallOutcome.UNKNOWN: "lost its answer",
}

_WHERE = {
    core.Whereabouts.SOURCE: "{move.source} runs the guest, and only it",
    core.Whereabouts.DESTINATION: "{move.destination} runs the guest, and only it",
    core.Whereabouts.IN_PROGRESS: "the migration is still going on",
    core.Whereabouts.POSTCOPY: "{move.destination} runs the guest, and its memory follows",
    core.Whereabouts.POSTCOPY_BROKEN: "{move.destination} runs the guest, and the stream of its"
    " memory is broken",
    core.Whereabouts.BOTH: "BOTH run the guest",
    core.Whereabouts.NEITHER: "NEITHER runs the guest",
    core.Whereabouts.CANNOT_KNOW: "it can't be known yet who runs the guest",
}


def _by_godwit(
    at_s: float,
    event: str,
    what: str,
    ground: str = "",
    *,
    pause_limit_s: float | None = None,
    bandwidth_bytes_per_s: float | None = None,
) -> JournalEntry:
    return JournalEntry(
        at_s=at_s,
        event=event,
        who="godwit",
        what=what,
        ground=ground,
        is_decision=True,
        pause_limit_s=pause_limit_s,
        bandwidth_bytes_per_s=bandwidth_bytes_per_s,
    )


def _cancel(event: core.CancelOrdered) -> JournalEntry:
    failure = event.failure
    return JournalEntry(
        at_s=event.at_s,
        event="cancel_ordered",
        who="person" if event.by_person else "godwit",
        what="orders the abort" + (f": {failure.cause}" if failure is not None else ""),
        ground=failure.evidence if failure is not None else "",
        is_decision=True,
    )


def _round(source: str, event: core.RoundEnded) -> JournalEntry:
    one = event.round
    what = f"round {one.number} left {format_bytes(one.remaining_bytes)}"
    if one.dirty_bytes_per_s > 0:
        what += f"; the guest writes {format_rate(one.dirty_bytes_per_s)}"
    if one.bandwidth_bytes_per_s > 0:
        what += f", the link carries {format_rate(one.bandwidth_bytes_per_s)}"
    ground = ""
    if one.implied_pause_s is not None:
        ground = (
            f"stopping here would pause the guest {format_duration(one.implied_pause_s)},"
            f" the limit is {format_duration(one.pause_limit_s)}"
        )
    return JournalEntry(at_s=event.at_s, event="round_ended", who=source, what=what, ground=ground)


def _verified(accepted: core.Accepted, event: core.VerifyEnded) -> JournalEntry:
    result = event.result
    heard = {True: "; the guest answers from there", False: "; the guest does NOT answer", None: ""}
    return JournalEntry(
        at_s=event.at_s,
        event="verify_ended",
        who="godwit",
        what=f"verified the guest on {accepted.move.destination}{heard[result.answers]}",
        ground="; ".join(result.notes),
    )
