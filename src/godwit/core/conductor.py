"""Many moves of one timed plan while they are carried out: by dependency, never by the clock.

A ``Course`` says where each move stands; ``ready`` names those that may start now. A move starts
when all that it waits for is over, what it needs has ended well, and the limits of flight allow it.
When its turn comes and what it needs has not come to be, it is given up with its reason, and so is
all that needs it; the rest goes on. It orders nothing and knows nothing of migrations: that is the
engine's.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from godwit.core.model import HostName, VmId
from godwit.core.timed import Limits, MoveId, TimedMove, TimedPlan

__all__ = ["Course", "GivenUp", "Standing", "begin", "ended", "ready", "started"]


class Standing(Enum):
    """Where a move stands."""

    WAITING = "waiting"
    IN_FLIGHT = "in flight"
    #: The VM has left its source for where the move was to bring it, or for another host.
    DONE = "done"
    #: It was tried, and the VM has not left, or nobody knows.
    FAILED = "failed"
    #: It was never tried, because something that it needs did not come to be.
    GIVEN_UP = "given up"


_OVER: Final = frozenset({Standing.DONE, Standing.FAILED, Standing.GIVEN_UP})
_IN_VAIN: Final = frozenset({Standing.FAILED, Standing.GIVEN_UP})


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """A move that was never tried, and why: the VM stays on ``source`` and runs on."""

    vm: VmId
    vm_name: str
    source: HostName
    destination: HostName
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A plan while it is carried out.

    ``limits`` are those that shall hold, whatever the plan was made for. ``needs`` are what each
    move needs, and the moves that bring its VM to where it starts, said or not. ``reasons`` says of
    moves that failed what became of them, and of those that were given up, why.
    """

    plan: TimedPlan
    limits: Limits
    needs: Mapping[MoveId, tuple[MoveId, ...]]
    standings: Mapping[MoveId, Standing]
    reasons: Mapping[MoveId, str] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be started or waited for."""
        return all(one in _OVER for one in self.standings.values())

    @property
    def given_up(self) -> tuple[GivenUp, ...]:
        """The moves that were never tried, in the order of the plan."""
        return tuple(
            GivenUp(
                vm=one.vm,
                vm_name=one.vm_name,
                source=one.source,
                destination=one.destination,
                why=self.reasons[one.id],
            )
            for one in self.plan.moves
            if self.standings[one.id] is Standing.GIVEN_UP
        )


def begin(plan: TimedPlan, limits: Limits) -> Course:
    """Return the course of a plan of which nothing was done yet."""
    needs: dict[MoveId, tuple[MoveId, ...]] = {}
    own: dict[VmId, tuple[MoveId, ...]] = {}
    for move in plan.moves:
        earlier = own.get(move.vm, ())
        needs[move.id] = (*move.needs, *earlier)
        own[move.vm] = (*earlier, move.id)
    waiting = {one.id: Standing.WAITING for one in plan.moves}
    return Course(plan=plan, limits=limits, needs=needs, standings=waiting)


def ready(course: Course) -> tuple[TimedMove, ...]:
    """Return the moves that may start now, all of them at once, in the order of the plan."""
    moves, standings = course.plan.moves, course.standings
    flying = [one for one in moves if standings[one.id] is Standing.IN_FLIGHT]
    taken = Counter(slot for one in flying for slot, _ in _slots(course.limits, one))
    found: list[TimedMove] = []
    for move in moves:
        if standings[move.id] is not Standing.WAITING or not _has_its_turn(course, move):
            continue
        slots = list(_slots(course.limits, move))
        if all(taken[slot] < most for slot, most in slots):
            taken.update(slot for slot, _ in slots)
            found.append(move)
    return tuple(found)


def started(course: Course, move_id: MoveId) -> Course:
    """Return the course after a move was started."""
    assert course.standings[move_id] is Standing.WAITING, "a move is started once"
    return replace(course, standings={**course.standings, move_id: Standing.IN_FLIGHT})


def ended(course: Course, move_id: MoveId, *, well: bool, fate: str = "failed") -> Course:
    """Return the course after a move has ended; who had its turn now in vain is given up.

    ``fate`` says, where it did not end well, what became of it.
    """
    assert course.standings[move_id] is Standing.IN_FLIGHT, "only what flies can land"
    standings, reasons = dict(course.standings), dict(course.reasons)
    standings[move_id] = Standing.DONE if well else Standing.FAILED
    if not well:
        reasons[move_id] = fate
    course = replace(course, standings=standings, reasons=reasons)
    while (found := _in_vain(course)) is not None:
        move, cause = found
        course = replace(
            course,
            standings={**course.standings, move.id: Standing.GIVEN_UP},
            reasons={**course.reasons, move.id: _why(course, move, cause)},
        )
    return course


def _has_its_turn(course: Course, move: TimedMove) -> bool:
    """Whether all that it waits for is over.

    What was given up was over only when all before it was: so the places in flight that it would
    have handed on are free, and the order alone goes on to keep the limits.
    """
    return all(course.standings[one] in _OVER for one in (*move.after, *course.needs[move.id]))


def _in_vain(course: Course) -> tuple[TimedMove, MoveId] | None:
    """A move that has its turn without what it needs, and what that is; None when there is none."""
    for move in course.plan.moves:
        if course.standings[move.id] is Standing.WAITING and _has_its_turn(course, move):
            for one in course.needs[move.id]:
                if course.standings[one] in _IN_VAIN:
                    return move, one
    return None


def _why(course: Course, move: TimedMove, cause: MoveId) -> str:
    other = course.plan.move(cause)
    failed = course.standings[cause] is Standing.FAILED
    fate = course.reasons[cause] if failed else "was not started either"
    if other.vm == move.vm:
        return f"it never came to {move.source}, from where it was to go on: that move {fate}"
    return f"{move.destination} has no place for it until {other.vm_name} has left: that {fate}"


def _slots(limits: Limits, move: TimedMove) -> Iterator[tuple[Hashable, int]]:
    """The places in flight that a move takes, each with how many there are."""
    if limits.whole is not None:
        yield "whole", limits.whole
    if limits.per_host is not None:
        for host in sorted({move.source, move.destination}):
            yield ("host", host), limits.per_host
    if limits.per_link is not None:
        for link in move.links:
            yield link, limits.per_link
    for number, group in enumerate(limits.groups):
        if move.vm in group.members:
            yield ("group", number), group.most
