"""Some VMs are not moved at all."""

from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, Vm
from godwit.core.rules.assignment import Frame
from godwit.core.rules.rule import Objection, PairRule

__all__ = ["Pinned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned(PairRule):
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
