"""Goal: forecasts hold together: monotone where they must be, ordered, learning what is true.

Method: Hypothesis draws guests, paths and recipes. The simulation is compared with itself under a
better or worse path or guest, with a steering that never interferes.
"""

import math
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given, settings

from godwit.core.model import (
    Calibration,
    DirtyObservation,
    DirtySource,
    Estimate,
    Forecast,
    PathKnowledge,
    Range,
    Round,
    Score,
    VmId,
    VmKnowledge,
)
from godwit.core.plan import Recipe, Throttle
from godwit.core.precopy import (
    Course,
    ForecastInputs,
    Keep,
    MoveFacts,
    Order,
    Situation,
    Way,
    calibrate,
    fit_curve,
    forecast,
    learn_vm,
    simulate,
)
from godwit.core.precopy.dirtying import Writing
from godwit.core.precopy.scenarios import normal_quantile, unit_points
from godwit.core.units import GIB, MIB

VM = VmId("5a0e3c52-0000-4000-8000-000000000001")
#: One more pass may begin or end by a hair, so that two courses differ by a turn of 50 ms.
TURN_S = 0.06
PARTS = st.lists(st.tuples(st.floats(0.01, 20.0), st.floats(1e5, 3e8)), min_size=1, max_size=3)
RECIPES = st.builds(
    lambda start, most, throttle, deadline: Recipe(
        pause_start_s=min(start, most),
        pause_max_s=most,
        throttle=throttle,
        deadline_s=deadline,
    ),
    st.floats(0.01, 0.3),
    st.floats(0.01, 2.0),
    st.none() | st.just(Throttle()),
    st.none() | st.floats(1.0, 600.0),
)


def keep(recipe: Recipe, rounds: tuple[Round, ...], situation: Situation) -> Order:
    del recipe, rounds, situation
    return Keep(why="the property is of the copy, not of steering")


def copied(parts: list[tuple[float, float]], speed: float, used: float) -> Course:
    recipe = Recipe(pause_start_s=0.3, pause_max_s=0.3)
    way = Way(bandwidth_bytes_per_s=speed, first_bytes_per_s=speed)
    return simulate(
        Writing.of(parts, used), way, recipe, used_bytes=used, steering=keep, copying_s_max=300.0
    )


def steady(set_bytes: float, span_s: float) -> list[tuple[float, float]]:
    return [(span_s, set_bytes)]


@given(PARTS, st.floats(2e7, 1e9), st.floats(1.5, 10.0), st.floats(1e8, 4e9))
def test_more_bandwidth_is_never_later(
    parts: list[tuple[float, float]], speed: float, more: float, used: float
) -> None:
    slow, fast = copied(parts, speed, used), copied(parts, speed * more, used)
    assume(slow.moved)
    assert fast.moved
    assert fast.copying_s <= slow.copying_s + TURN_S
    assert fast.sent_bytes <= slow.sent_bytes * 1.001 + speed * more * TURN_S


@given(PARTS, st.floats(2e7, 1e9), st.floats(1.0, 5.0), st.floats(1e9, 4e9))
def test_a_larger_working_set_never_sends_less(
    parts: list[tuple[float, float]], speed: float, more: float, used: float
) -> None:
    larger = [(span_s, size * more) for span_s, size in parts]
    small, big = copied(parts, speed, used), copied(larger, speed, used)
    assume(big.moved)
    assert small.moved
    assert big.sent_bytes >= small.sent_bytes - speed * TURN_S


@given(PARTS, st.floats(2e7, 1e9), st.floats(1.0, 5.0), st.floats(2e8, 1e9))
def test_more_memory_in_use_is_never_earlier(
    parts: list[tuple[float, float]], speed: float, more: float, used: float
) -> None:
    little, much = copied(parts, speed, used), copied(parts, speed, used * more)
    assume(much.moved and little.moved)
    assert much.copying_s >= little.copying_s - TURN_S


@given(PARTS, st.floats(0.0, 1e9), st.floats(0.0, 30.0), st.floats(0.0, 30.0), st.floats(0.3, 6.0))
def test_what_is_dirty_grows_and_is_bounded(
    parts: list[tuple[float, float]], left: float, window_s: float, more_s: float, meeting: float
) -> None:
    writing = Writing.of(parts, 1e9)
    dirty = writing.dirty_bytes(left, window_s, meeting)
    assert max(left, writing.written_bytes(window_s)) <= dirty * (1 + 1e-9)
    assert dirty <= left + writing.written_bytes(window_s) + 1
    assert writing.dirty_bytes(left, window_s + more_s, meeting) >= dirty * (1 - 1e-9) - 1
    # Concave: twice the window, never more than twice the pages.
    assert writing.written_bytes(2 * window_s) <= 2 * writing.written_bytes(window_s) + 1


