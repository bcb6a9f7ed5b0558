"""VMs and the whole cluster on the wire.

The guest's CPU description stays behind: it is for the hypervisor's comparison, not for readers.
"""

from collections.abc import Callable

from godwit.core import model as core
from godwit.core.plan import Choice as CoreChoice
from godwit.wire.choices import Choice, choice_to_wire
from godwit.wire.hosts import Host, host_to_wire
from godwit.wire.shape import Reply

__all__ = ["Cluster", "Disk", "Nic", "Vm", "VmPolicy", "cluster_to_wire", "vm_to_wire"]


class Disk(Reply):
    """One disk. ``seen_by`` says for every other host that was asked what it sees there."""

    target: str
    kind: str
    source: str | None
    format: str
    read_only: bool
    seen_by: dict[str, str]


class Nic(Reply):
    """One network card: ``source`` is the network or bridge that it joins."""

    mac: str
    kind: str
    source: str
    model: str


class VmPolicy(Reply):
    """Limits and wishes of one VM; ``pause_max_s`` is never exceeded on purpose."""

    pause_max_s: float
    affinity: tuple[str, ...]
    anti_affinity: tuple[str, ...]
    priority: int
    probe_address: str | None
    probe_tcp_port: int | None


class Vm(Reply):
    """A VM as its host described it, and where it could go."""

    id: str
    name: str
    host: str
    state: str
    is_active: bool
    persistent: bool
    memory_bytes: int
    vcpus: int
    busy_cores: float | None
    architecture: str
    machine: str
    virt_type: str
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    blockers: tuple[str, ...]
    warnings: tuple[str, ...]
    busy_with: str
    policy: VmPolicy
    taken_at_s: float
    choice: Choice


class Cluster(Reply):
    """One reading of all hosts and VMs, sorted by name."""

    generation: int
    taken_at_s: float
    hosts: tuple[Host, ...]
    vms: tuple[Vm, ...]


def cluster_to_wire(cluster: core.Cluster, choose: Callable[[core.Vm], CoreChoice]) -> Cluster:
    """Convert a reading; ``choose`` says where each of its VMs could go."""
    return Cluster(
        generation=cluster.generation,
        taken_at_s=cluster.taken_at_s,
        hosts=tuple(host_to_wire(host, cluster) for host in cluster.hosts),
        vms=tuple(vm_to_wire(vm, cluster, choose(vm)) for vm in cluster.vms),
    )


def vm_to_wire(vm: core.Vm, cluster: core.Cluster, choice: CoreChoice) -> Vm:
    """Convert a VM together with where it could go in ``cluster``."""
    return Vm(
        id=vm.id,
        name=vm.name,
        host=vm.host,
        state=vm.state.value,
        is_active=vm.is_active,
        persistent=vm.persistent,
        memory_bytes=vm.memory_bytes,
        vcpus=vm.vcpus,
        busy_cores=vm.busy_cores,
        architecture=vm.architecture,
        machine=vm.machine,
        virt_type=vm.virt_type,
        disks=tuple(_disk(vm, disk, cluster) for disk in vm.disks),
        nics=tuple(
            Nic(mac=one.mac, kind=one.kind, source=one.source, model=one.model) for one in vm.nics
        ),
        blockers=tuple(one.what for one in vm.blockers),
        warnings=vm.warnings,
        busy_with=vm.busy_with,
        policy=_policy(vm.policy),
        taken_at_s=vm.taken_at_s,
        choice=choice_to_wire(choice),
    )


def _disk(vm: core.Vm, disk: core.Disk, cluster: core.Cluster) -> Disk:
    seen: dict[str, str] = {
        host.name: sighting.value
        for host in cluster.hosts
        if (sighting := cluster.disk_sightings.get((vm.id, disk.target, host.name))) is not None
    }
    return Disk(
        target=disk.target,
        kind=disk.kind.value,
        source=disk.source,
        format=disk.format,
        read_only=disk.read_only,
        seen_by=seen,
    )


def _policy(policy: core.VmPolicy) -> VmPolicy:
    return VmPolicy(
        pause_max_s=policy.pause_max_s,
        affinity=policy.affinity,
        anti_affinity=policy.anti_affinity,
        priority=policy.priority,
        probe_address=policy.probe.address if policy.probe is not None else None,
        probe_tcp_port=policy.probe.tcp_port if policy.probe is not None else None,
    )
