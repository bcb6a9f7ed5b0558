"""The two shapes of a rule that is judged over a whole assignment."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, Rule, Vm, VmId
from godwit.core.rules.assignment import Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.tally import EachTally, Tally

__all__ = ["ClusterRule", "Objection", "OriginRule", "PairRule"]

#: Why not, and what would help.
Objection = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRule(Rule, ABC):
    """A rule with its checker. ``KIND`` is the word for it in the settings.

    A rule that is ``BY_PLACE`` is broken at a place, by those who are there: that a VM breaks it
    where it is gives it no right to break it elsewhere. ``OF_HOSTS`` are rules that judge all VMs
    of their hosts, and not only those they speak of.
    """

    KIND: ClassVar[str]
    SAYS: ClassVar[str]
    BY_PLACE: ClassVar[bool] = False
    OF_HOSTS: ClassVar[bool] = False

    @abstractmethod
    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield every breach of this rule in an assignment, in an order that is always the same."""

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Count what it breaks when these VMs are on these hosts and none is in flight.

        The amount is that of ``check``. None where a single move can't be judged by itself.
        """
        del frame, places
        return None

    def worse(
        self, before: Collection[Breach], after: Collection[Breach], vm: VmId, host: HostName
    ) -> Breach | None:
        """Return what a move of ``vm`` to ``host`` breaks more than it was broken before.

        What was broken already and gets no worse is no reason against a move.
        """
        if self.BY_PLACE:
            return next((one for one in after if vm in one.vms and host in one.hosts), None)
        was, is_ = (sum(one.amount for one in found) for found in (before, after))
        return max(after, key=lambda one: one.amount) if is_ > was else None

    def breach(
        self,
        *,
        amount: float,
        why: str,
        remedy: str,
        hosts: Iterable[HostName] = (),
        vms: Iterable[VmId] = (),
        **numbers: float,
    ) -> Breach:
        """Make a breach of this rule."""
        return Breach(
            rule=self.name,
            kind=self.KIND,
            hard=self.hard,
            hosts=tuple(sorted(hosts)),
            vms=tuple(sorted(vms)),
            amount=amount,
            price=0.0 if self.hard else self.price * amount,
            numbers=tuple(numbers.items()),
            why=why,
            remedy=remedy,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRule(ClusterRule, ABC):
    """A rule about each of its VMs and each host on which it holds something, one by one."""

    BY_PLACE: ClassVar[bool] = True

    @abstractmethod
    def objection(self, frame: Frame, vm: Vm, host: HostName) -> Objection | None:
        """Say what is against this VM on this host, and what would help."""

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield a breach for each VM on a host where it must not be."""
        frame = assignment.frame
        for vm in sorted(self.vms & frame.vms.keys()):
            for host in assignment.hosts_of(vm):
                if (found := self.objection(frame, frame.vms[vm], host)) is not None:
                    why, remedy = found
                    yield self.breach(amount=1.0, why=why, remedy=remedy, hosts=[host], vms=[vm])

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Count the VMs that are where they must not be."""

        def is_wrong(vm: VmId, host: HostName) -> bool:
            return self.objection(frame, frame.vms[vm], host) is not None

        return EachTally(is_wrong, {vm: places[vm] for vm in self.vms & places.keys()})


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginRule(PairRule, ABC):
    """One whose answer depends on the host and on where the VM is now, and on nothing else of it.

    So it is asked once for all VMs of a host, and for all hosts at once.
    """

    def class_of(self, frame: Frame, origin: HostName) -> Hashable:
        """Return what origins have in common whose VMs are left the same hosts."""
        del frame, origin
        return None

    @abstractmethod
    def leaves(self, frame: Frame, origin: HostName) -> frozenset[HostName]:
        """Return the hosts without objection to a VM that is on ``origin`` now."""
