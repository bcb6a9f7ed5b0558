"""Some VMs run on some hosts only: a licence, a device, a customer's own machines."""

from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, Vm
from godwit.core.rules.assignment import Frame
from godwit.core.rules.rule import Objection, OriginRule

__all__ = ["RunOn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOn(OriginRule):
    """Each of ``vms`` runs on one of ``hosts``."""

    KIND: ClassVar[str] = "run-on"
    SAYS: ClassVar[str] = "the VMs run on these hosts only"

    def objection(self, frame: Frame, vm: Vm, host: HostName) -> Objection | None:
        """Object to every other host."""
        if host in self.hosts:
            return None
        listed = sorted(self.hosts)
        allowed = ", ".join(listed[:8]) or "none that is known"
        more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
        why = f"{vm.name} is to run on {allowed}{more}, and {host} is not among them"
        usable = frame.usable(self.hosts)
        if usable:
            return why, f"Move it to {usable[0]}, or give {host} what the rule asks for."
        return why, "Give a host the name or label that the rule asks for, or mend the rule."

    def leaves(self, frame: Frame, origin: HostName) -> frozenset[HostName]:
        """Return these hosts."""
        del origin
        return self.hosts & frame.hosts.keys()
