"""What a finished migration teaches of its VM and its path, and what it does not."""

import math
from dataclasses import replace

import pytest

from godwit.core.model import (
    Calibration,
    DirtyObservation,
    DirtySource,
    Forecast,
    PathKnowledge,
    Range,
    Round,
    Score,
    VmId,
)
from godwit.core.plan import Compression, Recipe
from godwit.core.precopy import (
    MoveFacts,
    Way,
    accuracy,
    calibrate,
    fit_curve,
    learn_path,
    learn_vm,
    observations_of,
    score,
    simulate,
    with_samples,
)
from godwit.core.precopy.dirtying import Writing
from godwit.core.units import GIB, MIB

VM = VmId("5a0e3c52-0000-4000-8000-000000000001")
NOW_S = 5000.0
RECIPE = Recipe(pause_start_s=0.02, pause_max_s=1.0)
WAY = Way(bandwidth_bytes_per_s=119e6, first_bytes_per_s=119e6, wire_fraction=1.002)


def moved(
    parts: list[tuple[float, float]], *, recipe: Recipe = RECIPE, way: Way = WAY, used: float = 3e8
) -> MoveFacts:
    """A migration as the simulation has it."""
    course = simulate(Writing.of(parts, used), way, recipe, used_bytes=used, zero_bytes=GIB - used)
    return MoveFacts(
        recipe=recipe,
        rounds=course.trace,
        memory_bytes=GIB,
        completed=course.moved,
        setup_s=0.5,
        ending_s=0.2,
        pause_s=course.rest_s + 0.05,
        outage_s=course.rest_s + 0.15,
        total_s=0.7 + course.copying_s + course.rest_s + 0.05,
        sent_bytes=course.sent_bytes,
    )


def test_the_curve_learnt_from_a_move_is_the_true_one() -> None:
    known = learn_vm(None, VM, moved([(2.0, 60.0 * MIB)]), NOW_S)
    curve = fit_curve(known.observations, 3e8, 10.0)
    for window_s in (0.1, 0.3, 0.5, 2.5):
        exact = 60 * MIB * min(1.0, window_s / 2)
        assert curve.written_bytes(window_s) == pytest.approx(exact, rel=0.12)


def test_memory_in_use_is_what_the_first_pass_sent_without_zeroes() -> None:
    known = learn_vm(None, VM, moved([(2.0, 60.0 * MIB)]), NOW_S)
    assert known.first_pass is not None
    assert known.first_pass.value == pytest.approx(3e8, rel=0.01)
    assert known.migrations == 1


def test_a_compressed_first_pass_says_nothing_of_memory_in_use() -> None:
    recipe = replace(RECIPE, channels=2, compression=Compression.ZSTD)
    way = replace(WAY, wire_fraction=0.5, again_fraction=0.5)
    assert learn_vm(None, VM, moved([(2.0, 4e7)], recipe=recipe, way=way), NOW_S).first_pass is None


def round_(number: int, **changes: float | None) -> Round:
    values: dict[str, float | None] = {
        "ended_at_s": float(number),
        "remaining_bytes": 50 * MIB,
        "transferred_bytes": number * 100 * MIB,
        "dirty_bytes_per_s": 0.0,
        "bandwidth_bytes_per_s": 100.0 * MIB,
        "pause_limit_s": 0.02,
        "took_s": 1.0 if number > 1 else None,
    }
    return Round(number=number, **(values | changes))  # type: ignore[arg-type]


def test_a_throttled_round_is_not_taken_for_free_writing() -> None:
    free = (round_(1), round_(2), round_(3))
    slowed = (round_(1), round_(2), round_(3, throttle_fraction=0.4, remaining_bytes=10 * MIB))
    assert len(observations_of(free)) == 2
    assert len(observations_of(slowed)) == 1


def test_what_a_pass_left_unsent_was_not_written_in_it() -> None:
    left = (round_(1), round_(2), round_(3, transferred_bytes=210 * MIB, took_s=0.1))
    assert [one.window_s for one in observations_of(left)] == [1.0]


