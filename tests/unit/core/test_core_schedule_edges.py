"""Goal: the parts of the schedule do what they say at their limits.

Method: pools, links and efforts by themselves, with whole numbers; then small clusters on either
side of a limit, as in ``test_core_schedule``.
"""

import math
from dataclasses import replace

import pytest

from godwit.core.model import Forecast, HostName, Range
from godwit.core.schedule import Effort, Search, effort_of_forecast, make_schedule
from godwit.core.schedule.effort import effort_of_memory
from godwit.core.schedule.links import Copying, alike, in_turn
from godwit.core.schedule.pools import Pool
from godwit.core.timed import Bounds, Limits, StuckKind
from godwit.core.units import GIB
from tests.unit.core.builders import cluster, host, promise
from tests.unit.core.test_core_schedule import FREE, guest, made, of, server, wanted

FIRST, SECOND, THIRD = 1, 2, 4


class TestPool:
    def test_room_that_was_always_there_is_taken_before_what_was_given_back(self) -> None:
        pool = Pool(4)
        pool.give(4, FIRST)
        assert pool.free == 8
        assert pool.take(4, 0) == 0
        assert pool.take(4, 0) == FIRST

    def test_what_was_given_back_longest_ago_is_taken_first(self) -> None:
        pool = Pool(0)
        pool.give(4, FIRST)
        pool.give(4, SECOND)
        assert pool.take(2, 0) == FIRST
        assert pool.take(4, 0) == FIRST | SECOND
        assert pool.take(2, 0) == SECOND

    def test_the_room_of_those_that_are_waited_for_anyway_goes_before_all_other(self) -> None:
        pool = Pool(4)
        pool.give(4, FIRST)
        pool.give(4, SECOND)
        assert pool.take(4, SECOND) == SECOND
        assert pool.take(4, SECOND) == 0
        assert pool.take(4, SECOND) == FIRST

    def test_nothing_can_be_taken_that_is_not_there(self) -> None:
        pool = Pool(4)
        assert pool.take(4, 0) == 0
        assert pool.take(0, 0) == 0
        with pytest.raises(AssertionError):
            pool.take(1, 0)

    def test_what_was_promised_twice_is_paid_before_anything_is_free(self) -> None:
        pool = Pool(-4)
        assert (pool.free, pool.owed) == (0, 4)
        pool.give(3, FIRST)
        assert (pool.free, pool.owed) == (0, 1)
        pool.give(4, SECOND)
        assert (pool.free, pool.owed) == (3, 0)
        # Who takes it waits for all who paid, and so does everybody after that.
        assert pool.take(3, 0) == FIRST | SECOND
        pool.give(1, THIRD)
        assert pool.take(1, 0) == FIRST | SECOND | THIRD


def copying(rank: int, out: int, into: int, **changes: float) -> Copying:
    made_ = Copying(
        move=rank,
        rank=rank,
        links=(out, into),
        full_bytes_per_s=10.0,
        written_bytes_per_s=0.0,
        whole_bytes=100.0,
        left_bytes=100.0,
    )
    for name, value in changes.items():
        setattr(made_, name, value)
    return made_


class TestLinks:
    def test_in_turn_the_first_has_all_it_can_use_and_the_next_what_is_left(self) -> None:
        first, second, third = (
            copying(0, 0, 1),
            copying(1, 0, 2, full_bytes_per_s=4.0),
            copying(2, 0, 3),
        )
        in_turn([third, second, first], [12.0, 20.0, 20.0, 20.0])
        assert [one.rate_bytes_per_s for one in (first, second, third)] == [10.0, 2.0, 0.0]

    def test_who_is_near_its_end_goes_first(self) -> None:
        first, second = copying(0, 0, 1), copying(1, 0, 2, near=True)
        in_turn([first, second], [10.0, 10.0, 10.0])
        assert [one.rate_bytes_per_s for one in (first, second)] == [0.0, 10.0]

    def test_the_narrower_of_its_two_links_limits_a_copy(self) -> None:
        one = copying(0, 0, 1)
        in_turn([one], [8.0, 3.0])
        assert one.rate_bytes_per_s == 3.0

    def test_alike_shares_a_link_and_leaves_the_rest_to_who_can_use_it(self) -> None:
        slow, left, right = (
            copying(0, 0, 1, full_bytes_per_s=2.0),
            copying(1, 0, 2),
            copying(2, 0, 3),
        )
        alike([right, slow, left], [12.0, 20.0, 3.0, 20.0])
        # The slow stream takes 2, the left one what its own link carries, the right one the rest.
        assert [one.rate_bytes_per_s for one in (slow, left, right)] == pytest.approx([2, 3, 7])

    def test_a_copy_says_when_it_comes_near_and_when_it_ends(self) -> None:
        one = copying(0, 0, 1, rate_bytes_per_s=10.0, written_bytes_per_s=2.0)
        assert one.near_bytes == 16.0
        assert one.next_s() == pytest.approx((100 - 16) / 8)
        one.run(0.0, 5.0)
        assert one.left_bytes == pytest.approx(60.0)
        assert one.slices == [(0.0, 5.0, 10.0)]
        one.run(5.0, 1.0)
        assert one.slices == [(0.0, 6.0, 10.0)]
        one.near = True
        assert one.next_s() == pytest.approx(52 / 8)

    def test_a_copy_that_waits_is_written_to_again_but_never_grows_beyond_its_whole(self) -> None:
        one = copying(0, 0, 1, written_bytes_per_s=2.0)
        assert one.next_s() == math.inf
        one.run(0.0, 5.0)
        assert (one.left_bytes, one.slices) == (100.0, [])
        one.left_bytes = 50.0
        one.run(5.0, 10.0)
        assert one.left_bytes == 70.0
        one.run(15.0, 100.0)
        assert one.left_bytes == 100.0
        one.rate_bytes_per_s = 2.0
        assert one.next_s() == math.inf


