"""Goal: no life of a migration, however odd, ends in a lie or breaks the promise of the pause.

Method: Hypothesis draws walks over the table: in each phase any event that has a row there, with
any payload, at any time. The walk is judged by what its events say, not by the code's own phases.
"""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from godwit.core.errors import Bug, IllegalTransition
from godwit.core.migration import (
    TABLE,
    BandwidthOrdered,
    CallEnded,
    CallOutcome,
    CancelOrdered,
    ControllerRestarted,
    CopyStarted,
    DeadlinePassed,
    Event,
    Failure,
    Found,
    Migration,
    PauseLimitOrdered,
    PersonAsked,
    Phase,
    PostcopyBroke,
    PostcopyOrdered,
    PostcopyStarted,
    PreconditionsBroke,
    PreconditionsHeld,
    RecordStepped,
    RepairOrdered,
    Result,
    ResumeOrdered,
    RoundEnded,
    StartOrdered,
    ThrottleOrdered,
    Traced,
    VcpusStopped,
    VerifyEnded,
    Whereabouts,
    begin,
    replay,
    step,
)
from godwit.core.model import HostName
from godwit.core.plan import Recipe, Throttle
from tests.unit.core.builders import NOW_S, accepted, here, move, round_
from tests.unit.core.lives import EVENT_TYPES, SAMPLE

PROMISE_S = 0.3
MOST_THROTTLE = 0.6
BIRTH = accepted(
    moving=move(
        using=Recipe(
            pause_start_s=0.03,
            pause_max_s=PROMISE_S,
            bandwidth_bytes_per_s=1e8,
            bandwidth_is_hard=True,
            throttle=Throttle(most_fraction=MOST_THROTTLE),
            postcopy=True,
        )
    )
)
#: What happens to every migration that gets going.
OPENING = (PreconditionsHeld(at_s=NOW_S + 1), StartOrdered(at_s=NOW_S + 2))
TIMES = st.floats(NOW_S, NOW_S + 1e6)
FAILURES = st.none() | st.builds(Failure, code=st.just("x"), cause=st.text(max_size=5))
LIMITS = st.floats(0.001, PROMISE_S)

PAYLOADS: dict[type[Event], st.SearchStrategy[Event]] = {
    PreconditionsHeld: st.builds(PreconditionsHeld, at_s=TIMES),
    PreconditionsBroke: st.builds(
        PreconditionsBroke, at_s=TIMES, failure=FAILURES.filter(lambda one: one is not None)
    ),
    StartOrdered: st.builds(StartOrdered, at_s=TIMES),
    CopyStarted: st.builds(CopyStarted, at_s=TIMES),
    RoundEnded: st.builds(
        RoundEnded,
        at_s=TIMES,
        round=st.builds(round_, st.integers(1, 500), leaves=st.floats(0, 1e5)),
    ),
    PauseLimitOrdered: st.builds(
        PauseLimitOrdered, at_s=TIMES, limit_s=LIMITS, why=st.just("a stall")
    ),
    BandwidthOrdered: st.builds(
        BandwidthOrdered, at_s=TIMES, bytes_per_s=st.floats(1.0, 1e8), why=st.just("a share")
    ),
    ThrottleOrdered: st.builds(
        ThrottleOrdered,
        at_s=TIMES,
        increment_fraction=st.floats(0.01, MOST_THROTTLE),
        why=st.just("a stall"),
    ),
    PostcopyOrdered: st.builds(PostcopyOrdered, at_s=TIMES, why=st.just("a stall")),
    VcpusStopped: st.builds(VcpusStopped, at_s=TIMES),
    PostcopyStarted: st.builds(PostcopyStarted, at_s=TIMES),
    PostcopyBroke: st.builds(PostcopyBroke, at_s=TIMES),
    ResumeOrdered: st.builds(ResumeOrdered, at_s=TIMES, attempt=st.integers(1, 99)),
    Traced: st.builds(Traced, at_s=TIMES, samples=st.just((SAMPLE,))),
    RecordStepped: st.builds(
        RecordStepped,
        at_s=TIMES,
        record=st.just("dns"),
        step=st.sampled_from(["prepare", "switch", "verify", "roll_back"]),
        worked=st.booleans(),
        what=st.text(max_size=5),
    ),
    CancelOrdered: st.builds(CancelOrdered, at_s=TIMES, by_person=st.booleans(), failure=FAILURES),
    CallEnded: st.builds(
        CallEnded, at_s=TIMES, outcome=st.sampled_from(CallOutcome), failure=FAILURES
    ),
    ControllerRestarted: st.builds(ControllerRestarted, at_s=TIMES),
    RepairOrdered: st.builds(
        RepairOrdered,
        at_s=TIMES,
        action=st.just("destroy"),
        host=st.just(HostName("h2")),
        why=st.just("a leftover"),
    ),
    Found: st.builds(
        Found,
        at_s=TIMES,
        where=st.sampled_from(Whereabouts),
        source=st.just(here()),
        destination=st.just(here()),
        why=st.text(max_size=5),
    ),
    VerifyEnded: st.builds(VerifyEnded, at_s=TIMES, result=st.just(Result())),
    DeadlinePassed: st.builds(DeadlinePassed, at_s=TIMES),
    PersonAsked: st.builds(PersonAsked, at_s=TIMES),
}


