"""Goal: the audit lets pass what is just allowed, and finds what is just beyond.

Method: plans written by hand, as in ``test_core_audit``, on either side of each limit.
"""

from dataclasses import replace

import pytest

from godwit.core.audit import Kind, audit
from godwit.core.model import HostName, Range, RunState
from godwit.core.rules import Bundle, InFlight
from godwit.core.timed import MoveId, Slice, TimedPlan
from godwit.core.units import GIB
from tests.unit.core.builders import cluster, group, host, promise, vm
from tests.unit.core.test_core_audit import (
    LINK,
    SMALL,
    A,
    B,
    C,
    between,
    both,
    limits,
    moved,
    only,
    plan,
    planted_order,
    seen,
)


def kinds(*planted: object) -> list[tuple[Kind, tuple[str, ...]]]:
    return [(one.kind, one.moves) for one in audit(*planted)]  # type: ignore[arg-type]


def over_h3(**second: object) -> TimedPlan:
    """A goes to h2 over h3."""
    first = moved(A, "h3", final="h2")
    onward = moved(A, "h2", nth=2, source="h3", at=(10, 20), after=("a#1",))
    return plan(first, replace(onward, **second))  # type: ignore[arg-type]


def test_a_way_over_another_host_is_no_fault_and_goes_on_from_there() -> None:
    assert audit(seen(), over_h3(), limits()) == ()
    # Its room at the stop is held until it has left, and not for longer.
    late = moved(C, "h3", at=(20, 30), after=("a#2", "b#1"))
    crowded = host("h3", memory_total_bytes=5 * GIB)
    world = cluster([*SMALL[:2], crowded], [A, C])
    assert audit(world, plan(*over_h3().moves, replace(late, after=("a#2",))), limits()) == ()  # type: ignore[arg-type]
    early = replace(late, after=("a#1",))  # type: ignore[arg-type]
    assert only(world, plan(*over_h3().moves, early), limits()).kind is Kind.MEMORY
    elsewhere = over_h3(source=HostName("h1"))
    assert kinds(seen(), elsewhere, limits()) == [(Kind.SOURCE, ("a#2",))]


def test_a_vm_does_not_move_to_where_it_is() -> None:
    world = seen(A)
    assert (Kind.DESTINATION, ("a#1",)) in kinds(world, plan(moved(A, "h1")), limits())


def test_a_room_may_be_filled_to_its_last_core_and_not_beyond() -> None:
    hosts = [host("h1"), host("h2", cores=4, cores_overcommit=1.0)]
    assert audit(cluster(hosts, [A, B]), plan(moved(A, "h2")), limits()) == ()
    more = vm("a", "h1", vcpus=3)
    found = only(cluster(hosts, [more, B]), plan(moved(more, "h2")), limits())
    assert (found.kind, found.found, found.limit) == (Kind.CORES, 5, 4)


def test_a_name_that_is_not_there_or_there_twice_is_told() -> None:
    twice = plan(moved(A, "h3"), replace(moved(B, "h3"), id=MoveId("a#1")))
    assert (Kind.UNKNOWN, ("a#1",)) in kinds(seen(), twice, limits())
    nobody = vm("nobody", "h1")
    unknown = audit(seen(), plan(moved(nobody, "h3")), limits())
    assert "nobody#1 names id-nobody, which does not exist" in [one.why for one in unknown]
    for field in ("source", "destination", "final"):
        gone = plan(replace(moved(A, "h3"), **{field: HostName("h9")}))  # type: ignore[arg-type]
        assert "a#1 names h9, which does not exist" in [
            one.why for one in audit(seen(), gone, limits())
        ]


def test_a_vm_that_is_seen_twice_or_in_flight_does_not_move() -> None:
    twin = replace(A, host=HostName("h2"))
    found = audit(seen(A, twin), plan(moved(A, "h3")), limits())
    assert "seen on h1, h2" in [one.why for one in found if one.kind is Kind.UNMOVABLE]
    flying = seen(A, reservations=[promise(A, "h3")])
    (why,) = (one for one in audit(flying, plan(moved(A, "h3")), limits()))
    assert (why.kind, why.why) == (Kind.UNMOVABLE, "in flight already")
    assert audit(seen(A, B, reservations=[promise(B, "h3")]), plan(moved(A, "h3")), limits()) == ()


