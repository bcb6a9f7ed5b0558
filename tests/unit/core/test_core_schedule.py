"""Goal: moves are put in an order that is possible and sooner done, or it is said why not.

Method: small clusters by hand, with times that can be worked out on paper: links of 1 GiB/s, VMs
of whole GiB, one second of set-up and one of ending.
"""

from dataclasses import replace

import pytest

from godwit.core.audit import audit
from godwit.core.model import Cluster, Forecast, Host, HostName, Range, Vm, VmId
from godwit.core.schedule import Effort, Search, Wanted, effort_of_forecast, make_schedule
from godwit.core.timed import (
    ApartRule,
    Bounds,
    FlightGroup,
    Limits,
    StuckKind,
    TimedMove,
    TimedPlan,
    WayOfSharing,
)
from godwit.core.units import GIB
from tests.unit.core.builders import cluster, group, host, promise, vm

FREE = Limits(per_host=None, per_link=None)


def server(name: str, room: int, **changes: object) -> Host:
    """A host that has so many GiB for VMs, and a link of 1 GiB/s."""
    return host(
        name, memory_total_bytes=(room + 1) * GIB, migration_link_bytes_per_s=float(GIB), **changes
    )


def guest(name: str, on: str, size: int, **changes: object) -> Vm:
    return vm(name, on, memory_bytes=size * GIB, vcpus=1, **changes)


def wanted(one: Vm, to: str, *, written: float = 0.0, **changes: object) -> Wanted:
    effort = Effort(first_bytes=float(one.memory_bytes), dirty_bytes_per_s=written * GIB)
    return Wanted(vm=one.id, destination=HostName(to), **({"effort": effort} | changes))  # type: ignore[arg-type]


def made(seen: Cluster, *wishes: Wanted, bounds: Bounds | None = None, **search: int) -> TimedPlan:
    """Make the plan, and let the audit judge it."""
    bounds = bounds or Bounds(limits=FREE)
    found = make_schedule(seen, wishes, Search(bounds=bounds, **search))
    assert audit(seen, found, bounds) == ()
    return found


def of(found: TimedPlan, name: str) -> TimedMove:
    return next(one for one in found.moves if one.vm_name == name and not one.is_transit)


def test_one_move_takes_what_its_bytes_take() -> None:
    one = guest("a", "h1", 8)
    found = made(cluster([server("h1", 16), server("h2", 16)], [one]), wanted(one, "h2"))
    assert found.makespan_s.likely == pytest.approx(10.0)
    assert found.lower_bound_s == pytest.approx(10.0)
    assert found.moves[0].sent_bytes == pytest.approx(8 * GIB)
    assert found.moves[0].sharing is WayOfSharing.ALONE
    assert (found.makespan_s.low, found.makespan_s.high) == (
        pytest.approx(8.0),
        pytest.approx(15.0),
    )


def test_a_guest_that_writes_takes_longer_on_half_a_link_than_twice() -> None:
    effort = Effort(first_bytes=8.0, dirty_bytes_per_s=0.25)
    assert effort.copy_s(1.0) == pytest.approx(8 / 0.75)
    assert effort.copy_s(0.5) == pytest.approx(8 / 0.25)
    assert effort.sent_bytes(0.5) > effort.sent_bytes(1.0) > 8


def test_a_guest_that_writes_faster_than_its_link_still_ends() -> None:
    effort = Effort(first_bytes=8.0, dirty_bytes_per_s=10.0)
    assert effort.copy_s(1.0) == pytest.approx(40.0)


def test_the_effort_of_a_forecast_gives_its_time_and_its_bytes_back() -> None:
    def exact(value: float) -> Range:
        return Range(low=value / 2, likely=value, high=value * 3)

    forecast = Forecast(
        total_s=exact(20.0),
        pause_s=exact(0.1),
        outage_s=exact(0.1),
        sent_bytes=exact(18.0 * GIB),
        rounds=exact(3),
        converges=1.0,
        keeps_promise=1.0,
        made_at_s=0.0,
    )
    effort = effort_of_forecast(forecast, memory_bytes=12 * GIB, link_bytes_per_s=float(GIB))
    assert effort.total_s(float(GIB)) == pytest.approx(20.0)
    assert effort.sent_bytes(float(GIB)) == pytest.approx(18.0 * GIB)
    assert effort.dirty_bytes_per_s == pytest.approx(GIB / 3)
    assert (effort.low_fraction, effort.high_fraction) == (0.5, 3.0)