def test_the_two_syncs_of_the_switch_over_are_no_observation() -> None:
    final = (round_(1), round_(2), round_(3, took_s=0.004, remaining_bytes=0))
    assert len(observations_of(final)) == 1


def test_a_vm_keeps_a_bounded_number_of_the_newest_observations() -> None:
    known = None
    for turn in range(20):
        facts = moved([(2.0, 60.0 * MIB)])
        later = tuple(
            replace(one, ended_at_s=one.ended_at_s + 1000.0 * turn) for one in facts.rounds
        )
        known = learn_vm(known, VM, replace(facts, rounds=later), 1000.0 * turn)
    assert known is not None
    assert 20 <= len(known.observations) <= 40
    assert min(one.taken_at_s for one in known.observations) > 10_000
    assert known.migrations == 20


def test_samples_join_what_moves_taught() -> None:
    known = learn_vm(None, VM, moved([(2.0, 60.0 * MIB)]), NOW_S)
    one = DirtyObservation(
        window_s=1.0, written_bytes=1e7, source=DirtySource.SAMPLED, taken_at_s=NOW_S
    )
    assert with_samples(known, [one]).observations[-1] == one


def test_a_path_is_learnt_with_all_its_costs() -> None:
    known = learn_path(None, moved([(2.0, 60.0 * MIB)]), NOW_S)
    assert known.bandwidth is not None
    assert known.bandwidth.value == pytest.approx(119e6, rel=0.03)
    assert known.setup is not None
    assert known.setup.value == 0.5
    assert known.pause_fixed is not None
    assert known.pause_fixed.value == pytest.approx(0.05, rel=0.2)
    assert known.outage_extra is not None
    assert known.outage_extra.value == pytest.approx(0.1)


def test_a_limited_stream_says_nothing_of_the_path() -> None:
    recipe = replace(RECIPE, bandwidth_bytes_per_s=40e6, bandwidth_is_hard=True)
    known = learn_path(None, moved([(2.0, 20.0 * MIB)], recipe=recipe), NOW_S)
    assert known.bandwidth is None
    assert known.first_bandwidth is None
    slow = replace(WAY, bandwidth_bytes_per_s=20e6, first_bytes_per_s=20e6)
    known = learn_path(None, moved([(2.0, 10.0 * MIB)], recipe=recipe, way=slow), NOW_S)
    # It did not even reach its limit: that was the path.
    assert known.bandwidth is not None
    assert known.bandwidth.value == pytest.approx(20e6, rel=0.03)


def test_what_xbzrle_saves_is_learnt_from_passes_with_a_filled_cache() -> None:
    recipe = replace(RECIPE, compression=Compression.XBZRLE)
    way = replace(WAY, again_fraction=0.25)
    facts = moved([(0.5, 100.0 * MIB)], recipe=recipe, way=way)
    known = learn_vm(None, VM, facts, NOW_S)
    assert known.again_wire is not None
    assert known.again_wire.value == pytest.approx(0.25, rel=0.05)
    assert learn_path(None, facts, NOW_S).wire is None, "another guest writes another way"


def test_a_shared_link_is_learnt_as_if_it_were_whole() -> None:
    half = replace(WAY, bandwidth_bytes_per_s=60e6, first_bytes_per_s=60e6)
    facts = replace(moved([(2.0, 30.0 * MIB)], way=half), link_share_fraction=0.5)
    known = learn_path(None, facts, NOW_S)
    assert known.bandwidth is not None
    assert known.bandwidth.value == pytest.approx(120e6, rel=0.03)


def test_an_outlier_moves_an_estimate_little_and_a_new_link_is_learnt() -> None:
    usual, odd = moved([(2.0, 60.0 * MIB)]), moved([(2.0, 60.0 * MIB)])
    known: PathKnowledge | None = None
    for _ in range(8):
        known = learn_path(known, usual, NOW_S)
    after = learn_path(known, replace(odd, setup_s=30.0), NOW_S)
    assert after.setup is not None
    assert after.setup.value < 0.7
    slow = replace(WAY, bandwidth_bytes_per_s=24e6, first_bytes_per_s=24e6)
    for _ in range(12):
        known = learn_path(known, moved([(2.0, 10.0 * MIB)], way=slow), NOW_S)
    assert known is not None
    assert known.bandwidth is not None
    assert known.bandwidth.value == pytest.approx(24e6, rel=0.15)


