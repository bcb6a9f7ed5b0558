"""Plans and schedules the drain of a made-up cluster and prints both, under its own hash seed."""

from godwit.core.model import (
    Cluster,
    CpuAnswer,
    Disk,
    DiskKind,
    DiskSighting,
    Host,
    HostName,
    HostObservation,
    HostRecord,
    HostVersions,
    Nic,
    RunState,
    StoragePool,
    Vm,
    VmGroup,
    VmId,
    VmPolicy,
)
from godwit.core.planner import PauseSettings, plan_drain
from godwit.core.schedule import Wanted, make_schedule
from godwit.core.units import GIB

_MACHINE = "pc-q35-10.0"
_HOSTS = [HostName(f"kvm{number}") for number in range(6)]


def _host(name: HostName) -> Host:
    uri = f"qemu+ssh://{name}/system"
    observed = HostObservation(
        host_uuid=name,
        hostname=name,
        versions=HostVersions(libvirt=11_003_000, qemu=10_000_000),
        architecture="x86_64",
        cpu_model="EPYC",
        cores=16,
        memory_total_bytes=64 * GIB,
        memory_free_bytes=32 * GIB,
        busy_cores=1.0,
        emulator="/usr/bin/qemu-system-x86_64",
        virt_types=frozenset({"kvm", "qemu"}),
        machine_types=frozenset({_MACHINE, "pc-i440fx-10.0"}),
        networks=frozenset({"lan", "dmz", "storage"}),
        bridges=frozenset({"br0", "br1"}),
        pools=(StoragePool(name="vms", kind="netfs", path="/vms", origin="nas:/vms"),),
        links=(),
        lacks=(),
        taken_at_s=1.0,
    )
    record = HostRecord(name=name, uri=uri, peer_uri=uri, shared_paths=("/vms",))
    return Host(record=record, observed=observed)


def _vm(number: int) -> Vm:
    name = f"vm{number:02}"
    return Vm(
        id=VmId(f"00000000-0000-0000-0000-{number:012}"),
        name=name,
        host=_HOSTS[number % 3],
        state=RunState.RUNNING,
        persistent=True,
        memory_bytes=(1 + number % 7) * GIB,
        vcpus=2,
        busy_cores=0.1 * (number % 5),
        architecture="x86_64",
        machine=_MACHINE,
        virt_type="kvm",
        emulator="/usr/bin/qemu-system-x86_64",
        cpu_xml="<cpu/>",
        disks=(
            Disk(target="vda", kind=DiskKind.FILE, source=f"/vms/{name}.qcow2", format="qcow2"),
        ),
        nics=(Nic(mac="52:54:00:00:00:01", kind="network", source="lan"),),
        blockers=(),
        warnings=(),
        busy_with="",
        policy=VmPolicy(),
        taken_at_s=1.0,
    )


def _cluster() -> Cluster:
    vms = tuple(_vm(number) for number in range(24))
    apart = VmGroup(name="apart", together=False, members=frozenset(vm.id for vm in vms[:12:3]))
    together = VmGroup(name="pair", together=True, members=frozenset({vms[3].id, vms[15].id}))
    pairs = [(vm, host) for vm in vms for host in _HOSTS]
    return Cluster(
        generation=7,
        taken_at_s=1.0,
        hosts=tuple(_host(name) for name in _HOSTS),
        vms=vms,
        groups=(apart, together),
        cpu_answers={(vm.id, host): CpuAnswer(compatible=True) for vm, host in pairs},
        disk_sightings={
            (vm.id, "vda", host): DiskSighting.SAME if host != "kvm4" else DiskSighting.MISSING
            for vm, host in pairs
        },
    )


def main() -> None:
    cluster = _cluster()
    plan = plan_drain(cluster, _HOSTS[0], parallel=2, settings=PauseSettings())
    print(f"{len(plan.moves)} moves, {len(plan.unplaced)} unplaced")
    print(plan)
    wanted = [Wanted(vm=one.vm, destination=one.destination) for one in plan.moves]
    print(make_schedule(cluster, wanted))


if __name__ == "__main__":
    main()