def test_an_effort_takes_no_longer_than_its_forecast_where_the_link_could_not_carry_it() -> None:
    exact = Range(low=10.0, likely=10.0, high=10.0)
    forecast = Forecast(
        total_s=exact,
        pause_s=exact,
        outage_s=exact,
        sent_bytes=Range(low=0.0, likely=9.0 * GIB, high=9.0 * GIB),
        rounds=exact,
        converges=1.0,
        keeps_promise=1.0,
        made_at_s=0.0,
    )
    # In 10 s less 2 s of set-up and ending, 9 GiB would not go over a link of 1 GiB/s.
    effort = effort_of_forecast(forecast, memory_bytes=9 * GIB, link_bytes_per_s=float(GIB))
    assert effort.total_s(float(GIB)) == pytest.approx(10.0)
    assert effort.setup_s == effort.ending_s == pytest.approx(0.5)


def test_a_move_waits_for_the_room_that_another_leaves() -> None:
    a, b = guest("a", "h1", 8), guest("b", "h2", 8)
    seen = cluster([server("h1", 8), server("h2", 8), server("h3", 8)], [a, b])
    found = made(seen, wanted(a, "h2"), wanted(b, "h3"))
    assert of(found, "a").after == (of(found, "b").id,)
    assert of(found, "b").after == ()
    assert "waits until b has left h2" in of(found, "a").why
    assert found.makespan_s.likely == pytest.approx(20.0)
    assert found.lower_bound_s == pytest.approx(20.0)
    assert "must leave first" in found.bound_by
    late = of(found, "a")
    assert (late.starts_s.low, late.starts_s.high) == pytest.approx((8.0, 15.0))
    assert (late.ends_s.low, late.ends_s.high) == pytest.approx((16.0, 30.0))


def test_moves_that_share_nothing_wait_for_nobody() -> None:
    a, b = guest("a", "h1", 8), guest("b", "h2", 8)
    seen = cluster([server(f"h{n}", 16) for n in range(1, 5)], [a, b])
    found = made(seen, wanted(a, "h3"), wanted(b, "h4"))
    assert [one.after for one in found.moves] == [(), ()]
    assert found.makespan_s.likely == pytest.approx(10.0)


def test_on_one_link_copies_take_turns_and_the_next_is_set_up_meanwhile() -> None:
    vms = [guest(name, "h1", 4) for name in "abc"]
    seen = cluster([server("h1", 16), *(server(f"h{n}", 16) for n in (2, 3, 4))], vms)
    found = made(seen, *(wanted(one, f"h{n}", written=0.3) for n, one in enumerate(vms, start=2)))
    # 1 s of set-up, three copies of 4 / 0.7 s, 1 s of ending.
    assert found.makespan_s.likely == pytest.approx(2 + 12 / 0.7)
    assert found.over_bound_fraction == pytest.approx(0.0, abs=1e-6)
    assert {one.sharing for one in found.moves} <= {WayOfSharing.IN_TURN, WayOfSharing.ALONE}
    assert any("instead of" in one for one in found.notes)


def test_streams_that_do_not_fill_the_link_run_side_by_side() -> None:
    vms = [guest(name, "h1", 4) for name in "ab"]
    seen = cluster([server("h1", 16), server("h2", 16), server("h3", 16)], vms)
    slow = Effort(first_bytes=4.0 * GIB, stream_bytes_per_s=GIB / 2)
    found = made(seen, wanted(vms[0], "h2", effort=slow), wanted(vms[1], "h3", effort=slow))
    assert found.makespan_s.likely == pytest.approx(10.0)
    assert {one.sharing for one in found.moves} == {WayOfSharing.PARALLEL}
    assert all(one.share_fraction == pytest.approx(0.5) for one in found.moves)
    assert (found.lower_bound_s, found.bound_by) == (pytest.approx(10.0), "the move of a alone")


