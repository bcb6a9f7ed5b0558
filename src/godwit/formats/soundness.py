"""Whether a cluster out of a file hangs together: what no type can say."""

from collections import Counter
from collections.abc import Iterator

from godwit.core.model import Cluster, Host, HostName, Vm

__all__ = ["complaint_about"]


def complaint_about(cluster: Cluster) -> str:
    """Say what is wrong with it, the first thing that is; nothing when it is sound."""
    return next(_complaints(cluster), "")


def _complaints(cluster: Cluster) -> Iterator[str]:
    names = Counter(host.name for host in cluster.hosts)
    for name, count in names.items():
        if count > 1:
            yield f"{count} hosts are named {name!r}"
    for host in cluster.hosts:
        yield from _of_host(host)
    yield from _of_vms(cluster, set(names))


def _of_vms(cluster: Cluster, names: set[HostName]) -> Iterator[str]:
    for (vm_id, where), count in Counter((vm.id, vm.host) for vm in cluster.vms).items():
        if count > 1:
            yield f"the VM {vm_id} stands {count} times on {where!r}"
    for vm in cluster.vms:
        if vm.host not in names:
            yield f"the VM {vm.name!r} is on {vm.host!r}, which is no host of this file"
        yield from _of_vm(vm)
    for one in cluster.reservations:
        if one.host not in names:
            yield f"room for the VM {one.vm} is held on {one.host!r}, no host of this file"
        if one.memory_bytes < 0 or one.vcpus < 0:
            yield f"the room held for the VM {one.vm} on {one.host!r} is below zero"


def _of_host(host: Host) -> Iterator[str]:
    record, seen = host.record, host.observed
    if not host.name:
        yield "a host has no name"
    if record.memory_reserve_bytes < 0:
        yield f"the memory reserve of {host.name!r} is below zero"
    if record.cores_overcommit <= 0:
        yield f"the overcommit of cores of {host.name!r} is not above zero"
    if seen is not None and (seen.cores < 0 or seen.memory_total_bytes < 0):
        yield f"cores or memory of {host.name!r} are below zero"
    if seen is not None and (seen.busy_cores or 0.0) < 0:
        yield f"the busy cores of {host.name!r} are below zero"


def _of_vm(vm: Vm) -> Iterator[str]:
    if not vm.id:
        yield f"the VM {vm.name!r} has no id"
    if vm.memory_bytes < 0 or vm.vcpus < 0:
        yield f"memory or vCPUs of the VM {vm.name!r} are below zero"
    if (vm.busy_cores or 0.0) < 0:
        yield f"the busy cores of the VM {vm.name!r} are below zero"
