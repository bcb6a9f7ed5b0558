"""What every rule of placement has in common; its kinds, with their checkers, are in the rules."""

from dataclasses import dataclass
from enum import Enum

from godwit.core.model.ids import HostName, VmId

__all__ = ["Rule", "When"]


class When(Enum):
    """At which instants of a plan a rule is to hold."""

    #: When all moves are done.
    END = "at the end"
    #: While they are under way, too.
    ALWAYS = "at every instant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule with the VMs it speaks of and the hosts it speaks of, as they were when it was read.

    ``origin`` says who declared it. A hard rule is never broken by a plan; one that is soft costs
    its ``price``, in points of the objective, for each unit by which it is broken.
    """

    name: str
    origin: str = "built in"
    hard: bool = True
    price: float = 1.0
    when: When = When.ALWAYS
    vms: frozenset[VmId] = frozenset()
    hosts: frozenset[HostName] = frozenset()

    @property
    def strength(self) -> str:
        """``hard``, or ``soft`` with its price."""
        return "hard" if self.hard else f"soft, {self.price:g} each"
