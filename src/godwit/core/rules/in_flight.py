"""At most so many VMs of a group are in flight at once: each stands still for a moment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, VmId
from godwit.core.rules.assignment import Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import StillTally, Tally

__all__ = ["InFlight"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight(ClusterRule):
    """At most ``most`` of ``vms`` migrate at the same time."""

    KIND: ClassVar[str] = "in-flight"
    SAYS: ClassVar[str] = "only so many of the VMs migrate at once"

    most: int = 1

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield one breach when more are under way."""
        flying = sorted(self.vms & assignment.flights.keys())
        if len(flying) <= self.most:
            return
        yield self.breach(
            amount=float(len(flying) - self.most),
            why=f"{len(flying)} VMs of which at most {self.most} may be in flight:"
            f" {assignment.frame.names(flying)}",
            remedy="Wait until one of them has arrived.",
            hosts={host for vm in flying for host in assignment.hosts_of(vm)},
            vms=flying,
            vms_in_flight=len(flying),
            vms_in_flight_max=self.most,
        )

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Nothing flies at the end."""
        del frame, places
        return StillTally(0.0)
