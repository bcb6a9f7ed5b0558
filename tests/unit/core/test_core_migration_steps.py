"""Goal: no event can bring a migration where it must not be, and none is handled by accident.

Method: every phase is reached by the shortest life there is, then gets every event with every
payload: 16 phases x 43 events. What must hold of all of them is checked for each; what the table
says of one phase is checked by name.
"""

import math
from dataclasses import replace

import pytest

from godwit.core.errors import Bug, IllegalTransition
from godwit.core.migration import (
    DEADLINES_S,
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
    ResumeOrdered,
    RoundEnded,
    Runner,
    StartOrdered,
    ThrottleOrdered,
    Traced,
    VcpusStopped,
    VerifyEnded,
    Whereabouts,
    begin,
    is_ended,
    replay,
    step,
)
from godwit.core.model import VmId
from godwit.core.units import GIB
from tests.unit.core.builders import NOW_S, accepted, move, recipe, round_
from tests.unit.core.lives import ALL_EVENTS, EVENT_TYPES, PROMISE_S, REACHED, found, label

LIVE = [phase for phase in Phase if not is_ended(phase)]
#: Phases that only a person may leave, so that they wait for as long as it takes.
FOR_A_PERSON = {Phase.SPLIT, Phase.LOST}
#: What the engine knows of a migration before it has asked anything of a host.
NOT_STARTED = {Phase.ACCEPTED, Phase.CHECKING}

#: The table read by column: in which phases each event can happen. Written down a second time on
#: purpose, so that no row is added or lost in passing.
CAN_HAPPEN: dict[type[Event], str] = {
    PreconditionsHeld: "accepted",
    PreconditionsBroke: "accepted checking",
    StartOrdered: "checking",
    CopyStarted: "starting",
    RoundEnded: "copying switching cancelling",
    PauseLimitOrdered: "copying",
    VcpusStopped: "starting copying cancelling",
    CancelOrdered: "accepted checking starting copying switching cancelling confirming unknown",
    BandwidthOrdered: "copying",
    ThrottleOrdered: "copying",
    PostcopyOrdered: "copying",
    PostcopyStarted: "copying switching recovering cancelling",
    PostcopyBroke: "postcopy",
    ResumeOrdered: "recovering",
    CallEnded: "starting copying switching postcopy recovering cancelling confirming unknown"
    " verifying",
    ControllerRestarted: "accepted checking starting copying switching postcopy recovering"
    " cancelling confirming unknown verifying split lost",
    Traced: "copying switching postcopy recovering cancelling confirming unknown",
    RecordStepped: " ".join(one.word for one in Phase),
    RepairOrdered: "confirming unknown verifying",
    Found: "recovering confirming unknown",
    VerifyEnded: "verifying",
    DeadlinePassed: "accepted checking starting copying switching postcopy recovering cancelling"
    " confirming unknown verifying",
    PersonAsked: "unknown split lost",
}

each_phase = pytest.mark.parametrize("phase", Phase, ids=lambda one: one.word)
each_live = pytest.mark.parametrize("phase", LIVE, ids=lambda one: one.word)
each_event = pytest.mark.parametrize("event", ALL_EVENTS, ids=label)


def life(*events: Event) -> tuple[Event, ...]:
    """What happens to every migration that gets going, and then ``events``."""
    return (PreconditionsHeld(at_s=NOW_S + 1), StartOrdered(at_s=NOW_S + 2), *events)


def test_every_phase_has_a_row_and_can_be_reached() -> None:
    assert set(TABLE) == set(Phase)
    assert set(REACHED) == set(Phase)


def test_the_events_of_these_tests_are_all_there_are() -> None:
    assert {type(event) for event in ALL_EVENTS} == set(EVENT_TYPES)
    assert {event for row in TABLE.values() for event in row} == set(EVENT_TYPES)


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda one: one.__name__)
def test_an_event_can_happen_in_these_phases_and_in_no_other(kind: type[Event]) -> None:
    assert {one.word for one in Phase if kind in TABLE[one]} == set(CAN_HAPPEN[kind].split())