@st.composite
def inputs(draw: st.DrawFn) -> ForecastInputs:
    now_s = 1e6
    seen = draw(
        st.lists(
            st.tuples(
                st.floats(0.001, 100.0),
                st.floats(0.0, 4.0 * GIB),
                st.sampled_from(DirtySource),
                st.floats(0.0, 1e6),
            ),
            max_size=6,
        )
    )
    observations = tuple(
        DirtyObservation(window_s=a, written_bytes=b, source=c, taken_at_s=d) for a, b, c, d in seen
    )
    figure = st.none() | st.builds(
        Estimate,
        value=st.floats(0.001, 1e10),
        spread_fraction=st.floats(0.0, 2.0),
        count=st.integers(1, 50),
        updated_at_s=st.floats(0.0, 1e6),
    )
    path = st.none() | st.builds(
        PathKnowledge,
        bandwidth=st.none()
        | st.builds(
            Estimate,
            value=st.floats(1e6, 1e10),
            spread_fraction=st.floats(0.0, 1.0),
            count=st.integers(1, 50),
            updated_at_s=st.floats(0.0, 1e6),
        ),
        setup=figure,
        pause_fixed=figure,
    )
    return ForecastInputs(
        memory_bytes=draw(st.integers(64 * MIB, 64 * GIB)),
        vcpus=draw(st.integers(1, 64)),
        now_s=now_s,
        resident_bytes=draw(st.none() | st.integers(1, 64 * GIB)),
        guest_used_bytes=draw(st.none() | st.integers(1, 64 * GIB)),
        vm=VmKnowledge(vm=VM, observations=observations),
        path=draw(path),
        plain_path=draw(path),
        link_bytes_per_s=draw(st.none() | st.floats(1e6, 1e10)),
        link_share_fraction=draw(st.floats(0.05, 1.0)),
    )


@given(inputs(), RECIPES)
@settings(max_examples=40)
def test_any_forecast_is_in_order_and_the_same_again(case: ForecastInputs, recipe: Recipe) -> None:
    said = forecast(case, recipe)
    for one in (said.total_s, said.pause_s, said.outage_s, said.sent_bytes, said.rounds):
        assert 0 <= one.low <= one.likely <= one.high < math.inf
    assert 0 < said.keeps_promise <= said.converges < 1
    assert said == forecast(case, recipe)


@given(st.floats(5 * MIB, 200 * MIB), st.floats(0.5, 8.0), st.floats(5e7, 2e8))
@settings(max_examples=25)
def test_moves_teach_the_true_curve(set_bytes: float, span_s: float, speed: float) -> None:
    """Within the windows that the moves had, and above what a first pass may leave unsent."""
    assume(set_bytes / span_s < 0.8 * speed)
    recipe = Recipe(pause_start_s=0.02, pause_max_s=3.0)
    way = Way(bandwidth_bytes_per_s=speed, first_bytes_per_s=speed)
    used = 3e8
    known = None
    for turn in range(3):
        course = simulate(Writing.of([(span_s, set_bytes)], used), way, recipe, used_bytes=used)
        facts = MoveFacts(
            recipe=recipe, rounds=course.trace, memory_bytes=GIB, completed=course.moved
        )
        known = learn_vm(known, VM, facts, 100.0 * turn)
    assert known is not None
    curve = fit_curve(known.observations, used, 300.0)
    for one in known.observations:
        exact = set_bytes * min(1.0, one.window_s / span_s)
        assert curve.written_bytes(one.window_s) == pytest.approx(exact, rel=0.12, abs=0.02 * speed)


@given(st.floats(0.1, 4.0), st.floats(-0.5, 0.5))
@settings(max_examples=25)
def test_calibration_brings_the_coverage_of_a_wrong_world_to_ninety_percent(
    wrong: float, skewed: float
) -> None:
    """The world varies ``wrong`` times as much as the ranges say, and not around their middle."""
    half = 0.2
    spread = wrong * half / normal_quantile(0.95)
    points = [one[0] for one in unit_points(400, 1)]
    facts = [10.0 * math.exp(spread * (normal_quantile(one) + skewed)) for one in points]
    calibration = Calibration()
    covered = 0
    for turn, fact in enumerate(facts):
        width = half * calibration.total_factor
        over = Range(low=10 * math.exp(-width), likely=10.0, high=10 * math.exp(width))
        covered += turn >= 200 and over.covers(fact)
        if turn < 200 and turn % 20 == 19:
            calibration = calibrate([scored(one, half) for one in facts[: turn + 1]])
    if 0.5 < calibration.total_factor < 6.0:
        assert 0.85 <= covered / 200 <= 0.95


def scored(fact: float, half: float) -> Score:
    over = Range(low=10 * math.exp(-half), likely=10.0, high=10 * math.exp(half))
    said = Forecast(
        total_s=over,
        pause_s=over,
        outage_s=over,
        sent_bytes=over,
        rounds=over,
        converges=0.9,
        keeps_promise=0.9,
        made_at_s=0.0,
    )
    return replace(Score(forecast=said, scored_at_s=0.0, completed=True), total_s=fact)
