"""Goal: the pause limit is raised when a copy has stalled, never above the promise, never in vain.

Method: rounds by hand, at 100 MiB/s and a second apart, so that 10 MiB left are 100 ms of pause.
What happens over whole migrations is in tests/property/test_property_steering.py.
"""

import math
from dataclasses import replace

import pytest

from godwit.core.model import Round
from godwit.core.plan import Recipe
from godwit.core.precopy import GiveUp, Keep, Order, RaisePause, Situation, steer
from godwit.core.units import MIB
from tests.unit.core.builders import recipe, round_

#: The sync at the start of every copy: the whole memory is dirty.
START = 4096.0


def rounds(*leaves: float, limit: float = 0.03, every: float = 1.0) -> tuple[Round, ...]:
    """Rounds that leave so many MiB, after the first sync; under one limit, so far apart."""
    return tuple(
        round_(number, leaves=mib, at=number * every, limit=limit)
        for number, mib in enumerate((START, *leaves), start=1)
    )


def at_max(*leaves: float, every: float = 5.0, most: float = 0.3) -> Order:
    """Steer with the limit at its maximum since the start."""
    return steer(
        recipe(most=most), rounds(*leaves, limit=most, every=every), Situation(pause_limit_s=most)
    )


class TestLeftAlone:
    def test_the_first_sync_and_the_first_pass_say_nothing(self) -> None:
        assert isinstance(steer(recipe(), (), Situation(pause_limit_s=0.03)), Keep)
        assert isinstance(steer(recipe(), rounds(), Situation(pause_limit_s=0.03)), Keep)
        assert isinstance(steer(recipe(), rounds(2000), Situation(pause_limit_s=0.03)), Keep)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 0.89])
    def test_a_copy_that_converges_is(self, share: float) -> None:
        leaves = [1000 * share**n for n in range(40)]
        for count in range(1, len(leaves)):
            assert isinstance(
                steer(recipe(), rounds(*leaves[:count]), Situation(pause_limit_s=0.03)), Keep
            )

    def test_a_single_burst_is(self) -> None:
        assert isinstance(steer(recipe(), rounds(100, 50, 90), Situation(pause_limit_s=0.03)), Keep)
        assert isinstance(
            steer(recipe(), rounds(100, 50, 90, 25), Situation(pause_limit_s=0.03)), Keep
        )

    def test_bursts_between_rounds_of_progress_are(self) -> None:
        leaves = (100, 60, 100, 36, 100, 21, 100, 12)
        for count in range(1, len(leaves) + 1):
            assert isinstance(
                steer(recipe(), rounds(*leaves[:count]), Situation(pause_limit_s=0.03)), Keep
            )

    def test_one_that_waits_for_its_turn_on_the_link_is(self) -> None:
        held = Situation(pause_limit_s=0.3, is_held=True)
        stalled = rounds(*[500] * 20, limit=0.3, every=5.0)
        assert isinstance(steer(recipe(most=0.3), stalled, held), Keep)
        assert isinstance(steer(recipe(most=0.3), stalled, replace(held, is_held=False)), GiveUp)

    def test_a_copy_without_a_measured_bandwidth_is(self) -> None:
        blind = tuple(replace(one, bandwidth_bytes_per_s=0.0) for one in rounds(100, 100, 100, 100))
        assert isinstance(steer(recipe(), blind, Situation(pause_limit_s=0.03)), Keep)


