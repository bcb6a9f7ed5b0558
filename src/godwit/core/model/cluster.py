"""The whole cluster as one value: what every decision is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from godwit.core.model.host import Host
from godwit.core.model.ids import HostName, VmId
from godwit.core.model.knowledge import Knowledge
from godwit.core.model.rule import Rule
from godwit.core.model.vm import Vm

__all__ = ["Cluster", "CpuAnswer", "DiskSighting", "Reservation", "VmGroup"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuAnswer:
    """What a destination's hypervisor said of a running guest's CPU."""

    compatible: bool
    detail: str = ""


class DiskSighting(Enum):
    """Whether a host's libvirt sees the very same storage that a VM's disk lies on."""

    SAME = "same"
    #: The host has something else, or nothing, at that place.
    MISSING = "missing"
    #: Declared shared by a person; no pool covers the path, so nothing could be checked.
    DECLARED = "declared"
    #: Neither declared shared nor on networked storage.
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Room on a destination that is promised to a migration in flight."""

    vm: VmId
    host: HostName
    memory_bytes: int
    vcpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VmGroup:
    """VMs that must share a host (``together``) or must never share one."""

    name: str
    together: bool
    members: frozenset[VmId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Everything observed in one reading. Hosts and VMs are sorted by name.

    ``generation`` grows with every change that Godwit makes or sees. ``cpu_answers`` and
    ``disk_sightings`` hold the hypervisors' own answers to questions that the rules need; a
    missing key means that nobody asked, which a rule must treat as unknown. ``known`` is what was
    learnt before this reading. ``rules`` are those that the site declares.
    """

    generation: int
    taken_at_s: float
    hosts: tuple[Host, ...]
    vms: tuple[Vm, ...]
    groups: tuple[VmGroup, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    cpu_answers: Mapping[tuple[VmId, HostName], CpuAnswer] = field(default_factory=dict)
    disk_sightings: Mapping[tuple[VmId, str, HostName], DiskSighting] = field(default_factory=dict)
    known: Knowledge = field(default_factory=Knowledge)
    rules: tuple[Rule, ...] = ()

    def host(self, name: HostName) -> Host:
        """Return the host of that name; KeyError when there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def vms_on(self, name: HostName) -> tuple[Vm, ...]:
        """Return the VMs seen on a host, sorted by name."""
        return tuple(vm for vm in self.vms if vm.host == name)

    def vms_matching(self, name_or_id: str) -> tuple[Vm, ...]:
        """Return the VMs with that name or UUID; several when two hosts show the same one."""
        return tuple(vm for vm in self.vms if name_or_id in {vm.name, vm.id})

    def memory_promised_bytes(self, name: HostName, *, without: VmId | None = None) -> int:
        """Memory promised on a host: active VMs, and migrations on their way to it."""
        held = {vm.id: vm.memory_bytes for vm in self.vms_on(name) if vm.is_active}
        for reservation in self.reservations:
            if reservation.host == name:
                held.setdefault(reservation.vm, reservation.memory_bytes)
        return sum(size for vm_id, size in held.items() if vm_id != without)

    def vcpus_promised(self, name: HostName, *, without: VmId | None = None) -> int:
        """VCPUs promised on a host: active VMs, and migrations on their way to it."""
        held = {vm.id: vm.vcpus for vm in self.vms_on(name) if vm.is_active}
        for reservation in self.reservations:
            if reservation.host == name:
                held.setdefault(reservation.vm, reservation.vcpus)
        return sum(count for vm_id, count in held.items() if vm_id != without)

    def busy_cores(self, name: HostName) -> float:
        """Cores that the VMs of a host keep busy, as far as that is known."""
        return sum(vm.busy_cores or 0.0 for vm in self.vms_on(name))
