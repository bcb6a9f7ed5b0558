"""Runs on the wire. The conversion from the engine's view is the API's, which may know it."""

from godwit.wire.migrations import Migration
from godwit.wire.plans import Plan, PlanKind
from godwit.wire.shape import Reply
from godwit.wire.timed import GivenUp

__all__ = ["Run", "RunDetail"]


class Run(Reply):
    """A plan of several moves that is carried out: its migrations so far, in their order.

    ``kind`` is that of the plan; ``host`` the host to be emptied, where it is one.

    Several migrations of one VM are attempts; the last one counts. ``remaining`` are the names of
    VMs still to be moved, ``unplaced`` those that the plan could not move, ``given_up`` moves that
    were never tried because what they need did not come to be.
    """

    id: str
    plan_id: str
    kind: PlanKind
    host: str | None
    state: str
    is_ended: bool
    accepted_at_s: float
    ended_at_s: float | None
    moves_planned: int
    parallel: int
    migrations: tuple[Migration, ...]
    remaining: tuple[str, ...]
    unplaced: tuple[str, ...]
    given_up: tuple[GivenUp, ...] = ()


class RunDetail(Run):
    """A run with its plan. Watching after ``last_notice`` misses nothing."""

    plan: Plan
    last_notice: int
