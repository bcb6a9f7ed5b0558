"""What VMs are promised on a host stays within what it has to give, at every instant of a plan.

A VM in flight takes its memory and its cores at both ends. What a host has to give is its memory
less its reserve, and its cores times its overcommit; a rule may allow a smaller fraction of it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from godwit.core.model import Host, HostName, Rule, Vm, VmId, When
from godwit.core.rules.assignment import Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import LoadTally, Tally
from godwit.core.units import format_bytes, format_fraction

__all__ = ["Capacity", "Resource", "holders_of", "room_at_every_instant"]


class Resource(Enum):
    """What a host gives to VMs."""

    MEMORY = "memory"
    CORES = "cores"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity(ClusterRule):
    """Each of ``hosts`` promises at most ``most_fraction`` of its ``resource``."""

    KIND: ClassVar[str] = "capacity"
    SAYS: ClassVar[str] = "hosts promise no more than they have to give"
    BY_PLACE: ClassVar[bool] = True
    OF_HOSTS: ClassVar[bool] = True

    resource: Resource
    most_fraction: float = 1.0

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield a breach for each host that promises more. The amount is a fraction of it."""
        holders = holders_of(assignment, assignment.frame.vms.keys())
        for name in sorted(self.hosts & assignment.frame.hosts.keys()):
            host = assignment.frame.hosts[name]
            if host.observed is None:
                continue
            vms = [assignment.frame.vms[one] for one in holders.get(name, ())]
            has, promised = self._has(host), sum(self._needs(one) for one in vms)
            over = promised - has * self.most_fraction
            if over > 0:
                yield self._breach(host, vms, has, promised, over)

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Add up what each host promises."""
        has = {
            name: self._has(frame.hosts[name])
            for name in self.hosts & frame.hosts.keys()
            if frame.hosts[name].observed is not None
        }
        needs = {vm: self._needs(frame.vms[vm]) for vm in places}
        return LoadTally(
            lambda vm, host: (host, needs[vm]) if host in has else None,
            lambda host, promised, count: self._excess(has[host], promised, count),
            places,
        )

    def _excess(self, has: float, promised: float, count: int) -> float:
        over = promised - has * self.most_fraction
        if over <= 0:
            return 0.0
        return over / has if has else float(count)

    def _has(self, host: Host) -> float:
        in_bytes = self.resource is Resource.MEMORY
        return float(host.memory_for_vms_bytes) if in_bytes else host.cores_for_vms

    def _needs(self, vm: Vm) -> int:
        return vm.memory_bytes if self.resource is Resource.MEMORY else vm.vcpus

    def _said(self, amount: float) -> str:
        return format_bytes(amount) if self.resource is Resource.MEMORY else f"{amount:g} vCPUs"

    def _breach(
        self, host: Host, vms: list[Vm], has: float, promised: float, over: float
    ) -> Breach:
        allowed = has * self.most_fraction
        share = "" if self.most_fraction == 1 else f" ({format_fraction(self.most_fraction)} of"
        share += "" if self.most_fraction == 1 else f" {self._said(has)})"
        of_host = {
            Resource.MEMORY: f"lower its memory reserve"
            f" ({format_bytes(host.record.memory_reserve_bytes)})",
            Resource.CORES: f"raise its `cores_overcommit` ({host.record.cores_overcommit:g})",
        }[self.resource]
        smallest = sorted(vms, key=lambda one: (self._needs(one), one.name))
        enough = next((one.name for one in smallest if self._needs(one) >= over), None)
        unit = "bytes" if self.resource is Resource.MEMORY else "cores"
        return self.breach(
            amount=self._excess(has, promised, len(vms)),
            why=f"{host.name} promises {self._said(promised)} of {self.resource.value} to"
            f" {len(vms)} VMs, {self._said(over)} more than the {self._said(allowed)} allowed"
            + share,
            remedy=(f"Move {enough} away" if enough else f"Move {self._said(over)} of VMs away")
            + (f", or {of_host}." if self.most_fraction == 1 else "."),
            hosts=[host.name],
            vms=(one.id for one in vms),
            **{f"promised_{unit}": float(promised), f"allowed_{unit}": allowed},
        )


def holders_of(assignment: Assignment, vms: Iterable[VmId]) -> dict[HostName, list[VmId]]:
    """Which of the VMs hold something on each host, in the order of their ids."""
    found: dict[HostName, list[VmId]] = {}
    for vm in sorted(vms):
        for host in assignment.hosts_of(vm):
            found.setdefault(host, []).append(vm)
    return found


def room_at_every_instant(host: Host, rules: Iterable[Rule]) -> tuple[int, int]:
    """Return the memory and the whole vCPUs of a host that its VMs may have, flights included."""
    memory, cores = float(host.memory_for_vms_bytes), host.cores_for_vms
    for rule in rules:
        if isinstance(rule, Capacity) and rule.hard and rule.when is When.ALWAYS:
            if host.name not in rule.hosts:
                continue
            if rule.resource is Resource.MEMORY:
                memory = min(memory, host.memory_for_vms_bytes * rule.most_fraction)
            else:
                cores = min(cores, host.cores_for_vms * rule.most_fraction)
    return math.floor(memory), math.floor(cores)
