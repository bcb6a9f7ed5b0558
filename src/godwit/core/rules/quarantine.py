"""A host that is not trusted takes no further VMs; those that run there may stay."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, Vm
from godwit.core.rules.assignment import Frame
from godwit.core.rules.rule import Objection, OriginRule

__all__ = ["Quarantine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine(OriginRule):
    """None of ``vms`` comes to one of ``hosts``."""

    KIND: ClassVar[str] = "quarantine"
    SAYS: ClassVar[str] = "the hosts take no further VMs"

    def objection(self, frame: Frame, vm: Vm, host: HostName) -> Objection | None:
        """Object to a VM that comes."""
        if host not in self.hosts or frame.origins[vm.id] == host:
            return None
        return (
            f"{host} is in quarantine, and {vm.name} would come to it",
            f"Choose another host, or take {host} out of the rule when it is trusted again.",
        )

    def class_of(self, frame: Frame, origin: HostName) -> Hashable:
        """Those that are there may stay."""
        del frame
        return origin if origin in self.hosts else None

    def leaves(self, frame: Frame, origin: HostName) -> frozenset[HostName]:
        """Return all other hosts, and its own."""
        return frozenset(frame.hosts.keys() - (self.hosts - {origin}))