def test_room_that_is_held_for_a_vm_where_it_is_counts_once() -> None:
    big = vm("b", "h2", memory_bytes=4 * GIB)
    there = seen(A, big, reservations=[promise(big, "h2")])
    assert audit(there, plan(moved(A, "h2")), limits()) == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"starts_s": Range(low=0.0, likely=0.0, high=0.0)}, ""),
        ({"starts_s": Range(low=-1.0, likely=0.0, high=0.0)}, "the start of a#1 is"),
        ({"starts_s": Range(low=1.0, likely=0.0, high=2.0)}, "the start of a#1 is"),
        ({"ends_s": Range(low=0.0, likely=10.0, high=9.0)}, "the end of a#1 is"),
        ({"starts_s": between(11, 11)[0]}, "a#1 ends before it starts"),
        ({"starts_s": between(10, 10)[0]}, ""),
    ],
)
def test_times_that_can_not_be_are_found(changes: dict[str, object], says: str) -> None:
    one = replace(moved(A, "h3"), slices=(), **changes)  # type: ignore[arg-type]
    found = audit(seen(), plan(one), limits())
    assert [each.kind for each in found] == ([Kind.TIMES] if says else [])
    assert all(each.why.startswith(says) for each in found)


def test_a_makespan_is_the_end_of_the_last_move_and_not_below_its_bound() -> None:
    def whole(likely: float, bound: float = 0.0) -> list[str]:
        said = Range(low=likely, likely=likely, high=likely)
        made = plan(moved(A, "h3"), moved(B, "h3"), makespan_s=said, lower_bound_s=bound)
        return [one.why for one in audit(seen(), made, limits())]

    assert whole(10.0) == whole(10.0, bound=10.0) == []
    assert whole(11.0) == whole(9.0) == ["the makespan is not the end of the last move"]
    assert whole(10.0, bound=10.1) == ["the makespan is below what is called its lower bound"]


def test_a_move_may_start_at_the_very_end_of_the_one_it_waits_for() -> None:
    first, second = moved(A, "h3"), moved(B, "h3", after=("a#1",), at=(10, 20))
    assert audit(seen(), plan(first, second), limits(per_link=1)) == ()
    early = replace(second, starts_s=between(9.9, 9.9)[0])
    found = only(seen(), plan(first, early), limits())
    assert (found.kind, found.found, found.limit) == (Kind.TIMES, 9.9, 10.0)


def test_so_many_flights_as_are_allowed_are_allowed() -> None:
    third = moved(C, "h3")
    roomy = cluster([host(f"h{n}") for n in (1, 2, 3)], [A, B, C])
    trio = plan(*both(), third)
    assert audit(roomy, trio, limits(per_host=3, per_link=3, whole=3)) == ()
    found = only(roomy, trio, limits(whole=2))
    assert (found.found, found.limit, found.at_s) == (3, 2, 0.0)
    assert set(found.moves) == {"a#1", "b#1", "c#1"}
    # By the clock two are in flight at a time, but the order allows all three.
    late = replace(third, **dict(zip(("starts_s", "ends_s"), between(10, 20), strict=True)))
    late = replace(late, slices=())
    found = only(roomy, plan(*both(), late), limits(whole=2))
    assert (found.found, found.at_s) == (3, None)


def test_what_a_host_sends_and_what_it_receives_are_one_limit_of_its_own() -> None:
    roomy = cluster([host(f"h{n}") for n in (1, 2, 3)], [A, B, C])
    crossing = plan(moved(A, "h2"), moved(B, "h1"))
    assert audit(roomy, crossing, limits(per_link=1)) == ()
    found = audit(roomy, crossing, limits(per_host=1))
    assert [(one.kind, *one.hosts) for one in found] == [
        (Kind.FLIGHT_HOST, "h1"),
        (Kind.FLIGHT_HOST, "h2"),
    ]
    fanned = plan(moved(A, "h2"), moved(C, "h2"))
    found = audit(roomy, fanned, limits(per_link=1))
    assert [one.why.split(" at once")[0] for one in found] == [
        "2 moves on h1 out",
        "2 moves on h2 in",
    ]


def test_a_link_may_be_filled_by_its_declared_speed_or_else_by_the_guess() -> None:
    half = plan(*both(rate=0.5 * LINK))
    assert audit(seen(), half, limits()) == ()
    hosts = [*SMALL[:2], host("h3", memory_total_bytes=9 * GIB, migration_link_bytes_per_s=0.9e9)]
    found = only(cluster(hosts, [A, B, C]), half, limits())
    assert (found.kind, found.hosts) == (Kind.BANDWIDTH, ("h3",))
    assert (found.found, found.limit, found.at_s) == (LINK, 0.9e9, 1.0)


def test_copies_that_take_turns_on_a_link_have_all_of_it() -> None:
    first, second = both(rate=LINK)
    turns = (
        replace(first, slices=(Slice(from_s=1, until_s=5, link_bytes_per_s=LINK),)),
        replace(second, slices=(Slice(from_s=5, until_s=9, link_bytes_per_s=LINK),)),
    )
    assert audit(seen(), plan(*turns), limits()) == ()
    overlap = replace(second, slices=(Slice(from_s=4.9, until_s=9, link_bytes_per_s=LINK),))
    assert only(seen(), plan(turns[0], overlap), limits()).at_s == 4.9


