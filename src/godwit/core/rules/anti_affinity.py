"""VMs of one anti-affinity group never share a host, not even while one of them moves away.

A member that the plan takes off the host still runs there until its own move is done, so it
counts: at every instant of the plan, not just at its end.
"""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement

__all__ = ["RULE"]


def _check(placement: Placement) -> Refusal | None:
    host, vm, cluster = placement.host, placement.vm, placement.cluster
    there = {one.id: one.name for one in cluster.vms_on(host.name) if one.is_active}
    there |= {one.id: one.name for one in placement.arriving}
    names = {one.id: one.name for one in cluster.vms}
    there |= {
        one.vm: names.get(one.vm, one.vm) for one in cluster.reservations if one.host == host.name
    }
    there.pop(vm.id, None)
    for group in cluster.groups:
        if group.together or vm.id not in group.members:
            continue
        met = sorted(name for vm_id, name in there.items() if vm_id in group.members)
        if met:
            return placement.refuse(
                "anti_affinity",
                f"{host.name} has {', '.join(met)} of the anti-affinity group {group.name!r}",
                f"Move {met[0]} away from {host.name} first, or take one of them out of the group.",
            )
    return None


RULE: Final = HostRule(
    name="anti_affinity", says="no other member of the VM's groups is there", check=_check
)
