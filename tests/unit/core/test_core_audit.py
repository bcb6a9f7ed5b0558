"""Goal: the audit finds a planted violation of every kind, by its numbers, and finds no other.

Method: plans written by hand. Each planted one is also judged with the check of its kind taken
away, and must then pass: so no check is idle, and none does the work of another.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from godwit.core import audit as audit_room
from godwit.core.audit import CHECKS, Kind, Violation, audit
from godwit.core.model import Cluster, CpuAnswer, HostName, Range, RunState, Vm, VmId
from godwit.core.timed import (
    ApartRule,
    Bounds,
    FlightGroup,
    Limits,
    MoveId,
    Slice,
    TimedMove,
    TimedPlan,
    WayOfSharing,
)
from godwit.core.units import GIB
from tests.unit.core.builders import cluster, group, host, promise, vm

LINK = 1e9
FREE = Limits(per_host=None, per_link=None)


def between(start: float, end: float) -> tuple[Range, Range]:
    return Range(low=start, likely=start, high=start), Range(low=end, likely=end, high=end)


def moved(
    one: Vm,
    to: str,
    *,
    at: tuple[float, float] = (0.0, 10.0),
    after: tuple[str, ...] = (),
    nth: int = 1,
    source: str = "",
    final: str = "",
    rate: float = 1e6,
) -> TimedMove:
    starts_s, ends_s = between(*at)
    return TimedMove(
        id=MoveId(f"{one.name}#{nth}"),
        vm=one.id,
        vm_name=one.name,
        source=HostName(source or one.host),
        destination=HostName(to),
        final=HostName(final or to),
        memory_bytes=one.memory_bytes,
        vcpus=one.vcpus,
        after=tuple(MoveId(other) for other in after),
        starts_s=starts_s,
        ends_s=ends_s,
        sent_bytes=rate * 8,
        share_fraction=1.0,
        sharing=WayOfSharing.ALONE,
        slices=(Slice(from_s=at[0] + 1, until_s=at[1] - 1, link_bytes_per_s=rate),),
    )


def plan(*moves: TimedMove, **changes: object) -> TimedPlan:
    end_s = max((one.ends_s.likely for one in moves), default=0.0)
    made = TimedPlan(
        generation=7,
        made_at_s=0.0,
        moves=moves,
        stuck=(),
        makespan_s=Range(low=end_s, likely=end_s, high=end_s),
        lower_bound_s=0.0,
        bound_by="",
        bounds=Bounds(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


A, B, C = vm("a", "h1"), vm("b", "h2"), vm("c", "h1")
#: Hosts that have room for one VM more than the two of h1.
SMALL = [host(f"h{n}", memory_total_bytes=9 * GIB) for n in (1, 2, 3)]

Planted = tuple[Cluster, TimedPlan, Bounds]


def seen(*vms: Vm, **changes: object) -> Cluster:
    return cluster(SMALL, vms or (A, B, C), **changes)  # type: ignore[arg-type]


def limits(**changes: object) -> Bounds:
    return Bounds(limits=replace(FREE, **changes), link_bytes_per_s=LINK)  # type: ignore[arg-type]


def both(**changes: object) -> tuple[TimedMove, TimedMove]:
    return moved(A, "h3", **changes), moved(B, "h3", **changes)  # type: ignore[arg-type]


def planted_memory() -> Planted:
    big = vm("a", "h1", memory_bytes=6 * GIB)
    return seen(big, B, C), plan(moved(big, "h2")), limits()


def planted_cores() -> Planted:
    hosts = [host("h1"), host("h2", cores=3, cores_overcommit=1.0)]
    return cluster(hosts, [A, B]), plan(moved(A, "h2")), limits()


def planted_apart() -> Planted:
    return seen(groups=[group("g", A, B, together=False)]), plan(moved(A, "h2")), limits()


def planted_together() -> Planted:
    return seen(groups=[group("g", A, C, together=True)]), plan(moved(A, "h3")), limits()


def planted_place() -> Planted:
    refused = {(A.id, HostName("h3")): CpuAnswer(compatible=False)}
    return seen(cpu=refused), plan(moved(A, "h3")), limits()


def planted_copies() -> Planted:
    first = moved(A, "h3", final="h2")
    second = moved(A, "h2", nth=2, source="h3", at=(10, 20))
    return seen(), plan(first, second), limits()


def planted_source() -> Planted:
    return seen(), plan(moved(A, "h3", source="h2")), limits()


def planted_destination() -> Planted:
    return seen(), plan(moved(A, "h3", final="h2")), limits()


def planted_unmovable() -> Planted:
    paused = replace(A, state=RunState.PAUSED_USER)
    return seen(paused, B, C), plan(moved(paused, "h3")), limits()


def planted_order() -> Planted:
    first, second = moved(A, "h3", after=("b#1",)), moved(B, "h1", after=("a#1",), at=(10, 20))
    roomy = cluster([host(f"h{n}") for n in (1, 2, 3)], [A, B, C])
    return roomy, plan(replace(first, after=(second.id,)), second), limits()


def planted_names() -> Planted:
    return seen(), plan(moved(A, "h3", after=("nobody#1",))), limits()


PLANTED: dict[Kind, Callable[[], Planted]] = {
    Kind.STALE: lambda: (seen(), plan(moved(A, "h3"), generation=6), limits()),
    Kind.UNKNOWN: planted_names,
    Kind.UNMOVABLE: planted_unmovable,
    Kind.SOURCE: planted_source,
    Kind.DESTINATION: planted_destination,
    Kind.COPIES: planted_copies,
    Kind.MEMORY: planted_memory,
    Kind.CORES: planted_cores,
    Kind.APART: planted_apart,
    Kind.TOGETHER: planted_together,
    Kind.PLACE: planted_place,
    Kind.FLIGHT_HOST: lambda: (seen(), plan(*both()), limits(per_host=1)),
    Kind.FLIGHT_LINK: lambda: (seen(), plan(*both()), limits(per_link=1)),
    Kind.FLIGHT_WHOLE: lambda: (seen(), plan(*both()), limits(whole=1)),
    Kind.FLIGHT_GROUP: lambda: (
        seen(),
        plan(*both()),
        limits(groups=(FlightGroup(name="g", members=frozenset({A.id, B.id}), most=1),)),
    ),
    Kind.BANDWIDTH: lambda: (seen(), plan(*both(rate=0.6 * LINK)), limits()),
    Kind.TIMES: lambda: (
        seen(),
        plan(moved(A, "h3"), moved(B, "h3", after=("a#1",), at=(5, 15))),
        limits(),
    ),
}
# A ring breaks the times as well, so it can't be planted alone.
ALONE = sorted(PLANTED, key=lambda kind: kind.value)


def _yes(_replay: object, _bounds: Bounds) -> Iterator[Violation]:
    return iter(())


def test_every_kind_is_checked_and_planted() -> None:
    assert set(CHECKS) == set(Kind) == {*PLANTED, Kind.ORDER}


@pytest.mark.parametrize("kind", ALONE, ids=lambda kind: kind.value)
def test_a_planted_violation_is_found_and_nothing_else(kind: Kind) -> None:
    found = audit(*PLANTED[kind]())
    assert {one.kind for one in found} == {kind}
    assert all(one.why for one in found)


@pytest.mark.parametrize("kind", ALONE, ids=lambda kind: kind.value)
def test_without_its_check_it_is_not_found(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(audit_room.CHECKS, kind, _yes)
    assert audit(*PLANTED[kind]()) == ()


def test_moves_that_wait_for_each_other_are_found() -> None:
    found = [one for one in audit(*planted_order()) if one.kind is Kind.ORDER]
    assert found[0].moves == ("a#1", "b#1")


def test_without_the_check_of_order_only_the_times_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(audit_room.CHECKS, Kind.ORDER, _yes)
    assert {one.kind for one in audit(*planted_order())} == {Kind.TIMES}


def only(*planted: object) -> Violation:
    found = audit(*planted)  # type: ignore[arg-type]
    assert len(found) == 1
    return found[0]


def test_a_violation_says_when_where_who_and_how_much() -> None:
    found = only(*planted_memory())
    assert found.at_s == 0.0
    assert found.hosts == ("h2",)
    assert found.vms == (A.id,)
    assert (found.found, found.limit) == (10 * GIB, 8 * GIB)


def test_room_that_only_the_expected_times_give_is_not_enough() -> None:
    # By the clock b has left h2 when a comes; but nothing makes a wait for b.
    tight = vm("a", "h1", memory_bytes=6 * GIB)
    leaving = moved(B, "h3", at=(0, 10))
    late = moved(tight, "h2", at=(10, 20))
    found = only(seen(tight, B), plan(leaving, late), limits())
    assert found.kind is Kind.MEMORY
    assert found.at_s is None
    waits = replace(late, after=(leaving.id,))
    assert audit(seen(tight, B), plan(leaving, waits), limits()) == ()


def test_vms_kept_apart_that_only_the_expected_times_keep_apart() -> None:
    world = seen(groups=[group("g", A, B, together=False)])
    leaving, late = moved(B, "h3", at=(0, 10)), moved(A, "h2", at=(10, 20))
    found = only(world, plan(leaving, late), limits())
    assert (found.kind, found.at_s) == (Kind.APART, None)
    assert audit(world, plan(leaving, replace(late, after=(leaving.id,))), limits()) == ()


def test_a_limit_that_only_the_expected_times_keep() -> None:
    first, second = moved(A, "h3", at=(0, 10)), moved(B, "h3", at=(10, 20))
    found = only(seen(), plan(first, second), limits(per_link=1))
    assert (found.kind, found.at_s, found.found) == (Kind.FLIGHT_LINK, None, 2)
    waits = replace(second, after=(first.id,))
    assert audit(seen(), plan(first, waits), limits(per_link=1)) == ()


def test_a_wait_over_others_counts() -> None:
    tight = vm("a", "h1", memory_bytes=6 * GIB)
    leaving = moved(B, "h3", at=(0, 10))
    middle = moved(C, "h3", at=(10, 20), after=("b#1",))
    late = moved(tight, "h2", at=(20, 30), after=("c#1",))
    roomy = [SMALL[0], SMALL[1], host("h3")]
    world = cluster([host("h1"), *roomy[1:]], [tight, B, C])
    assert audit(world, plan(leaving, middle, late), limits()) == ()


def test_a_host_that_was_promised_twice_before_may_be_left_but_not_entered() -> None:
    crowd = [vm(f"c{n}", "h1") for n in range(3)]
    world = seen(*crowd, B)
    leaves = moved(crowd[0], "h3")
    assert audit(world, plan(leaves), limits()) == ()
    found = only(world, plan(moved(B, "h1")), limits())
    assert found.kind is Kind.MEMORY
    # Even one that leaves first does not make room: the host was too full by one.
    comes = moved(B, "h1", at=(10, 20), after=("c0#1",))
    assert only(world, plan(leaves, comes), limits()).kind is Kind.MEMORY
    also = moved(crowd[1], "h3", at=(0, 10))
    comes = replace(comes, after=("c0#1", "c1#1"))  # type: ignore[arg-type]
    assert audit(world, plan(leaves, also, comes), limits()) == ()


def test_room_promised_to_a_migration_in_flight_counts() -> None:
    flying = vm("f", "h1")
    world = seen(A, B, flying, reservations=[promise(flying, "h2")])
    assert only(world, plan(moved(A, "h2")), limits()).kind is Kind.MEMORY


def test_a_rule_apart_by_label_counts_all_hosts_of_one_value() -> None:
    racks = [
        replace(one, record=replace(one.record, labels={"rack": rack}))
        for one, rack in zip(SMALL, ("r1", "r2", "r2"), strict=True)
    ]
    rule = ApartRule(name="g", members=frozenset({A.id, B.id}), label="rack")
    bounds = replace(limits(), apart=(rule,))
    found = only(cluster(racks, [A, B, C]), plan(moved(A, "h3")), bounds)
    assert (found.kind, found.hosts) == (Kind.APART, ("h2", "h3"))


def test_a_vm_that_is_bound_to_hosts_does_not_leave_them() -> None:
    bounds = replace(limits(), only={A.id: frozenset({HostName("h2")})})
    assert only(seen(), plan(moved(A, "h3")), bounds).kind is Kind.PLACE
    assert audit(seen(), plan(moved(A, "h2")), bounds) == ()


def test_two_vms_of_one_name_never_meet() -> None:
    twin = replace(vm("a", "h2"), id=VmId("id-twin"))
    away = replace(moved(twin, "h3", at=(0, 10)), id=MoveId("twin#1"))
    comes = moved(A, "h3", at=(0, 10))
    assert {one.kind for one in audit(seen(A, twin), plan(away, comes), limits())} == {Kind.APART}


def test_the_bounds_that_are_given_count_and_not_those_of_the_plan() -> None:
    made = plan(*both(), bounds=Bounds(limits=Limits(per_link=8)))
    assert only(seen(), made, limits(per_link=1)).kind is Kind.FLIGHT_LINK


def test_a_plan_of_nothing_is_well() -> None:
    assert audit(seen(), plan(), limits()) == ()
