"""The forecast of one migration: what is known, in scenarios, each of them copied in simulation."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from godwit.core.model import (
    Calibration,
    DirtySource,
    Forecast,
    PathKnowledge,
    VmKnowledge,
)
from godwit.core.plan import Compression, Recipe, throttled_stop_s
from godwit.core.precopy import priors
from godwit.core.precopy.copying import Course, CourseEnd, Steering, Way, simulate
from godwit.core.precopy.dirtying import DirtyCurve, Writing, fit_curve, fit_curves
from godwit.core.precopy.knowing import Carrier, Memory, carrier_of, memory_of
from godwit.core.precopy.scenarios import normal_quantile, range_of, unit_points
from godwit.core.precopy.steering import steer
from godwit.core.units import format_bytes, format_duration, format_rate

__all__ = ["ForecastInputs", "forecast"]

#: Enough for the 5 % quantile, and quick. A copy that does not converge has many rounds, each of
#: them steered: then the first scenarios, which fill the cube nearly as evenly, have to do.
_SCENARIOS: Final = 40
_SCENARIOS_LEAST: Final = 24
_ROUNDS_ENOUGH: Final = 700
_DIMENSIONS: Final = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastInputs:
    """All that a forecast rests on, at ``now_s`` (epoch seconds).

    ``resident_bytes`` is what the host holds for the VM, ``guest_used_bytes`` what the guest itself
    says that it does not have free (balloon statistics). ``path`` is what is known of the way for
    the stream of the recipe, ``plain_path`` for the plain stream, from which another is guessed.
    ``link_bytes_per_s`` is the declared speed; ``link_share_fraction`` what other migrations leave.
    ``busy_cores`` is the processor time that the VM takes a second.
    """

    memory_bytes: int
    vcpus: int
    now_s: float
    resident_bytes: int | None = None
    guest_used_bytes: int | None = None
    vm: VmKnowledge | None = None
    path: PathKnowledge | None = None
    plain_path: PathKnowledge | None = None
    calibration: Calibration = field(default_factory=Calibration)
    link_bytes_per_s: float | None = None
    link_share_fraction: float = 1.0
    busy_cores: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What all scenarios of one forecast have in common."""

    curves: tuple[DirtyCurve, ...]
    inputs: ForecastInputs
    memory: Memory
    carrier: Carrier
    recipe: Recipe
    steering: Steering


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What one scenario came to."""

    course: Course
    total_s: float
    pause_s: float
    outage_s: float
    kept: bool
    on_time: bool


def forecast(inputs: ForecastInputs, recipe: Recipe, *, steering: Steering = steer) -> Forecast:
    """Forecast one migration under one recipe. The same input gives the same forecast."""
    memory = memory_of(
        memory_bytes=inputs.memory_bytes,
        resident_bytes=inputs.resident_bytes,
        guest_used_bytes=inputs.guest_used_bytes,
        vm=inputs.vm,
        now_s=inputs.now_s,
    )
    carrier = carrier_of(
        recipe,
        path=inputs.path,
        plain=inputs.plain_path,
        again_wire=inputs.vm.again_wire if inputs.vm is not None else None,
        link_bytes_per_s=inputs.link_bytes_per_s or recipe.link_bytes_per_s,
        share_fraction=inputs.link_share_fraction,
        now_s=inputs.now_s,
    )
    observations = inputs.vm.observations if inputs.vm is not None else ()
    curves = fit_curves(observations, memory.used_bytes, inputs.now_s)
    case = _Case(
        curves=curves,
        inputs=inputs,
        memory=memory,
        carrier=carrier,
        recipe=recipe,
        steering=steering,
    )
    outcomes = _outcomes(case)
    good = [one for one in outcomes if one.course.moved and one.on_time]
    shown = good or outcomes
    factors = inputs.calibration

    def over(read: Callable[[_Outcome], float]) -> list[float]:
        return [read(one) for one in shown]

    return Forecast(
        total_s=range_of(over(lambda one: one.total_s), factors.total_factor),
        pause_s=range_of(over(lambda one: one.pause_s), factors.pause_factor),
        outage_s=range_of(over(lambda one: one.outage_s), factors.outage_factor),
        sent_bytes=range_of(over(lambda one: one.course.sent_bytes), factors.sent_factor),
        rounds=range_of(over(lambda one: one.course.rounds)),
        converges=_chance(len(good), len(outcomes)),
        keeps_promise=_chance(sum(one.kept for one in good), len(outcomes)),
        made_at_s=inputs.now_s,
        grounds=_grounds(
            inputs, memory, fit_curve(observations, memory.used_bytes, inputs.now_s), carrier
        ),
        calibration=factors,
        pause_fixed_s=_reserve_s(carrier, memory),
    )


def _chance(count: int, of: int) -> float:
    """A share that is never quite 0 or 1: half a case of doubt."""
    return (count + 0.25) / (of + 0.5)


def _outcomes(case: _Case) -> list[_Outcome]:
    """Scenarios in their order, fewer of them where each takes many rounds."""
    found: list[_Outcome] = []
    rounds = 0
    for at, point in enumerate(unit_points(_SCENARIOS, _DIMENSIONS)):
        if rounds > _ROUNDS_ENOUGH and at >= _SCENARIOS_LEAST:
            break
        found.append(_outcome(case, at, point))
        rounds += found[-1].course.rounds
    return found


def _outcome(case: _Case, at: int, point: Sequence[float]) -> _Outcome:
    curve = case.curves[at % len(case.curves)]
    memory, carrier, recipe = case.memory, case.carrier, case.recipe
    wide = [normal_quantile(one) for one in point]
    used = memory.at(wide[2])
    scale = math.exp(curve.spread_fraction * wide[1])
    writing = curve.varied(
        scale=scale,
        hot_span=point[3],
        tail_span=point[4],
        most_bytes=used,
        fastest_bytes_per_s=priors.WRITTEN_MOST_BYTES_PER_S * max(1, case.inputs.vcpus),
    )
    fixed = carrier.fixed(setup=wide[5], ending=wide[6], pause=wide[7], outage=wide[8])
    way = carrier.way(
        speed=wide[0],
        first=wide[9],
        wire=wide[10],
        busy=_busy(case.inputs, point[4]),
        phase=point[10],
    )
    if case.inputs.vm is None or case.inputs.vm.again_wire is None:
        # What was learnt of a VM has its misses in it.
        way = _with_misses(way, recipe, writing)
    left_s = None
    if recipe.deadline_s is not None:
        left_s = max(0.0, recipe.deadline_s - fixed.setup_s - fixed.ending_s)
    course = simulate(
        writing,
        way,
        recipe,
        used_bytes=used,
        zero_bytes=max(0.0, memory.memory_bytes - used),
        steering=case.steering,
        copying_s_max=left_s,
        pause_fixed_s=_reserve_s(carrier, memory),
    )
    pause_s = course.rest_s + fixed.pause_s + carrier.buffered_bytes / way.bandwidth_bytes_per_s
    # The last sync is made while the guest stands still; of small guests it is part of the fixed.
    pause_s += priors.SYNC_S_PER_BYTE * memory.memory_bytes
    outage_s = pause_s + fixed.outage_s
    if course.end is CourseEnd.POSTCOPY:
        outage_s = pause_s + carrier.stall_s(wide[8])
    elif course.trace:
        outage_s += priors.STOPS_SEEN * throttled_stop_s(course.trace[-1].throttle_fraction)
    total_s = fixed.setup_s + course.copying_s + pause_s + course.after_s + fixed.ending_s
    on_time = recipe.deadline_s is None or total_s <= recipe.deadline_s
    return _Outcome(
        course=course,
        total_s=total_s,
        pause_s=pause_s,
        outage_s=outage_s,
        on_time=on_time,
        kept=pause_s <= recipe.pause_max_s and on_time,
    )


def _with_misses(way: Way, recipe: Recipe, writing: Writing) -> Way:
    """Pages that the cache of xbzrle has no room for are sent whole."""
    if recipe.compression is not Compression.XBZRLE:
        return way
    cache_bytes = recipe.xbzrle_cache_bytes or priors.XBZRLE_CACHE_BYTES
    hot_bytes = writing.written_bytes(priors.XBZRLE_WINDOW_S)
    hits = min(1.0, cache_bytes / max(1.0, hot_bytes))
    again = hits * way.again_fraction + (1 - hits) * priors.PLAIN_WIRE_FRACTION
    return replace(way, again_fraction=again)


def _reserve_s(carrier: Carrier, memory: Memory) -> float:
    return carrier.pause_reserve_s() + priors.SYNC_S_PER_BYTE * memory.memory_bytes


def _busy(inputs: ForecastInputs, share: float) -> float:
    """How much of their time the vCPUs run; anything, where that is not known."""
    if inputs.busy_cores is None:
        return 0.1 + 0.9 * share
    return min(1.0, max(0.02, inputs.busy_cores / max(1, inputs.vcpus)))


def _grounds(
    inputs: ForecastInputs, memory: Memory, curve: DirtyCurve, carrier: Carrier
) -> tuple[str, ...]:
    share = inputs.link_share_fraction
    shared = (f"the link is shared: {share:.0%} of it for this migration",) if share < 1 else ()
    count = inputs.calibration.count
    scored = (f"ranges calibrated by {count} scored migrations",) if count else ()
    return (memory.ground, _dirty_ground(inputs, curve), carrier.ground, *shared, *scored)


def _dirty_ground(inputs: ForecastInputs, curve: DirtyCurve) -> str:
    seen = inputs.vm.observations if inputs.vm is not None else ()
    if not seen or not curve.is_observed:
        return "nothing is known of how much it writes"
    newest = max(seen, key=lambda one: one.taken_at_s)
    age = format_duration(max(0.0, inputs.now_s - newest.taken_at_s))
    how = "by sampling" if newest.source is DirtySource.SAMPLED else "in its last move"
    window_s = min(max(1.0, curve.shortest_s), curve.longest_s)
    rate = curve.written_bytes(window_s) / window_s
    reach = min(curve.written_bytes(curve.longest_s), float(inputs.memory_bytes))
    return (
        f"writes {format_rate(rate)} over {format_bytes(reach)} or more, measured {age} ago {how}"
    )
