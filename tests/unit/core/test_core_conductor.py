"""Goal: a plan is carried out by dependency, within its limits, and goes on around what failed.

Method: plans of the schedule for small clusters; their moves are started and ended by hand.
"""

from dataclasses import replace

import pytest

from godwit.core.conductor import Course, Standing, begin, ended, ready, started
from godwit.core.model import Cluster, HostName
from godwit.core.schedule import Search, Wanted, make_schedule
from godwit.core.timed import Bounds, FlightGroup, Limits, TimedPlan
from godwit.core.units import GIB
from tests.unit.core.builders import cluster, host, vm

FREE = Limits(per_host=None, per_link=None)
A, B, C = (vm(name, on) for name, on in (("a", "h1"), ("b", "h2"), ("c", "h1")))


def tight(*rooms: int) -> list:
    """Hosts with room for so many of the VMs, which have 4 GiB each."""
    return [
        host(f"h{number}", memory_total_bytes=(4 * room + 1) * GIB)
        for number, room in enumerate(rooms, start=1)
    ]


def planned(seen: Cluster, limits: Limits = FREE, **ends: str) -> TimedPlan:
    wishes = [
        Wanted(vm=one.id, destination=HostName(ends[one.name]))
        for one in seen.vms
        if one.name in ends
    ]
    plan = make_schedule(seen, wishes, Search(bounds=Bounds(limits=limits)))
    assert not plan.stuck
    return plan


def without_waits(plan: TimedPlan) -> TimedPlan:
    """The plan with nothing but limits to keep its moves from starting all at once."""
    return replace(plan, moves=tuple(replace(one, after=()) for one in plan.moves))


def names(course: Course) -> list[str]:
    return [one.id.removeprefix("id-") for one in ready(course)]


def began(course: Course, *ids: str) -> Course:
    for one in ids:
        course = started(course, next(m.id for m in course.plan.moves if m.id == f"id-{one}"))
    return course


def done(course: Course, one: str, *, well: bool = True, fate: str = "failed") -> Course:
    move = next(m for m in course.plan.moves if m.id == f"id-{one}")
    return ended(course, move.id, well=well, fate=fate)


def test_a_move_waits_for_the_room_it_needs_and_not_for_the_clock() -> None:
    plan = planned(cluster(tight(2, 1, 1), [A, B]), a="h2", b="h3")
    course = begin(plan, FREE)
    assert names(course) == ["b#1"]
    course = began(course, "b#1")
    assert names(course) == []
    course = done(course, "b#1")
    assert names(course) == ["a#1"]
    assert not course.is_over
    assert done(began(course, "a#1"), "a#1").is_over


def test_who_needs_what_failed_is_given_up_with_the_reason() -> None:
    plan = planned(cluster(tight(2, 1, 1), [A, B]), a="h2", b="h3")
    course = done(began(begin(plan, FREE), "b#1"), "b#1", well=False, fate="was cancelled")
    assert course.is_over
    (given_up,) = course.given_up
    assert (given_up.vm_name, given_up.source, given_up.destination) == ("a", "h1", "h2")
    assert given_up.why == "h2 has no place for it until b has left: that was cancelled"


def test_who_only_waits_for_a_place_in_flight_goes_on_after_a_failure() -> None:
    limits = Limits(per_host=None, per_link=None, whole=1)
    plan = planned(cluster(tight(2, 4), [A, C]), limits, a="h2", c="h2")
    first, second = (one.id.removeprefix("id-") for one in plan.moves)
    assert plan.moves[1].after == (plan.moves[0].id,)
    assert plan.moves[1].needs == ()
    # The plan has its own reasons for a wait, also where the limits would let both fly.
    assert names(begin(plan, FREE)) == [first]
    course = done(began(begin(plan, limits), first), first, well=False)
    assert names(course) == [second]
    assert course.given_up == ()


def test_a_swap_of_full_hosts_goes_over_its_stop_in_order() -> None:
    plan = planned(cluster(tight(1, 1, 1), [A, B]), a="h2", b="h1")
    course, walked = begin(plan, FREE), []
    while not course.is_over:
        for one in names(course):
            course = began(course, one)
            walked.append(one)
        flying = [one.id for one in plan.moves if course.standings[one.id] is Standing.IN_FLIGHT]
        course = ended(course, flying[0], well=True)
    assert [one.removesuffix("#1").removesuffix("#2") for one in walked] in (
        ["a", "b", "a"],
        ["b", "a", "b"],
    )


@pytest.mark.parametrize("number", [0, 1])
def test_a_swap_that_breaks_on_its_way_says_what_never_came_to_be(number: int) -> None:
    plan = planned(cluster(tight(1, 1, 1), [A, B]), a="h2", b="h1")
    course = begin(plan, FREE)
    for one in plan.moves[:number]:
        course = ended(started(course, one.id), one.id, well=True)
    broken = plan.moves[number]
    course = ended(started(course, broken.id), broken.id, well=False)
    assert course.is_over
    last = course.given_up[-1]
    assert last.vm == plan.moves[-1].vm
    if number == 0:
        assert len(course.given_up) == 2
        assert "no place for it" in course.given_up[0].why
        assert last.why == "it never came to h3, from where it was to go on: that move failed" or (
            "was not started either" in last.why
        )
    else:
        assert "no place for it" in last.why


def test_no_more_start_at_once_than_the_limits_that_shall_hold_allow() -> None:
    vms = [vm(f"v{number}") for number in range(5)]
    plan = planned(cluster(tight(5, 5), vms), **{one.name: "h2" for one in vms})
    plan = without_waits(plan)
    assert len(names(begin(plan, FREE))) == 5
    for limits, most in (
        (Limits(per_host=2, per_link=None), 2),
        (Limits(per_host=None, per_link=3), 3),
        (Limits(per_host=None, per_link=None, whole=1), 1),
    ):
        course = begin(plan, limits)
        first = names(course)
        assert len(first) == most
        course = began(course, *first)
        assert names(course) == []
        assert len(names(done(course, first[0], well=False))) == 1


def test_a_group_in_flight_keeps_its_limit() -> None:
    vms = [vm(f"v{number}") for number in range(4)]
    plan = without_waits(planned(cluster(tight(4, 4), vms), **{one.name: "h2" for one in vms}))
    group = FlightGroup(name="g", members=frozenset(one.id for one in vms[:3]), most=1)
    course = begin(plan, Limits(per_host=None, per_link=None, groups=(group,)))
    assert len(names(course)) == 2
    assert "v3#1" in names(course)
