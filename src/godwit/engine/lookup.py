"""Finding the VM that a person means."""

from difflib import get_close_matches

from godwit.core.errors import Refused, UnknownVm
from godwit.core.model import Cluster, Vm

__all__ = ["find_vm"]


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