RING = [guest("a", "h1", 8), guest("b", "h2", 8)]


def swapped() -> tuple[Wanted, Wanted]:
    return wanted(RING[0], "h2"), wanted(RING[1], "h1")


def test_two_full_hosts_swap_over_a_transit_host() -> None:
    seen = cluster([server("h1", 8), server("h2", 8), server("h3", 8)], RING)
    found = made(seen, *swapped())
    assert not found.stuck
    transit = [one for one in found.moves if one.is_transit]
    assert [one.destination for one in transit] == ["h3"]
    assert len(found.moves) == 3
    assert any("transit" in one for one in found.notes)
    assert "steps aside to h3" in transit[0].why
    # Three moves one after the other can't be helped.
    assert found.makespan_s.likely == pytest.approx(30.0)


def test_one_that_has_arrived_steps_aside_before_others_take_the_room_for_it() -> None:
    """A VM (x) has to come to h2 before z can leave h3, and to leave it for a while later.

    Then w and y, who fill their hosts, are opened over h2; h3 has room for x until m comes.
    """
    hosts = [server(f"h{n}", room) for n, room in enumerate((12, 10, 12, 2, 2, 4), start=1)]
    x, z, m = guest("x", "h1", 10), guest("z", "h3", 12), guest("m", "h6", 4)
    k, w, y = guest("k", "h4", 2), guest("w", "h5", 2), guest("y", "h4", 2)
    pair = frozenset({HostName("h4"), HostName("h5")})
    found = made(
        cluster(hosts, [x, z, m, k, w, y]),
        *(wanted(one, to) for one, to in ((x, "h2"), (z, "h1"), (m, "h3"))),
        *(wanted(one, to) for one, to in ((k, "h3"), (w, "h4"), (y, "h5"))),
        bounds=Bounds(limits=FREE, only={w.id: pair, y.id: pair | {HostName("h2")}}),
    )
    assert not found.stuck
    aside = [(one.vm_name, one.destination) for one in found.moves if one.is_transit]
    assert aside == [("x", "h3"), ("y", "h2")]


def test_nobody_steps_aside_for_others_only_to_come_back() -> None:
    """A VM (m) could let u in and o out, and r to where it stood meanwhile; but m can't arrive."""
    all_ = [server(f"h{n}", room) for n, room in enumerate((4, 2, 2, 2, 4, 4, 2), start=1)]
    m, o, u, r = guest("m", "h1", 2), guest("o", "h1", 2), guest("u", "h2", 2), guest("r", "h4", 2)
    ring = [guest("n1", "h5", 4), guest("n2", "h6", 2)]
    bound = {"m": "h1 h3 h5", "o": "h1 h2", "u": "h1 h2", "n1": "h5 h6", "n2": "h5 h6"}
    only = {
        VmId(f"id-{name}"): frozenset(map(HostName, hosts.split())) for name, hosts in bound.items()
    }
    z = guest("z", "h7", 2)
    found = made(
        cluster(all_, [m, o, u, r, *ring, z], groups=[group("g", r, z, together=False)]),
        *(wanted(one, to) for one, to in ((m, "h5"), (o, "h2"), (u, "h1"), (r, "h3"))),
        *(wanted(one, to) for one, to in zip(ring, ("h6", "h5"), strict=True)),
        bounds=Bounds(limits=FREE, only=only),
    )
    assert [one.vm_name for one in found.moves] == ["r"]
    assert {one.vm_name for one in found.stuck} == {"m", "o", "u", "n1", "n2"}