class TestRaised:
    def test_a_second_round_without_progress_raises_it(self) -> None:
        order = steer(recipe(), rounds(100, 50, 49, 48), Situation(pause_limit_s=0.03))
        assert isinstance(order, RaisePause)
        assert "48.0 MiB" in order.why
        assert "30 ms" in order.why

    def test_progress_is_measured_against_the_best_round_not_the_last(self) -> None:
        assert isinstance(
            steer(recipe(), rounds(50, 100, 80), Situation(pause_limit_s=0.03)), RaisePause
        )

    @pytest.mark.parametrize(
        ("leaves", "limit_s", "most_s", "expected_s"),
        [
            (7.0, 0.03, 1.0, 0.0805),  # 70 ms and the margin
            (3.1, 0.03, 1.0, 0.045),  # just missed: at least half as much again
            (900.0, 0.03, 1.0, 1.0),  # level, far above the promise: all of it is tried at once
            (90.0, 0.03, 2.0, 1.035),  # level, within the promise: nothing is gained by steps
            (900.0, 0.25, 0.3, 0.3),  # never above the promise
            (26.1, 0.25, 0.3, 0.3),
        ],
    )
    def test_it_goes_to_what_the_rest_needs_in_bounded_steps(
        self, leaves: float, limit_s: float, most_s: float, expected_s: float
    ) -> None:
        stalled = rounds(leaves, leaves, leaves, limit=limit_s)
        order = steer(recipe(most=most_s), stalled, Situation(pause_limit_s=limit_s))
        assert isinstance(order, RaisePause)
        assert order.limit_s == pytest.approx(expected_s)

    def test_the_promise_itself_is_reached_exactly(self) -> None:
        most_s = 0.1 + 0.2
        order = steer(
            recipe(most=most_s), rounds(900, 900, 900, limit=0.29), Situation(pause_limit_s=0.29)
        )
        assert order == RaisePause(limit_s=most_s, why=getattr(order, "why", ""))

    def test_a_bandwidth_above_what_the_path_carries_is_not_believed(self) -> None:
        path = Recipe(pause_start_s=0.03, pause_max_s=1.0, link_bytes_per_s=50 * MIB)
        stalled = rounds(4.0, 4.0, 4.0)
        believed, bounded = (
            steer(recipe(most=1.0), stalled, Situation(pause_limit_s=0.03)),
            steer(path, stalled, Situation(pause_limit_s=0.03)),
        )
        assert isinstance(believed, RaisePause)
        assert isinstance(bounded, RaisePause)
        assert believed.limit_s == pytest.approx(0.046)
        assert bounded.limit_s == pytest.approx(0.092)


class TestFixedPart:
    """The promise is the whole pause, and sending the rest is only a part of it."""

    def test_the_limit_leaves_room_for_what_else_the_pause_takes(self) -> None:
        now = Situation(pause_limit_s=0.03, pause_fixed_s=0.05)
        order = steer(recipe(most=0.3), rounds(26, 26, 26), now)
        assert isinstance(order, RaisePause)
        assert order.limit_s == pytest.approx((0.3 - 0.05) * 0.93)

    @pytest.mark.parametrize(
        ("measured", "planned"),
        [
            ((100, 99, 101, 100, 98, 102), 0.93),
            ((100, 88, 101, 110, 92, 103), 0.85),
            ((100, 100, 160, 100, 100, 100), 0.85),
        ],
    )
    def test_an_unsteady_bandwidth_leaves_more_of_it(
        self, measured: tuple[float, ...], planned: float
    ) -> None:
        seen = rounds(*[26] * len(measured))
        noisy = tuple(
            replace(one, bandwidth_bytes_per_s=mib * MIB)
            for one, mib in zip(seen[1:], measured, strict=True)
        )
        now = Situation(pause_limit_s=0.03, pause_fixed_s=0.05)
        order = steer(recipe(most=0.3), (seen[0], *noisy), now)
        assert isinstance(order, RaisePause)
        assert order.limit_s == pytest.approx((0.3 - 0.05) * planned)

    @pytest.mark.parametrize(("carries", "planned"), [(97, 0.93), (88, 0.85), (63, 0.6), (9, 0.5)])
    def test_no_measurement_is_trusted_beyond_what_was_carried_on_average(
        self, carries: float, planned: float
    ) -> None:
        sent = tuple(
            replace(one, transferred_bytes=round(one.number * carries * MIB))
            for one in rounds(*[26] * 6)
        )
        now = Situation(pause_limit_s=0.03, pause_fixed_s=0.05)
        order = steer(recipe(most=0.3), sent, now)
        assert isinstance(order, RaisePause)
        assert order.limit_s == pytest.approx((0.3 - 0.05) * planned)

    def test_a_first_pass_that_was_slower_is_no_reason_for_care(self) -> None:
        seen = [replace(one, transferred_bytes=one.number * 100 * MIB) for one in rounds(*[26] * 6)]
        slow = (replace(seen[0], ended_at_s=seen[0].ended_at_s - 100.0), *seen[1:])
        now = Situation(pause_limit_s=0.03, pause_fixed_s=0.05)
        order = steer(recipe(most=0.3), slow, now)
        assert isinstance(order, RaisePause)
        assert order.limit_s == pytest.approx((0.3 - 0.05) * 0.93)

    def test_the_longer_pause_of_the_last_resort_likewise(self) -> None:
        longer = replace(recipe(most=0.3), pause_longer_s=1.0)
        now = Situation(pause_limit_s=0.2325, pause_fixed_s=0.05)
        order = steer(longer, rounds(*[80] * 8, limit=0.2325), now)
        assert isinstance(order, RaisePause)
        assert order.limit_s == pytest.approx((1.0 - 0.05) * 0.93)

    def test_where_it_takes_all_of_the_promise_the_limit_stays_as_it_began(self) -> None:
        now = Situation(pause_limit_s=0.03, pause_fixed_s=0.5)
        order = steer(recipe(most=0.3), rounds(*[80] * 8, limit=0.03), now)
        assert isinstance(order, GiveUp)


