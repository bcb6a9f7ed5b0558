"""The outlook of planned moves: recipe and forecast of each, warnings, and the time of them all.

Placement comes first and needs none of it: a forecast takes a hundred times as long as a choice.
"""

import heapq
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from godwit.core.model import Cluster, Feature, Forecast, HostName, PathKey, Range, Vm
from godwit.core.plan import Alternative, Move, Plan, Recipe
from godwit.core.precopy import ForecastInputs, HostRoom, choose_recipe, fit_curve, forecast
from godwit.core.precopy.priors import XBZRLE_WINDOW_S
from godwit.core.units import format_duration

__all__ = ["link_share", "takes_turns", "total_time", "with_outlook", "with_total"]

#: With this chance of keeping the promise nothing else needs to be weighed.
_GOOD: Final = 0.8
#: Below this chance of keeping the promise a person is warned.
_LITTLE: Final = 0.5
#: The same where nobody has seen yet how the guest writes: then a low chance is mostly ignorance.
_LITTLE_UNSEEN: Final = 0.1


def with_outlook(
    cluster: Cluster, move: Move, *, share_fraction: float = 1.0, weigh_all: bool = True
) -> Move:
    """Return the move with its recipe chosen and its forecast; little chance is a warning.

    ``share_fraction`` is what the other moves leave it of the link. Without ``weigh_all`` only what
    the policy permits is weighed, and only where a plain stream has no good chance: a forecast
    takes a hundred times as long as the choice of a host. The same cluster and move give the same.
    """
    vm = _vm_of(cluster, move)
    if vm is None:
        return move

    def forecaster(recipe: Recipe) -> Forecast:
        return _forecast(cluster, vm, move.destination, recipe, share_fraction)

    if weigh_all:
        recipe, reason, alternatives = choose_recipe(
            move.recipe,
            vm.policy,
            _features(cluster, move.source),
            _features(cluster, move.destination),
            forecaster,
            rooms=(_room(cluster, move.source), _room(cluster, move.destination)),
            hot_bytes=_hot_bytes(cluster, vm),
        )
    else:
        recipe, reason, alternatives = _choose_quickly(move.recipe, forecaster)
    found = alternatives[0].forecast
    assert found is not None, "what is chosen was forecast"
    return replace(
        move,
        recipe=recipe,
        recipe_reason=reason,
        alternatives=alternatives,
        forecast=found,
        warnings=move.warnings + _warnings(cluster, vm, recipe, found),
    )


def _choose_quickly(
    base: Recipe, forecaster: Callable[[Recipe], Forecast]
) -> tuple[Recipe, str, tuple[Alternative, ...]]:
    """Take the plain stream where it has a good chance, else all that the policy permits."""
    plain = replace(base, throttle=None, postcopy=False)
    first = Alternative(name="plain", recipe=plain, forecast=forecaster(plain))
    assert first.forecast is not None, "it was just made"
    chance = first.forecast.keeps_promise
    few = "other streams are weighed in plans of few moves only"
    if base == plain or chance >= _GOOD:
        reason = f"plain pre-copy: chance of keeping the promise {_percent(chance)}; {few}"
        return plain, reason, (first,)
    permitted = Alternative(name="all permitted", recipe=base, forecast=forecaster(base))
    reason = (
        f"all that the policy permits: plain pre-copy has a chance of {_percent(chance)}; {few}"
    )
    return base, reason, (permitted, first)


def _features(cluster: Cluster, name: HostName) -> frozenset[Feature]:
    seen = cluster.host(name).observed
    return seen.features if seen is not None else frozenset()


def _room(cluster: Cluster, name: HostName) -> HostRoom:
    seen = cluster.host(name).observed
    if seen is None:
        return HostRoom(cores=0)
    busy = seen.busy_cores / seen.cores if seen.busy_cores is not None and seen.cores else None
    return HostRoom(cores=seen.cores, busy_fraction=busy, memory_free_bytes=seen.memory_free_bytes)


def _hot_bytes(cluster: Cluster, vm: Vm) -> float | None:
    """What it writes again before it would be forgotten; None where nobody has looked."""
    known = cluster.known.vms.get(vm.id)
    if known is None or not known.observations:
        return None
    curve = fit_curve(known.observations, vm.memory_bytes, cluster.taken_at_s)
    return min(float(vm.memory_bytes), curve.written_bytes(XBZRLE_WINDOW_S))


def _vm_of(cluster: Cluster, move: Move) -> Vm | None:
    return next((one for one in cluster.vms_on(move.source) if one.id == move.vm), None)


