"""A move must not break a hard rule that the site declares, nor break one further.

Rules about the VM and the host alone have one answer. The others are judged twice: while the VM is
in flight, when it holds room at both ends, and at the end, when all moves of the plan that were
chosen before it are done.
"""

from dataclasses import replace
from typing import Final

from godwit.core.model import HostName, VmId, When
from godwit.core.plan import Refusal
from godwit.core.rules.assignment import Assignment, present
from godwit.core.rules.breach import Breach
from godwit.core.rules.placement import HostRule, Placement
from godwit.core.rules.rule import ClusterRule, PairRule

__all__ = ["ALONE", "TOGETHER"]


def _during(placement: Placement, before: Assignment) -> Assignment:
    """The move is under way; the others of the plan may be at either end of theirs."""
    either: dict[VmId, HostName] = dict(placement.final_hosts)
    either |= {one.id: placement.host.name for one in placement.arriving}
    either.pop(placement.vm.id, None)
    flights = {**before.flights, placement.vm.id: placement.host.name}
    return replace(before, flights=flights, either=either)


def _after(placement: Placement, before: Assignment) -> Assignment:
    """All is done that was chosen so far; where the others go that leave, nobody knows yet."""
    changed = {**before.flights, **dict(placement.final_hosts)}
    changed |= {one.id: placement.host.name for one in placement.arriving}
    changed[placement.vm.id] = placement.host.name
    undecided = placement.leaving - {placement.vm.id} - dict(placement.final_hosts).keys()
    return replace(before.with_places(changed), flights={}, undecided=undecided)


def _broken(
    rule: ClusterRule, placement: Placement, before: Assignment, after: Assignment
) -> Breach | None:
    return rule.worse(
        tuple(rule.check(before)),
        tuple(rule.check(after)),
        placement.vm.id,
        placement.host.name,
    )


def _asked(placement: Placement) -> list[ClusterRule]:
    return [
        rule
        for rule in placement.cluster.rules
        if isinstance(rule, ClusterRule) and rule.hard and placement.vm.id in rule.vms
    ]


def _check_alone(placement: Placement) -> Refusal | None:
    rules = [rule for rule in _asked(placement) if isinstance(rule, PairRule)]
    if not rules:
        return None
    frame = (placement.now or present(placement.cluster)).frame
    for rule in rules:
        objection = rule.objection(frame, placement.vm, placement.host.name)
        if objection is not None:
            return _refuse(placement, rule, *objection)
    return None


def _check_together(placement: Placement) -> Refusal | None:
    rules = [rule for rule in _asked(placement) if not isinstance(rule, PairRule)]
    if not rules:
        return None
    now = placement.now or present(placement.cluster)
    # A migration of this VM that is accepted already holds its room: it is the one being judged.
    others = {vm: host for vm, host in now.flights.items() if vm != placement.vm.id}
    now = replace(now, flights=others)
    during, after = _during(placement, now), _after(placement, now)
    for rule in rules:
        found = _broken(rule, placement, now, after)
        if found is None and rule.when is When.ALWAYS:
            found = _broken(rule, placement, now, during)
        if found is not None:
            return _refuse(placement, rule, found.why, found.remedy)
    return None


def _refuse(placement: Placement, rule: ClusterRule, why: str, remedy: str) -> Refusal:
    return placement.refuse(rule.KIND.replace("-", "_"), f"{why} (rule {rule.name!r})", remedy)


ALONE: Final = HostRule(
    name="declared",
    says="the site lets the VM be on the host, whoever else is there",
    check=_check_alone,
)
TOGETHER: Final = HostRule(
    name="declared_together",
    says="the move breaks no hard rule of the site about several VMs",
    check=_check_together,
)
