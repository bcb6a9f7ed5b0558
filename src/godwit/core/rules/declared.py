"""A move must not break a hard rule that the site declares, nor break one further.

Judged twice: while the VM is in flight, when it holds room at both ends, and at the end, when all
moves of the plan that were chosen before it are done.
"""

from dataclasses import replace
from typing import Final

from godwit.core.model import HostName, VmId, When
from godwit.core.plan import Refusal
from godwit.core.rules.assignment import Assignment, present
from godwit.core.rules.breach import Breach
from godwit.core.rules.placement import HostRule, Placement
from godwit.core.rules.rule import ClusterRule

__all__ = ["RULE"]


def _during(placement: Placement, before: Assignment) -> Assignment:
    """The move is under way; the others of the plan may be at either end of theirs."""
    either: dict[VmId, HostName] = dict(placement.final_hosts)
    either |= {one.id: placement.host.name for one in placement.arriving}
    either.pop(placement.vm.id, None)
    flights = {**before.flights, placement.vm.id: placement.host.name}
    return replace(before, flights=flights, either=either)


def _after(placement: Placement, before: Assignment) -> Assignment:
    """All is done that was chosen so far; where the others go that leave, nobody knows yet."""
    places = {**before.places, **before.flights, **dict(placement.final_hosts)}
    places |= {one.id: placement.host.name for one in placement.arriving}
    places[placement.vm.id] = placement.host.name
    undecided = placement.leaving - {placement.vm.id} - dict(placement.final_hosts).keys()
    return replace(before, places=places, flights={}, undecided=undecided)


def _broken(
    rule: ClusterRule, placement: Placement, before: Assignment, after: Assignment
) -> Breach | None:
    return rule.worse(
        tuple(rule.check(before)),
        tuple(rule.check(after)),
        placement.vm.id,
        placement.host.name,
    )


def _check(placement: Placement) -> Refusal | None:
    rules = [
        rule
        for rule in placement.cluster.rules
        if isinstance(rule, ClusterRule) and rule.hard and placement.vm.id in rule.vms
    ]
    if not rules:
        return None
    now = present(placement.cluster)
    # A migration of this VM that is accepted already holds its room: it is the one being judged.
    others = {vm: host for vm, host in now.flights.items() if vm != placement.vm.id}
    now = replace(now, flights=others)
    during, after = _during(placement, now), _after(placement, now)
    for rule in rules:
        found = _broken(rule, placement, now, after)
        if found is None and rule.when is When.ALWAYS:
            found = _broken(rule, placement, now, during)
        if found is not None:
            return placement.refuse(
                found.kind.replace("-", "_"), f"{found.why} (rule {rule.name!r})", found.remedy
            )
    return None


RULE: Final = HostRule(
    name="declared", says="the move breaks no hard rule of the site", check=_check
)