def _forecast(
    cluster: Cluster, vm: Vm, destination: HostName, recipe: Recipe, share_fraction: float
) -> Forecast:
    known = cluster.known
    plain = PathKey(source=vm.host, destination=destination)
    return forecast(
        ForecastInputs(
            memory_bytes=vm.memory_bytes,
            vcpus=vm.vcpus,
            now_s=cluster.taken_at_s,
            resident_bytes=vm.resident_bytes,
            guest_used_bytes=vm.guest_used_bytes,
            busy_cores=vm.busy_cores,
            vm=known.vms.get(vm.id),
            path=known.paths.get(replace(plain, stream=recipe.stream)),
            plain_path=known.paths.get(plain),
            calibration=known.calibration,
            link_bytes_per_s=recipe.link_bytes_per_s,
            link_share_fraction=share_fraction,
        ),
        recipe,
    )


def _warnings(cluster: Cluster, vm: Vm, recipe: Recipe, found: Forecast) -> tuple[str, ...]:
    known = cluster.known.vms.get(vm.id)
    seen = known is not None and bool(known.observations)
    if found.keeps_promise >= (_LITTLE if seen else _LITTLE_UNSEEN):
        return ()
    promise = f"a pause of at most {format_duration(recipe.pause_max_s)}"
    if recipe.deadline_s is not None:
        promise += f" within {format_duration(recipe.deadline_s)}"
    said = (
        f"{vm.name} has little chance ({_percent(found.keeps_promise)}) of {promise}; if it does"
        " not come to that, only what its policy permits is done, else it is given up and runs on"
    )
    return (said,)


def _percent(chance: float) -> str:
    return f"{chance * 100:.0f} %"


def link_share(cluster: Cluster, move: Move, plan: Plan | None = None) -> float:
    """What a move gets of its link, beside the others of its plan and those in flight.

    Two share a link when they leave from the same host or arrive at the same one. Those that take
    turns have it whole in theirs.
    """
    ours = {one.vm for one in plan.moves} if plan is not None else set()
    together = 1
    if plan is not None and not takes_turns(plan):
        together = max(1, min(plan.parallel, len(plan.moves)))
    others = [one for one in cluster.reservations if one.vm not in ours | {move.vm}]
    at_source = {vm.id for vm in cluster.vms_on(move.source)}
    leaving = sum(one.vm in at_source for one in others)
    arriving = sum(one.host == move.destination for one in others)
    return 1.0 / (together + max(leaving, arriving))


def takes_turns(plan: Plan) -> bool:
    """Whether its moves use the link one after the other: they do where its speed is known."""
    return plan.parallel > 1 and all(one.recipe.link_bytes_per_s for one in plan.moves)


def with_total(plan: Plan) -> Plan:
    """Return the plan with a note of how long all of its moves are going to take.

    Where they take turns on the link, the time of each grows by what it waits for the others.
    """
    time_s = total_time(plan)
    if time_s is None or len(plan.moves) < 2:
        return plan
    note = (
        f"all {len(plan.moves)} moves take about {format_duration(time_s.likely)}"
        f" ({format_duration(time_s.low)} to {format_duration(time_s.high)})"
    )
    moves = _waiting(plan) if takes_turns(plan) else plan.moves
    return replace(plan, moves=moves, notes=(*plan.notes, note))


def total_time(plan: Plan) -> Range | None:
    """How long all moves of a plan take, before their waiting is added; None without forecasts.

    The moves share hosts and links, so that they are late together: lows add up with lows.
    """
    found = [one.forecast.total_s for one in plan.moves if one.forecast is not None]
    if not found or len(found) < len(plan.moves):
        return None
    at_once = 1 if takes_turns(plan) else plan.parallel
    return Range(
        low=_end_s([one.low for one in found], at_once),
        likely=_end_s([one.likely for one in found], at_once),
        high=_end_s([one.high for one in found], at_once),
    )


def _waiting(plan: Plan) -> tuple[Move, ...]:
    """Add to each move's time that of those that are started with it and may have their turn first.

    Who is sooner done goes first: so none is sure to wait, and the low end stays.
    """
    alone = [one.forecast.total_s for one in plan.moves if one.forecast is not None]
    moves = []
    for at, move in enumerate(plan.moves):
        before = alone[max(0, at - plan.parallel + 1) : at]
        if move.forecast is None or not before:
            moves.append(move)
            continue
        total_s = replace(
            alone[at],
            likely=alone[at].likely + sum(one.likely for one in before),
            high=alone[at].high + sum(one.high for one in before),
        )
        ground = f"waits for its turn on the link behind up to {len(before)} other moves"
        found = replace(move.forecast, total_s=total_s, grounds=(*move.forecast.grounds, ground))
        moves.append(replace(move, forecast=found))
    return tuple(moves)


def _end_s(lasting_s: list[float], parallel: int) -> float:
    """When the last one ends, each starting as soon as one of ``parallel`` places is free."""
    free_s = [0.0] * max(1, min(parallel, len(lasting_s)))
    for one in lasting_s:
        heapq.heapreplace(free_s, free_s[0] + one)
    return max(free_s)
