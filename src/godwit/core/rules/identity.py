"""No other VM of the same name may be defined on the destination: libvirt names are unique."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from godwit.core.model import HostName, VmId
from godwit.core.plan import Refusal
from godwit.core.rules.assignment import Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.placement import HostRule, Placement
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import LoadTally, Tally

__all__ = ["RULE", "OneName"]


def _check(placement: Placement) -> Refusal | None:
    name, vm = placement.host.name, placement.vm
    for other in placement.cluster.vms_on(name):
        if other.name == vm.name and other.id != vm.id:
            return placement.refuse(
                "identity",
                f"{name} has another VM named {vm.name} (UUID {other.id})",
                f"Rename one of them: `virsh -c {placement.host.record.uri} domrename`.",
            )
    return None


RULE: Final = HostRule(name="identity", says="the VM's name is free on the host", check=_check)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneName(ClusterRule):
    """No two VMs of a host have one name, whether they run or are only defined there."""

    KIND: ClassVar[str] = "one-name"
    SAYS: ClassVar[str] = "the VMs of a host have names of their own"
    BY_PLACE: ClassVar[bool] = True
    OF_HOSTS: ClassVar[bool] = True

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield a breach for each name that several have. It counts those beyond the first."""
        frame = assignment.frame
        resting = _resting(frame)
        met: dict[tuple[HostName, str], list[VmId]] = {}
        for vm in sorted(frame.vms):
            for host in assignment.hosts_of(vm):
                if host in self.hosts:
                    met.setdefault((host, frame.vms[vm].name), []).append(vm)
        for (host, name), vms in sorted(met.items()):
            count = len(vms) + resting[host, name]
            if count > 1:
                yield self.breach(
                    amount=float(count - 1),
                    why=f"{host} would have {count} VMs named {name}",
                    remedy="Rename one of them (`virsh domrename`), or choose another host.",
                    hosts=[host],
                    vms=vms,
                    vms_of_that_name=count,
                )

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Count the VMs of each name on each host."""
        resting = _resting(frame)
        names = {vm: frame.vms[vm].name for vm in places}
        return LoadTally(
            lambda vm, host: ((host, names[vm]), 1) if host in self.hosts else None,
            lambda place, there, _: float(max(0, there + resting[place] - 1)) if there else 0.0,
            places,
        )


def _resting(frame: Frame) -> Counter[tuple[HostName, str]]:
    """How many VMs of a name are only defined on a host; not those that run on another one."""
    return Counter(
        (one.host, one.name)
        for one in frame.cluster.vms
        if not one.is_active and one.id not in frame.vms
    )
