"""The forecast of one migration: what it rests on, and what moves it."""

from dataclasses import replace

import pytest

from godwit.core.model import (
    Calibration,
    DirtyObservation,
    DirtySource,
    Estimate,
    PathKnowledge,
    Round,
    VmId,
    VmKnowledge,
)
from godwit.core.plan import Compression, Recipe
from godwit.core.precopy import (
    ForecastInputs,
    Keep,
    Order,
    RaisePause,
    Situation,
    StartPostcopy,
    forecast,
    steer,
)
from godwit.core.precopy.scenarios import normal_quantile, range_of, unit_points
from godwit.core.units import MIB

VM = VmId("5a0e3c52-0000-4000-8000-000000000001")
NOW_S = 1_000_000.0
RECIPE = Recipe(pause_start_s=0.02, pause_max_s=1.0)


def seen(value: float, count: int = 5, age_s: float = 600.0) -> Estimate:
    return Estimate(value=value, spread_fraction=0.02, count=count, updated_at_s=NOW_S - age_s)


def sampled(*pairs: tuple[float, float]) -> tuple[DirtyObservation, ...]:
    return tuple(
        DirtyObservation(
            window_s=window_s,
            written_bytes=size * MIB,
            source=DirtySource.SAMPLED,
            taken_at_s=NOW_S - 180,
            resolution_bytes=2 * MIB,
        )
        for window_s, size in pairs
    )


CALM = VmKnowledge(vm=VM, observations=sampled((1, 25), (2, 50), (5, 125)), first_pass=seen(2e8))
PATH = PathKnowledge(
    bandwidth=seen(119e6, count=7),
    setup=seen(0.5),
    ending=seen(0.22),
    pause_fixed=seen(0.05),
    outage_extra=seen(0.09),
)
INPUTS = ForecastInputs(
    memory_bytes=512 * MIB, vcpus=1, now_s=NOW_S, vm=CALM, path=PATH, plain_path=PATH
)


def test_the_same_input_gives_the_same_forecast() -> None:
    assert forecast(INPUTS, RECIPE) == forecast(INPUTS, RECIPE)


def test_a_calm_guest_is_foreseen_near_what_arithmetic_says() -> None:
    said = forecast(INPUTS, RECIPE)
    # First pass 1.68 s; each further one 0.22 of it; the fixed costs.
    assert said.total_s.likely == pytest.approx(0.5 + 1.68 / (1 - 0.22) + 0.05 + 0.22, rel=0.05)
    assert said.sent_bytes.likely == pytest.approx(2e8 / (1 - 0.22), rel=0.05)
    assert said.converges > 0.95
    assert said.keeps_promise > 0.95
    assert said.pause_s.high < 0.2
    assert said.outage_s.likely > said.pause_s.likely


def test_the_grounds_name_memory_writing_and_path() -> None:
    memory, writing, path = forecast(INPUTS, RECIPE).grounds
    assert memory == "memory in use 191 MiB, from the last move 10 m 00 s ago"
    assert writing.startswith("writes 2")
    assert writing.endswith("measured 3 m 00 s ago by sampling")
    assert path == "the path carries 113 MiB/s, 7 moves"


def test_nothing_known_makes_a_wide_range_and_says_so() -> None:
    blind = forecast(ForecastInputs(memory_bytes=512 * MIB, vcpus=1, now_s=NOW_S), RECIPE)
    known = forecast(INPUTS, RECIPE)
    assert blind.total_s.high / blind.total_s.low > 2 * known.total_s.high / known.total_s.low
    assert "nothing is known of how much it writes" in blind.grounds
    assert "nothing is known of the path's bandwidth" in blind.grounds
    assert 0.05 < blind.converges < 0.99


