"""Goal: what a recipe does not permit is never ordered, and a post-copy has no way back.

Method: each order at its bound and beyond it; the life of a post-copy event by event.
"""

import math
from dataclasses import replace

import pytest

from godwit.core.errors import Bug, IllegalTransition
from godwit.core.migration import (
    BandwidthOrdered,
    CallEnded,
    CallOutcome,
    CancelOrdered,
    ControllerRestarted,
    CopyStarted,
    DeadlinePassed,
    Event,
    Failure,
    Migration,
    PauseLimitOrdered,
    Phase,
    PostcopyBroke,
    PostcopyOrdered,
    PostcopyStarted,
    PreconditionsHeld,
    ResumeOrdered,
    StartOrdered,
    ThrottleOrdered,
    VcpusStopped,
    VerifyEnded,
    Whereabouts,
    replay,
    step,
)
from godwit.core.plan import Recipe, Throttle
from godwit.core.units import GIB
from tests.unit.core.builders import NOW_S, accepted, move
from tests.unit.core.lives import EVERYTHING, REACHED, found

LOST_STREAM = Failure(code="step_refused", cause="failed in the post-copy phase")
PLAIN = Recipe(pause_start_s=0.03, pause_max_s=0.3)
OPENING = (
    PreconditionsHeld(at_s=NOW_S),
    StartOrdered(at_s=NOW_S + 1),
    CopyStarted(at_s=NOW_S + 2),
)


def copying(recipe: Recipe, *events: Event) -> Migration:
    """A migration that copies, and then what happens to it."""
    return replay(accepted(moving=move(using=recipe)), (*OPENING, *events))


def bandwidth(rate: float | None) -> BandwidthOrdered:
    return BandwidthOrdered(at_s=NOW_S + 9, bytes_per_s=rate, why="a stall")


def throttle(increment: float) -> ThrottleOrdered:
    return ThrottleOrdered(at_s=NOW_S + 9, increment_fraction=increment, why="a stall")


class TestWhatTheRecipePermits:
    @pytest.mark.parametrize("rate", [1.0, 49e6, 50e6])
    def test_a_hard_bandwidth_may_be_lowered(self, rate: float) -> None:
        hard = replace(EVERYTHING, bandwidth_is_hard=True)
        assert step(copying(hard), bandwidth(rate)).bandwidth_bytes_per_s == rate

    @pytest.mark.parametrize("rate", [50.1e6, math.inf, None])
    def test_a_hard_bandwidth_is_never_raised(self, rate: float | None) -> None:
        hard = replace(EVERYTHING, bandwidth_is_hard=True)
        with pytest.raises(Bug, match="more bandwidth"):
            step(copying(hard), bandwidth(rate))

    @pytest.mark.parametrize("rate", [60e6, None])
    def test_a_soft_bandwidth_may_be_raised_and_lifted(self, rate: float | None) -> None:
        raised = step(copying(EVERYTHING), bandwidth(rate))
        assert (raised.bandwidth_bytes_per_s, raised.changed_at_s) == (rate, NOW_S + 9)

    @pytest.mark.parametrize("rate", [0.0, -1.0, math.nan])
    def test_a_stream_of_nothing_is_a_bug(self, rate: float) -> None:
        with pytest.raises(Bug, match="no bandwidth"):
            step(copying(EVERYTHING), bandwidth(rate))

    @pytest.mark.parametrize("increment", [0.61, 1.0, 0.0, -0.1, math.nan])
    def test_a_throttle_beyond_its_bounds_is_a_bug(self, increment: float) -> None:
        with pytest.raises(Bug, match="throttle"):
            step(copying(EVERYTHING), throttle(increment))

    def test_a_throttle_at_its_bound_is_taken(self) -> None:
        slowed = step(copying(EVERYTHING), throttle(0.6))
        assert (slowed.throttle_increment_fraction, slowed.changed_at_s) == (0.6, NOW_S + 9)

    def test_without_permission_nothing_is_throttled(self) -> None:
        with pytest.raises(Bug, match="throttle"):
            step(copying(PLAIN), throttle(Throttle().increment_fraction))

    def test_without_permission_there_is_no_post_copy(self) -> None:
        with pytest.raises(Bug, match="post-copy"):
            step(copying(PLAIN), PostcopyOrdered(at_s=NOW_S, why="a stall"))
        assert step(copying(EVERYTHING), PostcopyOrdered(at_s=NOW_S, why="")).postcopy_ordered

    def test_a_longer_pause_is_permitted_only_where_the_owner_said_so(self) -> None:
        longer = PauseLimitOrdered(at_s=NOW_S, limit_s=2.0, why="the last resort")
        with pytest.raises(Bug, match="promise"):
            step(copying(EVERYTHING), longer)
        permitted = copying(replace(EVERYTHING, pause_longer_s=2.0))
        assert step(permitted, longer).pause_limit_s == 2.0
        with pytest.raises(Bug, match="promise"):
            step(permitted, replace(longer, limit_s=2.001))


BEGUN = (PostcopyOrdered(at_s=NOW_S + 3, why="a stall"), PostcopyStarted(at_s=NOW_S + 4))
BROKEN = (*BEGUN, PostcopyBroke(at_s=NOW_S + 5))
ENDED = CallEnded(at_s=NOW_S + 6, outcome=CallOutcome.REFUSED, failure=LOST_STREAM)


