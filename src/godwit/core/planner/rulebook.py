"""What the rules say of an end, exactly: by how much it breaks each of them, and at which price.

The search follows some rules by increments and some only nearly; this is what a plan is judged by.
Not in the book: what a VM needs of a single host (``permits``), and memory, cores and VMs that are
apart, which the objective counts from the reading's own numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from godwit.core.model import BUILT_IN, Cluster, HostName, Rule, VmId, When
from godwit.core.planner.reading import Reading
from godwit.core.rules import (
    Absorb,
    AntiAffinity,
    Assignment,
    Breach,
    Capacity,
    ClusterRule,
    Fits,
    HugePages,
    Movable,
    NumaCells,
    OneName,
    Standing,
    breaches_of,
    end_of,
    rules_in_force,
    taken_back,
)

__all__ = ["RuleAmount", "Rulebook", "ends_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAmount:
    """By how much a soft rule is broken, and what each unit of that costs."""

    name: str
    says: str
    price: float
    amount: float


class Rulebook:
    """The rules of one cluster; empty, and then free of cost, where nobody declared any."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.in_force = rules_in_force(cluster)
        self.weighed = tuple(
            one
            for one in self.in_force
            if isinstance(one, ClusterRule) and _is_weighed(one, cluster)
        )
        #: Whether the site has its own rule about the loss of a host.
        self.has_absorb = any(isinstance(one, Absorb) for one in cluster.rules)

    @property
    def hard(self) -> tuple[ClusterRule, ...]:
        """Those of the book that no plan may break."""
        return tuple(one for one in self.weighed if one.hard)

    @property
    def soft(self) -> tuple[ClusterRule, ...]:
        """Those of the book that have a price."""
        return tuple(one for one in self.weighed if not one.hard)

    @cached_property
    def landed(self) -> Assignment:
        """The cluster when what is in flight has landed."""
        return end_of(self.cluster, {})

    def end(self, ends: Mapping[VmId, HostName]) -> Assignment:
        """The cluster after these moves."""
        return self.landed.with_places(ends)

    def amounts(self, ends: Mapping[VmId, HostName]) -> tuple[float, ...]:
        """By how much each rule of the book is broken then, in their order.

        The moves are made on a standing that is kept, and taken back: that takes time for the rules
        that they touch alone.
        """
        if not self.weighed:
            return ()
        standing, was = self._standing, {vm: self.landed.places[vm] for vm in ends}
        for vm, host in ends.items():
            standing.move(vm, host)
        found = tuple(
            sum(one.amount for one in rule.check(self.end(ends)))
            if (amount := standing.amount(number)) is None
            else amount
            for number, rule in enumerate(self.weighed)
        )
        for vm, host in was.items():
            standing.move(vm, host)
        return found

    @cached_property
    def _standing(self) -> Standing:
        return Standing(self.weighed, self.cluster)

    def standing(self, ends: Mapping[VmId, HostName] | None = None) -> Standing | None:
        """The rules of the book, ready to weigh moves one by one; None where there are none."""
        return Standing(self.weighed, self.cluster, ends or {}) if self.weighed else None

    def breaches(self, ends: Mapping[VmId, HostName]) -> tuple[Breach, ...]:
        """What is broken then, in words; what a VM needs of a host is not asked again."""
        asked = [one for one in self.in_force if not isinstance(one, Fits | Movable)]
        if not self.has_absorb:
            asked = [one for one in asked if not isinstance(one, Absorb)]
        return breaches_of(asked, self.end(ends), at_end=True)

    def taken_back(self, ends: Mapping[VmId, HostName]) -> dict[VmId, Breach]:
        """The VMs that have to stay after all, so that no hard rule is broken further.

        What the search knows for certain is asked only where something was taken back.
        """
        if not self.hard or not ends:
            return {}
        dropped = taken_back(self.hard, self.cluster, ends)
        if dropped:
            asked = [one for one in self.in_force if not isinstance(one, Fits | Movable)]
            kept = {vm: host for vm, host in ends.items() if vm not in dropped}
            dropped |= taken_back(asked, self.cluster, kept)
        return dropped


def ends_of(reading: Reading, where: npt.NDArray[np.integer]) -> dict[VmId, HostName]:
    """The moves to an assignment of bundles, VM by VM."""
    return {
        vm.id: reading.name(int(where[number]))
        for number in np.flatnonzero(where != reading.at).tolist()
        for vm in reading.bundles[number].vms
    }


def _is_weighed(rule: Rule, cluster: Cluster) -> bool:
    if isinstance(rule, HugePages):
        return any(one.huge_page_bytes is not None for one in cluster.vms)
    if isinstance(rule, NumaCells):
        return any(one.numa_cells for one in cluster.vms)
    if isinstance(rule, Fits | Movable | OneName):
        return False
    if isinstance(rule, AntiAffinity) and rule.hard and rule.when is When.ALWAYS:
        return False
    is_ours = rule.origin == BUILT_IN and rule not in cluster.rules
    return not (is_ours and isinstance(rule, Capacity | Absorb))
