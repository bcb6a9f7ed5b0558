"""Drains on the wire. The conversion from the engine's view is the API's, which may know it."""

from godwit.wire.migrations import Migration
from godwit.wire.plans import Plan
from godwit.wire.shape import Reply
from godwit.wire.timed import GivenUp

__all__ = ["Drain", "DrainDetail"]


class Drain(Reply):
    """A drain: its migrations so far in the order in which they started.

    Several migrations of one VM are attempts; the last one counts. ``remaining`` are the names of
    VMs still to be moved, ``unplaced`` those that the plan could not move, ``given_up`` moves that
    were never tried because what they need did not come to be.
    """

    id: str
    plan_id: str
    host: str
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


class DrainDetail(Drain):
    """A drain with its plan. Watching after ``last_notice`` misses nothing."""

    plan: Plan
    last_notice: int
