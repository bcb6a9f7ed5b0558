"""Some VMs keep off some hosts: test machines, another tenant's, those of another room."""

from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, Vm
from godwit.core.rules.assignment import Frame
from godwit.core.rules.rule import Objection, OriginRule

__all__ = ["KeepOff"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepOff(OriginRule):
    """None of ``vms`` runs on one of ``hosts``."""

    KIND: ClassVar[str] = "keep-off"
    SAYS: ClassVar[str] = "the VMs never run on these hosts"

    def objection(self, frame: Frame, vm: Vm, host: HostName) -> Objection | None:
        """Object to these hosts."""
        if host not in self.hosts:
            return None
        others = frame.usable(frame.hosts.keys() - self.hosts)
        remedy = f"Move it to another host, such as {others[0]}." if others else "Add another host."
        return f"{vm.name} is to keep off {host}", remedy

    def leaves(self, frame: Frame, origin: HostName) -> frozenset[HostName]:
        """Return all other hosts."""
        del origin
        return frozenset(frame.hosts.keys() - self.hosts)