class TestUnsteady:
    """Guests whose rounds differ: the limit goes to their better moments, and only in steps."""

    def test_the_limit_covers_the_best_of_late_and_not_the_present(self) -> None:
        order = steer(recipe(most=1.0), rounds(40, 60, 10, 50, 55), Situation(pause_limit_s=0.05))
        assert isinstance(order, RaisePause)
        assert order.limit_s == pytest.approx(0.16875)  # a step towards 500 ms and the margin
        best = steer(
            recipe(most=1.0), rounds(40, 60, 45, 80, 44, limit=0.2), Situation(pause_limit_s=0.2)
        )
        assert isinstance(best, RaisePause)
        assert best.limit_s == pytest.approx(0.506)  # 44 MiB, not the 45 or 80 of other rounds

    def test_a_moment_of_long_ago_is_no_longer_waited_for(self) -> None:
        order = steer(
            recipe(most=2.0),
            rounds(90, 30, 29, *[80, 95] * 5, limit=0.35),
            Situation(pause_limit_s=0.35),
        )
        assert isinstance(order, RaisePause)
        assert order.limit_s == pytest.approx(0.92)

    def test_a_bandwidth_that_stands_out_is_not_believed(self) -> None:
        seen = rounds(20, 20, 20, limit=0.1)
        lucky = (*seen[:-1], replace(seen[-1], bandwidth_bytes_per_s=300.0 * MIB))
        order = steer(recipe(most=1.0), lucky, Situation(pause_limit_s=0.1))
        assert isinstance(order, RaisePause)
        assert order.limit_s == pytest.approx(0.23)

    def test_a_bandwidth_that_dropped_is(self) -> None:
        seen = rounds(20, 20, 20, limit=0.1)
        dropped = (*seen[:-1], replace(seen[-1], bandwidth_bytes_per_s=50.0 * MIB))
        order = steer(recipe(most=1.0), dropped, Situation(pause_limit_s=0.1))
        assert isinstance(order, RaisePause)
        assert order.limit_s == pytest.approx(0.46)