def test_a_call_that_fails_late_says_nothing_against_what_both_hosts_said() -> None:
    """The connection broke, both hosts were read, and only then the call came back."""
    lost = Failure(code="connection_lost", cause="the connection broke")
    moved = copying(
        PLAIN,
        ControllerRestarted(at_s=NOW_S + 3),
        found(Whereabouts.DESTINATION),
        CallEnded(at_s=NOW_S + 8, outcome=CallOutcome.UNKNOWN, failure=lost),
    )
    assert (moved.phase, moved.failure) == (Phase.VERIFYING, None)
    done = step(moved, DeadlinePassed(at_s=NOW_S + 99))
    assert (done.phase, done.failure) == (Phase.DONE, None)


class TestPostcopy:
    def test_the_guest_is_said_to_run_at_the_destination_from_its_start_on(self) -> None:
        for stopped in ((), (VcpusStopped(at_s=NOW_S + 3),)):
            begun = copying(EVERYTHING, BEGUN[0], *stopped, BEGUN[1])
            assert begun.phase is Phase.POSTCOPY
            assert begun.postcopy_began
            assert begun.could_have_switched

    @pytest.mark.parametrize("phase", [Phase.POSTCOPY, Phase.RECOVERING], ids=lambda one: one.word)
    def test_it_can_not_be_cancelled(self, phase: Phase) -> None:
        migration, _ = REACHED[phase]
        with pytest.raises(IllegalTransition):
            step(migration, CancelOrdered(at_s=NOW_S, by_person=True))

    def test_an_abort_that_comes_too_late_is_no_cancel(self) -> None:
        asked = CancelOrdered(at_s=NOW_S + 3, by_person=True)
        late = copying(EVERYTHING, BEGUN[0], asked, BEGUN[1], ENDED)
        moved = replay(
            accepted(moving=late.move),
            (*OPENING, BEGUN[0], asked, BEGUN[1], ENDED, found(Whereabouts.DESTINATION)),
        )
        assert (moved.phase, moved.failure) == (Phase.VERIFYING, None)

    @pytest.mark.parametrize("first", ["call", "event"])
    def test_a_break_is_recovered_whichever_is_heard_first(self, first: str) -> None:
        heard: tuple[Event, ...] = (BROKEN[2], ENDED)
        if first == "call":
            heard = (ENDED, found(Whereabouts.POSTCOPY_BROKEN, at_s=NOW_S + 7))
        broken = copying(EVERYTHING, *BEGUN, *heard)
        assert broken.phase is Phase.RECOVERING
        again = step(broken, ResumeOrdered(at_s=NOW_S + 9, attempt=1))
        assert again.resume_attempts == 1
        goes_on = step(again, PostcopyStarted(at_s=NOW_S + 10))
        assert (goes_on.phase, goes_on.broke_at_s) == (Phase.POSTCOPY, None)

    def test_the_alarm_counts_from_the_break_and_ends_with_it(self) -> None:
        broken = copying(EVERYTHING, *BROKEN)
        restarted = step(broken, ControllerRestarted(at_s=NOW_S + 100))
        again = step(restarted, found(Whereabouts.POSTCOPY_BROKEN, at_s=NOW_S + 101))
        assert again.deadline_s == broken.deadline_s == NOW_S + 5 + 300
        alarm = step(again, DeadlinePassed(at_s=NOW_S + 400))
        assert (alarm.phase, alarm.needs_person) == (Phase.RECOVERING, True)
        assert alarm.failure is not None
        assert "migration network" in alarm.failure.remedy
        silent = step(alarm, found(Whereabouts.CANNOT_KNOW))
        assert (silent.phase, silent.needs_person) == (Phase.RECOVERING, True)
        assert step(alarm, found(Whereabouts.POSTCOPY_BROKEN)).needs_person
        assert not step(alarm, PostcopyStarted(at_s=NOW_S + 500)).needs_person

    def test_a_large_guest_gets_more_time_for_the_rest_of_its_memory(self) -> None:
        begun = copying(EVERYTHING, *BEGUN)
        large = replace(begun, move=move(memory_bytes=64 * GIB, using=EVERYTHING))
        assert begun.deadline_s is not None
        assert large.deadline_s is not None
        assert large.deadline_s - begun.deadline_s == pytest.approx(60 * 120)

    def test_it_never_goes_back_to_copying(self) -> None:
        doubt = copying(EVERYTHING, *BEGUN, ENDED)
        assert step(doubt, found(Whereabouts.IN_PROGRESS)).phase is Phase.POSTCOPY

    def test_a_controller_that_never_heard_of_it_learns_it_from_the_hosts(self) -> None:
        died = copying(EVERYTHING, BEGUN[0], ControllerRestarted(at_s=NOW_S + 5))
        assert not died.postcopy_began
        for where in (Whereabouts.POSTCOPY, Whereabouts.POSTCOPY_BROKEN):
            assert step(died, found(where)).postcopy_began

    def test_it_ends_like_every_other_once_the_destination_has_all(self) -> None:
        verified = VerifyEnded(at_s=NOW_S + 20, result=REACHED[Phase.DONE][0].result)
        whole = (found(Whereabouts.DESTINATION), verified)
        assert copying(EVERYTHING, *BROKEN, ENDED, *whole).phase is Phase.DONE
        lost = copying(EVERYTHING, *BROKEN, ENDED, found(Whereabouts.NEITHER))
        assert (lost.phase, lost.needs_person) == (Phase.LOST, True)
