"""Plans and schedules the drain of a made-up cluster and prints both, under its own hash seed."""

from godwit.core.model import Cluster, DiskSighting, Host, HostName, Nic, StoragePool, Vm
from godwit.core.planner import PauseSettings, plan_drain
from godwit.core.timetable import with_times
from godwit.core.units import GIB
from tests.unit.core.builders import cluster, group, host, vm

_HOSTS = [HostName(f"kvm{number}") for number in range(6)]


def _host(name: HostName) -> Host:
    """A host with sets of several words: their order depends on the hash seed."""
    return host(
        name,
        shared_paths=("/vms",),
        machine_types=frozenset({"pc-q35-10.0", "pc-i440fx-10.0"}),
        networks=frozenset({"lan", "dmz", "storage"}),
        bridges=frozenset({"br0", "br1"}),
        pools=(StoragePool(name="vms", kind="netfs", path="/vms", origin="nas:/vms"),),
    )


def _vm(number: int) -> Vm:
    return vm(
        f"vm{number:02}",
        _HOSTS[number % 3],
        memory_bytes=(1 + number % 7) * GIB,
        busy_cores=0.1 * (number % 5),
        nics=(Nic(mac="52:54:00:00:00:01", kind="network", source="lan"),),
    )


def _cluster() -> Cluster:
    vms = [_vm(number) for number in range(24)]
    return cluster(
        [_host(name) for name in _HOSTS],
        vms,
        groups=[
            group("apart", *vms[:12:3], together=False),
            group("pair", vms[3], vms[15], together=True),
        ],
        disks={(one.id, "vda", HostName("kvm4")): DiskSighting.MISSING for one in vms},
    )


def main() -> None:
    seen = _cluster()
    plan = plan_drain(seen, _HOSTS[0], parallel=2, settings=PauseSettings())
    print(f"{len(plan.moves)} moves, {len(plan.unplaced)} unplaced")
    print(plan)
    print(with_times(seen, plan, PauseSettings()))


if __name__ == "__main__":
    main()
