"""Checks of what the site declares about several VMs, with the checkers of its rules.

They are asked at every instant of the expected times, and at the end. What the order alone decides
(VMs apart, so many in flight) is followed in every course of events as well, by the other checks.
"""

from collections.abc import Iterator
from dataclasses import replace

from godwit.core.audit.replay import Replay
from godwit.core.audit.violation import Kind, Violation
from godwit.core.model import HostName, VmId, When
from godwit.core.rules import Assignment, Breach, ClusterRule, HugePages, end_of, present
from godwit.core.timed import Bounds, TimedMove

__all__ = ["check_site"]


def check_site(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """No hard rule is broken by the plan, or broken further, neither on the way nor at its end."""
    rules = _rules(replay)
    moves = [one for one in replay.plan.moves if len(replay.vms.get(one.vm, ())) == 1]
    if not rules or not moves or not replay.is_ordered:
        return
    before = present(replay.cluster)
    was = {rule: tuple(rule.check(before)) for rule in rules}
    instants = sorted({at for one in moves for at in (one.starts_s.likely, one.ends_s.likely)})
    for rule in rules:
        if rule.when is When.ALWAYS:
            for at_s in instants:
                if (found := _worse(rule, was[rule], before, moves, at_s)) is not None:
                    yield _violation(found, at_s)
                    break
    ends = {one.vm: replay.of_vm(one.vm)[-1].destination for one in moves}
    landed = tuple((rule, tuple(rule.check(end_of(replay.cluster, {})))) for rule in rules)
    after = end_of(replay.cluster, ends)
    for rule, had in landed:
        has = tuple(rule.check(after))
        worse = (rule.worse(had, has, vm, host) for vm, host in sorted(ends.items()))
        if (found := next((one for one in worse if one is not None), None)) is not None:
            yield _violation(found, replay.plan.makespan_s.likely)


def _rules(replay: Replay) -> list[ClusterRule]:
    cluster = replay.cluster
    declared = [one for one in cluster.rules if isinstance(one, ClusterRule) and one.hard]
    moved = [vm for one in replay.plan.moves for vm in replay.vms.get(one.vm, ())]
    if all(one.huge_page_bytes is None for one in moved):
        return declared
    pages = HugePages(
        name="huge_pages",
        vms=frozenset(one.id for one in cluster.vms),
        hosts=frozenset(one.name for one in cluster.hosts),
    )
    return [pages, *declared]


def _worse(
    rule: ClusterRule,
    was: tuple[Breach, ...],
    before: Assignment,
    moves: list[TimedMove],
    at_s: float,
) -> Breach | None:
    """What is broken at an instant, what ends there having ended, that was not so before."""
    places: dict[VmId, HostName] = {}
    flights: dict[VmId, HostName] = {}
    for one in sorted(moves, key=lambda move: (move.starts_s.likely, move.id)):
        if one.ends_s.likely <= at_s:
            places[one.vm] = one.destination
        elif one.starts_s.likely <= at_s:
            flights[one.vm] = one.destination
    then = replace(before.with_places(places), flights={**before.flights, **flights})
    has = tuple(rule.check(then))
    for vm, host in sorted({**places, **flights}.items()):
        if (found := rule.worse(was, has, vm, host)) is not None:
            return found
    return None


def _violation(found: Breach, at_s: float) -> Violation:
    return Violation(
        kind=Kind.SITE,
        why=f"{found.why} (rule {found.rule!r})",
        at_s=at_s,
        hosts=found.hosts,
        vms=found.vms,
        found=found.amount,
    )
