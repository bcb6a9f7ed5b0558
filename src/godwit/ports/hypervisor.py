"""What the engine needs from hypervisors: one host to be read, ordered and tuned."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from godwit.core.model import (
    CpuAnswer,
    DirtyObservation,
    HostObservation,
    HostRecord,
    Progress,
    Vm,
    VmId,
    VmPolicy,
    VmSighting,
)
from godwit.core.plan import Recipe

__all__ = [
    "Connector",
    "DiskStamp",
    "HostMover",
    "HostReader",
    "HostReading",
    "HostTuner",
    "HypervisorEvent",
    "HypervisorEventKind",
    "HypervisorHost",
    "MigrationOrder",
    "MigrationStats",
    "RepairAction",
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
    ``resume`` takes a broken post-copy up again: everything else is as it was ordered before.
    """

    vm: VmId
    peer_uri: str
    migration_address: str | None
    persistent: bool
    recipe: Recipe
    resume: bool = False


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
    #: On the source: the guest runs at the destination from now on, and pages follow.
    POSTCOPY_STARTED = "postcopy_started"
    #: On either side: the stream of a post-copy broke.
    POSTCOPY_BROKE = "postcopy_broke"
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


class HostTuner(Protocol):
    """What can be ordered of a migration that runs, beside its pause limit, and asked before it.

    Raises: HostUnreachable when nothing could be asked, StepRefused when the hypervisor refuses.
    """

    async def set_bandwidth(self, vm: VmId, bytes_per_s: float | None) -> None:
        """Limit the memory stream; None lifts the limit."""
        ...

    async def raise_throttle(self, vm: VmId, increment_fraction: float) -> None:
        """Let the hypervisor slow the vCPUs by this much more at each sync, from the next one on.

        Only of a migration whose recipe has a throttle.
        """
        ...

    async def start_postcopy(self, vm: VmId) -> None:
        """Let the guest run at the destination before all of its memory is there.

        Only of a migration whose recipe permits it. There is no way back: see POSTCOPY.
        """
        ...

    async def measure_dirtying(self, vm: VmId, *, window_s: float) -> DirtyObservation | None:
        """Measure how much memory a running VM writes within the window; waits that long.

        None where the hypervisor can't say. Never of a VM that migrates or stands still: refused.
        """
        ...

    async def put_policy(self, vm: VmId, policy: VmPolicy) -> None:
        """Write the fields named in ``policy.given`` into the VM's own metadata, and only those.

        Everything else in the metadata stays as it is. Raises: BadValue when what is there can't
        be understood.
        """
        ...


class HypervisorHost(HostReader, HostMover, HostTuner, Protocol):
    """One host, to be read, to be ordered and to be tuned."""


class Connector(Protocol):
    """Makes hosts of records; connects when first used."""

    def connect(self, record: HostRecord) -> HypervisorHost:
        """Return the host, without talking to it yet."""
        ...
