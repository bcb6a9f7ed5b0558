"""The VMs of a group are spread evenly over the values of a label, and over enough of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, VmId, When
from godwit.core.rules.assignment import HOST, Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import Shape, ShapeTally, StillTally, Tally

__all__ = ["Spread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread(ClusterRule):
    """No value of ``by`` has more than ``most_skew`` VMs above the value that has the fewest.

    Values are those of ``hosts`` that could take VMs; one whose hosts are all in maintenance does
    not count as empty. ``least_values`` is how many values are to have one of the VMs.
    """

    KIND: ClassVar[str] = "spread"
    SAYS: ClassVar[str] = "the VMs are spread over hosts, or a label of them"

    by: str = HOST
    most_skew: int | None = 1
    least_values: int = 0
    when: When = When.END

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield a breach for too great a skew, and one for too few values."""
        frame = assignment.frame
        places = assignment.placed(self.vms)
        if not places:
            return
        # A host that nobody labelled is no place to spread over.
        counted = {vm: host for vm, host in places.items() if frame.has_value(host, self.by)}
        counts = Counter(frame.value(host, self.by) for host in counted.values())
        usable = frame.values(self.hosts & frame.fit, self.by)
        if self.most_skew is not None and usable:
            yield from self._skewed(assignment, counted, counts, usable)
        yield from self._too_few(counts, places, usable)

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Count the skew beyond what is allowed, and the values that are missing."""
        ours = {vm: places[vm] for vm in self.vms & places.keys()}
        usable = frame.values(self.hosts & frame.fit, self.by)
        if not ours:
            return StillTally(0.0)

        def amount(shape: Shape) -> float:
            missing = max(0, self.least_values - shape.used)
            if self.most_skew is None or not usable:
                return float(missing)
            return float(missing + max(0, shape.highest - shape.lowest - self.most_skew))

        return ShapeTally(
            lambda _, host: frame.value(host, self.by) if frame.has_value(host, self.by) else None,
            amount,
            ours,
            usable,
        )

    def _skewed(
        self,
        assignment: Assignment,
        places: dict[VmId, HostName],
        counts: Counter[str],
        usable: set[str],
    ) -> Iterator[Breach]:
        assert self.most_skew is not None, "asked only where there is a limit"
        frame = assignment.frame
        emptiest = min(usable, key=lambda one: (counts[one], one))
        fullest = min(counts.keys() | usable, key=lambda one: (-counts[one], one))
        skew = counts[fullest] - counts[emptiest]
        if skew <= self.most_skew:
            return
        there = [vm for vm, host in places.items() if frame.value(host, self.by) == fullest]
        yield self.breach(
            amount=float(skew - self.most_skew),
            why=f"{self.by} {fullest} has {counts[fullest]} of the VMs and {emptiest} has"
            f" {counts[emptiest]}; a difference of {self.most_skew} is allowed",
            remedy=f"Move one of {frame.names(there)} from {fullest} to {emptiest}.",
            hosts={places[vm] for vm in there},
            vms=there,
            vms_most=counts[fullest],
            vms_least=counts[emptiest],
            skew_max=self.most_skew,
        )

    def _too_few(
        self, counts: Counter[str], places: dict[VmId, HostName], usable: set[str]
    ) -> Iterator[Breach]:
        missing = self.least_values - len(counts)
        if missing <= 0:
            return
        free = ", ".join(sorted(usable - counts.keys())[:8])
        yield self.breach(
            amount=float(missing),
            why=f"{len(places)} VMs are on {len(counts)} values of {self.by}, and are to be on"
            f" {self.least_values}: {', '.join(sorted(counts)) or 'none of them has the label'}",
            remedy=f"Move one of them to {free}." if free else f"No other {self.by} can take one.",
            hosts=set(places.values()),
            vms=places,
            values_used=len(counts),
            values_used_min=self.least_values,
        )