class TestGivenUp:
    def test_never_below_the_promise(self) -> None:
        forever = rounds(*[500.0] * 199, limit=0.29, every=60.0)
        assert isinstance(
            steer(recipe(most=0.3), forever, Situation(pause_limit_s=0.29)), RaisePause
        )

    def test_a_hopeless_guest_after_three_rounds_past_the_first(self) -> None:
        assert isinstance(at_max(500, 500, 500), Keep)
        order = at_max(500, 500, 500, 500)
        assert isinstance(order, GiveUp)
        for word in ("3 rounds", "15.0 s", "300 ms", "5.0 s", "50.0 MiB/s", "100 MiB/s"):
            assert word in order.why

    def test_what_would_have_helped_is_told_with_figures(self) -> None:
        order = at_max(500, 500, 500, 500)
        assert isinstance(order, GiveUp)
        for word in ("1.6 GiB/s of bandwidth", "94 %", "post-copy", "500 MiB", "5.8 s"):
            assert word in order.remedy

    def test_a_guest_that_gets_hotter_likewise(self) -> None:
        assert isinstance(at_max(400, 450, 510, 600), GiveUp)

    def test_rounds_of_an_instant_are_given_some_seconds_for_a_burst_to_pass(self) -> None:
        assert isinstance(at_max(60, *[60] * 39, every=0.1), Keep)
        assert isinstance(at_max(60, *[60] * 41, every=0.1), GiveUp)

    def test_a_guest_just_above_the_promise_is_waited_for(self) -> None:
        assert isinstance(at_max(33, *[33] * 4), Keep)
        assert isinstance(at_max(33, *[33] * 5), GiveUp)
        assert isinstance(at_max(33, *[33] * 19, every=1.0), Keep)
        assert isinstance(at_max(33, *[33] * 21, every=1.0), GiveUp)

    def test_a_guest_with_phases_is_given_the_chance_of_a_calm_one(self) -> None:
        assert isinstance(at_max(*[500, 200] * 6), Keep)
        assert isinstance(at_max(*[500, 200] * 7), GiveUp)

    def test_a_guest_that_had_a_calm_moment_is_not_given_up_early(self) -> None:
        assert isinstance(at_max(500, 29, *[500] * 4), Keep)

    def test_a_guest_that_just_became_calmer_is_not_given_up(self) -> None:
        assert isinstance(at_max(500, 500, 500, 500, 478), Keep)

    def test_only_rounds_at_the_highest_limit_count(self) -> None:
        below = rounds(33, *[33] * 30, limit=0.2)
        now = (*below[:-4], *(replace(one, pause_limit_s=0.3) for one in below[-4:]))
        assert isinstance(steer(recipe(most=0.3), now, Situation(pause_limit_s=0.3)), Keep)

    def test_rounds_that_made_progress_do_not_count(self) -> None:
        shrinking = [4000 * 0.85**n for n in range(20)]
        assert isinstance(at_max(*shrinking, shrinking[-1] * 1.1), Keep)
        assert isinstance(at_max(*shrinking, *[shrinking[-1]] * 2), Keep)
        assert isinstance(at_max(*shrinking, *[shrinking[-1]] * 3), GiveUp)

    @pytest.mark.parametrize("share", [0.95, 0.98, 0.99])
    def test_slow_but_steady_progress_is_waited_for(self, share: float) -> None:
        slow = [3000 * share**n for n in range(80)]
        for count in range(1, len(slow)):
            assert isinstance(at_max(*slow[:count]), Keep)

    def test_very_short_rounds_are_not_waited_for_beyond_what_is_kept(self) -> None:
        assert isinstance(at_max(33, *[33] * 149, every=0.01), Keep)
        assert isinstance(at_max(33, *[33] * 150, every=0.01), GiveUp)

    def test_a_lucky_round_of_long_ago_does_not_keep_a_hopeless_copy_alive(self) -> None:
        assert isinstance(at_max(500, 31, *[500] * 12), GiveUp)

    def test_a_rest_that_fits_is_left_to_switch_over(self) -> None:
        assert isinstance(at_max(*[500] * 12, 29), Keep)
        assert isinstance(at_max(60, 60, *[29] * 3), Keep)
        assert isinstance(at_max(60, 60, *[29] * 9), GiveUp), "and still does not switch over"

    def test_rounds_are_not_waited_for_again_when_a_controller_took_over(self) -> None:
        """The rounds come from the journal; the window that is kept may have lost the first."""
        window = rounds(500, *[500] * 40, limit=0.3, every=5.0)[20:]
        assert isinstance(steer(recipe(most=0.3), window, Situation(pause_limit_s=0.3)), GiveUp)


class TestForeseen:
    """A curve of what the guest writes, from passes of different length."""

    def test_a_guest_that_will_settle_far_above_is_not_waited_for_though_it_shrinks(self) -> None:
        # 400 MiB written over and over at 200 MiB/s: u(t) = 400 (1 - exp(-t / 2)).
        seen, rests, at_s = [], [4096.0], 0.0
        for number in range(1, 12):
            seen.append(round_(number, leaves=rests[-1], at=at_s, limit=0.3))
            order = steer(recipe(most=0.3), tuple(seen), Situation(pause_limit_s=0.3))
            if isinstance(order, GiveUp):
                break
            pass_s = (rests[-1] - 30) / 100
            at_s += pass_s
            rests.append(30 + 400 * -math.expm1(-pass_s / 2) * (1 - 30 / 400))
        assert isinstance(order, GiveUp)
        assert number <= 6

    def test_one_that_writes_slower_than_the_link_never_is(self) -> None:
        seen, rest, at_s = [], 4096.0, 0.0
        for number in range(1, 60):
            seen.append(round_(number, leaves=rest, at=at_s, limit=0.02))
            order = steer(recipe(start=0.02), tuple(seen), Situation(pause_limit_s=0.02))
            assert not isinstance(order, GiveUp)
            at_s += rest / 100
            rest *= 0.97