def test_without_a_transit_host_they_are_stuck_and_the_remedy_helps() -> None:
    seen = cluster([server("h1", 8), server("h2", 8)], RING)
    found = made(seen, *swapped())
    assert found.moves == ()
    assert {one.vm_name for one in found.stuck} == {"a", "b"}
    assert {one.kind for one in found.stuck} == {StuckKind.IMPOSSIBLE}
    assert "wait for each other: a -> b -> a" in found.stuck[0].why
    assert "h2 has room for 0 B and it needs 8.0 GiB until b has left it" in found.stuck[0].why
    assert "Free 8.0 GiB on h1, so that b can arrive" in found.stuck[0].remedy
    freed = cluster([server("h1", 16), server("h2", 8)], RING)
    assert not made(freed, *swapped()).stuck


def test_a_transit_host_that_is_just_too_small_is_named_with_what_it_lacks() -> None:
    seen = cluster([server("h1", 8), server("h2", 8), server("h3", 7)], RING)
    found = made(seen, *swapped())
    assert {one.kind for one in found.stuck} == {StuckKind.IMPOSSIBLE}
    assert "Free 1.0 GiB on h3, so that a can step aside there" in found.stuck[0].remedy


def test_a_transit_host_must_be_allowed_for_the_vm() -> None:
    seen = cluster([server("h1", 8), server("h2", 8), server("h3", 8)], RING)
    both = frozenset({HostName("h1"), HostName("h2")})
    bounds = Bounds(limits=FREE, only={one.id: both for one in RING})
    assert len(made(seen, *swapped(), bounds=bounds).stuck) == 2
    bounds = Bounds(limits=FREE, only={RING[0].id: both})
    found = made(seen, *swapped(), bounds=bounds)
    assert [one.vm_name for one in found.moves if one.is_transit] == ["b"]


def test_vms_kept_apart_that_swap_need_a_detour_though_there_is_room() -> None:
    seen = cluster(
        [server("h1", 64), server("h2", 64), server("h3", 64)],
        RING,
        groups=[group("g", *RING, together=False)],
    )
    found = made(seen, *swapped())
    assert sum(one.is_transit for one in found.moves) == 1
    alone = replace(seen, hosts=seen.hosts[:2])
    stuck = made(alone, *swapped()).stuck
    assert len(stuck) == 2
    assert "keeps it apart from b" in stuck[0].why


def test_an_arrival_does_not_take_the_room_that_others_need_to_get_out() -> None:
    # The urgent c fits on h2 at once; but then a would have no room, nor b where a is.
    a, b, c = guest("a", "h1", 8), guest("b", "h2", 4), guest("c", "h3", 4)
    seen = cluster([server("h1", 8), server("h2", 12), server("h3", 4)], [a, b, c])
    found = made(seen, wanted(a, "h2"), wanted(b, "h1"), wanted(c, "h2", priority=1))
    assert not found.stuck
    assert [one.vm_name for one in found.moves] == ["a", "b", "c"]


def test_each_may_come_now_but_not_all_of_them_in_any_order() -> None:
    # Both hosts have room for one more: for a and b, or for those that change places first.
    come = [guest("a", "h3", 8), guest("b", "h4", 8)]
    swap = [guest("y", "h1", 8), guest("z", "h2", 8)]
    seen = cluster([server(f"h{n}", 16) for n in (1, 2, 3, 4)], [*come, *swap])
    only = {one.id: frozenset({HostName("h1"), HostName("h2")}) for one in swap}
    found = made(
        seen,
        *(wanted(one, f"h{n}") for n, one in enumerate(come, start=1)),
        *(wanted(one, f"h{n}") for n, one in zip((2, 1), swap, strict=True)),
        bounds=Bounds(limits=FREE, only=only),
    )
    assert not found.stuck
    assert len(found.moves) == 4
    assert found.moves[0].vm_name in {"y", "z"}


def test_what_can_not_stand_in_the_end_is_left_out_and_the_rest_is_done() -> None:
    a, b = guest("a", "h1", 6), guest("b", "h1", 4)
    seen = cluster([server("h1", 16), server("h2", 8)], [a, b])
    found = made(seen, wanted(a, "h2"), wanted(b, "h2"))
    assert [one.vm_name for one in found.moves] == ["b"]
    assert [one.kind for one in found.stuck] == [StuckKind.IMPOSSIBLE]
    assert "h2 would lack 2.0 GiB" in found.stuck[0].why