def forecast(total_s: float, sent_bytes: float, *, low: float = 1.0, high: float = 1.0) -> Forecast:
    figure = Range(low=0.0, likely=0.0, high=0.0)
    return Forecast(
        total_s=Range(low=total_s * low, likely=total_s, high=total_s * high),
        pause_s=figure,
        outage_s=figure,
        sent_bytes=Range(low=sent_bytes, likely=sent_bytes, high=sent_bytes),
        rounds=figure,
        converges=1.0,
        keeps_promise=1.0,
        made_at_s=0.0,
    )


class TestEffort:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"first_bytes": 0.0},
            {"setup_s": -0.1},
            {"ending_s": -0.1},
            {"low_fraction": 0.0},
            {"low_fraction": 1.1},
            {"high_fraction": 0.9},
        ],
    )
    def test_what_can_not_be_timed_is_no_effort(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="can't be timed"):
            Effort(**({"first_bytes": 1.0} | wrong))

    def test_the_narrowest_effort_is_one(self) -> None:
        Effort(first_bytes=1.0, setup_s=0.0, ending_s=0.0, low_fraction=1.0, high_fraction=1.0)
        assert effort_of_memory(0).first_bytes == 1.0

    def test_a_stream_limits_it_where_it_is_slower_than_the_link(self) -> None:
        one = Effort(first_bytes=8.0, stream_bytes_per_s=2.0, setup_s=1.0, ending_s=3.0)
        assert (one.full_bytes_per_s(4.0), one.full_bytes_per_s(1.0)) == (2.0, 1.0)
        assert (one.total_s(4.0), one.total_s(1.0)) == (8.0, 12.0)

    def test_a_forecast_far_below_its_link_is_limited_by_its_own_stream(self) -> None:
        # 2 s of set-up and ending leave 8 s for the bytes.
        slow = effort_of_forecast(forecast(10.0, 8 * 89.0), memory_bytes=800, link_bytes_per_s=100)
        fast = effort_of_forecast(forecast(10.0, 8 * 91.0), memory_bytes=800, link_bytes_per_s=100)
        assert slow.stream_bytes_per_s == pytest.approx(89.0)
        assert fast.stream_bytes_per_s is None
        assert slow.total_s(100) == pytest.approx(10.0)

    def test_set_up_and_ending_are_at_most_half_of_a_short_move(self) -> None:
        one = effort_of_forecast(forecast(2.0, 10.0), memory_bytes=10, link_bytes_per_s=100.0)
        assert (one.setup_s, one.ending_s) == (0.5, 0.5)
        assert one.total_s(100.0) == pytest.approx(2.0)
        uneven = effort_of_forecast(
            forecast(2.0, 10.0), memory_bytes=10, link_bytes_per_s=100.0, setup_s=3.0, ending_s=2.0
        )
        assert (uneven.setup_s, uneven.ending_s) == pytest.approx((0.6, 0.4))

    def test_a_forecast_of_no_time_is_that_of_memory(self) -> None:
        one = effort_of_forecast(forecast(0.0, 10.0), memory_bytes=7, link_bytes_per_s=100.0)
        assert one == effort_of_memory(7)

    def test_its_ranges_are_those_of_the_forecast_within_reason(self) -> None:
        wide = forecast(10.0, 80.0, low=0.001, high=4.0)
        one = effort_of_forecast(wide, memory_bytes=80, link_bytes_per_s=10.0)
        assert (one.low_fraction, one.high_fraction) == (0.01, pytest.approx(4.0))

    def test_a_guest_that_writes_without_end_still_has_a_part_that_is_sent_once(self) -> None:
        one = effort_of_forecast(forecast(102.0, 1000.0), memory_bytes=10, link_bytes_per_s=10.0)
        assert one.first_bytes == pytest.approx(200.0)
        assert one.total_s(10.0) == pytest.approx(102.0)