@each_phase
@each_event
def test_an_event_does_what_the_table_says_or_nothing_at_all(phase: Phase, event: Event) -> None:
    migration, past = REACHED[phase]
    allowed = TABLE[phase].get(type(event))
    if allowed is None:
        with pytest.raises(IllegalTransition) as raised:
            step(migration, event)
        assert type(event).__name__ in raised.value.message
        assert phase.word in raised.value.message
        assert migration == replay(accepted(moving=migration.move), past), "it was changed"
        return
    event = replace(event, at_s=event.at_s + 5)  # later than all that went before
    after = step(migration, event)
    assert after.phase in allowed
    assert after.generation == migration.generation + 1
    assert after.entered_at_s == (
        event.at_s if after.phase is not phase else migration.entered_at_s
    )
    assert (after.ended_at_s is not None) == after.is_ended == is_ended(after.phase)
    assert (after.id, after.plan, after.move) == (migration.id, migration.plan, migration.move)
    assert after.pause_limit_s <= migration.move.recipe.pause_max_s


@each_phase
def test_every_way_that_the_table_allows_can_be_gone(phase: Phase) -> None:
    migration, _ = REACHED[phase]
    gone: dict[type[Event], set[Phase]] = {}
    by_person = [migration]
    if CancelOrdered in TABLE[phase] and not is_ended(phase):
        asked = step(migration, CancelOrdered(at_s=NOW_S, by_person=True))
        by_person += [asked] if asked.phase is phase else []
    if phase is Phase.RECOVERING:
        # Asked before the post-copy began, and too late.
        by_person.append(replace(migration, cancel_by_person=True))
    for one in by_person:
        for event in ALL_EVENTS:
            if type(event) in TABLE[phase]:
                gone.setdefault(type(event), set()).add(step(one, event).phase)
    assert gone == {event: set(phases) for event, phases in TABLE[phase].items()}


@each_phase
def test_every_phase_says_in_words_who_runs_the_guest(phase: Phase) -> None:
    assert isinstance(phase.runner, Runner)
    assert phase.says
    assert phase.word == phase.name.lower()


def test_the_runner_of_a_phase_is_what_its_name_promises() -> None:
    there = {Phase.POSTCOPY, Phase.RECOVERING, Phase.VERIFYING, Phase.DONE}
    assert {p for p in Phase if p.runner is Runner.DESTINATION} == there
    assert {p for p in Phase if is_ended(p)} == {Phase.DONE, Phase.FAILED, Phase.CANCELLED}
    assert Phase.SPLIT.runner is Runner.BOTH
    assert {p for p in Phase if p.runner is Runner.NOBODY} == {Phase.SWITCHING, Phase.LOST}
    doubt = {Phase.CANCELLING, Phase.CONFIRMING, Phase.UNKNOWN}
    assert {p for p in Phase if p.runner is Runner.UNCERTAIN} == doubt


@each_phase
def test_every_phase_that_has_not_ended_has_a_deadline_or_waits_for_a_person(phase: Phase) -> None:
    migration, _ = REACHED[phase]
    if phase in FOR_A_PERSON:
        assert migration.deadline_s is None
        assert migration.needs_person
        assert set(TABLE[phase]) == {PersonAsked, ControllerRestarted, RecordStepped}
    elif is_ended(phase):
        assert migration.deadline_s is None
        # A record may be put right after the end; nothing else is ever written then.
        assert TABLE[phase] == {RecordStepped: {phase}}
    else:
        assert migration.deadline_s is not None
        assert migration.deadline_s > migration.entered_at_s


@each_phase
def test_a_deadline_has_a_row_exactly_where_it_can_pass(phase: Phase) -> None:
    assert (DeadlinePassed in TABLE[phase]) == (phase in DEADLINES_S)


