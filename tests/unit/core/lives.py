"""Events with every payload, and the shortest lives that lead to every phase of a migration."""

from collections import deque
from typing import get_args

from godwit.core.errors import Bug
from godwit.core.migration import (
    BandwidthOrdered,
    CallEnded,
    CallOutcome,
    CancelOrdered,
    ControllerRestarted,
    CopyStarted,
    DeadlinePassed,
    Event,
    Failure,
    Found,
    Migration,
    PauseLimitOrdered,
    PersonAsked,
    Phase,
    PostcopyBroke,
    PostcopyOrdered,
    PostcopyStarted,
    PreconditionsBroke,
    PreconditionsHeld,
    RecordStepped,
    RepairOrdered,
    Result,
    ResumeOrdered,
    RoundEnded,
    StartOrdered,
    ThrottleOrdered,
    Traced,
    VcpusStopped,
    VerifyEnded,
    Whereabouts,
    begin,
    step,
)
from godwit.core.model import HostName, Sample
from godwit.core.plan import Recipe, Throttle
from tests.unit.core.builders import ABSENT, NOW_S, accepted, here, move, round_

__all__ = [
    "ALL_EVENTS",
    "EVENT_TYPES",
    "EVERYTHING",
    "PROMISE_S",
    "REACHED",
    "SAMPLE",
    "found",
    "label",
    "walk",
]

PROMISE_S = 0.3
#: A recipe that permits whatever can be ordered.
EVERYTHING = Recipe(
    pause_start_s=0.03,
    pause_max_s=PROMISE_S,
    bandwidth_bytes_per_s=50e6,
    throttle=Throttle(increment_fraction=0.2, most_fraction=0.6),
    postcopy=True,
)
EVENT_TYPES: tuple[type[Event], ...] = get_args(Event)

_AT = NOW_S + 10
_FAILURE = Failure(code="stalled", cause="no memory moved", evidence="0 B", remedy="See the link.")


def found(where: Whereabouts, at_s: float = _AT) -> Found:
    """Both hosts were read, with this verdict."""
    return Found(at_s=at_s, where=where, source=here(), destination=ABSENT, why=where.value)


SAMPLE = Sample(
    taken_at_s=_AT,
    remaining_bytes=10,
    transferred_bytes=20,
    dirty_bytes_per_s=1.0,
    bandwidth_bytes_per_s=2.0,
)

#: Every event with every payload that ``step`` may tell apart.
ALL_EVENTS: tuple[Event, ...] = (
    PreconditionsHeld(at_s=_AT),
    PreconditionsBroke(at_s=_AT, failure=_FAILURE),
    StartOrdered(at_s=_AT),
    CopyStarted(at_s=_AT),
    RoundEnded(at_s=_AT, round=round_(1, leaves=100)),
    PauseLimitOrdered(at_s=_AT, limit_s=PROMISE_S / 2, why="a stall"),
    PauseLimitOrdered(at_s=_AT, limit_s=PROMISE_S, why="a stall"),
    BandwidthOrdered(at_s=_AT, bytes_per_s=1e8, why="a stall"),
    BandwidthOrdered(at_s=_AT, bytes_per_s=None, why="a stall"),
    ThrottleOrdered(at_s=_AT, increment_fraction=0.2, why="a stall"),
    PostcopyOrdered(at_s=_AT, why="a stall"),
    VcpusStopped(at_s=_AT),
    PostcopyStarted(at_s=_AT),
    PostcopyBroke(at_s=_AT),
    ResumeOrdered(at_s=_AT, attempt=1),
    Traced(at_s=_AT, samples=(SAMPLE,)),
    RecordStepped(at_s=_AT, record="dns", step="switch", worked=True, what="said the new place"),
    CancelOrdered(at_s=_AT, by_person=True),
    CancelOrdered(at_s=_AT, by_person=False),
    CancelOrdered(at_s=_AT, by_person=False, failure=_FAILURE),
    *(
        CallEnded(at_s=_AT, outcome=outcome, failure=failure)
        for outcome in CallOutcome
        for failure in (None, _FAILURE)
    ),
    ControllerRestarted(at_s=_AT),
    RepairOrdered(at_s=_AT, action="destroy", host=HostName("h2"), why="a leftover"),
    *(found(where) for where in Whereabouts),
    VerifyEnded(at_s=_AT, result=Result(rounds=3)),
    DeadlinePassed(at_s=_AT),
    PersonAsked(at_s=_AT),
)


def label(event: Event) -> str:
    """A short id for one event and its payload."""
    match event:
        case Found():
            return f"Found-{event.where.value}"
        case CallEnded():
            return f"CallEnded-{event.outcome.value}-{event.failure is not None}"
        case CancelOrdered():
            return f"CancelOrdered-{event.by_person}-{event.failure is not None}"
        case PauseLimitOrdered():
            return f"PauseLimitOrdered-{event.limit_s}"
        case BandwidthOrdered():
            return f"BandwidthOrdered-{event.bytes_per_s}"
        case _:
            return type(event).__name__


def walk() -> dict[Phase, tuple[Migration, tuple[Event, ...]]]:
    """Find each phase that ``step`` can reach, with the shortest life that leads there."""
    first = begin(accepted(moving=move(using=EVERYTHING)))
    reached: dict[Phase, tuple[Migration, tuple[Event, ...]]] = {first.phase: (first, ())}
    queue = deque([first.phase])
    while queue:
        migration, life = reached[queue.popleft()]
        for event in ALL_EVENTS:
            try:
                after = step(migration, event)
            except Bug:
                continue
            if after.phase not in reached:
                reached[after.phase] = (after, (*life, event))
                queue.append(after.phase)
    return reached


REACHED = walk()
