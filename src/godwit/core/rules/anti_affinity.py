"""VMs of one anti-affinity group never share a host (or rack, or power feed: any label of it).

Not even while one of them moves away. A member that the plan takes off the host still runs there
until its own move is done, so it counts: at every instant of the plan, not just at its end.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from godwit.core.model import HostName, VmId
from godwit.core.plan import Refusal
from godwit.core.rules.assignment import HOST, Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.placement import HostRule, Placement
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import LoadTally, Tally

__all__ = ["RULE", "AntiAffinity"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AntiAffinity(ClusterRule):
    """No two of ``vms`` share a value of ``by``. It counts those beyond the first."""

    KIND: ClassVar[str] = "anti-affinity"
    SAYS: ClassVar[str] = "no two of the VMs share a host, or a label of it"
    BY_PLACE: ClassVar[bool] = True

    by: str = HOST

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield a breach for each value that several of them are on."""
        frame = assignment.frame
        met: dict[str, dict[VmId, set[HostName]]] = {}
        for vm in sorted(self.vms & frame.vms.keys()):
            for host in assignment.hosts_of(vm):
                met.setdefault(frame.value(host, self.by), {}).setdefault(vm, set()).add(host)
        for value in sorted(one for one, there in met.items() if len(there) > 1):
            there = met[value]
            stays, *others = sorted(there, key=lambda one: frame.vms[one].name)
            yield self.breach(
                amount=float(len(others)),
                why=f"{self.by} {value} has {len(there)} VMs that must be apart:"
                f" {frame.names(there)}",
                remedy=f"Move {frame.names(others)} to another {self.by}; {frame.vms[stays].name}"
                " may stay.",
                hosts={host for hosts in there.values() for host in hosts},
                vms=there,
                vms_there=len(there),
            )

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Count those beyond the first of each value."""
        return LoadTally(
            lambda _, host: (frame.value(host, self.by), 1),
            lambda _, there, __: float(max(0, there - 1)),
            {vm: places[vm] for vm in self.vms & places.keys()},
        )
