"""The timetable of a plan: its moves ordered and timed, with all that each stop on the way needs.

Where each VM goes has been decided by the planner, in which order they move is decided by the
schedule; here both are put together. Nothing is judged: that is the audit's.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from godwit.core.model import Cluster, HostName, Range, Rule, VmId, When
from godwit.core.plan import Move, Plan
from godwit.core.planner import PauseSettings, move_outlook, recipe_for
from godwit.core.planner.rulebook import Rulebook
from godwit.core.rules import (
    Available,
    Breach,
    InFlight,
    broken_on_the_way,
    kept_apart,
    taken_back,
)
from godwit.core.schedule import Effort, Search, Wanted, effort_of_forecast, make_schedule
from godwit.core.timed import Bounds, FlightGroup, Stuck, StuckKind, TimedMove, TimedPlan

__all__ = ["bounds_of", "with_outlooks", "with_times"]

#: Orders that are timed: for plans of very many moves fewer, for each of them takes longer then.
_TRIES_MOST: Final = 60
_TRIES_FOR: Final = 1500

#: A move that takes so much longer than alone is said to wait for others.
_WAITS: Final = 1.05


def bounds_of(plan: Plan, cluster: Cluster) -> Bounds:
    """What must hold of a plan at every instant: the limits asked for, and what the site declares.

    Of the site's hard rules those that an order can keep: VMs that are apart, VMs of which only so
    many may be in flight.

    A link whose speed nobody declared is taken to carry as many of the plan's streams as may be in
    flight, each as fast as its forecast has it. Where the plan was timed already, that guess is
    kept: it is no rule, but what the times rest on.
    """
    flights = (_flights(one, cluster) for one in cluster.rules if one.hard)
    groups = tuple(one for one in flights if one is not None)
    bounds = Bounds(limits=replace(plan.limits, groups=groups), apart=kept_apart(cluster))
    if plan.timed is not None:
        return replace(bounds, link_bytes_per_s=plan.timed.bounds.link_bytes_per_s)
    rates = [effort.stream_bytes_per_s or 0.0 for one in plan.moves if (effort := _alone(one))]
    fastest = max(rates, default=0.0)
    if fastest <= 0:
        return bounds
    together = max(1, min(plan.parallel, len(plan.moves)))
    return replace(bounds, link_bytes_per_s=together * fastest)


def with_outlooks(cluster: Cluster, plan: Plan) -> Plan:
    """Return the plan with the recipe and the forecast of each of its moves."""
    return replace(plan, moves=tuple(move_outlook(cluster, plan, one) for one in plan.moves))


def _flights(rule: Rule, cluster: Cluster) -> FlightGroup | None:
    """How many of its VMs a rule lets be in flight; None when that is not its matter.

    Of so many that are to run at every instant, only those beyond may be under way. Where there is
    none the planner leaves them where they are.
    """
    if isinstance(rule, InFlight):
        return FlightGroup(name=rule.name, members=rule.vms, most=rule.most)
    if not isinstance(rule, Available) or rule.losing is not None or rule.when is not When.ALWAYS:
        return None
    running = {one.id for one in cluster.vms if one.id in rule.vms and one.state.runs}
    most = len(running) - rule.least
    return FlightGroup(name=rule.name, members=rule.vms, most=most) if most > 0 else None


def with_times(cluster: Cluster, plan: Plan, settings: PauseSettings) -> Plan:
    """Return the plan with its moves in an order that is possible, and timed.

    A VM that goes over a stop gets a move for each part of its way. What can't be ordered is in
    ``timed.stuck`` and no longer among the moves. The same input gives the same plan.
    """
    bounds = bounds_of(plan, cluster)
    wanted = [
        Wanted(
            vm=one.vm,
            destination=one.destination,
            effort=_effort(cluster, one, bounds),
            due_s=plan.deadline_s,
        )
        for one in plan.moves
    ]
    tries = max(1, min(_TRIES_MOST, _TRIES_FOR // max(1, len(wanted))))
    timed = _sound(cluster, wanted, Search(bounds=bounds, tries=tries))
    placed = {one.vm: one for one in plan.moves}
    moves = tuple(
        _timed(_part_of(cluster, plan, placed[one.vm], one, settings=settings), one)
        for one in timed.moves
    )
    return replace(plan, moves=moves, timed=timed)


def _sound(cluster: Cluster, wanted: Sequence[Wanted], search: Search) -> TimedPlan:
    """Order what is wanted, without the moves by which the site's hard rules would be broken.

    That is asked of the order and not only of the plan: what can't be ordered stays, so that the
    end is another one; and between two moves VMs are where neither of them ends.
    """
    rules = Rulebook(cluster).hard
    left: list[Stuck] = []
    while True:
        timed = make_schedule(cluster, wanted, search)
        # The planner names first what gains most: what comes last gives way.
        ends = {one.vm: one.final for one in timed.moves}
        ends = {one.vm: ends[one.vm] for one in reversed(wanted) if one.vm in ends}
        broken = taken_back(rules, cluster, ends) if rules else {}
        if not broken and (found := broken_on_the_way(rules, cluster, timed.moves)) is not None:
            breach, vm = found
            broken = {vm: breach}
        if not broken:
            return replace(timed, stuck=(*timed.stuck, *left))
        left += [_stuck(cluster, one, broken[one.vm]) for one in wanted if one.vm in broken]
        wanted = [one for one in wanted if one.vm not in broken]


def _stuck(cluster: Cluster, wanted: Wanted, breach: Breach) -> Stuck:
    vm = next(one for one in cluster.vms if one.id == wanted.vm)
    return Stuck(
        vm=vm.id,
        vm_name=vm.name,
        source=vm.host,
        destination=wanted.destination,
        kind=StuckKind.REFUSED,
        why=f"{breach.why} (rule {breach.rule!r})",
        remedy=breach.remedy,
    )


def _alone(move: Move) -> Effort | None:
    """The effort on a link that nothing else limits."""
    if move.forecast is None:
        return None
    return effort_of_forecast(
        move.forecast, memory_bytes=move.memory_bytes, link_bytes_per_s=float("inf")
    )


def _effort(cluster: Cluster, move: Move, bounds: Bounds) -> Effort | None:
    if move.forecast is None:
        return None
    link = min(
        cluster.host(name).record.migration_link_bytes_per_s or bounds.link_bytes_per_s
        for name in (move.source, move.destination)
    )
    return effort_of_forecast(move.forecast, memory_bytes=move.memory_bytes, link_bytes_per_s=link)


def _part_of(
    cluster: Cluster, plan: Plan, placed: Move, timed: TimedMove, *, settings: PauseSettings
) -> Move:
    """The move of one part of the way; the move itself where the way has no stop."""
    if (timed.source, timed.destination) == (placed.source, placed.destination):
        return placed
    there = _with_vm_on(cluster, timed.vm, timed.source)
    vm = next(one for one in there.vms if one.id == timed.vm)
    recipe, notes = recipe_for(there, vm, timed.destination, settings)
    part = replace(
        placed,
        source=timed.source,
        destination=timed.destination,
        recipe=recipe,
        reason=timed.why if timed.is_transit else placed.reason,
        warnings=vm.warnings + notes,
        forecast=None,
        recipe_reason="",
        alternatives=(),
    )
    return move_outlook(there, plan, part)


def _with_vm_on(cluster: Cluster, vm_id: VmId, host: HostName) -> Cluster:
    """The cluster as it will be when a VM has come to a host."""
    vms = tuple(replace(one, host=host) if one.id == vm_id else one for one in cluster.vms)
    return replace(cluster, vms=vms)


def _timed(move: Move, timed: TimedMove) -> Move:
    """Make the forecast that of this plan: the time in which others have the link is in it.

    Who is sooner done goes first: so none is sure to wait, and the low end stays.
    """
    alone = move.forecast
    if alone is None:
        return move
    lasts_s = timed.ends_s.likely - timed.starts_s.likely
    if lasts_s <= alone.total_s.likely * _WAITS:
        return move
    longest_s = timed.ends_s.high - timed.starts_s.high
    total_s = Range(
        low=alone.total_s.low, likely=lasts_s, high=max(lasts_s, longest_s, alone.total_s.high)
    )
    ground = "others have the link for a part of its time"
    return replace(move, forecast=replace(alone, total_s=total_s, grounds=(*alone.grounds, ground)))