#: What both hosts say of a guest that runs at the destination with memory missing.
POSTCOPY = {Whereabouts.POSTCOPY, Whereabouts.POSTCOPY_BROKEN}


def test_every_event_can_be_drawn() -> None:
    assert set(PAYLOADS) == set(EVENT_TYPES)


def any_of(kinds: list[type[Event]]) -> st.SearchStrategy[Event]:
    return st.one_of([PAYLOADS[kind] for kind in kinds])


@st.composite
def walks(draw: st.DrawFn) -> tuple[list[Event], list[Migration]]:
    """Draw a legal life: its events, and the migration before and after each of them."""
    events = list(OPENING) if draw(st.integers(0, 9)) else []
    lives = [begin(BIRTH)]
    for event in events:
        lives.append(step(lives[-1], event))
    for _ in range(draw(st.integers(0, 25))):
        kinds = sorted(TABLE[lives[-1].phase], key=lambda one: one.__name__)
        if not kinds:
            break
        event = draw(any_of(kinds))
        events.append(event)
        lives.append(step(lives[-1], event))
    return events, lives


class LifeOfAMigration(RuleBasedStateMachine):
    """A migration under any events; what it must be is kept apart, from the events alone."""

    @initialize(tenth=st.integers(0, 9))
    def is_born(self, tenth: int) -> None:
        self.migration = begin(BIRTH)
        self.taken: list[Event] = []
        self.started = False
        self.last_found: Whereabouts | None = None
        self.limit_s = BIRTH.move.recipe.pause_start_s
        self.person_cancelled = False
        self.postcopy_seen = False
        self.ended_at_s: float | None = None
        # Nine of ten get past the checks, or most would end there.
        for event in OPENING if tenth else ():
            self.take(event)

    def take(self, event: Event) -> None:
        """Step, and keep by hand what the invariants need to know of the past."""
        before = self.migration
        self.migration = step(before, event)
        self.taken.append(event)
        assert self.migration.generation == before.generation + 1
        match event:
            case StartOrdered():
                self.started = True
            case Found():
                self.last_found = event.where
            case PauseLimitOrdered():
                self.limit_s = event.limit_s
            case CancelOrdered():
                self.person_cancelled |= event.by_person
            case PersonAsked():
                self.last_found = None
            case PostcopyStarted():
                self.postcopy_seen = True
        if isinstance(event, Found) and event.where in POSTCOPY:
            self.postcopy_seen = True
        if self.migration.is_ended and self.ended_at_s is None:
            self.ended_at_s = event.at_s

    @precondition(lambda self: bool(TABLE[self.migration.phase]))
    @rule(data=st.data())
    def something_legal_happens(self, data: st.DataObject) -> None:
        row = TABLE[self.migration.phase]
        self.take(data.draw(any_of(sorted(row, key=lambda one: one.__name__))))

    @rule(data=st.data())
    def something_illegal_happens(self, data: st.DataObject) -> None:
        row = TABLE[self.migration.phase]
        event = data.draw(any_of([kind for kind in EVENT_TYPES if kind not in row]))
        before = self.migration
        with pytest.raises(IllegalTransition):
            step(before, event)
        assert self.migration == before

    @precondition(lambda self: self.migration.phase is Phase.COPYING)
    @rule(limit_s=st.floats(PROMISE_S, exclude_min=True))
    def a_limit_above_the_promise_is_ordered(self, limit_s: float) -> None:
        with pytest.raises(Bug):
            step(self.migration, PauseLimitOrdered(at_s=NOW_S, limit_s=limit_s, why="a mistake"))

    @precondition(lambda self: self.migration.phase is Phase.COPYING)
    @rule(rate=st.none() | st.floats(1e8, exclude_min=True))
    def more_bandwidth_than_a_person_permits_is_ordered(self, rate: float | None) -> None:
        with pytest.raises(Bug):
            step(self.migration, BandwidthOrdered(at_s=NOW_S, bytes_per_s=rate, why="a mistake"))

    @precondition(lambda self: self.migration.phase is Phase.COPYING)
    @rule(increment=st.floats(MOST_THROTTLE, exclude_min=True))
    def a_throttle_beyond_its_bounds_is_ordered(self, increment: float) -> None:
        order = ThrottleOrdered(at_s=NOW_S, increment_fraction=increment, why="a mistake")
        with pytest.raises(Bug):
            step(self.migration, order)

    @invariant()
    def a_post_copy_that_began_is_never_forgotten_and_never_copied_again(self) -> None:
        assert self.migration.postcopy_began == self.postcopy_seen
        if self.migration.phase in {Phase.POSTCOPY, Phase.RECOVERING}:
            assert self.postcopy_seen
            assert self.migration.could_have_switched
        if self.postcopy_seen:
            before_it = {Phase.STARTING, Phase.COPYING, Phase.SWITCHING, Phase.CANCELLING}
            assert self.migration.phase not in before_it

    @invariant()
    def it_is_the_fold_of_its_events(self) -> None:
        assert replay(BIRTH, self.taken) == self.migration
        assert self.migration.generation == 1 + len(self.taken)

    @invariant()
    def its_end_rests_on_a_reading_of_both_hosts(self) -> None:
        phase = self.migration.phase
        if phase in {Phase.DONE, Phase.VERIFYING}:
            assert self.last_found is Whereabouts.DESTINATION
        if phase in {Phase.FAILED, Phase.CANCELLED} and self.started:
            assert self.last_found is Whereabouts.SOURCE
        if phase is Phase.SPLIT:
            assert self.last_found is Whereabouts.BOTH
        if phase is Phase.LOST:
            assert self.last_found is Whereabouts.NEITHER

    @invariant()
    def nothing_was_asked_of_a_host_before_it_was_ordered(self) -> None:
        if not self.started:
            quiet = {Phase.ACCEPTED, Phase.CHECKING, Phase.FAILED, Phase.CANCELLED}
            assert self.migration.phase in quiet
            assert self.migration.started_at_s is None
            assert not self.migration.could_have_switched

    @invariant()
    def the_promise_is_kept(self) -> None:
        assert self.migration.pause_limit_s == self.limit_s <= PROMISE_S

    @invariant()
    def a_person_is_called_where_only_a_person_can_help(self) -> None:
        if self.migration.phase in {Phase.SPLIT, Phase.LOST}:
            assert self.migration.needs_person
        if self.migration.is_ended:
            assert not self.migration.needs_person
            assert self.migration.ended_at_s == self.ended_at_s

    @invariant()
    def cancelled_means_that_a_person_wanted_it(self) -> None:
        if self.migration.phase is Phase.CANCELLED and self.started:
            assert self.person_cancelled

    @invariant()
    def a_failure_has_a_reason_and_a_success_has_none(self) -> None:
        if self.migration.phase in {Phase.FAILED, Phase.SPLIT, Phase.LOST}:
            assert self.migration.failure is not None
        if self.migration.phase is Phase.DONE:
            assert self.migration.result is not None
            assert self.migration.failure is None


