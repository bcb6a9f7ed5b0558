"""Timed plans on the wire: the order of the moves, what each waits for, and when it is expected."""

from godwit.core import timed as core
from godwit.core.conductor import GivenUp as CoreGivenUp
from godwit.wire.recipes import Range, range_to_wire
from godwit.wire.shape import Reply

__all__ = ["GivenUp", "Stuck", "TimedMove", "TimedPlan", "given_up_to_wire", "timed_to_wire"]


class TimedMove(Reply):
    """When one move runs. Times count from the start of the plan; its order is what holds.

    ``after`` are the moves that must be over first; of all before it, ``needs`` are those that
    must have ended well. ``final`` is another host than ``destination`` while the VM is on its way.
    ``share_fraction`` is what it has of its narrower link in the mean while it copies.
    """

    id: str
    vm: str
    vm_name: str
    source: str
    destination: str
    final: str
    after: tuple[str, ...]
    needs: tuple[str, ...]
    starts_s: Range
    ends_s: Range
    sent_bytes: float
    share_fraction: float
    sharing: str
    priority: int
    due_s: float | None
    why: str


class Stuck(Reply):
    """A VM that has a place to go to and no way there: it stays where it is and runs on.

    ``kind``: ``impossible`` is proven, ``not found`` is not, ``refused`` is a rule's.
    """

    vm: str
    vm_name: str
    source: str
    destination: str
    kind: str
    why: str
    remedy: str


class TimedPlan(Reply):
    """The moves of a plan, in its order, with their times.

    No schedule of these moves on these links can be expected to end before ``lower_bound_s``;
    ``bound_by`` says which link, chain or limit that is.
    """

    moves: tuple[TimedMove, ...]
    stuck: tuple[Stuck, ...]
    makespan_s: Range
    lower_bound_s: float
    bound_by: str
    over_bound_fraction: float
    notes: tuple[str, ...]


class GivenUp(Reply):
    """A move that was never tried, because what it needs did not come to be."""

    vm: str
    vm_name: str
    source: str
    destination: str
    why: str


def timed_to_wire(timed: core.TimedPlan) -> TimedPlan:
    """Convert a timed plan."""
    return TimedPlan(
        moves=tuple(_move(one) for one in timed.moves),
        stuck=tuple(
            Stuck(
                vm=one.vm,
                vm_name=one.vm_name,
                source=one.source,
                destination=one.destination,
                kind=one.kind.value,
                why=one.why,
                remedy=one.remedy,
            )
            for one in timed.stuck
        ),
        makespan_s=range_to_wire(timed.makespan_s),
        lower_bound_s=timed.lower_bound_s,
        bound_by=timed.bound_by,
        over_bound_fraction=timed.over_bound_fraction,
        notes=timed.notes,
    )


def _move(move: core.TimedMove) -> TimedMove:
    return TimedMove(
        id=move.id,
        vm=move.vm,
        vm_name=move.vm_name,
        source=move.source,
        destination=move.destination,
        final=move.final,
        after=move.after,
        needs=move.needs,
        starts_s=range_to_wire(move.starts_s),
        ends_s=range_to_wire(move.ends_s),
        sent_bytes=move.sent_bytes,
        share_fraction=move.share_fraction,
        sharing=move.sharing.value,
        priority=move.priority,
        due_s=move.due_s,
        why=move.why,
    )


def given_up_to_wire(one: CoreGivenUp) -> GivenUp:
    """Convert a move that was never tried."""
    return GivenUp(
        vm=one.vm,
        vm_name=one.vm_name,
        source=one.source,
        destination=one.destination,
        why=one.why,
    )
