"""Goal: a plan's moves come out ordered and timed, with a recipe and a forecast for every part.

Method: drains and swaps of small clusters on links of known speed; the audit judges what comes out.
"""

from dataclasses import replace
from itertools import pairwise

import pytest

from godwit.core.audit import audit
from godwit.core.model import Cluster, HostName, Knowledge
from godwit.core.plan import Plan
from godwit.core.planner import PauseSettings, plan_drain
from godwit.core.rules import AntiAffinity, InFlight
from godwit.core.timed import ApartRule, FlightGroup, StuckKind
from godwit.core.timetable import bounds_of, with_times
from godwit.core.units import GIB
from tests.unit.core.builders import cluster, group, host, moving, promise, vm
from tests.unit.core.test_core_planner_outlook import GIGABIT, _writes

H1 = HostName("h1")
ASKED = PauseSettings()
NAMES = ("web1", "web2", "web3", "web4")


def seen(link: float | None = GIGABIT, writes: float = 1e6) -> Cluster:
    hosts = [host(name, migration_link_bytes_per_s=link) for name in ("h1", "h2", "h3")]
    found = cluster(hosts, [vm(name, memory_bytes=3 * GIB) for name in NAMES])
    known = {one.vm: one for one in (_writes(writes, name) for name in NAMES)}
    return replace(found, known=Knowledge(vms=known))


def drained(of: Cluster, parallel: int, settings: PauseSettings = ASKED) -> Plan:
    return with_times(of, plan_drain(of, H1, parallel=parallel, settings=settings), settings)


@pytest.mark.parametrize("parallel", [1, 2, 64])
@pytest.mark.parametrize("link", [GIGABIT, None])
def test_a_drain_is_ordered_and_timed_and_sound(parallel: int, link: float | None) -> None:
    of = seen(link)
    plan = drained(of, parallel)
    assert plan.timed is not None
    assert audit(of, plan.timed, bounds_of(plan, of)) == ()
    assert {move.vm_name for move in plan.moves} == set(NAMES)
    assert plan.timed.stuck == ()
    assert plan.timed.lower_bound_s <= plan.timed.makespan_s.likely
    assert plan.timed.bounds.limits.whole == parallel
    for move, timed in zip(plan.moves, plan.timed.moves, strict=True):
        assert (move.vm, move.destination) == (timed.vm, timed.destination)


def test_one_after_the_other_takes_the_time_of_all() -> None:
    plan = drained(seen(), 1)
    alone = [move.forecast.total_s for move in plan.moves]
    assert plan.timed.makespan_s.likely == pytest.approx(sum(one.likely for one in alone))
    assert plan.timed.makespan_s.high == pytest.approx(sum(one.high for one in alone))
    for first, second in pairwise(plan.timed.moves):
        assert second.after == (first.id,)
        assert second.needs == ()


def test_beside_others_a_move_takes_longer_and_its_forecast_says_so() -> None:
    of = seen()
    alone = {one.vm: one.forecast for one in plan_drain(of, H1, parallel=4, settings=ASKED).moves}
    plan = drained(of, 4)
    waiting = [one for one in plan.moves if one.forecast != alone[one.vm]]
    assert waiting
    for move, timed in zip(plan.moves, plan.timed.moves, strict=True):
        was, now = alone[move.vm], move.forecast
        if move in waiting:
            lasts_s = timed.ends_s.likely - timed.starts_s.likely
            assert now.total_s.likely == pytest.approx(lasts_s)
            assert now.total_s.low == was.total_s.low
            assert now.total_s.high > was.total_s.high
            assert "others have the link" in now.grounds[-1]
        # All else is as if it were alone: it has the link whole in its turn.
        assert replace(now, total_s=was.total_s, grounds=was.grounds) == was


def test_links_of_unknown_speed_are_taken_to_carry_the_streams_of_the_plan() -> None:
    one, many = drained(seen(None), 1), drained(seen(None), 4)
    rate = bounds_of(one, seen(None)).link_bytes_per_s
    assert bounds_of(many, seen(None)).link_bytes_per_s == pytest.approx(rate, rel=0.35)
    # Nothing is known of the link: side by side takes about as long as one after the other.
    assert many.timed.makespan_s.likely == pytest.approx(one.timed.makespan_s.likely, rel=0.35)
    assert any("not declared" in note for note in one.timed.notes)


def test_the_bounds_of_a_timed_plan_are_what_was_asked_and_its_guess_of_the_link() -> None:
    plan = drained(seen(None), 2)
    loose = replace(
        plan.timed, bounds=replace(plan.timed.bounds, limits=replace(plan.limits, whole=None))
    )
    assert bounds_of(replace(plan, timed=loose), seen(None)) == plan.timed.bounds


