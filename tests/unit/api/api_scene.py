"""Made-up hosts, VMs and readings for the tests of the API, the client and the command line."""

from dataclasses import replace
from typing import Any

from bench.plain import plain_host, plain_vm
from godwit.core.migration import Found, Whereabouts
from godwit.core.model import (
    Blocker,
    Cluster,
    CpuAnswer,
    DiskSighting,
    Host,
    HostName,
    HostRecord,
    HostVersions,
    Link,
    Presence,
    Progress,
    Round,
    RunState,
    StoragePool,
    Vm,
    VmId,
    VmSighting,
)

GIB = 1024**3
MIB = 1024**2
T0 = 1_800_000_000.0


def make_record(name: str, **changes: Any) -> HostRecord:
    uri = f"qemu+ssh://root@{name}/system"
    return HostRecord(
        name=HostName(name), uri=uri, peer_uri=uri, shared_paths=("/srv/vms",), **changes
    )


def make_host(name: str, *, unreachable: str = "", memory_gib: int = 32, **changes: Any) -> Host:
    made = plain_host(
        name,
        unreachable=unreachable,
        known=not unreachable,
        versions=HostVersions(libvirt=11_003_000, qemu=10_000_002),
        cpu_model="EPYC-Rome",
        cores=8,
        memory_total_bytes=memory_gib * GIB,
        memory_free_bytes=memory_gib * GIB // 2,
        busy_cores=1.5,
        pools=(StoragePool(name="vms", kind="netfs", path="/srv/vms", origin="nas:/vms"),),
        links=(Link(name="eth0", speed_bytes_per_s=125e6, declared=False),),
        taken_at_s=T0,
    )
    return replace(made, record=make_record(name, **changes))


def make_vm(name: str, host: str, **changes: Any) -> Vm:
    own = {
        "id": VmId(f"00000000-0000-4000-8000-{sum(name.encode()):012d}"),
        "memory_bytes": GIB,
        "taken_at_s": T0,
    }
    return plain_vm(name, host, **(own | changes))


def make_cluster() -> Cluster:
    """Three hosts, one of them silent; two VMs that can move and one that can't."""
    hosts = (
        make_host("kvm1"),
        make_host("kvm2"),
        make_host("kvm3", unreachable="connection refused"),
    )
    blocker = Blocker(what="a host device 0000:01:00.0", remedy="Detach the host device.")
    vms = (
        make_vm("gpu1", "kvm1", blockers=(blocker,)),
        make_vm("web1", "kvm1", memory_bytes=2 * GIB),
        make_vm("web2", "kvm1"),
    )
    return answer_all(Cluster(generation=7, taken_at_s=T0, hosts=hosts, vms=vms))


def answer_all(cluster: Cluster) -> Cluster:
    """Give every question of the rules an answer that lets the VM go."""
    others = [(vm, host.name) for vm in cluster.vms for host in cluster.hosts]
    return replace(
        cluster,
        cpu_answers={(vm.id, host): CpuAnswer(compatible=True) for vm, host in others},
        disk_sightings={
            (vm.id, disk.target, host): DiskSighting.SAME
            for vm, host in others
            for disk in vm.disks
        },
    )


def make_round(number: int, remaining_mib: int, limit_s: float = 0.03) -> Round:
    return Round(
        number=number,
        ended_at_s=T0 + number,
        remaining_bytes=remaining_mib * MIB,
        transferred_bytes=number * 100 * MIB,
        dirty_bytes_per_s=30.0 * MIB,
        bandwidth_bytes_per_s=110.0 * MIB,
        pause_limit_s=limit_s,
    )


def make_progress(iteration: int, remaining_mib: int) -> Progress:
    return Progress(
        taken_at_s=T0,
        iteration=iteration,
        elapsed_s=2.0,
        memory_total_bytes=2 * GIB,
        transferred_bytes=100 * MIB,
        remaining_bytes=remaining_mib * MIB,
        dirty_bytes_per_s=30.0 * MIB if iteration > 1 else 0.0,
        bandwidth_bytes_per_s=110.0 * MIB,
        expected_pause_s=0.1,
    )


def sighting(state: RunState | None) -> VmSighting:
    if state is None:
        return VmSighting(presence=Presence.ABSENT)
    return VmSighting(presence=Presence.HERE, state=state, persistent=True)


def found(where: Whereabouts) -> Found:
    pairs = {
        Whereabouts.SOURCE: (RunState.RUNNING, None),
        Whereabouts.DESTINATION: (None, RunState.RUNNING),
        Whereabouts.BOTH: (RunState.RUNNING, RunState.RUNNING),
        Whereabouts.NEITHER: (None, None),
    }
    here, there = (sighting(one) for one in pairs[where])
    why = f"source: {here.describe()}; destination: {there.describe()}"
    return Found(at_s=T0 + 9, where=where, source=here, destination=there, why=why)