@each_live
def test_a_passed_deadline_moves_it_on_or_calls_a_person(phase: Phase) -> None:
    if phase in FOR_A_PERSON:
        return
    migration, _ = REACHED[phase]
    after = step(migration, DeadlinePassed(at_s=NOW_S + 99))
    assert after.phase is not phase or after.needs_person


@each_live
def test_a_controller_can_die_in_every_phase_that_has_not_ended(phase: Phase) -> None:
    migration, _ = REACHED[phase]
    after = step(migration, ControllerRestarted(at_s=NOW_S + 99))
    if phase in NOT_STARTED:
        assert after.phase is Phase.FAILED
        assert after.failure is not None
        assert after.failure.code == "not_started"
    elif phase in FOR_A_PERSON:
        assert after.phase is phase
        assert after.needs_person
    else:
        assert after.phase is Phase.CONFIRMING
        assert after.could_have_switched, "nobody watched: the vCPUs may have stopped"


@each_phase
def test_an_end_can_be_reached_from_every_phase(phase: Phase) -> None:
    seen, edge = {phase}, {phase}
    while edge:
        edge = {to for one in edge for row in TABLE[one].values() for to in row} - seen
        seen |= edge
    assert any(is_ended(one) for one in seen)


@pytest.mark.parametrize("phase", [p for p in LIVE if p not in NOT_STARTED], ids=lambda p: p.word)
def test_it_ends_on_either_side_from_every_phase_in_which_a_host_was_asked(phase: Phase) -> None:
    migration, _ = REACHED[phase]
    if phase in FOR_A_PERSON:
        doubt = step(migration, PersonAsked(at_s=NOW_S + 90))
    else:
        doubt = step(migration, ControllerRestarted(at_s=NOW_S + 90))
    assert step(doubt, found(Whereabouts.SOURCE)).phase in {Phase.FAILED, Phase.CANCELLED}
    there = step(doubt, found(Whereabouts.DESTINATION))
    assert step(there, DeadlinePassed(at_s=NOW_S + 99)).phase is Phase.DONE


def test_only_a_reading_of_both_hosts_leads_out_of_doubt_to_an_answer() -> None:
    sure = {Phase.VERIFYING, Phase.FAILED, Phase.CANCELLED, Phase.SPLIT, Phase.LOST}
    for phase in (Phase.CONFIRMING, Phase.UNKNOWN):
        for event, phases in TABLE[phase].items():
            assert event is Found or not phases & sure
    entered = {
        event
        for phase, row in TABLE.items()
        for event, phases in row.items()
        if phases & {Phase.VERIFYING} and phase is not Phase.VERIFYING
    }
    assert entered == {Found}
    into_done = {
        phase for phase, row in TABLE.items() if any(Phase.DONE in to for to in row.values())
    } - {Phase.DONE}
    assert into_done == {Phase.VERIFYING}


@pytest.mark.parametrize("outcome", CallOutcome)
def test_what_the_call_says_never_ends_a_migration(outcome: CallOutcome) -> None:
    for phase, row in TABLE.items():
        if CallEnded in row:
            after = step(REACHED[phase][0], CallEnded(at_s=NOW_S + 50, outcome=outcome))
            assert not after.is_ended


@pytest.mark.parametrize(
    "limit_s", [PROMISE_S * 1.0001, 10.0, math.inf, math.nan, 0.0, -1.0], ids=str
)
def test_a_pause_limit_above_the_promise_is_a_bug_and_changes_nothing(limit_s: float) -> None:
    migration, past = REACHED[Phase.COPYING]
    with pytest.raises(Bug, match="pause limit") as raised:
        step(migration, PauseLimitOrdered(at_s=NOW_S + 20, limit_s=limit_s, why="a mistake"))
    assert not isinstance(raised.value, IllegalTransition)
    assert str(PROMISE_S) in raised.value.evidence
    assert migration == replay(accepted(moving=migration.move), past)