def test_a_swap_of_full_hosts_has_a_move_for_each_part_of_the_way() -> None:
    a, b = vm("a", "h1", memory_bytes=8 * GIB), vm("b", "h2", memory_bytes=8 * GIB)
    hosts = [
        host(name, memory_total_bytes=9 * GIB, migration_link_bytes_per_s=link)
        for name, link in (("h1", GIGABIT), ("h2", GIGABIT), ("h3", GIGABIT / 5))
    ]
    of = cluster(hosts, [a, b])
    plan = moving(of, a="h2", b="h1")
    assert audit(of, plan.timed, bounds_of(plan, of)) == ()
    first, other, last = plan.moves
    assert (first.vm, last.vm) in {(a.id, a.id), (b.id, b.id)}
    assert (first.destination, last.source) == ("h3", "h3")
    assert other.vm != first.vm
    assert "steps aside to h3" in first.reason
    assert last.reason == other.reason.replace(str(other.destination), str(last.destination))
    for part in (first, last):
        assert part.recipe.link_bytes_per_s == GIGABIT / 5
        assert part.forecast.total_s.likely > 3 * other.forecast.total_s.likely
        assert part.recipe_reason
    assert plan.goes_on(first)
    assert not plan.goes_on(last)
    assert not plan.goes_on(other)
    assert plan.final_hosts == {a.id: "h2", b.id: "h1"}


def test_what_has_no_way_is_no_longer_among_the_moves() -> None:
    a, b = vm("a", "h1", memory_bytes=8 * GIB), vm("b", "h2", memory_bytes=8 * GIB)
    hosts = [host(name, memory_total_bytes=9 * GIB) for name in ("h1", "h2")]
    of = cluster(hosts, [a, b])
    plan = moving(of, a="h2", b="h1")
    assert plan.moves == ()
    assert {one.kind for one in plan.timed.stuck} == {StuckKind.IMPOSSIBLE}
    assert [one.vm_name for one in plan.left_out] == ["a", "b"]


def test_a_vm_that_is_in_flight_already_is_left_out() -> None:
    of = seen()
    flying = replace(of, reservations=(promise(of.vms[0], "h2"),))
    (left,) = drained(flying, 2).unplaced
    assert left.vm_name == "web1"
    assert "on its way to h2 already" in left.choice.vm_refusals[0].why
    # Whoever planned it: the schedule does not order it either.
    (stuck,) = with_times(flying, moving(of, web1="h3"), ASKED).timed.stuck
    assert stuck.vm_name == "web1"
    assert "in flight already" in stuck.why


def test_groups_that_are_kept_apart_are_so_on_the_way() -> None:
    a, b = vm("a", "h1"), vm("b", "h2")
    of = cluster(
        [host(f"h{n}") for n in (1, 2, 3)], [a, b], groups=[group("g", a, b, together=False)]
    )
    plan = moving(of, a="h2", b="h3")
    assert [move.vm_name for move in plan.moves] == ["b", "a"]
    assert plan.timed.moves[1].needs == (plan.timed.moves[0].id,)


def test_what_is_timed_must_be_the_moves_of_the_plan() -> None:
    plan = drained(seen(), 1)
    with pytest.raises(ValueError, match="not the moves of the plan"):
        replace(plan, moves=plan.moves[::-1])


def test_the_same_plan_to_the_byte() -> None:
    assert repr(drained(seen(), 3)) == repr(drained(seen(), 3))


def test_the_rules_of_the_site_that_an_order_can_keep_are_kept() -> None:
    ids = frozenset(one.id for one in seen().vms)
    rules = (InFlight(name="two", vms=ids, most=2), AntiAffinity(name="apart", vms=ids, by="rack"))
    soft = InFlight(name="one", hard=False, vms=ids, most=1)
    of = replace(seen(), rules=(*rules, soft))
    bounds = bounds_of(drained(seen(), 4), of)
    assert bounds.limits.groups == (FlightGroup(name="two", members=ids, most=2),)
    assert bounds.limits.whole == 4
    assert bounds.apart == (ApartRule(name="apart", members=ids, label="rack"),)


def test_only_so_many_of_a_group_are_in_flight_at_once() -> None:
    ids = frozenset(one.id for one in seen().vms)
    of = replace(seen(), rules=(InFlight(name="one", vms=ids, most=1),))
    free, plan = drained(seen(), 4), drained(of, 4)
    assert len(plan.moves) == len(NAMES)
    assert any(one.after == () for one in free.timed.moves[1:])
    assert all(second.after for second in plan.timed.moves[1:])
    assert audit(of, plan.timed, bounds_of(plan, of)) == ()
    assert audit(of, free.timed, bounds_of(free, of))
