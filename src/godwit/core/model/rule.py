"""What every rule of placement has in common; its kinds, with their checkers, are in the rules."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from godwit.core.model.ids import HostName, VmId

__all__ = ["BUILT_IN", "Rule", "When"]

#: The origin of what Godwit itself wants.
BUILT_IN: Final = "built in"


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
    origin: str = BUILT_IN
    hard: bool = True
    price: float = 1.0
    when: When = When.ALWAYS
    vms: frozenset[VmId] = frozenset()
    hosts: frozenset[HostName] = frozenset()
