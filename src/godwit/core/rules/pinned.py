"""Some VMs are not moved at all."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, Vm
from godwit.core.rules.assignment import Frame
from godwit.core.rules.rule import Objection, OriginRule

__all__ = ["Pinned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned(OriginRule):
    """Each of ``vms`` stays where it is."""

    KIND: ClassVar[str] = "pinned"
    SAYS: ClassVar[str] = "the VMs stay where they are"

    def objection(self, frame: Frame, vm: Vm, host: HostName) -> Objection | None:
        """Object to every other host."""
        origin = frame.origins[vm.id]
        if host == origin:
            return None
        return (
            f"{vm.name} is pinned to {origin}",
            "Leave it there, or take it out of the rule for the time of the move.",
        )

    def class_of(self, frame: Frame, origin: HostName) -> Hashable:
        """Each host for itself."""
        del frame
        return origin

    def leaves(self, frame: Frame, origin: HostName) -> frozenset[HostName]:
        """Return its own."""
        del frame
        return frozenset({origin})
