"""Memory of one sort on a host: what it has of it, beside what the VMs there ask of it."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from godwit.core.model import Host, HostName, Vm, VmId
from godwit.core.rules.assignment import Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.capacity import holders_of
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import LoadTally, Tally
from godwit.core.units import format_bytes

__all__ = ["PoolRule"]

#: A host, and which of its pools.
_Pool: TypeAlias = tuple[HostName, Hashable]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRule(ClusterRule, ABC):
    """No pool is asked for more than it has. The amount is a fraction of that."""

    BY_PLACE: ClassVar[bool] = True
    OF_HOSTS: ClassVar[bool] = True

    @abstractmethod
    def pool(self, vm: Vm, host: Host) -> Hashable | None:
        """Which pool of a host that was read a VM takes its memory from; None for no such one."""

    @abstractmethod
    def has_bytes(self, host: Host, pool: Hashable) -> int:
        """Say how much there is of it, taken or not."""

    @abstractmethod
    def words(self, pool: Hashable) -> tuple[str, str]:
        """Say where that memory is, for people, and how a host gets more of it."""

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield a breach for each pool that is asked for more than it has."""
        frame = assignment.frame
        asked: dict[_Pool, list[VmId]] = {}
        for host, vms in holders_of(assignment, frame.vms).items():
            for vm in vms:
                if (part := self._part(frame, vm, host)) is not None:
                    asked.setdefault(part[0], []).append(vm)
        for pool in sorted(asked, key=lambda one: (one[0], self.words(one[1]))):
            using = asked[pool]
            asked_bytes = sum(frame.vms[vm].memory_bytes for vm in using)
            amount = self._excess(frame, pool, asked_bytes, len(using))
            if amount > 0:
                yield self._breach(frame, pool, using, asked_bytes, amount)

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Add up what is asked of each pool."""
        return LoadTally(
            lambda vm, host: self._part(frame, vm, host),
            lambda pool, asked_bytes, count: self._excess(frame, pool, asked_bytes, count),
            places,
        )

    def _part(self, frame: Frame, vm_id: VmId, name: HostName) -> tuple[_Pool, int] | None:
        vm, host = frame.vms[vm_id], frame.hosts.get(name)
        if host is None or host.observed is None or name not in self.hosts:
            return None
        pool = self.pool(vm, host)
        return None if pool is None else ((name, pool), vm.memory_bytes)

    def _excess(self, frame: Frame, pool: _Pool, asked_bytes: int, count: int) -> float:
        has = self.has_bytes(frame.hosts[pool[0]], pool[1])
        if asked_bytes <= has:
            return 0.0
        return asked_bytes / has - 1 if has else float(count)

    def _breach(
        self, frame: Frame, pool: _Pool, vms: list[VmId], asked_bytes: int, amount: float
    ) -> Breach:
        host = pool[0]
        has = self.has_bytes(frame.hosts[host], pool[1])
        where, how = self.words(pool[1])
        return self.breach(
            amount=amount,
            why=f"{host} has {format_bytes(has)} {where}; {frame.names(vms)} ask for"
            f" {format_bytes(asked_bytes)} of it",
            remedy=f"Free {format_bytes(asked_bytes - has)} of it on {host}, or {how}.",
            hosts=[host],
            vms=vms,
            asked_bytes=asked_bytes,
            has_bytes=has,
        )