LifeOfAMigration.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestLifeOfAMigration = LifeOfAMigration.TestCase


@settings(max_examples=150)
@given(walks())
def test_recovery_at_any_instant_is_the_fold_of_the_journal_so_far(
    walk: tuple[list[Event], list[Migration]],
) -> None:
    events, lives = walk
    for count, migration in enumerate(lives):
        assert replay(BIRTH, events[:count]) == migration


@settings(max_examples=150)
@given(walks(), st.sampled_from([Whereabouts.SOURCE, Whereabouts.DESTINATION]))
def test_a_controller_that_dies_at_any_instant_still_brings_it_to_an_end(
    walk: tuple[list[Event], list[Migration]], where: Whereabouts
) -> None:
    events, lives = walk
    if lives[-1].is_ended:
        return
    after = step(replay(BIRTH, events), ControllerRestarted(at_s=NOW_S))
    if after.phase in {Phase.SPLIT, Phase.LOST}:
        after = step(after, PersonAsked(at_s=NOW_S))
    if not after.is_ended:
        assert after.phase is Phase.CONFIRMING
        after = step(
            after, Found(at_s=NOW_S, where=where, source=here(), destination=here(), why="")
        )
    if after.phase is Phase.VERIFYING:
        after = step(after, VerifyEnded(at_s=NOW_S, result=Result()))
    assert after.is_ended