def test_of_those_that_can_not_all_go_the_urgent_ones_do() -> None:
    a, b = guest("a", "h1", 6), guest("b", "h1", 4)
    seen = cluster([server("h1", 16), server("h2", 8)], [a, b])
    found = made(seen, wanted(a, "h2", priority=1), wanted(b, "h2"))
    assert [one.vm_name for one in found.moves] == ["a"]


def test_an_affinity_group_is_not_split_by_one_that_is_stuck() -> None:
    a, b = guest("a", "h1", 6), guest("b", "h1", 4)
    seen = cluster(
        [server("h1", 16), server("h2", 8)], [a, b], groups=[group("g", a, b, together=True)]
    )
    found = made(seen, wanted(a, "h2"), wanted(b, "h2"))
    assert found.moves == ()
    assert any("'g' would be split" in one.why for one in found.stuck)


def test_what_a_rule_refuses_is_stuck_with_the_words_of_the_rule() -> None:
    a, b = guest("a", "h1", 4), guest("b", "h1", 4)
    seen = cluster([server("h1", 16), server("h2", 16, in_maintenance=True)], [a, b])
    found = made(seen, wanted(a, "h2"), wanted(b, "nowhere"))
    assert {one.kind for one in found.stuck} == {StuckKind.REFUSED}
    assert [one.why for one in found.stuck] == ["h2 is in maintenance", "there is no host nowhere"]


def test_a_vm_in_flight_is_left_alone_and_holds_its_room() -> None:
    a, b = guest("a", "h1", 4), guest("b", "h1", 6)
    seen = cluster([server("h1", 16), server("h2", 8)], [a, b], reservations=[promise(a, "h2")])
    found = made(seen, wanted(a, "h2"), wanted(b, "h2"))
    assert found.stuck[0].why == "a is in flight already"
    assert "lack 2.0 GiB" in found.stuck[1].why


def test_who_is_there_already_needs_no_move() -> None:
    a = guest("a", "h1", 4)
    found = made(cluster([server("h1", 16)], [a]), wanted(a, "h1"))
    assert (found.moves, found.stuck) == ((), ())


def test_a_vm_can_not_be_wanted_twice() -> None:
    a = guest("a", "h1", 4)
    with pytest.raises(ValueError, match="twice"):
        made(cluster([server("h1", 16)], [a]), wanted(a, "h1"), wanted(a, "h2"))


@pytest.mark.parametrize(
    "limits",
    [
        Limits(per_host=1, per_link=None),
        Limits(per_host=None, per_link=1),
        Limits(per_host=None, per_link=None, whole=1),
    ],
)
def test_limits_make_moves_wait(limits: Limits) -> None:
    vms = [guest(name, "h1", 4) for name in "abc"]
    seen = cluster([server("h1", 16), *(server(f"h{n}", 16) for n in (2, 3, 4))], vms)
    found = made(
        seen,
        *(wanted(one, f"h{n}") for n, one in enumerate(vms, start=2)),
        bounds=Bounds(limits=limits),
    )
    # One at a time: three times 1 + 4 + 1 s.
    assert found.makespan_s.likely == pytest.approx(18.0)
    assert found.lower_bound_s == pytest.approx(18.0)
    assert "limit" in found.bound_by


def test_at_most_so_many_of_a_group_are_in_flight() -> None:
    vms = [guest(name, f"h{n}", 4) for n, name in enumerate("abc", start=1)]
    seen = cluster([server(f"h{n}", 16) for n in range(1, 7)], vms)
    pair = FlightGroup(name="g", members=frozenset(one.id for one in vms[:2]), most=1)
    found = made(
        seen,
        *(wanted(one, f"h{n}") for n, one in enumerate(vms, start=4)),
        bounds=Bounds(limits=replace(FREE, groups=(pair,))),
    )
    ends = sorted(one.ends_s.likely for one in found.moves)
    assert ends == [pytest.approx(6), pytest.approx(6), pytest.approx(12)]
    assert of(found, "c").ends_s.likely == pytest.approx(6)


