"""A host that is being emptied takes no VMs, and at the end of the plan it has none."""

from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, Vm, When
from godwit.core.rules.assignment import Frame
from godwit.core.rules.rule import Objection, OriginRule

__all__ = ["Drained"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained(OriginRule):
    """None of ``vms`` is on one of ``hosts`` in the end."""

    KIND: ClassVar[str] = "drained"
    SAYS: ClassVar[str] = "the hosts are empty in the end, and take no VMs"

    when: When = When.END

    def objection(self, frame: Frame, vm: Vm, host: HostName) -> Objection | None:
        """Object to every VM there."""
        if host not in self.hosts:
            return None
        if frame.origins[vm.id] != host:
            return f"{host} is to be empty, and {vm.name} would come to it", "Choose another host."
        return (
            f"{host} is to be empty, and {vm.name} is still there",
            f"Drain it: `godwit drain {host}`.",
        )

    def leaves(self, frame: Frame, origin: HostName) -> frozenset[HostName]:
        """Return all other hosts."""
        del origin
        return frozenset(frame.hosts.keys() - self.hosts)