class TestLimits:
    def test_half_a_core_more_is_no_vcpu(self) -> None:
        one = replace(guest("a", "h1", 1), vcpus=5)
        for overcommit, stuck in ((1.7, 0), (1.66, 1)):
            hosts = [server("h1", 8), server("h2", 8, cores=3, cores_overcommit=overcommit)]
            assert len(made(cluster(hosts, [one]), wanted(one, "h2")).stuck) == stuck

    def test_a_vm_that_two_hosts_show_is_not_ordered(self) -> None:
        one = guest("a", "h1", 1)
        seen = cluster([server("h1", 8), server("h2", 8)], [one, replace(one, host="h2")])
        (stuck,) = make_schedule(seen, [wanted(one, "h2")]).stuck
        assert (stuck.kind, stuck.why) == (StuckKind.REFUSED, "id-a was seen on h1 and h2")

    def test_vcpus_that_are_lacking_are_named(self) -> None:
        one = replace(guest("a", "h1", 1), vcpus=5)
        hosts = [server("h1", 8), server("h2", 8, cores=4, cores_overcommit=1.0)]
        (stuck,) = made(cluster(hosts, [one]), wanted(one, "h2")).stuck
        assert stuck.why == "with all that shall be there in the end, h2 would lack 1 vCPUs"

    def test_hosts_full_of_vcpus_wait_for_each_other_too(self) -> None:
        pair = [replace(guest("a", "h1", 1), vcpus=4), replace(guest("b", "h2", 1), vcpus=4)]
        hosts = [server(name, 8, cores=4, cores_overcommit=1.0) for name in ("h1", "h2")]
        found = made(cluster(hosts, pair), wanted(pair[0], "h2"), wanted(pair[1], "h1"))
        assert "h2 has room for 0 vCPUs and it needs 4 until b has left it" in found.stuck[0].why
        assert found.stuck[0].remedy == (
            "Add a host that may run one of a, b, or leave one of these moves out."
        )

    def test_room_that_is_held_on_a_host_is_not_there(self) -> None:
        one, flying = guest("a", "h1", 4), guest("f", "h3", 4)
        hosts = [server("h1", 8), server("h2", 8), server("h3", 8)]
        seen = cluster(hosts, [one, flying], reservations=[promise(flying, "h2")])
        assert not made(seen, wanted(one, "h2")).stuck
        more = replace(one, memory_bytes=5 * GIB)
        seen = cluster(hosts, [more, flying], reservations=[promise(flying, "h2")])
        assert "would lack 1.0 GiB" in made(seen, wanted(more, "h2")).stuck[0].why


class TestWords:
    def test_a_move_that_only_waits_for_a_place_says_so(self) -> None:
        vms = [guest("a", "h1", 4), guest("b", "h1", 4)]
        seen = cluster([server(f"h{n}", 16) for n in (1, 2, 3)], vms)
        bounds = Bounds(limits=Limits(per_host=None, per_link=1))
        found = made(seen, wanted(vms[0], "h2"), wanted(vms[1], "h3"), bounds=bounds)
        first, second = found.moves
        assert first.why == "starts at once"
        assert second.why == f"waits for a free place in flight, after {first.vm_name}"
        assert (second.after, second.needs) == ((first.id,), ())

    def test_a_way_over_a_stop_says_where_it_goes_on_from(self) -> None:
        pair = [guest("a", "h1", 8), guest("b", "h2", 8)]
        seen = cluster([server("h1", 8), server("h2", 8), server("h3", 8)], pair)
        found = made(seen, wanted(pair[0], "h2"), wanted(pair[1], "h1"))
        aside, straight, onward = found.moves
        assert "has no room until others have moved" in aside.why
        assert straight.why == f"waits until {aside.vm_name} has left {straight.destination}"
        assert onward.why == (
            f"waits until {straight.vm_name} has left {onward.destination};"
            f" goes on from its stop on {onward.source}"
        )
        assert set(onward.needs) == {straight.id, aside.id}

    def test_one_after_the_other_is_told_where_nothing_is_sooner(self) -> None:
        vms = [guest("a", "h1", 4), guest("b", "h2", 4)]
        seen = cluster([server("h1", 4), server("h2", 4), server("h3", 16)], vms)
        found = made(seen, wanted(vms[0], "h2"), wanted(vms[1], "h3"))
        assert not [one for one in found.notes if "at once would" in one or "instead of" in one]
        assert of(found, "b").why == "starts at once"

    def test_what_is_late_only_at_its_stop_is_not_told(self) -> None:
        pair = [guest("a", "h1", 8), guest("b", "h2", 8)]
        seen = cluster([server("h1", 8), server("h2", 8), server("h3", 8)], pair)
        wishes = [wanted(pair[0], "h2", due_s=25.0), wanted(pair[1], "h1", due_s=25.0)]
        (note,) = (one for one in made(seen, *wishes).notes if "late" in one)
        assert note.count(" by ") == 1
        assert note.endswith(" by 5.0 s")