def test_a_first_pass_alone_does_not_pass_for_the_bandwidth() -> None:
    fast = replace(WAY, bandwidth_bytes_per_s=1.5e9, first_bytes_per_s=4e8)
    known = learn_path(None, moved([(1.0, 0.0)], way=fast), NOW_S)
    assert known.bandwidth is None
    assert known.first_bandwidth is not None
    assert known.first_bandwidth.value == pytest.approx(4e8, rel=0.1)


def test_a_migration_that_failed_teaches_no_pause() -> None:
    facts = replace(moved([(2.0, 60.0 * MIB)]), completed=False)
    known = learn_path(None, facts, NOW_S)
    assert known.bandwidth is not None
    assert known.pause_fixed is None
    assert known.ending is None


def said(likely: float, *, half: float = 0.2, converges: float = 0.9) -> Forecast:
    over = Range(low=likely * math.exp(-half), likely=likely, high=likely * math.exp(half))
    return Forecast(
        total_s=over,
        pause_s=over,
        outage_s=over,
        sent_bytes=over,
        rounds=over,
        converges=converges,
        keeps_promise=converges,
        made_at_s=0.0,
    )


def scored(likely: float, fact: float, *, completed: bool = True, **how: float) -> Score:
    return Score(
        forecast=said(likely, **how),
        scored_at_s=1.0,
        completed=completed,
        total_s=fact,
        pause_s=fact,
        outage_s=fact,
        sent_bytes=fact,
        rounds=5,
    )


def test_a_score_holds_forecast_and_facts() -> None:
    facts = moved([(2.0, 60.0 * MIB)])
    one = score(said(3.0), facts, NOW_S)
    assert (one.total_s, one.pause_s, one.completed) == (facts.total_s, facts.pause_s, True)
    assert one.rounds == len(facts.rounds)


def test_accuracy_counts_errors_coverage_and_the_verdict() -> None:
    judged = accuracy(
        [
            scored(10.0, 10.0),
            scored(10.0, 9.0),
            scored(10.0, 20.0),
            scored(10.0, 99.0, completed=False),
            scored(10.0, 99.0, completed=False, converges=0.1),
            scored(10.0, 10.0, converges=0.1),
        ]
    )
    assert judged.count == 6
    assert judged.total_coverage_fraction == pytest.approx(3 / 4)
    assert judged.pause_error_median_s == pytest.approx(0.5)
    assert judged.total_error_p90_fraction == pytest.approx(0.5, abs=0.05)
    assert judged.converge_right_fraction == pytest.approx(4 / 6)
    assert judged.converge_precision_fraction == pytest.approx(3 / 4)
    assert judged.converge_recall_fraction == pytest.approx(3 / 4)
    assert accuracy([]).total_error_median_fraction is None


def test_few_scores_change_the_calibration_little_and_many_do() -> None:
    far = [scored(10.0, 10.0 * math.exp(0.6)) for _ in range(60)]
    assert calibrate([]) == Calibration()
    assert calibrate(far[:1]).total_factor < 1.3
    # Three half-widths off, every time.
    assert calibrate(far).total_factor == pytest.approx(3.0, rel=0.01)
    assert calibrate(far).count == 60
    exact = [scored(10.0, 10.0) for _ in range(60)]
    assert calibrate(exact).total_factor == pytest.approx(0.5, abs=0.02)


def test_what_a_forecast_was_widened_by_is_not_widened_twice() -> None:
    wide = [
        replace(one, forecast=replace(one.forecast, calibration=Calibration(total_factor=3.0)))
        for one in (scored(10.0, 10.0 * math.exp(0.2)) for _ in range(60))
    ]
    # Just covered with a factor of 3: it stays as it is.
    assert calibrate(wide).total_factor == pytest.approx(3.0, rel=0.01)
