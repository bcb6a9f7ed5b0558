"""Which moves have to be taken back, so that a plan breaks no hard rule, or none further.

At the end, and at every instant of a timed plan. Rules about several VMs can't be blamed on one
move: the fewest of those that the rule speaks of are taken back, or all of them where it is all or
none. Taking back may break another rule, so all are asked again; without moves nothing is broken.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from godwit.core.model import Cluster, HostName, Rule, VmId, When
from godwit.core.rules.absorb import Absorb
from godwit.core.rules.affinity import Affinity
from godwit.core.rules.assignment import Assignment, end_of, present
from godwit.core.rules.breach import Breach
from godwit.core.rules.bundle import Bundle
from godwit.core.rules.rule import ClusterRule, PairRule
from godwit.core.timed import TimedMove

__all__ = ["broken_on_the_way", "taken_back"]

#: So many single moves are tried, whether taking one back is enough.
_TRIED_MOST: Final = 50
#: The tolerance of sums of fractions.
_ROUNDING: Final = 1e-9


def taken_back(
    rules: Iterable[Rule], cluster: Cluster, ends: Mapping[VmId, HostName]
) -> dict[VmId, Breach]:
    """Return the VMs that must not move after all, each with the breach that it would be part of.

    ``ends`` are the moves, the one that is worth least first: of equal ones that is taken back.
    """
    landed, kept = end_of(cluster, {}), dict(ends)
    dropped: dict[VmId, Breach] = {}
    held = [_of_movers(one, kept) for one in _hard(rules) if _is_touched(one, kept)]
    had: dict[int, tuple[Breach, ...]] = {}
    is_clean = False
    while kept and not is_clean:
        is_clean = True
        for number, rule in enumerate(held):
            has = tuple(rule.check(landed.with_places(kept)))
            if not has:
                continue
            if number not in had:
                had[number] = tuple(rule.check(landed))
            if (found := _first_worse(rule, had[number], has, kept)) is None:
                continue
            breach, vm = found
            for one in _blamed(rule, landed, kept, vm, _amount(had[number])):
                dropped[one] = breach
                del kept[one]
            is_clean = False
    return dropped


def broken_on_the_way(
    rules: Iterable[Rule], cluster: Cluster, moves: Sequence[TimedMove]
) -> tuple[Breach, VmId] | None:
    """Return what a timed plan breaks first between two of its moves, and the VM to be left out.

    Asked are the rules that hold at every instant, at the expected starts and ends.
    """
    before = present(cluster)
    ends = {one.vm: one.destination for one in moves}
    held = [one for one in _hard(rules) if one.when is When.ALWAYS and _is_touched(one, ends)]
    if not held:
        return None
    was = {number: tuple(rule.check(before)) for number, rule in enumerate(held)}
    started = sorted(moves, key=lambda one: (one.starts_s.likely, one.id))
    for at_s in sorted({at for one in moves for at in (one.starts_s.likely, one.ends_s.likely)}):
        then, under_way = _at(before, started, at_s)
        for number, rule in enumerate(held):
            found = _first_worse(rule, was[number], tuple(rule.check(then)), under_way)
            if found is not None:
                breach, vm = found
                return breach, vm if rule.BY_PLACE else _latest(rule, list(under_way))
    return None


def _hard(rules: Iterable[Rule]) -> list[ClusterRule]:
    return [one for one in rules if isinstance(one, ClusterRule) and one.hard]


def _is_touched(rule: ClusterRule, ends: Mapping[VmId, HostName]) -> bool:
    return rule.OF_HOSTS or isinstance(rule, Absorb) or not rule.vms.isdisjoint(ends)


def _of_movers(rule: ClusterRule, ends: Mapping[VmId, HostName]) -> ClusterRule:
    """Of a rule about each VM for itself, what it says of those that move: nobody else matters."""
    return replace(rule, vms=rule.vms & ends.keys()) if isinstance(rule, PairRule) else rule


def _amount(breaches: Iterable[Breach]) -> float:
    return sum(one.amount for one in breaches)


def _first_worse(
    rule: ClusterRule,
    had: tuple[Breach, ...],
    has: tuple[Breach, ...],
    ends: Mapping[VmId, HostName],
) -> tuple[Breach, VmId] | None:
    """The first move that the rule is against, in the order of the moves."""
    for vm, host in ends.items() if has else ():
        if (found := rule.worse(had, has, vm, host)) is not None:
            return found, vm
    return None


def _blamed(
    rule: ClusterRule,
    landed: Assignment,
    kept: Mapping[VmId, HostName],
    vm: VmId,
    was: float,
) -> list[VmId]:
    """Which moves to take back for one rule: one, if that is enough or at least helps."""
    if rule.BY_PLACE:
        return [vm]
    ours = [one for one in kept if one in rule.vms] or list(kept)
    if isinstance(rule, Absorb):
        # It is about the room of all hosts: the least of the moves first, a quarter at a time.
        everyone = list(kept)
        return everyone[: max(1, len(everyone) // 4)]
    now = _amount(rule.check(landed.with_places(kept)))
    best: tuple[float, VmId] | None = None
    for one in ours[:_TRIED_MOST]:
        rest = {other: host for other, host in kept.items() if other != one}
        then = _amount(rule.check(landed.with_places(rest)))
        if then <= was + _ROUNDING:
            return [one]
        if then < now - _ROUNDING and (best is None or then < best[0]):
            best = (then, one)
    if best is None or isinstance(rule, Affinity | Bundle):
        return ours
    return [best[1]]


def _at(
    before: Assignment, started: Sequence[TimedMove], at_s: float
) -> tuple[Assignment, dict[VmId, HostName]]:
    """Who is where at an instant, what ends there having ended; and what has begun until then."""
    places: dict[VmId, HostName] = {}
    flights: dict[VmId, HostName] = {}
    for one in started:
        if one.ends_s.likely <= at_s:
            places[one.vm] = one.destination
        elif one.starts_s.likely <= at_s:
            flights[one.vm] = one.destination
    then = replace(before.with_places(places), flights={**before.flights, **flights})
    under_way = {one.vm: flights.get(one.vm, places.get(one.vm)) for one in started}
    return then, {vm: host for vm, host in under_way.items() if host is not None}


def _latest(rule: ClusterRule, under_way: Sequence[VmId]) -> VmId:
    """The VM that began last of those that a rule speaks of, or of all."""
    ours = [one for one in under_way if one in rule.vms]
    return (ours or list(under_way))[-1]