def test_no_order_beats_a_chain_of_those_that_wait_for_each_other() -> None:
    chain = [guest(name, f"h{n}", 8) for n, name in enumerate("abc", start=1)]
    seen = cluster([server(f"h{n}", 8) for n in (1, 2, 3, 4)], chain)
    only = {one.id: frozenset({one.host, HostName(f"h{n}")}) for n, one in enumerate(chain, 2)}
    wishes = [wanted(one, f"h{n}") for n, one in enumerate(chain, start=2)]
    found = made(seen, *wishes, bounds=Bounds(limits=FREE, only=only))
    assert (found.makespan_s.likely, found.lower_bound_s) == pytest.approx((30.0, 30.0))
    assert found.bound_by == "the move of a, for which others must leave first"


def test_who_is_waited_for_goes_first_at_the_first_try() -> None:
    a, b, c = guest("a", "h1", 4), guest("b", "h2", 4), guest("c", "h4", 4)
    hosts = [server(f"h{n}", room) for n, room in enumerate((4, 4, 16, 4), start=1)]
    found = made(
        cluster(hosts, [a, b, c]),
        *(wanted(one, to) for one, to in ((a, "h3"), (b, "h3"), (c, "h2"))),
        tries=1,
    )
    # On the link into h3 b goes first, as c waits for it, and a copies meanwhile.
    assert found.makespan_s.likely == pytest.approx(12.0)


def test_room_for_one_is_there_when_enough_have_left_and_not_only_when_all_have() -> None:
    small, large, comes = guest("b", "h2", 4), guest("d", "h2", 8), guest("a", "h1", 4)
    seen = cluster([server("h1", 8), server("h2", 12), server("h3", 16)], [small, large, comes])
    found = made(seen, wanted(comes, "h2"), wanted(small, "h3"), wanted(large, "h3"))
    # b: 1 + 4 + 1 s, then a; d copies after b.
    assert of(found, "a").ends_s.likely == pytest.approx(12.0)
    assert found.makespan_s.likely == pytest.approx(14.0)


def test_a_move_of_a_moment_has_a_bound_of_a_moment() -> None:
    one = guest("a", "h1", 1)
    short = Effort(first_bytes=GIB / 4, setup_s=0.1, ending_s=0.1)
    found = made(
        cluster([server("h1", 8), server("h2", 8)], [one]), wanted(one, "h2", effort=short)
    )
    assert (found.makespan_s.likely, found.lower_bound_s) == pytest.approx((0.45, 0.45))


def test_a_search_of_one_order_looks_at_no_more() -> None:
    vms = [guest(name, "h1", 4) for name in "abc"]
    seen = cluster([server("h1", 16), *(server(f"h{n}", 16) for n in (2, 3, 4))], vms)
    wishes = [wanted(one, f"h{n}", written=0.3) for n, one in enumerate(vms, start=2)]
    assert make_schedule(seen, wishes, Search(bounds=Bounds(limits=FREE), tries=0)).tries == 1
    many = make_schedule(seen, wishes, Search(bounds=Bounds(limits=FREE), tries=9))
    assert 1 <= many.tries <= 9


def test_hosts_that_are_empty_have_nothing_to_wait_for() -> None:
    found = make_schedule(cluster([host("h1")], []), [])
    assert (found.moves, found.stuck, found.bound_by) == ((), (), "nothing moves")
    assert found.makespan_s == Range(low=0.0, likely=0.0, high=0.0)
    assert found.lower_bound_s == 0.0
