"""Where rules stand in an assignment, and what one more move would change: for a search.

Rules are indexed by the VMs and hosts that they touch, and each keeps a tally: to weigh a move
takes time for the rules that it touches, not for the VMs and hosts that there are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from godwit.core.model import Cluster, HostName, Rule, VmId
from godwit.core.rules.assignment import Assignment, end_of
from godwit.core.rules.breach import Breach
from godwit.core.rules.judging import breaches_of
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import Tally

__all__ = ["Change", "Effect", "Standing"]

#: The tolerance of sums of fractions.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a move changes about one rule: ``by`` is in what the rule counts, more is worse.

    ``refused`` says that a hard rule is against the move, even where others get better by as much.
    """

    rule: ClusterRule
    by: float
    refused: bool

    @property
    def price(self) -> float:
        """What it costs more, in points of the objective; nothing pays for a hard rule."""
        return 0.0 if self.rule.hard else self.rule.price * self.by


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """All that a move changes about the rules, in their order."""

    changes: tuple[Change, ...]

    @property
    def is_refused(self) -> bool:
        """Whether a hard rule is against it."""
        return any(one.refused for one in self.changes)

    @property
    def price(self) -> float:
        """What the soft rules cost more."""
        return sum(one.price for one in self.changes)

    @property
    def hard_amount(self) -> float:
        """By how much more the hard rules are broken together; below zero it cures."""
        return sum(one.by for one in self.changes if one.rule.hard)


class Standing:
    """The rules over the end of a plan that is being made, move by move.

    ``unweighed`` are the rules that can't be judged by one move (n+1): ask ``breaches_of`` about
    them, with ``assignment``, when a step is done.
    """

    def __init__(
        self, rules: Iterable[Rule], cluster: Cluster, moves: Mapping[VmId, HostName] | None = None
    ) -> None:
        self.rules = tuple(one for one in rules if isinstance(one, ClusterRule))
        end = end_of(cluster, moves or {})
        self._frame, self._places = end.frame, dict(end.places)
        self._tallies: list[Tally | None] = [
            one.tally(self._frame, self._places) for one in self.rules
        ]
        self.unweighed = tuple(
            rule for rule, tally in zip(self.rules, self._tallies, strict=True) if tally is None
        )
        self._of_all: list[int] = []
        self._of_vm: dict[VmId, list[int]] = {}
        self._of_host: dict[HostName, list[int]] = {}
        for number, tally in enumerate(self._tallies):
            if tally is not None:
                self._index(number, self.rules[number])

    def _index(self, number: int, rule: ClusterRule) -> None:
        if rule.OF_HOSTS:
            if rule.hosts >= self._frame.hosts.keys():
                self._of_all.append(number)
                return
            for host in rule.hosts:
                self._of_host.setdefault(host, []).append(number)
        elif rule.vms >= self._places.keys():
            self._of_all.append(number)
        else:
            for vm in rule.vms & self._places.keys():
                self._of_vm.setdefault(vm, []).append(number)

    @property
    def assignment(self) -> Assignment:
        """The end as it stands: a copy, for ``breaches_of``."""
        return Assignment(frame=self._frame, places=dict(self._places))

    @property
    def price(self) -> float:
        """What the soft rules cost, but for those that are unweighed."""
        return sum(
            rule.price * tally.amount
            for rule, tally in zip(self.rules, self._tallies, strict=True)
            if tally is not None and not rule.hard
        )

    @property
    def hard_amount(self) -> float:
        """By how much the hard rules are broken together, but for those that are unweighed."""
        return sum(
            tally.amount
            for rule, tally in zip(self.rules, self._tallies, strict=True)
            if tally is not None and rule.hard
        )

    def amount(self, number: int) -> float | None:
        """By how much a rule is broken, by its place in ``rules``; None when it is unweighed."""
        tally = self._tallies[number]
        return None if tally is None else tally.amount

    def place(self, vm: VmId) -> HostName:
        """Where a VM is in the end; KeyError when it does not run."""
        return self._places[vm]

    def touched(self, vm: VmId, host: HostName) -> tuple[ClusterRule, ...]:
        """The rules that a move of ``vm`` to ``host`` may change, in their order."""
        return tuple(self.rules[one] for one in self._touched(vm, host))

    def weigh(self, vm: VmId, host: HostName) -> Effect:
        """Say what a move would change. Nothing is remembered of it."""
        source = self._places[vm]
        changes: list[Change] = []
        for number in self._touched(vm, host) if source != host else ():
            tally, rule = self._tallies[number], self.rules[number]
            assert tally is not None, "the others are not indexed"
            by, refused = tally.weigh(vm, source, host)
            if by or refused:
                changes.append(Change(rule=rule, by=by, refused=refused and rule.hard))
        return Effect(changes=tuple(changes))

    def weigh_all(self, moves: Mapping[VmId, HostName]) -> Effect:
        """Say what it would change if these VMs moved as one. Nothing is remembered of it.

        What is broken between two of them does not count, only what is at the end.
        """
        if len(moves) == 1:
            ((vm, host),) = moves.items()
            return self.weigh(vm, host)
        was = {vm: self._places[vm] for vm in moves}
        by: dict[int, float] = {}
        for vm, host in moves.items():
            source = self._places[vm]
            for number in self._touched(vm, host) if source != host else ():
                tally = self._tallies[number]
                assert tally is not None, "the others are not indexed"
                by[number] = by.get(number, 0.0) + tally.weigh(vm, source, host)[0]
            self.move(vm, host)
        for vm, host in was.items():
            self.move(vm, host)
        return Effect(
            changes=tuple(
                Change(
                    rule=self.rules[one],
                    by=by[one],
                    refused=self.rules[one].hard and by[one] > _ROUNDING,
                )
                for one in sorted(by)
                if abs(by[one]) > _ROUNDING
            )
        )

    def move(self, vm: VmId, host: HostName) -> None:
        """Make a move: what is weighed next is weighed after it."""
        source = self._places[vm]
        if source == host:
            return
        for number in self._touched(vm, host):
            tally = self._tallies[number]
            assert tally is not None, "the others are not indexed"
            tally.move(vm, source, host)
        self._places[vm] = host

    def breaches(self) -> tuple[Breach, ...]:
        """Return every breach as it stands, with words and numbers: all rules are asked."""
        return breaches_of(self.rules, self.assignment, at_end=True)

    def breaches_with(self, vm: VmId, host: HostName) -> tuple[Breach, ...]:
        """Return what the rules that a move touches say after it, with words and numbers."""
        after = Assignment(frame=self._frame, places=self._places).with_places({vm: host})
        return breaches_of(self.touched(vm, host), after, at_end=True)

    def _touched(self, vm: VmId, host: HostName) -> list[int]:
        of_vm = self._of_vm.get(vm, [])
        of_hosts = {*self._of_host.get(self._places[vm], ()), *self._of_host.get(host, ())}
        return sorted((*self._of_all, *of_vm, *of_hosts))