def test_a_pause_limit_at_the_promise_is_taken() -> None:
    migration, _ = REACHED[Phase.COPYING]
    assert migration.pause_limit_s == migration.move.recipe.pause_start_s
    after = step(migration, PauseLimitOrdered(at_s=NOW_S, limit_s=PROMISE_S, why="a stall"))
    assert after.pause_limit_s == PROMISE_S


def test_a_large_guest_gets_more_time_to_copy() -> None:
    copying = life(CopyStarted(at_s=NOW_S + 3))
    small, large = (
        replay(accepted(moving=move(memory_bytes=size)), copying) for size in (GIB, 64 * GIB)
    )
    assert small.deadline_s is not None
    assert large.deadline_s is not None
    assert large.deadline_s - small.deadline_s == pytest.approx(63 * 120)
    assert small.deadline_s - small.entered_at_s == pytest.approx(300 + 120)


def test_only_two_hundred_rounds_are_kept_the_newest() -> None:
    copying = life(CopyStarted(at_s=NOW_S + 3))
    rounds = [RoundEnded(at_s=NOW_S, round=round_(n, leaves=1)) for n in range(1, 251)]
    kept = replay(accepted(), (*copying, *rounds)).rounds
    assert [one.number for one in kept] == list(range(51, 251))


class TestCouldHaveSwitched:
    """It may be False only while it is certain that the vCPUs never stopped."""

    @pytest.mark.parametrize(
        ("events", "expected"),
        [
            ((), False),
            ((CopyStarted(at_s=NOW_S),), False),
            ((CallEnded(at_s=NOW_S, outcome=CallOutcome.REFUSED),), False),
            ((CallEnded(at_s=NOW_S, outcome=CallOutcome.ABORTED),), False),
            ((CallEnded(at_s=NOW_S, outcome=CallOutcome.UNKNOWN),), True),
            ((VcpusStopped(at_s=NOW_S),), True),
            ((CancelOrdered(at_s=NOW_S, by_person=True), VcpusStopped(at_s=NOW_S)), True),
            ((ControllerRestarted(at_s=NOW_S),), True),
            ((DeadlinePassed(at_s=NOW_S),), False),
            ((DeadlinePassed(at_s=NOW_S), DeadlinePassed(at_s=NOW_S)), True),
        ],
        ids=lambda value: "-".join(map(label, value)) if isinstance(value, tuple) else str(value),
    )
    def test_it_follows_from_what_was_seen(self, events: tuple[Event, ...], expected: bool) -> None:
        assert replay(accepted(), life(*events)).could_have_switched is expected

    def test_it_is_never_taken_back(self) -> None:
        stopped = life(VcpusStopped(at_s=NOW_S), CallEnded(at_s=NOW_S, outcome=CallOutcome.ABORTED))
        migration = replay(accepted(), (*stopped, found(Whereabouts.IN_PROGRESS)))
        assert migration.phase is Phase.COPYING
        assert migration.could_have_switched


