"""So many VMs of a group are available: always, or even when any one host, rack or feed is lost."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, VmId, When
from godwit.core.rules.assignment import Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import Shape, ShapeTally, StillTally, Tally

__all__ = ["Available"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Available(ClusterRule):
    """At least ``least`` of ``vms`` run.

    With ``losing``, that many are left when any one value of that label (or host) is lost. Without,
    a VM in flight does not count: it may stand still at any moment.
    """

    KIND: ClassVar[str] = "available"
    SAYS: ClassVar[str] = "enough of the VMs run, or are left after a loss"

    least: int
    losing: str | None = None
    when: When = When.ALWAYS

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield one breach when there are too few."""
        frame = assignment.frame
        running = self._running(frame)
        if self.losing is not None and len(running) >= self.least:
            yield from self._after_a_loss(assignment, running, self.losing)
            return
        flying = [vm for vm in running if vm in assignment.flights]
        left = len(running) - (0 if self.losing is not None else len(flying))
        if left >= self.least:
            return
        under_way = f", {frame.names(flying)} in flight" if flying else ""
        yield self.breach(
            amount=float(self.least - left),
            why=f"{left} of {len(self.vms)} VMs are available, {self.least} are to be:"
            f" {len(running)} run{under_way}",
            remedy=f"Wait for {frame.names(flying)} to arrive."
            if flying and len(running) >= self.least
            else "Start more of them, or lower what the rule asks for.",
            hosts={host for vm in flying for host in assignment.hosts_of(vm)},
            vms=flying,
            vms_available=left,
            vms_available_min=self.least,
        )

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Count those that are missing; without a loss no move that is done changes that."""
        running, losing = self._running(frame), self.losing
        if losing is None or len(running) < self.least:
            return StillTally(float(max(0, self.least - len(running))))

        counted = frozenset(running)

        def missing(shape: Shape) -> float:
            return float(max(0, self.least - (shape.total - shape.highest))) if running else 0.0

        return ShapeTally(
            lambda vm, host: frame.value(host, losing) if vm in counted else None,
            missing,
            {vm: places[vm] for vm in running},
        )

    def _running(self, frame: Frame) -> list[VmId]:
        return sorted(vm for vm in self.vms if vm in frame.vms and frame.vms[vm].state.runs)

    def _after_a_loss(
        self, assignment: Assignment, running: list[VmId], losing: str
    ) -> Iterator[Breach]:
        frame = assignment.frame
        values = {vm: frame.value(host, losing) for vm, host in assignment.placed(self.vms).items()}
        values = {vm: value for vm, value in values.items() if vm in set(running)}
        parts = Counter(values.values())
        if not parts:
            return
        worst = min(parts, key=lambda one: (-parts[one], one))
        left = len(running) - parts[worst]
        if left >= self.least:
            return
        there = [vm for vm, value in values.items() if value == worst]
        yield self.breach(
            amount=float(self.least - left),
            why=f"the loss of {losing} {worst} would leave {left} of {len(running)} VMs,"
            f" {self.least} are to be left: {frame.names(there)} are all there",
            remedy=f"Move {self.least - left} of them to another {losing}.",
            hosts={assignment.places[vm] for vm in there},
            vms=there,
            vms_left=left,
            vms_left_min=self.least,
        )
