"""What the engine shows to those above it: values made of core values, for reading only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from godwit.core.conductor import GivenUp
from godwit.core.migration import Migration
from godwit.core.model import (
    Calibration,
    Cluster,
    HostName,
    MigrationId,
    PathKey,
    PathKnowledge,
    RunId,
    Vm,
    VmKnowledge,
)
from godwit.core.plan import Choice, Plan

__all__ = ["Acceptance", "RunState", "RunView", "VmInsight"]


class RunState(Enum):
    """Where a plan is that is carried out."""

    RUNNING = "running"
    #: Every move of the plan was made, and no VM was left out.
    DONE = "done"
    #: It ended with VMs that were not moved; each has its reason.
    PARTLY = "partly"
    CANCELLED = "cancelled"
    #: The controller ended while it ran. Its migrations in flight were adopted; ask for it again.
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A plan that is carried out, and its migrations so far in the order in which they started.

    Several migrations of one VM are attempts; the last one counts. ``remaining`` are the VMs
    that are still to be moved; ``given_up`` are moves that were never tried, each with its reason.
    """

    id: RunId
    plan: Plan
    host: HostName | None
    state: RunState
    accepted_at_s: float
    ended_at_s: float | None
    migrations: tuple[Migration, ...]
    remaining: tuple[str, ...]
    given_up: tuple[GivenUp, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What accepting a plan set going: one migration, or a run that starts its moves one by one."""

    plan: Plan
    migrations: tuple[MigrationId, ...]
    run: RunId | None


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
