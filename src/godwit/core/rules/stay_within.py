"""Some VMs move only among hosts of their own class: same CPU generation, same site, same tenant.

A class is what a label of the hosts says. Whether a single host can run a guest is asked of the
hypervisors anyway; a class says more: that one shall never leave it, even where it could.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, Vm
from godwit.core.rules.assignment import HOST, Frame
from godwit.core.rules.rule import Objection, OriginRule

__all__ = ["StayWithin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StayWithin(OriginRule):
    """Each of ``vms`` stays on hosts with the value of ``by`` that its present host has."""

    KIND: ClassVar[str] = "stay-within"
    SAYS: ClassVar[str] = "the VMs move only among hosts of one class"

    by: str = HOST

    def objection(self, frame: Frame, vm: Vm, host: HostName) -> Objection | None:
        """Object to hosts of another class."""
        origin = frame.origins[vm.id]
        ours, theirs = frame.value(origin, self.by), frame.value(host, self.by)
        if ours == theirs:
            return None
        return (
            f"{vm.name} is to stay within {self.by} {ours}, and {host} is {self.by} {theirs}",
            f"Choose a host whose label {self.by} is {ours}, or label {host} so if it is.",
        )

    def class_of(self, frame: Frame, origin: HostName) -> Hashable:
        """Hosts of one class."""
        return frame.value(origin, self.by)

    def leaves(self, frame: Frame, origin: HostName) -> frozenset[HostName]:
        """Return the hosts of its class."""
        ours = frame.value(origin, self.by)
        return frozenset(one for one in frame.hosts if frame.value(one, self.by) == ours)