def test_memory_in_use_is_what_the_guest_says_and_at_least_what_it_once_wrote() -> None:
    fresh = replace(INPUTS, vm=replace(CALM, first_pass=None), guest_used_bytes=200 * MIB)
    low = forecast(replace(fresh, resident_bytes=360 * MIB), RECIPE)
    # It has freed memory, which its host still holds and which is not zero.
    high = forecast(replace(fresh, resident_bytes=600 * MIB), RECIPE)
    assert "as the guest says" in low.grounds[0]
    assert "by what its host holds for it" in high.grounds[0]
    assert high.sent_bytes.low > low.sent_bytes.high
    guessed = forecast(replace(fresh, guest_used_bytes=None), RECIPE)
    assert "a guess" in guessed.grounds[0]


def test_a_declared_link_bounds_what_was_learnt_and_stands_in_for_it() -> None:
    slow = forecast(replace(INPUTS, link_bytes_per_s=60e6), RECIPE)
    fast = forecast(replace(INPUTS, link_bytes_per_s=1e9), RECIPE)
    assert slow.total_s.low > fast.total_s.high
    declared = forecast(replace(INPUTS, path=None, plain_path=None, link_bytes_per_s=125e6), RECIPE)
    assert declared.total_s.likely == pytest.approx(fast.total_s.likely, rel=0.1)
    assert "declared" in declared.grounds[2]


def test_a_shared_link_is_shared() -> None:
    alone = forecast(INPUTS, RECIPE)
    shared = forecast(replace(INPUTS, link_share_fraction=0.5), RECIPE)
    assert shared.total_s.likely > 1.6 * alone.total_s.likely
    assert any("shared" in one for one in shared.grounds)


def test_another_stream_is_guessed_from_the_plain_one_and_wider() -> None:
    recipe = replace(RECIPE, channels=2, compression=Compression.ZSTD)
    guessed = forecast(replace(INPUTS, path=None), recipe)
    plain = forecast(INPUTS, RECIPE)
    assert "never measured with multifd-2-zstd" in guessed.grounds[2]
    width = guessed.total_s.high / guessed.total_s.low
    assert width > plain.total_s.high / plain.total_s.low


def test_xbzrle_gains_as_far_as_its_cache_holds_what_is_written_again() -> None:
    """A guest that writes 256 MiB over and over, faster than the link."""
    hot = VmKnowledge(vm=VM, observations=sampled((1, 200), (2, 256), (5, 256)))
    inputs = replace(INPUTS, vm=hot, path=None)

    def chance(cache_bytes: int | None) -> float:
        asked = replace(RECIPE, compression=Compression.XBZRLE, xbzrle_cache_bytes=cache_bytes)
        return forecast(inputs, asked).keeps_promise

    chances = [chance(one * MIB) for one in (32, 128, 512)]
    assert chance(None) == chance(64 * MIB), "what QEMU takes by itself"
    assert chances == sorted(chances)
    assert chances[0] < 0.3
    assert chances[-1] > chances[0] + 0.2
    learnt = replace(inputs, vm=replace(hot, again_wire=seen(0.25)))
    few = replace(RECIPE, compression=Compression.XBZRLE, xbzrle_cache_bytes=32 * MIB)
    assert forecast(learnt, few).keeps_promise > chances[-1], "its misses are in what was learnt"


def test_a_first_pass_alone_is_a_lower_bound_of_a_fast_path() -> None:
    only_first = PathKnowledge(first_bandwidth=seen(400e6))
    said = forecast(replace(INPUTS, path=only_first, plain_path=None), RECIPE)
    assert "763 MiB/s" in said.grounds[2]
    slow = PathKnowledge(first_bandwidth=seen(50e6))
    said = forecast(replace(INPUTS, path=slow, plain_path=None), RECIPE)
    assert "47.7 MiB/s" in said.grounds[2]


