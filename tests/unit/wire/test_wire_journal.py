"""Goal: everything that happened to a migration is told in words, and its points are drawn.

Method: every kind of event with every payload is converted; what each says is read.
"""

import pytest

from godwit import wire
from godwit.core.migration import (
    BandwidthOrdered,
    Event,
    RecordStepped,
    ResumeOrdered,
    ThrottleOrdered,
    Traced,
)
from tests.unit.core.builders import NOW_S, accepted
from tests.unit.core.lives import ALL_EVENTS, SAMPLE, label


def told(event: Event) -> wire.JournalEntry:
    return wire.journal_to_wire(accepted(), (event,))[-1]


@pytest.mark.parametrize("event", ALL_EVENTS, ids=label)
def test_every_event_is_told_by_somebody_at_its_time(event: Event) -> None:
    if isinstance(event, Traced):
        assert len(wire.journal_to_wire(accepted(), (event,))) == 1, "only the birth"
        return
    entry = told(event)
    assert entry.at_s == event.at_s
    assert entry.who
    assert entry.what


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (BandwidthOrdered(at_s=NOW_S, bytes_per_s=None, why="a stall"), "lifts the limit"),
        (BandwidthOrdered(at_s=NOW_S, bytes_per_s=1e8, why="a stall"), "to 95.4 MiB/s"),
        (ThrottleOrdered(at_s=NOW_S, increment_fraction=0.2, why="a stall"), "by 20% more"),
        (ResumeOrdered(at_s=NOW_S, attempt=3), "attempt 3"),
        (
            RecordStepped(at_s=NOW_S, record="dns", step="switch", worked=False, what="refused"),
            "dns, switch FAILED",
        ),
    ],
    ids=lambda one: label(one) if not isinstance(one, str) else one,
)
def test_what_was_ordered_is_said_with_its_figure(event: Event, says: str) -> None:
    assert says in told(event).what
    assert told(event).is_decision


def test_the_points_between_the_rounds_are_collected_in_order() -> None:
    later = SAMPLE.__class__(
        taken_at_s=SAMPLE.taken_at_s + 1,
        remaining_bytes=5,
        transferred_bytes=30,
        dirty_bytes_per_s=1.0,
        bandwidth_bytes_per_s=2.0,
        throttle_fraction=0.4,
    )
    events = (Traced(at_s=NOW_S, samples=(SAMPLE,)), Traced(at_s=NOW_S + 1, samples=(later,)))
    points = wire.samples_to_wire(events)
    assert [one.remaining_bytes for one in points] == [10, 5]
    assert points[1].throttle_fraction == 0.4


def test_a_limit_of_the_stream_is_told_as_a_number_too() -> None:
    limited = BandwidthOrdered(at_s=NOW_S, bytes_per_s=1e8, why="a stall")
    assert told(limited).bandwidth_bytes_per_s == 1e8
    assert (
        told(BandwidthOrdered(at_s=NOW_S, bytes_per_s=None, why="")).bandwidth_bytes_per_s is None
    )
