"""What the engine needs from the world: small protocols, declared by their consumer.

An implementation maps every foreign failure to the tree in ``godwit.core.errors``. It never
decides: it reports and carries out.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from godwit.core.migration import Accepted, Event
from godwit.core.model import (
    CpuAnswer,
    DrainId,
    HostName,
    HostObservation,
    HostRecord,
    MigrationId,
    PlanId,
    Probe,
    Progress,
    Vm,
    VmId,
    VmSighting,
)
from godwit.core.plan import Plan

__all__ = [
    "Clock",
    "Connector",
    "DiskStamp",
    "HostMover",
    "HostReader",
    "HostReading",
    "HypervisorEvent",
    "HypervisorEventKind",
    "HypervisorHost",
    "Journal",
    "MigrationOrder",
    "MigrationStats",
    "Prober",
    "RepairAction",
    "Store",
    "StoredDrain",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReading:
    """One reading of a whole host: itself and all its VMs."""

    host: HostObservation
    vms: tuple[Vm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationOrder:
    """All that the source must be told.

    ``peer_uri`` and ``migration_address`` are those of the destination, as the source reaches them.
    """

    vm: VmId
    peer_uri: str
    migration_address: str | None
    bandwidth_bytes_per_s: float | None
    pause_limit_s: float
    persistent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStats:
    """What the hypervisors themselves measured of a migration that ended well."""

    pause_s: float | None
    total_s: float | None
    transferred_bytes: int | None
    iterations: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskStamp:
    """What a host's storage knows of one path: covered by a pool, there, and when it changed.

    Times are seconds since the epoch, by the clock of the storage, as finely as it keeps them.
    """

    covered: bool
    present: bool = False
    modified_at_s: float = 0.0
    changed_at_s: float = 0.0
    capacity_bytes: int = 0
    taken_at_s: float = 0.0


class HypervisorEventKind(Enum):
    """What a host's hypervisor tells by itself about one VM."""

    ITERATION = "iteration"
    VCPUS_STOPPED = "vcpus_stopped"
    RESUMED = "resumed"
    STOPPED = "stopped"
    JOB_COMPLETED = "job_completed"
    #: The connection broke: events may have been missed since the last one.
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorEvent:
    """One event. ``vm`` is None for DISCONNECTED; ``stats`` comes with JOB_COMPLETED."""

    kind: HypervisorEventKind
    vm: VmId | None
    at_s: float
    iteration: int = 0
    stats: MigrationStats | None = None


class RepairAction(Enum):
    """What can be done to one host's copy of a VM."""

    DESTROY = "destroy"
    RESUME = "resume"
    UNDEFINE = "undefine"
    ANNOUNCE = "announce"


class HostReader(Protocol):
    """What can be asked of one host. Raises HostUnreachable when nothing could be asked."""

    async def read(self) -> HostReading:
        """Read the host and all its VMs; bulk calls only."""
        ...

    async def see(self, vm: VmId) -> VmSighting:
        """Say whether the VM is here and in which state. Never raises: unknown is an answer."""
        ...

    async def accepts_cpu(self, vm: Vm) -> CpuAnswer:
        """Ask the hypervisor whether it can give a running guest its CPU."""
        ...

    async def stamp(self, path: str) -> DiskStamp:
        """Say what this host's storage knows of a path."""
        ...

    async def addresses(self, vm: VmId) -> tuple[str, ...]:
        """Say under which network addresses the host knows the guest; often none."""
        ...

    def events(self) -> AsyncIterator[HypervisorEvent]:
        """Yield events from the first step of the iteration on, in order."""
        ...

    async def close(self) -> None:
        """Close all connections; never waits for a host that hangs."""
        ...


