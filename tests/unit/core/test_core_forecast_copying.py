"""The simulated pre-copy in the cases that have a closed form, and the rules of its end."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from godwit.core.model import Forecast, Range, Round
from godwit.core.plan import Compression, Recipe, Throttle
from godwit.core.precopy import (
    CourseEnd,
    GiveUp,
    Keep,
    MoveFacts,
    Order,
    RaiseBandwidth,
    RaisePause,
    RaiseThrottle,
    Situation,
    StartPostcopy,
    Way,
    score,
    simulate,
)
from godwit.core.precopy.copying import Steering
from godwit.core.precopy.dirtying import Writing
from godwit.core.precopy.priors import sync_s
from godwit.core.units import MIB

LINK = 100.0 * MIB
WAY = Way(bandwidth_bytes_per_s=LINK, first_bytes_per_s=LINK)
#: So small a limit that a pass always sends all that it knows of.
SMALL = Recipe(pause_start_s=0.02, pause_max_s=0.02)


def writing(*parts: tuple[float, float]) -> Writing:
    return Writing.of(parts, 1e15)


def keep(recipe: Recipe, rounds: tuple[Round, ...], situation: Situation) -> Order:
    del recipe, rounds, situation
    return Keep(why="the test lets it run")


def keep_for(count: int, then: Order) -> Steering:
    def decide(recipe: Recipe, rounds: tuple[Round, ...], situation: Situation) -> Order:
        del recipe, situation
        return then if len(rounds) > count else Keep(why="not yet")

    return decide


def test_an_idle_guest_takes_its_memory_over_the_bandwidth() -> None:
    course = simulate(writing((1.0, 0.0)), WAY, SMALL, used_bytes=300 * MIB, steering=keep)
    assert course.end is CourseEnd.SWITCHED
    assert course.copying_s == pytest.approx(3.0 + sync_s(300 * MIB))
    assert course.sent_bytes == pytest.approx(300 * MIB)
    assert (course.rest_bytes, course.rest_s) == (0, 0)
    # The start and the end of the pass.
    assert course.rounds == 2


def test_the_second_pass_of_xbzrle_fills_its_cache_and_saves_nothing() -> None:
    recipe = replace(SMALL, compression=Compression.XBZRLE)
    way = replace(WAY, again_fraction=0.25)
    hot = writing((0.5, 100 * MIB))
    course = simulate(
        hot, way, recipe, used_bytes=300 * MIB, steering=keep_for(4, GiveUp(why="", remedy=""))
    )
    sent = [one.transferred_bytes for one in course.trace]
    passes = [after - before for before, after in pairwise(sent)]
    # All of the set is dirty after each of the first two passes; the third leaves less.
    whole = 100 * MIB
    assert passes[:3] == pytest.approx([300 * MIB, whole, whole / 4], rel=0.02)


@pytest.mark.parametrize("hot", [0.0, 300 * MIB])
def test_rounds_are_counted_as_in_the_record_of_a_move(hot: float) -> None:
    """Of a move that switches over, and of one that is given up."""
    steering = keep_for(4, GiveUp(why="the test", remedy="none"))
    course = simulate(writing((1.0, hot)), WAY, SMALL, used_bytes=300 * MIB, steering=steering)
    assert course.end is (CourseEnd.GAVE_UP if hot else CourseEnd.SWITCHED)
    facts = MoveFacts(
        recipe=SMALL, rounds=course.trace, memory_bytes=300 * MIB, completed=course.moved
    )
    figure = Range(low=0.0, likely=0.0, high=0.0)
    said = Forecast(
        total_s=figure,
        pause_s=figure,
        outage_s=figure,
        sent_bytes=figure,
        rounds=figure,
        converges=1.0,
        keeps_promise=1.0,
        made_at_s=0.0,
    )
    assert score(said, facts, 0.0).rounds == course.rounds


def test_pages_of_zeroes_cost_a_header_and_a_moment_each() -> None:
    course = simulate(
        writing((1.0, 0.0)), WAY, SMALL, used_bytes=100 * MIB, zero_bytes=400 * MIB, steering=keep
    )
    pages = 400 * MIB / 4096
    assert course.sent_bytes - 100 * MIB == pytest.approx(8.5 * pages)
    copied_s = (100 * MIB - course.rest_bytes) / LINK
    assert course.copying_s == pytest.approx(copied_s + 0.3e-6 * pages + sync_s(500 * MIB))


@pytest.mark.parametrize("dirty", [10 * MIB, 50 * MIB, 80 * MIB])
def test_a_constant_rate_gives_the_geometric_series(dirty: float) -> None:
    """As long as the curve is straight: V(i+1) = D * (V(i) / B + sync)."""
    share = dirty / LINK
    memory = 400.0 * MIB
    settles = dirty * sync_s(memory) / (1 - share)
    course = simulate(
        writing((1e6, dirty * 1e6)),
        WAY,
        # A limit that nothing fits, so that every pass sends all that it knows of.
        Recipe(pause_start_s=1e-9, pause_max_s=1e-9),
        used_bytes=memory,
        steering=keep_for(14, GiveUp(why="enough", remedy="none")),
    )
    exact = [settles + (memory - settles) * share**count for count in range(15)]
    assert [one.remaining_bytes for one in course.trace] == pytest.approx(exact, abs=1)
    assert course.sent_bytes == pytest.approx(sum(exact[:-1]))


@pytest.mark.parametrize("dirty", [10 * MIB, 30 * MIB, 50 * MIB])
def test_the_number_of_passes_is_that_of_the_geometric_model(dirty: float) -> None:
    """Passes: ceil(ln(B L / M) / ln(D / B)); what one may leave unsent saves one."""
    course = simulate(
        writing((1e6, dirty * 1e6)), WAY, SMALL, used_bytes=400.0 * MIB, steering=keep
    )
    passes = math.ceil(math.log(LINK * 0.02 / (400.0 * MIB)) / math.log(dirty / LINK))
    assert course.end is CourseEnd.SWITCHED
    assert abs(len(course.trace) - 1 - passes) <= 1


def test_a_guest_faster_than_the_link_settles_at_its_working_set() -> None:
    course = simulate(
        writing((0.1, 50.0 * MIB)),
        WAY,
        SMALL,
        used_bytes=200 * MIB,
        steering=keep_for(10, GiveUp(why="enough", remedy="none")),
    )
    assert course.end is CourseEnd.GAVE_UP
    assert {one.remaining_bytes for one in course.trace[1:]} == {50 * MIB}
    assert not course.moved


def test_it_switches_over_as_soon_as_the_limit_admits_the_working_set() -> None:
    def raise_late(recipe: Recipe, rounds: tuple[Round, ...], situation: Situation) -> Order:
        del recipe, situation
        return RaisePause(limit_s=0.6, why="test") if len(rounds) == 5 else Keep(why="test")

    recipe = Recipe(pause_start_s=0.02, pause_max_s=0.6)
    course = simulate(
        writing((0.1, 50.0 * MIB)), WAY, recipe, used_bytes=200 * MIB, steering=raise_late
    )
    assert course.end is CourseEnd.SWITCHED
    assert course.rest_s == pytest.approx(0.5, rel=0.01)
    assert len(course.trace) == 6


def test_an_order_never_lifts_the_limit_above_the_recipe() -> None:
    course = simulate(
        writing((0.1, 50.0 * MIB)),
        WAY,
        Recipe(pause_start_s=0.02, pause_max_s=0.3),
        used_bytes=200 * MIB,
        steering=lambda *_: RaisePause(limit_s=9.0, why="test"),
        copying_s_max=20.0,
    )
    assert course.end is CourseEnd.LATE
    assert max(one.pause_limit_s for one in course.trace) == 0.3


def test_the_cap_holds_until_it_is_lifted_and_never_slows_the_rest() -> None:
    recipe = Recipe(pause_start_s=0.5, pause_max_s=0.5, bandwidth_bytes_per_s=LINK / 4)
    capped = simulate(writing((2.0, 20.0 * MIB)), WAY, recipe, used_bytes=100 * MIB, steering=keep)
    # The first pass leaves what fits the limit of the capped stream, and one more pass is needed.
    assert capped.copying_s == pytest.approx((100 - 12.5) / 25 + 0.6, abs=0.05)
    assert capped.rest_s == pytest.approx(capped.rest_bytes / LINK)
    lifted = simulate(
        writing((2.0, 20.0 * MIB)),
        WAY,
        recipe,
        used_bytes=100 * MIB,
        steering=lambda *_: RaiseBandwidth(bytes_per_s=None, why="test"),
    )
    assert lifted.copying_s <= capped.copying_s


def test_a_throttle_slows_a_busy_guest_and_not_one_with_idle_time() -> None:
    recipe = Recipe(
        pause_start_s=0.02,
        pause_max_s=0.02,
        throttle=Throttle(initial_fraction=0.2, increment_fraction=0.2, most_fraction=0.6),
    )
    hot = writing((1e6, 90e6 * MIB))

    def run(busy: float) -> float:
        way = Way(bandwidth_bytes_per_s=LINK, first_bytes_per_s=LINK, busy_fraction=busy)
        course = simulate(
            hot,
            way,
            recipe,
            used_bytes=300 * MIB,
            steering=lambda *_: RaiseThrottle(increment_fraction=0.2, why="test"),
            copying_s_max=600.0,
        )
        assert max(one.throttle_fraction for one in course.trace) <= 0.6
        return course.sent_bytes

    assert run(1.0) < 0.7 * run(0.1)


def test_postcopy_sends_the_rest_once_while_the_guest_runs() -> None:
    course = simulate(
        writing((0.1, 50.0 * MIB)),
        WAY,
        SMALL,
        used_bytes=200 * MIB,
        steering=keep_for(1, StartPostcopy(why="test")),
    )
    assert course.end is CourseEnd.POSTCOPY
    assert course.rest_s == 0
    assert course.after_s == pytest.approx(0.5)
    assert course.sent_bytes == pytest.approx(250 * MIB)


def test_unrest_is_the_same_every_time_and_another_for_another_phase() -> None:
    def run(phase: float) -> tuple[Round, ...]:
        way = Way(
            bandwidth_bytes_per_s=LINK,
            first_bytes_per_s=LINK,
            unrest_fraction=0.05,
            phase_fraction=phase,
        )
        return simulate(
            writing((0.5, 50.0 * MIB)),
            way,
            Recipe(pause_start_s=0.45, pause_max_s=0.45),
            used_bytes=200 * MIB,
            steering=keep,
            copying_s_max=30.0,
        ).trace

    assert run(0.3) == run(0.3)
    assert any(run(0.3) != run(other / 10) for other in range(10))
