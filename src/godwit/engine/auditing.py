"""The gate before the conductor: no timed plan is carried out that the audit finds fault with.

Everything is judged against a fresh reading. Nothing is changed by a refusal.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from godwit.core.audit import Kind, Violation, audit
from godwit.core.errors import PlanStale, Refused
from godwit.core.model import Cluster, Vm, VmId
from godwit.core.plan import Move, Plan
from godwit.core.timed import TimedPlan
from godwit.core.timetable import bounds_of
from godwit.core.units import format_duration

__all__ = ["refuse_unsound"]

#: Violations that are told one by one; a plan of another cluster has one for every move.
_TOLD_MOST: Final = 5


def refuse_unsound(cluster: Cluster, plan: Plan) -> TimedPlan:
    """Return the timed plan when it may be carried out in this cluster, now.

    A plan whose cluster has changed is sound as long as its replay still holds, and all that it
    says of its VMs: the world need not stand still while a person reads.

    Raises: PlanStale when the cluster has changed and the plan no longer holds; Refused when it
    never did.
    """
    if plan.timed is None:
        raise PlanStale(
            f"plan {plan.id} has no times, so that it can't be checked",
            evidence="it was made by an older Godwit",
            remedy="Plan again.",
        )
    # Which generation it is of, is judged by what follows from it.
    bounds = bounds_of(plan, cluster)
    found = [one for one in audit(cluster, plan.timed, bounds) if one.kind is not Kind.STALE]
    if plan.generation != cluster.generation:
        said = [*_told(cluster, found), *_changed(cluster, plan)]
        if said:
            raise PlanStale(
                "the cluster is not the one that the plan was made from",
                evidence=f"plan {plan.id} is of generation {plan.generation}, the cluster is at"
                f" {cluster.generation}; the plan no longer holds: {'; '.join(said)}",
                remedy="Plan again.",
            )
    if found:
        raise Refused(
            f"plan {plan.id} would break rules: nothing was started",
            evidence="; ".join(_told(cluster, found)),
            remedy=_remedy(found),
        )
    return plan.timed


def _told(cluster: Cluster, found: Sequence[Violation]) -> list[str]:
    """The violations in words, with names where the audit has identifiers."""
    names = {one.id: one.name for one in cluster.vms}
    said = [_words(one, names) for one in found[:_TOLD_MOST]]
    if len(found) > _TOLD_MOST:
        said.append(f"and {len(found) - _TOLD_MOST} more")
    return said


def _words(one: Violation, names: Mapping[VmId, str]) -> str:
    text = one.why
    for vm in sorted({*one.vms, *(VmId(move.rpartition("#")[0]) for move in one.moves)}):
        text = text.replace(vm, names.get(vm, vm))
    who = [names.get(vm, vm) for vm in one.vms]
    if who and not any(name in text for name in who):
        text = f"{', '.join(who)}: {text}"
    when = f" (after {format_duration(one.at_s)})" if one.at_s else ""
    return f"{one.kind.value}: {text}{when}"


def _remedy(found: Sequence[Violation]) -> str:
    if any(one.kind is Kind.UNMOVABLE for one in found):
        return "Wait until these VMs can be moved, and plan again."
    return "Plan again. If that plan is refused too, please report it with this evidence."


def _changed(cluster: Cluster, plan: Plan) -> Iterator[str]:
    """What the replay does not see: VMs that the plan should name, and what their owners permit."""
    vms = {one.id: one for one in cluster.vms}
    named = {one.vm for one in (*plan.moves, *plan.left_out)}
    for host in plan.closes:
        there = [one for one in cluster.vms_on(host) if one.is_active]
        if new := [one.name for one in there if one.id not in named]:
            yield f"{host} runs {', '.join(new)} as well"
    for move in plan.moves:
        vm = vms.get(move.vm)
        if vm is not None and (why := _overstepped(vm, move)) is not None:
            yield why


def _overstepped(vm: Vm, move: Move) -> str | None:
    """What of a move its VM does not permit, or is not, any more; None when nothing."""
    recipe, policy = move.recipe, vm.policy
    if (vm.memory_bytes, vm.vcpus) != (move.memory_bytes, move.vcpus):
        return f"{vm.name} has another size now"
    if recipe.pause_ceiling_s > max(policy.pause_max_s, policy.pause_longer_s or 0.0):
        return (
            f"{vm.name} permits a pause of {format_duration(policy.pause_max_s)} now, and"
            f" {format_duration(recipe.pause_ceiling_s)} was planned"
        )
    for kept, what in (
        (recipe.pause_max_s <= policy.pause_max_s, "such a pause"),
        (recipe.throttle is None or policy.may_throttle, "being slowed"),
        (not recipe.postcopy or policy.may_postcopy, "post-copy"),
        (recipe.deadline_s == policy.deadline_s, "this deadline"),
    ):
        if not kept:
            return f"the policy of {vm.name} no longer permits {what}"
    return None