class TestWhatIsSaidAtTheEnd:
    """The reason that a person reads is the first one, and only where something went wrong."""

    STALLED = Failure(code="stalled", cause="no memory moved")
    ABORTED = Failure(code="aborted", cause="libvirt says aborted")

    def test_a_cancel_by_a_person_ends_as_cancelled_even_if_it_was_only_the_second(self) -> None:
        events = life(
            CancelOrdered(at_s=NOW_S, by_person=False, failure=self.STALLED),
            CancelOrdered(at_s=NOW_S, by_person=True),
            CallEnded(at_s=NOW_S, outcome=CallOutcome.ABORTED, failure=self.ABORTED),
            found(Whereabouts.SOURCE),
        )
        migration = replay(accepted(), events)
        assert migration.phase is Phase.CANCELLED
        assert migration.failure == self.STALLED

    def test_a_cancel_by_a_person_stays_one_when_the_controller_has_a_reason_too(self) -> None:
        events = life(
            CancelOrdered(at_s=NOW_S, by_person=True),
            CancelOrdered(at_s=NOW_S, by_person=False, failure=self.STALLED),
            CallEnded(at_s=NOW_S, outcome=CallOutcome.ABORTED, failure=self.ABORTED),
            found(Whereabouts.SOURCE),
        )
        assert replay(accepted(), events).phase is Phase.CANCELLED

    def test_a_cancel_by_the_controller_ends_as_failed_with_its_reason(self) -> None:
        events = life(
            CancelOrdered(at_s=NOW_S, by_person=False, failure=self.STALLED),
            CallEnded(at_s=NOW_S, outcome=CallOutcome.ABORTED, failure=self.ABORTED),
            found(Whereabouts.SOURCE),
        )
        migration = replay(accepted(), events)
        assert migration.phase is Phase.FAILED
        assert migration.failure == self.STALLED

    def test_an_abort_that_came_too_late_is_no_failure(self) -> None:
        events = life(
            CancelOrdered(at_s=NOW_S, by_person=True),
            CallEnded(at_s=NOW_S, outcome=CallOutcome.UNKNOWN, failure=self.ABORTED),
            found(Whereabouts.DESTINATION),
            VerifyEnded(at_s=NOW_S + 60, result=REACHED[Phase.DONE][0].result),
        )
        migration = replay(accepted(), events)
        assert migration.phase is Phase.DONE
        assert migration.failure is None
        assert migration.ended_at_s == NOW_S + 60

    def test_a_silent_roll_back_still_has_a_reason_and_a_remedy(self) -> None:
        called = CallEnded(at_s=NOW_S, outcome=CallOutcome.SUCCEEDED)
        migration = replay(accepted(), life(called, found(Whereabouts.SOURCE)))
        assert migration.failure is not None
        assert (migration.failure.code, bool(migration.failure.remedy)) == ("rolled_back", True)

    @pytest.mark.parametrize(
        ("where", "code"), [(Whereabouts.BOTH, "split"), (Whereabouts.NEITHER, "lost")]
    )
    def test_the_gravest_findings_replace_every_earlier_reason(
        self, where: Whereabouts, code: str
    ) -> None:
        called = CallEnded(at_s=NOW_S, outcome=CallOutcome.REFUSED, failure=self.STALLED)
        migration = replay(accepted(), life(called, found(where)))
        assert migration.failure is not None
        assert migration.failure.code == code
        assert "godwit resolve" in migration.failure.remedy
        assert migration.needs_person

    @pytest.mark.parametrize(
        "where", [Whereabouts.SOURCE, Whereabouts.DESTINATION, Whereabouts.IN_PROGRESS]
    )
    def test_the_alarm_of_unknown_ends_when_both_hosts_have_told(self, where: Whereabouts) -> None:
        called = CallEnded(at_s=NOW_S, outcome=CallOutcome.UNKNOWN)
        alarm = replay(
            accepted(), life(called, found(Whereabouts.CANNOT_KNOW), DeadlinePassed(at_s=NOW_S))
        )
        assert (alarm.phase, alarm.needs_person) == (Phase.UNKNOWN, True)
        assert step(alarm, found(Whereabouts.CANNOT_KNOW)).needs_person
        assert not step(alarm, found(where)).needs_person

    def test_the_last_reading_is_kept_for_a_person(self) -> None:
        assert REACHED[Phase.LOST][0].last_reading == Whereabouts.NEITHER.value


def test_a_migration_begins_with_the_first_limit_and_nothing_ordered() -> None:
    born = begin(accepted(moving=move(using=recipe(start=0.02, most=0.5))))
    assert (born.phase, born.generation, born.pause_limit_s) == (Phase.ACCEPTED, 1, 0.02)
    assert born.started_at_s is None
    assert born.move.vm == VmId("id-web1")
    assert replay(accepted(), life()).started_at_s == NOW_S + 2
