"""VMs of one affinity group share a host at the end of a plan.

While a group moves it is split for the time of one migration: that can't be avoided, so only the
end counts. A single VM may leave its group only when the group follows in the same plan.
"""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement

__all__ = ["RULE"]


def _check(placement: Placement) -> Refusal | None:
    host, vm, cluster = placement.host, placement.vm, placement.cluster
    ends = dict(placement.final_hosts)
    for group in cluster.groups:
        if not group.together or vm.id not in group.members:
            continue
        apart = sorted(
            f"{one.name} on {ends.get(one.id, one.host)}"
            for one in cluster.vms
            if one.id in group.members
            and one.id != vm.id
            and one.is_active
            and one.id not in placement.leaving
            and ends.get(one.id, one.host) != host.name
        )
        if apart:
            return placement.refuse(
                "affinity",
                f"the affinity group {group.name!r} would be split: {', '.join(apart)}",
                f"Drain {vm.host} to move the group as a whole, or take the VM out of the group.",
            )
    return None


RULE: Final = HostRule(name="affinity", says="the VM stays with its group", check=_check)
