"""Some VMs move together: when one changes its place, all of them do by the end of the plan."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, VmId, When
from godwit.core.rules.assignment import HOST, Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import ShapeTally, Tally

__all__ = ["Bundle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle(ClusterRule):
    """All of ``vms`` change their value of ``by``, or none does.

    Judged at the end: on the way there they can only go one after the other.
    """

    KIND: ClassVar[str] = "bundle"
    SAYS: ClassVar[str] = "the VMs move together or not at all"

    by: str = HOST
    when: When = When.END

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield one breach when some have moved and others have not."""
        there = sorted(self.vms & assignment.frame.vms.keys())
        moved = [vm for vm in there if self._has_moved(assignment, vm)]
        stayed = [vm for vm in there if vm not in set(moved)]
        if not moved or not stayed:
            return
        names = assignment.frame.names
        fewer = min(moved, stayed, key=len)
        yield self.breach(
            amount=float(len(fewer)),
            why=f"{names(moved)} would move without {names(stayed)}, of the same bundle",
            remedy=f"Move {names(stayed)} in the same plan, or none of them.",
            hosts={host for vm in moved for host in assignment.hosts_of(vm)},
            vms=there,
            vms_moved=len(moved),
            vms_stayed=len(stayed),
        )

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Count the fewer of those that have moved and those that have not."""
        return ShapeTally(
            lambda vm, host: self._elsewhere(frame, vm, host),
            lambda shape: float(shape.total - shape.highest),
            {vm: places[vm] for vm in self.vms & places.keys()},
        )

    def _has_moved(self, assignment: Assignment, vm: VmId) -> bool:
        place = assignment.place(vm)
        return place is None or self._elsewhere(assignment.frame, vm, place)

    def _elsewhere(self, frame: Frame, vm: VmId, host: HostName) -> bool:
        return frame.value(host, self.by) != frame.value(frame.origins[vm], self.by)
