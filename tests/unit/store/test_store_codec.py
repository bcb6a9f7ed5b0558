"""Goal: what the journal and the store write can be read again, for every class that they hold.

Method: Hypothesis builds values of every class; encoding and decoding must give an equal one.
"""

import json
import math
from typing import TypeVar, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from godwit.core.errors import GodwitError
from godwit.core.migration import (
    TABLE,
    Accepted,
    BandwidthOrdered,
    CallEnded,
    CancelOrdered,
    ControllerRestarted,
    CopyStarted,
    DeadlinePassed,
    Event,
    Found,
    PauseLimitOrdered,
    PersonAsked,
    PostcopyBroke,
    PostcopyOrdered,
    PostcopyStarted,
    PreconditionsBroke,
    PreconditionsHeld,
    RecordStepped,
    RepairOrdered,
    ResumeOrdered,
    RoundEnded,
    StartOrdered,
    ThrottleOrdered,
    Traced,
    VcpusStopped,
    VerifyEnded,
)
from godwit.core.model import HostRecord, Sample
from godwit.core.plan import Candidate, Choice, Move, Plan, Recipe, Refusal, Unplaced
from godwit.ports import StoredRun
from godwit.store.codec import EVENT_TYPES, decode, decode_event, encode

# Not a number is equal to nothing, and nothing we measure is one. Lone surrogates are no text.
T = TypeVar("T")

NUMBERS = st.floats(allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
for kind, strategy in ((float, NUMBERS), (str, TEXTS)):
    st.register_type_strategy(kind, strategy)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    limits = sorted(draw(st.lists(st.floats(1e-3, 10), min_size=2, max_size=2)))
    rates = st.none() | NUMBERS
    return Recipe(
        pause_start_s=limits[0],
        pause_max_s=limits[1],
        bandwidth_bytes_per_s=draw(rates),
        link_bytes_per_s=draw(rates),
    )


def few(one: SearchStrategy[T]) -> SearchStrategy[tuple[T, ...]]:
    return st.lists(one, max_size=2).map(tuple)


REFUSALS = few(st.builds(Refusal))
CANDIDATES = st.builds(Candidate, refusals=REFUSALS, warnings=few(TEXTS))
CHOICES = st.builds(Choice, vm_refusals=REFUSALS, candidates=few(CANDIDATES))
MOVES = st.builds(Move, recipe=recipes(), choice=CHOICES, warnings=few(TEXTS))
PLANS = st.builds(
    Plan, moves=few(MOVES), unplaced=few(st.builds(Unplaced, choice=CHOICES)), notes=few(TEXTS)
)

#: One line a class, by hand: a class that is missing here makes a test fail.
EVENTS: dict[type, SearchStrategy[object]] = {
    Accepted: st.builds(Accepted, move=MOVES),
    PreconditionsHeld: st.builds(PreconditionsHeld),
    PreconditionsBroke: st.builds(PreconditionsBroke),
    StartOrdered: st.builds(StartOrdered),
    CopyStarted: st.builds(CopyStarted),
    RoundEnded: st.builds(RoundEnded),
    PauseLimitOrdered: st.builds(PauseLimitOrdered),
    BandwidthOrdered: st.builds(BandwidthOrdered),
    ThrottleOrdered: st.builds(ThrottleOrdered),
    PostcopyOrdered: st.builds(PostcopyOrdered),
    VcpusStopped: st.builds(VcpusStopped),
    PostcopyStarted: st.builds(PostcopyStarted),
    PostcopyBroke: st.builds(PostcopyBroke),
    ResumeOrdered: st.builds(ResumeOrdered),
    Traced: st.builds(Traced, samples=few(st.builds(Sample))),
    RecordStepped: st.builds(RecordStepped),
    CancelOrdered: st.builds(CancelOrdered),
    CallEnded: st.builds(CallEnded),
    ControllerRestarted: st.builds(ControllerRestarted),
    RepairOrdered: st.builds(RepairOrdered),
    Found: st.builds(Found),
    VerifyEnded: st.builds(VerifyEnded),
    DeadlinePassed: st.builds(DeadlinePassed),
    PersonAsked: st.builds(PersonAsked),
}
RECORDS: dict[type, SearchStrategy[object]] = {
    Plan: PLANS,
    HostRecord: st.builds(HostRecord),
    StoredRun: st.builds(StoredRun),
}
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_every_event_of_the_table_has_a_strategy() -> None:
    in_table = {event for row in TABLE.values() for event in row}
    assert in_table | {Accepted} == set(EVENTS)


def test_every_event_of_the_union_can_be_decoded() -> None:
    assert set(EVENT_TYPES.values()) == set(get_args(Event))
    assert set(EVENT_TYPES.values()) | {Accepted} == set(EVENTS)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_an_event_is_read_as_it_was_written(kind: type) -> None:
    @QUICK
    @given(EVENTS[kind])
    def check(event: object) -> None:
        found = decode_event(kind.__name__, encode(event))
        assert found == event
        assert type(found) is kind

    check()


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_a_record_is_read_as_it_was_written(kind: type) -> None:
    @QUICK
    @given(RECORDS[kind])
    def check(value: object) -> None:
        assert decode(kind, encode(value)) == value

    check()


def test_an_infinite_number_stays_one() -> None:
    event = PauseLimitOrdered(at_s=math.inf, limit_s=0.1, why="")
    assert decode_event("PauseLimitOrdered", encode(event)) == event


def test_an_event_of_a_newer_godwit_is_refused_by_name() -> None:
    with pytest.raises(GodwitError, match="'GuestTeleported'"):
        decode_event("GuestTeleported", "{}")


def test_a_damaged_payload_is_refused_with_the_field() -> None:
    whole = json.loads(encode(PauseLimitOrdered(at_s=1.0, limit_s=0.1, why="")))
    del whole["limit_s"]
    with pytest.raises(GodwitError) as caught:
        decode_event("PauseLimitOrdered", json.dumps(whole))
    assert "limit_s" in caught.value.evidence


def test_a_field_that_was_added_later_is_not_missed_in_old_rows() -> None:
    assert decode_event("CancelOrdered", '{"at_s": 1.0, "by_person": true}') == CancelOrdered(
        at_s=1.0, by_person=True
    )