def test_a_guest_that_writes_too_fast_is_not_foreseen_to_converge() -> None:
    hot = replace(CALM, observations=sampled((1, 170), (2, 180), (5, 178)))
    said = forecast(replace(INPUTS, vm=hot), replace(RECIPE, pause_max_s=0.3))
    assert said.converges < 0.3
    assert said.keeps_promise <= said.converges
    roomy = forecast(replace(INPUTS, vm=hot), replace(RECIPE, pause_max_s=4.0))
    assert roomy.converges > 0.9


def test_a_longer_pause_converges_and_breaks_the_promise() -> None:
    hot = replace(CALM, observations=sampled((1, 100), (2, 102), (5, 101)))
    recipe = replace(RECIPE, pause_max_s=0.1, pause_longer_s=4.0)
    said = forecast(
        replace(INPUTS, vm=hot),
        recipe,
        # Steering that goes straight to what the owner permits as the last resort.
        steering=lambda *_: RaisePause(limit_s=4.0, why="test"),
    )
    assert said.converges > 0.9
    assert said.keeps_promise < 0.2


def test_a_promise_leaves_room_for_all_that_is_no_memory() -> None:
    said = forecast(INPUTS, RECIPE)
    assert 0.05 < said.pause_fixed_s < 0.08
    # Unlearnt, the buffers of a slow link take a part of the pause as well.
    slow = replace(INPUTS, path=None, plain_path=None, link_bytes_per_s=25e6)
    assert forecast(slow, RECIPE).pause_fixed_s > said.pause_fixed_s + 0.03
    seen_s: list[float] = []

    def note(recipe: Recipe, rounds: tuple[Round, ...], situation: Situation) -> Order:
        seen_s.append(situation.pause_fixed_s)
        return steer(recipe, rounds, situation)

    forecast(INPUTS, RECIPE, steering=note)
    assert set(seen_s) == {said.pause_fixed_s}


def test_a_deadline_that_cannot_be_met_is_not_met() -> None:
    said = forecast(INPUTS, replace(RECIPE, deadline_s=1.5))
    assert said.converges < 0.05
    assert forecast(INPUTS, replace(RECIPE, deadline_s=30.0)).converges > 0.95


def test_postcopy_keeps_the_promise_of_a_hot_guest() -> None:
    hot = replace(CALM, observations=sampled((1, 170), (2, 180), (5, 178)))
    said = forecast(
        replace(INPUTS, vm=hot),
        replace(RECIPE, pause_max_s=0.3, postcopy=True),
        steering=lambda _, rounds, __: (
            StartPostcopy(why="test") if len(rounds) > 1 else Keep(why="test")
        ),
    )
    assert said.keeps_promise > 0.95
    assert said.outage_s.likely > 3 * said.pause_s.likely


def test_calibration_widens_the_ranges_and_leaves_the_middle() -> None:
    wide = Calibration(total_factor=2.0, pause_factor=1.0, count=30)
    before, after = forecast(INPUTS, RECIPE), forecast(replace(INPUTS, calibration=wide), RECIPE)
    assert after.total_s.likely == before.total_s.likely
    ratio = before.total_s.high / before.total_s.likely
    assert after.total_s.high / after.total_s.likely == pytest.approx(ratio**2)
    assert after.pause_s == before.pause_s
    assert after.calibration == wide
    assert "30 scored" in after.grounds[-1]


def test_points_are_stratified_in_each_coordinate() -> None:
    points = unit_points(40, 11)
    for axis in range(11):
        assert sorted(one[axis] for one in points) == pytest.approx(
            [(at + 0.5) / 40 for at in range(40)]
        )


def test_quantiles_of_the_normal_distribution() -> None:
    assert normal_quantile(0.5) == pytest.approx(0)
    assert normal_quantile(0.95) == pytest.approx(1.6448536)
    assert normal_quantile(0.0125) == pytest.approx(-2.2414027)


def test_a_range_goes_from_five_to_ninety_five_percent() -> None:
    said = range_of([float(one) for one in range(1, 101)])
    assert (said.low, said.likely, said.high) == pytest.approx((5.5, 50.5, 95.5))