class HostMover(Protocol):
    """What can be ordered of one host. Raises HostUnreachable when nothing could be asked."""

    async def migrate(self, order: MigrationOrder) -> None:
        """Move a VM away, peer to peer. Returns when the source's libvirt says that it is over.

        Raises: Aborted, StepRefused when it did not happen, OutcomeUnknown when the answer was
        lost.
        """
        ...

    async def progress(self, vm: VmId) -> Progress | None:
        """Read the statistics of the running job; None when there is none."""
        ...

    async def set_pause_limit(self, vm: VmId, limit_s: float) -> None:
        """Set the pause limit of a migration that runs or is about to."""
        ...

    async def abort(self, vm: VmId) -> None:
        """Ask for the abort of a migration. A request: it may come too late."""
        ...

    async def repair(self, vm: VmId, action: RepairAction) -> None:
        """Carry out one repair on this host's copy."""
        ...


class HypervisorHost(HostReader, HostMover, Protocol):
    """One host, to be read and to be ordered."""


class Connector(Protocol):
    """Makes hosts of records; connects when first used."""

    def connect(self, record: HostRecord) -> HypervisorHost:
        """Return the host, without talking to it yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDrain:
    """A drain that was accepted, and what became of it; it runs while ``ended_at_s`` is None."""

    id: DrainId
    plan: PlanId
    host: HostName
    accepted_at_s: float
    ended_at_s: float | None = None
    cancelled: bool = False
    interrupted: bool = False


class Store(Protocol):
    """What survives the controller. Every write is durable when the call returns.

    All methods are quick and synchronous; the store belongs to one controller at a time.
    Raises: StoreBusy when another process holds it, GodwitError when the disk fails.
    """

    def generation(self) -> int:
        """The number of the last change of the cluster that Godwit made or saw."""
        ...

    def next_generation(self) -> int:
        """Count one change, durably, and return its number."""
        ...

    def hosts(self) -> tuple[HostRecord, ...]:
        """All recorded hosts, by name."""
        ...

    def put_hosts(self, records: Sequence[HostRecord]) -> None:
        """Add or replace hosts: all of them or, when it fails, none."""
        ...

    def remove_host(self, name: HostName) -> None:
        """Forget a host. Raises: UnknownHost."""
        ...

    def add_plan(self, plan: Plan) -> Plan:
        """Keep a plan under a new short id (``p-`` and six characters) and return it with it."""
        ...

    def plan(self, plan_id: PlanId) -> Plan:
        """Return a plan. Raises: UnknownPlan."""
        ...

    def put_drain(self, drain: StoredDrain) -> None:
        """Add or replace a drain."""
        ...

    def drains(self, *, limit: int) -> tuple[StoredDrain, ...]:
        """The newest drains, newest first."""
        ...


class Journal(Protocol):
    """The append-only memory of all migrations: intent before effect, outcome after it."""

    def accept(self, accepted: Accepted) -> None:
        """Write the birth of a migration, durably."""
        ...

    def append(self, migration: MigrationId, event: Event) -> None:
        """Write one event, durably, before its effect is ordered."""
        ...

    def life(self, migration: MigrationId) -> tuple[Accepted, tuple[Event, ...]]:
        """Return the birth and all events in order. Raises: UnknownMigration."""
        ...

    def unfinished(self) -> tuple[MigrationId, ...]:
        """The migrations whose last event did not end them, oldest first."""
        ...

    def newest(self, *, limit: int) -> tuple[MigrationId, ...]:
        """The newest migrations, newest first."""
        ...

    def mark_ended(self, migration: MigrationId) -> None:
        """Note that the fold of the journal has ended, so that ``unfinished`` need not fold it."""
        ...


class Prober(Protocol):
    """Asks a guest over the network whether it answers."""

    async def answers(self, probe: Probe, *, timeout_s: float) -> bool:
        """Whether the guest answered within the time."""
        ...


class Clock(Protocol):
    """The two clocks and the sleep of the engine."""

    def now_s(self) -> float:
        """Wall clock, seconds since the epoch."""
        ...

    def monotonic_s(self) -> float:
        """A clock that never goes back, for durations."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Wait."""
        ...
