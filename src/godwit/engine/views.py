"""What the engine shows to those above it: values made of core values, for reading only."""

from dataclasses import dataclass
from enum import Enum

from godwit.core.migration import Migration
from godwit.core.model import DrainId, HostName, MigrationId
from godwit.core.plan import Plan

__all__ = ["Acceptance", "DrainState", "DrainView"]


class DrainState(Enum):
    """Where a drain is."""

    RUNNING = "running"
    #: Every VM of the plan left the host.
    EMPTIED = "emptied"
    #: It ended with VMs still on the host; each has its reason.
    PARTLY = "partly"
    CANCELLED = "cancelled"
    #: The controller ended while it ran. Its migrations in flight were adopted; ask for it again.
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainView:
    """A drain: its plan, and its migrations so far in the order in which they started.

    Several migrations of one VM are attempts; the last one counts. ``remaining`` are the VMs
    that are still to be moved.
    """

    id: DrainId
    plan: Plan
    host: HostName
    state: DrainState
    accepted_at_s: float
    ended_at_s: float | None
    migrations: tuple[Migration, ...]
    remaining: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What accepting a plan set going: its migrations, or a drain that starts them one by one."""

    plan: Plan
    migrations: tuple[MigrationId, ...]
    drain: DrainId | None
