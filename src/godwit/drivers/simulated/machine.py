"""One simulated host: its power, its libvirtd, and its copies of VMs.

What a daemon does to its domains when it starts again is here, after libvirt's own recovery.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from godwit.core.model import (
    Feature,
    HostName,
    HostObservation,
    HostVersions,
    RunState,
    Vm,
    VmId,
)
from godwit.drivers.simulated.guest import Guest
from godwit.drivers.simulated.trace import Trace
from godwit.ports import HypervisorEvent, HypervisorEventKind, MigrationStats

if TYPE_CHECKING:
    from godwit.drivers.simulated.job import Job

__all__ = ["Copy", "Machine"]

#: QEMU's own limit when nobody set one.
_PAUSE_LIMIT_S: Final = 0.3


@dataclass(slots=True, kw_only=True)
class Copy:
    """One host's copy of a VM. ``job`` is the migration that holds it, out or in."""

    guest: Guest
    state: RunState
    persistent: bool
    job: "Job | None" = None
    pause_limit_s: float = _PAUSE_LIMIT_S
    #: Of the memory stream; stays for the next migration, as with libvirt.
    bandwidth_bytes_per_s: float | None = None
    #: The guest ran on elsewhere after a post-copy.
    is_stale: bool = False
    announced: bool = False

    @property
    def has_process(self) -> bool:
        """Whether a QEMU exists for it."""
        return self.state is not RunState.SHUT_OFF


@dataclass(slots=True, kw_only=True)
class Machine:
    """A host. ``refuses_prepare`` is what its daemon answers to incoming migrations, if set."""

    name: HostName
    uuid: str
    cores: int
    memory_bytes: int
    trace: Trace
    now_s: Callable[[], float]
    powered: bool = True
    daemon: bool = True
    refuses_prepare: str = ""
    features: frozenset[Feature] = frozenset(Feature)
    copies: dict[VmId, Copy] = field(default_factory=dict)
    listeners: list[Callable[[HypervisorEvent], None]] = field(default_factory=list)

    def set_state(self, copy: Copy, state: RunState) -> None:
        """Change a copy's state; the only place where vCPUs start and stop."""
        copy.state = state
        self.trace.note(copy.guest.id, self.name, runs=state.runs, at_s=self.now_s())

    def end_process(self, copy: Copy) -> None:
        """A QEMU is gone: a definition stays, a transient domain does not."""
        self.set_state(copy, RunState.SHUT_OFF)
        copy.job = None
        copy.announced = False
        if not copy.persistent:
            del self.copies[copy.guest.id]

    def has_process(self, vm: VmId) -> bool:
        """Whether a QEMU of the VM exists here."""
        return vm in self.copies and self.copies[vm].has_process

    def emit(
        self,
        kind: HypervisorEventKind,
        vm: VmId | None,
        *,
        iteration: int = 0,
        stats: MigrationStats | None = None,
    ) -> None:
        """Send an event to everybody connected."""
        event = HypervisorEvent(
            kind=kind, vm=vm, at_s=self.now_s(), iteration=iteration, stats=stats
        )
        for listener in list(self.listeners):
            listener(event)

    def emit_disconnected(self) -> None:
        """Break every connection to this host, which can be made again at once."""
        self.emit(HypervisorEventKind.DISCONNECTED, None)

    def observe(self) -> HostObservation:
        """The host as its libvirt describes it."""
        return HostObservation(
            host_uuid=self.uuid,
            hostname=self.name,
            versions=HostVersions(libvirt=11_003_000, qemu=10_000_002),
            architecture="x86_64",
            cpu_model="Skylake-Server",
            cores=self.cores,
            memory_total_bytes=self.memory_bytes,
            memory_free_bytes=self.memory_bytes,
            busy_cores=0.5,
            emulator="/usr/bin/qemu-system-x86_64",
            virt_types=frozenset({"kvm"}),
            machine_types=frozenset({"pc-q35-10.0"}),
            networks=frozenset({"guests"}),
            bridges=frozenset(),
            pools=(),
            links=(),
            lacks=(),
            taken_at_s=self.now_s(),
            features=self.features,
        )

    def observe_vms(self) -> tuple[Vm, ...]:
        """All VMs of this host, running or defined."""
        return tuple(
            copy.guest.seen_on(
                self.name,
                copy.state,
                persistent=copy.persistent,
                busy_with="migration" if copy.job is not None and copy.state.runs else "",
                at_s=self.now_s(),
            )
            for _, copy in sorted(self.copies.items())
        )