@pytest.mark.parametrize(("from_s", "until_s"), [(-0.1, 5.0), (5.0, 10.1)])
def test_a_copy_runs_only_while_its_move_does(from_s: float, until_s: float) -> None:
    beyond = Slice(from_s=from_s, until_s=until_s, link_bytes_per_s=1.0)
    found = only(seen(), plan(replace(moved(A, "h3"), slices=(beyond,))), limits())
    assert found.why == "a#1 copies while it does not run"
    whole = Slice(from_s=0.0, until_s=10.0, link_bytes_per_s=1.0)
    assert audit(seen(), plan(replace(moved(A, "h3"), slices=(whole,))), limits()) == ()


def test_a_group_that_is_apart_already_may_stay_so_and_not_spread_further() -> None:
    split = seen(groups=[group("g", A, B, C, together=True)])
    assert audit(split, plan(moved(B, "h3")), limits()) == ()
    found = only(split, plan(moved(A, "h3")), limits())
    assert (found.kind, found.found, found.limit) == (Kind.TOGETHER, 3, 2)
    assert found.vms == (A.id,)
    assert found.why == "the affinity group 'g' ends on h1, h2, h3"
    # One that is off is nowhere.
    off = replace(C, state=RunState.SHUT_OFF)
    pair = seen(A, B, off, groups=[group("g", A, off, together=True)])
    assert audit(pair, plan(moved(A, "h3")), limits()) == ()


def test_who_met_before_the_plan_is_not_the_plans_fault() -> None:
    met = seen(groups=[group("g", A, C, together=False)])
    assert audit(met, plan(moved(B, "h3")), limits()) == ()
    found = audit(seen(groups=[group("g", A, B, together=False)]), plan(*both()), limits())
    assert [(one.at_s, one.moves) for one in found] == [(0.0, ("a#1", "b#1"))]


def test_of_moves_that_wait_for_each_other_nothing_is_said_but_that() -> None:
    roomy, ring, free = planted_order()
    stack = Bundle(name="stack", vms=frozenset({A.id, C.id}))
    ruled = replace(roomy, rules=(stack,))
    assert {one.kind for one in audit(ruled, ring, free)} == {Kind.ORDER, Kind.TIMES}
    first, second = ring.moves
    also = plan(replace(first, after=(*first.after, MoveId("nobody#1"))), second)
    (order,) = (one for one in audit(roomy, also, free) if one.kind is Kind.ORDER)
    assert order.moves == ("a#1", "b#1")


def test_where_a_vm_is_bound_to_is_told() -> None:
    bound = replace(limits(), only={A.id: frozenset({HostName("h2"), HostName("h1")})})
    assert only(seen(), plan(moved(A, "h3")), bound).why == "a is bound to h1, h2"
    nowhere = replace(limits(), only={A.id: frozenset[HostName]()})
    assert only(seen(), plan(moved(A, "h3")), nowhere).why == "a is bound to no host"


def test_only_those_that_wait_for_each_other_are_named() -> None:
    roomy, ring, free = planted_order()
    last = moved(C, "h3", nth=1)
    onward = moved(vm("d", "h3"), "h1", after=("c#1",), at=(10, 20))
    world = cluster(roomy.hosts, [A, B, C, vm("d", "h3")])
    found = audit(world, plan(*ring.moves, last, onward), free)
    assert [one.moves for one in found if one.kind is Kind.ORDER] == [("a#1", "b#1")]


def test_the_first_instant_at_which_a_limit_is_broken_is_told() -> None:
    roomy = cluster([host(f"h{n}") for n in (1, 2, 3)], [A, B, C, vm("d", "h1")])
    later = {"at": (20.0, 30.0)}
    four = plan(
        *both(),
        moved(C, "h2", **later),
        moved(vm("d", "h1"), "h2", **later),  # type: ignore[arg-type]
    )
    found = only(roomy, four, limits(whole=1))
    assert (found.at_s, found.why) == (0.0, "2 moves at once, and 1 are allowed")
    turns = plan(moved(A, "h3"), moved(B, "h3", at=(10, 20)))
    found = only(roomy, turns, limits(whole=1))
    assert (found.at_s, found.why) == (
        None,
        "2 moves at once may be in flight as the order allows, and 1 are allowed",
    )
    rule = InFlight(name="one", vms=frozenset({A.id, B.id, C.id, vm("d").id}), most=1)
    assert only(replace(roomy, rules=(rule,)), four, limits()).at_s == 0.0


def test_vms_that_are_kept_apart_may_part() -> None:
    met = seen(groups=[group("g", A, C, together=False)])
    assert audit(met, plan(moved(A, "h3")), limits()) == ()
