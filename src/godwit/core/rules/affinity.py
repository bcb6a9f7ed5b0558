"""VMs of one affinity group share a host (or rack, or site: any label) at the end of a plan.

While a group moves it is split for the time of one migration: that can't be avoided, so only the
end counts. A single VM may leave its group only when the group follows in the same plan.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from godwit.core.model import HostName, VmId, When
from godwit.core.plan import Refusal
from godwit.core.rules.assignment import HOST, Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.placement import HostRule, Placement
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import ShapeTally, Tally

__all__ = ["RULE", "Affinity"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity(ClusterRule):
    """All of ``vms`` share one value of ``by``. It counts those outside the largest part."""

    KIND: ClassVar[str] = "affinity"
    SAYS: ClassVar[str] = "the VMs share a host, or a label of it"

    by: str = HOST
    when: When = When.END

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield one breach when they are apart."""
        frame = assignment.frame
        places = assignment.placed(self.vms)
        values = {vm: frame.value(host, self.by) for vm, host in places.items()}
        parts = Counter(values.values())
        if len(parts) < 2:
            return
        home = min(parts, key=lambda one: (-parts[one], one))
        apart = sorted(vm for vm, value in values.items() if value != home)
        where = "; ".join(
            f"{frame.names(vm for vm in values if values[vm] == one)} on {one}"
            for one in sorted(parts)
        )
        yield self.breach(
            amount=float(len(apart)),
            why=f"VMs that belong together are on {len(parts)} values of {self.by}: {where}",
            remedy=f"Move {frame.names(apart)} to {home}.",
            hosts=set(places.values()),
            vms=apart,
            vms_apart=len(apart),
            values_used=len(parts),
        )

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Count those outside the largest part."""
        return ShapeTally(
            lambda _, host: frame.value(host, self.by),
            lambda shape: float(shape.total - shape.highest),
            {vm: places[vm] for vm in self.vms & places.keys()},
        )
