"""What the engine shows to those above it: values made of core values, for reading only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from godwit.core.conductor import GivenUp
from godwit.core.migration import Migration
from godwit.core.model import (
    Calibration,
    Cluster,
    DrainId,
    HostName,
    MigrationId,
    PathKey,
    PathKnowledge,
    Vm,
    VmKnowledge,
)
from godwit.core.plan import Choice, Plan

__all__ = ["Acceptance", "DrainState", "DrainView", "VmInsight"]


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
    that are still to be moved; ``given_up`` are moves that were never tried, each with its reason.
    """

    id: DrainId
    plan: Plan
    host: HostName
    state: DrainState
    accepted_at_s: float
    ended_at_s: float | None
    migrations: tuple[Migration, ...]
    remaining: tuple[str, ...]
    given_up: tuple[GivenUp, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What accepting a plan set going: its migrations, or a drain that starts them one by one."""

    plan: Plan
    migrations: tuple[MigrationId, ...]
    drain: DrainId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmInsight:
    """What stands behind every decision about one VM, as of now: the material of "why".

    ``paths`` are those that lead away from its host. ``migrations`` are its newest, newest first.
    """

    vm: Vm
    cluster: Cluster
    choice: Choice
    known: VmKnowledge | None
    paths: Mapping[PathKey, PathKnowledge]
    calibration: Calibration
    migrations: tuple[Migration, ...]
