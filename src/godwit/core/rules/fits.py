"""The rules about one VM on one host, asked of every VM that an assignment has moved.

CPU, machine type, storage and network reach, huge pages, NUMA, maintenance, and whether the host
answers at all. A VM that stays where it runs has shown that it can.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, Vm, VmId
from godwit.core.plan import Refusal
from godwit.core.rules.assignment import Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.placement import HostRule, Placement, VmRule
from godwit.core.rules.rule import ClusterRule, Objection, PairRule
from godwit.core.rules.tally import EachTally, Tally

__all__ = ["Fits", "Movable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits(PairRule):
    """``asks`` refuses none of ``vms`` that come to a host."""

    KIND: ClassVar[str] = "fits"
    SAYS: ClassVar[str] = "a host can take the VMs that come to it"

    asks: HostRule

    def objection(self, frame: Frame, vm: Vm, host: HostName) -> Objection | None:
        """Ask the rule about a VM that comes."""
        if host == frame.origins[vm.id]:
            return None
        there = frame.hosts.get(host)
        if there is None:
            return f"{host} is not in the inventory", "Choose a host that is."
        if there.observed is None and self.asks.name != "availability":
            return None  # that the host was never read is said once
        found = self.asks.check(Placement(cluster=frame.cluster, vm=vm, host=there))
        return None if found is None else (found.why, found.remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movable(ClusterRule):
    """``asks`` refuses none of ``vms`` that an assignment moves."""

    KIND: ClassVar[str] = "movable"
    SAYS: ClassVar[str] = "a VM that is moved can be moved live"
    BY_PLACE: ClassVar[bool] = True

    asks: VmRule

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield a breach for each VM that is moved and can't be."""
        for vm in sorted(self.vms & assignment.frame.vms.keys()):
            if not assignment.has_moved(vm):
                continue
            refusal: Refusal | None = self.asks.check(assignment.frame.vms[vm])
            if refusal is not None:
                yield self.breach(
                    amount=1.0,
                    why=refusal.why,
                    remedy=refusal.remedy,
                    hosts=assignment.hosts_of(vm),
                    vms=[vm],
                )

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Count the VMs that are away from where they were and can't be moved."""
        stuck = {
            vm for vm in self.vms & places.keys() if self.asks.check(frame.vms[vm]) is not None
        }

        def is_wrong(vm: VmId, host: HostName) -> bool:
            return vm in stuck and host != frame.origins[vm]

        return EachTally(is_wrong, {vm: places[vm] for vm in self.vms & places.keys()})
