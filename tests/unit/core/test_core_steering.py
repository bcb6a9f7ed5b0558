"""Goal: the pause limit is raised when a copy has stalled, never above the promise, never in vain.

Method: rounds by hand, at 100 MiB/s and a second apart, so that 10 MiB left are 100 ms of pause.
What happens over whole migrations is in tests/property/test_property_steering.py.
"""

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
            (900.0, 0.03, 1.0, 0.10125),  # far away: step by step
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


class TestGivenUp:
    def test_never_below_the_promise(self) -> None:
        forever = rounds(*[500.0] * 199, limit=0.29, every=60.0)
        assert isinstance(
            steer(recipe(most=0.3), forever, Situation(pause_limit_s=0.29)), RaisePause
        )

    def test_after_twelve_rounds_in_a_row_that_brought_nothing(self) -> None:
        assert isinstance(at_max(500, *[500] * 11), Keep)
        order = at_max(500, *[500] * 12)
        assert isinstance(order, GiveUp)
        for word in ("12 rounds", "300 ms", "5.0 s", "50.0 MiB/s", "100 MiB/s"):
            assert word in order.why
        assert "bandwidth" in order.remedy

    def test_only_rounds_at_the_highest_limit_count(self) -> None:
        below = rounds(500, *[500] * 30, limit=0.2)
        last = rounds(500, *[500] * 41)[-11:]
        now = (*below, *(replace(one, pause_limit_s=0.3) for one in last))
        assert isinstance(steer(recipe(most=0.3), now, Situation(pause_limit_s=0.3)), Keep)

    def test_rounds_that_made_progress_do_not_count(self) -> None:
        shrinking = [4000 * 0.85**n for n in range(20)]
        assert isinstance(at_max(*shrinking, shrinking[-1] * 1.1), Keep)
        assert isinstance(at_max(*shrinking, *[shrinking[-1]] * 11), Keep)
        assert isinstance(at_max(*shrinking, *[shrinking[-1]] * 12), GiveUp)

    def test_slow_but_steady_progress_is_waited_for(self) -> None:
        slow = [3000 * 0.95**n for n in range(80)]
        for count in range(1, len(slow)):
            assert isinstance(at_max(*slow[:count]), Keep)

    def test_short_rounds_are_given_time_for_the_burst_to_pass(self) -> None:
        assert isinstance(at_max(60, *[60] * 100, every=0.1), Keep)
        assert isinstance(at_max(60, *[60] * 201, every=0.1), GiveUp)

    def test_very_short_rounds_are_not_waited_for_beyond_what_is_kept(self) -> None:
        assert isinstance(at_max(60, *[60] * 149, every=0.01), Keep)
        assert isinstance(at_max(60, *[60] * 150, every=0.01), GiveUp)

    def test_a_lucky_round_of_long_ago_does_not_keep_a_hopeless_copy_alive(self) -> None:
        assert isinstance(at_max(500, 29, *[500] * 12), GiveUp)

    def test_twelve_rounds_are_not_waited_for_again_when_a_controller_took_over(self) -> None:
        """The rounds come from the journal; the window that is kept may have lost the first."""
        window = rounds(500, *[500] * 40, limit=0.3, every=5.0)[20:]
        assert isinstance(steer(recipe(most=0.3), window, Situation(pause_limit_s=0.3)), GiveUp)
