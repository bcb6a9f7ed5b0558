"""The outlook of planned moves: recipe and forecast of each, and warnings.

Placement comes first and needs none of it: a forecast takes a hundred times as long as a choice.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from godwit.core.model import Cluster, Feature, Forecast, HostName, PathKey, Vm
from godwit.core.plan import Alternative, Move, Plan, Recipe
from godwit.core.precopy import ForecastInputs, HostRoom, choose_recipe, fit_curve, forecast
from godwit.core.precopy.priors import XBZRLE_WINDOW_S
from godwit.core.units import format_duration

__all__ = ["link_share", "with_outlook"]

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

    Two share a link when they leave from the same host or arrive at the same one. Where the speed
    of all links is known, those of one plan take turns, and each has it whole in its own.
    """
    ours = {one.vm for one in plan.moves} if plan is not None else set()
    together = 1
    if plan is not None and not all(one.recipe.link_bytes_per_s for one in plan.moves):
        together = max(1, min(plan.parallel, len(plan.moves)))
    others = [one for one in cluster.reservations if one.vm not in ours | {move.vm}]
    at_source = {vm.id for vm in cluster.vms_on(move.source)}
    leaving = sum(one.vm in at_source for one in others)
    arriving = sum(one.host == move.destination for one in others)
    return 1.0 / (together + max(leaving, arriving))