def test_the_more_urgent_go_first() -> None:
    vms = [guest(name, "h1", 4) for name in "abcd"]
    seen = cluster([server("h1", 16), server("h2", 16)], vms)
    wishes = [wanted(one, "h2", priority=at) for at, one in enumerate(vms)]
    found = made(seen, *wishes, bounds=Bounds(limits=Limits(per_host=1)))
    assert [one.vm_name for one in found.moves] == ["d", "c", "b", "a"]


def test_a_deadline_puts_a_move_ahead_and_one_that_is_missed_is_told() -> None:
    vms = [guest(name, "h1", 4) for name in "abcd"]
    seen = cluster([server("h1", 16), server("h2", 16)], vms)
    wishes = [wanted(one, "h2") for one in vms[:3]] + [wanted(vms[3], "h2", due_s=7.0)]
    found = made(seen, *wishes)
    assert of(found, "d").ends_s.likely <= 7.0
    assert not any("late" in one for one in found.notes)
    found = made(seen, *wishes[:3], wanted(vms[3], "h2", due_s=3.0))
    assert "expected to be late: d by 3.0 s" in found.notes


def test_links_without_a_declared_speed_are_a_guess_that_is_told() -> None:
    one = vm("a", "h1")
    found = made(cluster([host("h1"), host("h2")], [one]), wanted(one, "h2"))
    assert any("not declared" in note for note in found.notes)
    assert found.moves[0].share_fraction == pytest.approx(1.0)


def test_a_rule_apart_by_rack_is_kept_while_moving() -> None:
    a, b = guest("a", "h1", 4), guest("b", "h3", 4)
    racks = {"h1": "r1", "h2": "r2", "h3": "r2", "h4": "r1"}
    hosts = [
        replace(one, record=replace(one.record, labels={"rack": racks[one.name]}))
        for one in (server(f"h{n}", 16) for n in range(1, 5))
    ]
    rule = ApartRule(name="g", members=frozenset({a.id, b.id}), label="rack")
    bounds = Bounds(limits=FREE, apart=(rule,))
    seen = cluster(hosts, [a, b])
    # They change racks; there are two racks only, so that neither can step aside.
    assert len(made(seen, wanted(a, "h2"), wanted(b, "h4"), bounds=bounds).stuck) == 2
    third = [*hosts, server("h5", 16)]
    found = made(cluster(third, [a, b]), wanted(a, "h2"), wanted(b, "h4"), bounds=bounds)
    assert sum(one.is_transit for one in found.moves) == 1


def test_a_host_promised_twice_before_is_left_but_not_entered_until_it_is_well() -> None:
    crowd = [guest(f"c{n}", "h1", 4) for n in range(3)]
    comes = guest("x", "h2", 4)
    seen = cluster([server("h1", 8), server("h2", 16), server("h3", 16)], [*crowd, comes])
    found = made(seen, wanted(comes, "h1"), wanted(crowd[0], "h3"), wanted(crowd[1], "h3"))
    # One of the two only pays what was owed, so that both must have left.
    assert set(of(found, "x").after) == {of(found, "c0").id, of(found, "c1").id}


def test_more_tries_never_end_later() -> None:
    vms = [guest(f"v{n}", f"h{1 + n % 3}", 1 + n % 4) for n in range(12)]
    seen = cluster([server(f"h{n}", 14) for n in range(1, 5)], vms)
    wishes = [wanted(one, f"h{1 + (n + 1 + n % 2) % 4}") for n, one in enumerate(vms)]
    wishes = [one for one in wishes if seen.vms_matching(one.vm)[0].host != one.destination]
    few, many = (made(seen, *wishes, tries=tries) for tries in (1, 60))
    assert many.makespan_s.likely <= few.makespan_s.likely
    assert few.tries == 1
    assert few.makespan_s.likely >= few.lower_bound_s


def test_vm_ids_of_nobody_are_refused() -> None:
    found = made(
        cluster([server("h1", 8)], []), Wanted(vm=VmId("nobody"), destination=HostName("h1"))
    )
    assert found.stuck[0].why == "no host shows nobody"
