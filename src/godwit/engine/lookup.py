"""Finding the VM and the host that a person means."""

from dataclasses import replace
from difflib import get_close_matches

from godwit.core.errors import Refused, UnknownHost, UnknownVm
from godwit.core.model import Cluster, Host, HostName, Vm
from godwit.core.planner import Mix, Place, PlanRequest

__all__ = ["find_host", "find_vm", "with_vm_ids"]


def find_vm(cluster: Cluster, name_or_id: str) -> Vm:
    """Return the one VM of that name or UUID; of several copies, the one that is active.

    Raises: UnknownVm, naming close matches and the hosts that could not be asked; Refused when
    the name means more than one VM.
    """
    found = cluster.vms_matching(name_or_id)
    active = tuple(vm for vm in found if vm.is_active) or found
    if len(active) == 1:
        return active[0]
    if active:
        raise Refused(
            f"{name_or_id!r} means more than one VM",
            evidence=", ".join(f"{vm.id} on {vm.host}" for vm in active),
            remedy="Name it by its UUID. If the UUIDs are equal, two copies may be running: look"
            " at both hosts now.",
        )
    silent = [host.name for host in cluster.hosts if not host.is_known]
    near = get_close_matches(name_or_id, sorted({vm.name for vm in cluster.vms}), n=3)
    raise UnknownVm(
        f"no host has a VM named {name_or_id!r}",
        evidence=f"not asked, because they do not answer: {', '.join(silent)}" if silent else "",
        remedy=f"Did you mean {' or '.join(near)}?" if near else "See `godwit scan`.",
    )


def find_host(cluster: Cluster, name: HostName) -> Host:
    """Return a host of the cluster. Raises: UnknownHost."""
    for one in cluster.hosts:
        if one.name == name:
            return one
    near = get_close_matches(name, sorted(one.name for one in cluster.hosts), n=3)
    raise UnknownHost(
        f"no host {name!r} is in the inventory",
        remedy=f"Did you mean {' or '.join(near)}?" if near else "See `godwit host list`.",
    )


def with_vm_ids(cluster: Cluster, asked: PlanRequest) -> PlanRequest:
    """Return a request with the id of each VM that it names. Raises: UnknownVm, Refused."""
    if isinstance(asked, Place):
        return replace(asked, vm=find_vm(cluster, asked.vm).id)
    if isinstance(asked, Mix):
        parts = tuple(
            replace(one, vm=find_vm(cluster, one.vm).id) if isinstance(one, Place) else one
            for one in asked.requests
        )
        return replace(asked, requests=parts)
    return asked
