"""Goal: each request does what it says, in small clusters where a person sees what is right.

That plans keep all rules, and are worth what they say, is shown over drawn clusters in
tests/property/test_property_planner.py.
"""

from dataclasses import replace

import pytest

from godwit.core.errors import Refused
from godwit.core.model import Blocker, Cluster, CpuAnswer, HostName, VmPolicy
from godwit.core.plan import Plan, PlanKind
from godwit.core.planner import (
    Balance,
    Consolidate,
    Drain,
    Evacuate,
    Mix,
    Place,
    PlanRequest,
    PlanSettings,
    Repair,
    Restore,
    Weights,
    evaluate,
    plan_request,
)
from godwit.core.timed import ApartRule, Bounds
from godwit.core.units import GIB
from godwit.core.worth import MovePrice
from tests.unit.core.builders import cluster, group, host, promise, vm

H1, H2, H3 = HostName("h1"), HostName("h2"), HostName("h3")
THREE = [host("h1"), host("h2"), host("h3")]


def plan(seen: Cluster, request: PlanRequest, **changes: object) -> Plan:
    return plan_request(seen, request, PlanSettings(steps=2000, **changes))


def ends(made: Plan) -> dict[str, str]:
    return {one.vm_name: one.destination for one in made.moves}


def tight(name: str, gib: int) -> object:
    """A host with room for so many GiB of VMs."""
    return host(name, memory_total_bytes=(gib + 1) * GIB)


class TestBalance:
    def test_a_hot_host_is_cooled_with_one_move(self) -> None:
        vms = [vm(f"web{n}", busy_cores=5.0) for n in range(3)] + [vm("db", "h2")]
        made = plan(cluster(THREE[:2], vms), Balance())
        (move,) = made.moves
        assert (move.source, move.destination) == ("h1", "h2")
        assert made.kind is PlanKind.BALANCE
        terms = {one.name: one for one in made.terms}
        assert terms["hot cpu"].before == pytest.approx(15 / 16 - 0.8)
        assert terms["hot cpu"].after == 0.0
        assert terms["price"].after == pytest.approx(move.worth.price.points)
        assert "94 % of its cores busy, above the 80 %" in move.worth.why_vm

    def test_a_move_says_what_it_gains_and_what_the_next_best_would_have(self) -> None:
        vms = [vm(f"web{n}", busy_cores=5.0) for n in range(3)] + [vm("db", "h2", busy_cores=6.0)]
        (move,) = plan(cluster(THREE, vms), Balance()).moves
        assert move.destination == "h3"
        assert dict(move.worth.gains)["hot cpu"] == pytest.approx(100 * (15 / 16 - 0.8))
        (instead,) = move.worth.instead
        assert instead.host == "h2"
        assert instead.gain < move.worth.gain
        assert "points less" in instead.why
        assert "h3 has" in move.reason
        assert [one.host for one in move.choice.candidates] == ["h3", "h2"]

    def test_nothing_worth_moving_is_a_result_with_reasons(self) -> None:
        vms = [vm("a", "h1"), vm("b", "h2"), vm("c", "h3"), vm("d", "h1")]
        made = plan(cluster(THREE, vms), Balance())
        assert made.moves == ()
        said = " ".join(made.reasons)
        assert "within the 80 % that are safe" in said
        assert "would gain" in said
        assert "and cost" in said
        assert made.gain == 0.0

    def test_a_higher_price_keeps_a_vm_where_it_is(self) -> None:
        vms = [vm(f"web{n}", busy_cores=5.0) for n in range(3)]
        dear = MovePrice(time_s=1.0, sent_bytes=1.0, pause_risk_fraction=1.0, points=100.0)
        seen = cluster(THREE, vms)
        prices = {one.id: dear for one in vms[:2]}
        assert ends(plan(seen, Balance(), prices=prices)).keys() == {"web2"}
        assert plan(seen, Balance(), prices=dict.fromkeys((v.id for v in vms), dear)).moves == ()

    def test_a_vm_that_has_just_moved_stays(self) -> None:
        vms = [vm(f"web{n}", memory_bytes=8 * GIB, busy_cores=1.0) for n in range(4)]
        seen = cluster(THREE[:2], vms)
        assert plan(seen, Balance()).moves
        just = {one.id: seen.taken_at_s for one in vms}
        assert plan(seen, Balance(), moved_at_s=just).moves == ()

    def test_no_more_moves_than_may_be(self) -> None:
        vms = [vm(f"web{n}", busy_cores=1.6) for n in range(10)]
        seen = cluster(THREE, vms)
        assert len(plan(seen, Balance()).moves) > 1
        assert len(plan(seen, Balance(), moves_most=1).moves) == 1

    def test_expected_demand_counts_and_not_what_is_busy_now(self) -> None:
        vms = [vm("a", busy_cores=0.1), vm("b", busy_cores=0.1)]
        seen = cluster(THREE[:2], vms)
        assert plan(seen, Balance()).moves == ()
        demand = {one.id: 9.0 for one in vms}
        made = plan(seen, Balance(), demand_cores=demand)
        assert len(made.moves) == 1
        assert next(one for one in made.terms if one.name == "unmet cores").before == 2.0

    def test_an_exchange_is_found_where_no_single_move_has_room(self) -> None:
        hosts = [tight("h1", 8), tight("h2", 8)]
        vms = [
            vm("hot1", "h1", memory_bytes=4 * GIB, busy_cores=8.0),
            vm("hot2", "h1", memory_bytes=4 * GIB, busy_cores=8.0),
            vm("cool1", "h2", memory_bytes=4 * GIB, busy_cores=0.0),
            vm("cool2", "h2", memory_bytes=4 * GIB, busy_cores=0.0),
        ]
        made = plan(cluster(hosts, vms), Balance())
        assert sorted(one.source for one in made.moves) == ["h1", "h2"]
        assert "only when others of the plan have moved" in made.moves[0].reason

    def test_vms_that_belong_together_move_together(self) -> None:
        vms = [vm("a", busy_cores=4.0), vm("b", busy_cores=4.0), vm("c", busy_cores=7.0)]
        seen = cluster(THREE[:2], vms, groups=[group("g", "a", "b", together=True)])
        moved = ends(plan(seen, Balance()))
        assert moved.keys() in ({"a", "b"}, {"c"})

    def test_vms_that_are_kept_apart_do_not_meet(self) -> None:
        vms = [vm("a", busy_cores=8.0), vm("b", "h2", busy_cores=0.0), vm("c", busy_cores=8.0)]
        seen = cluster(THREE, vms, groups=[group("g", "a", "b", "c", together=False)])
        made = plan(seen, Balance())
        assert set(ends(made).values()) == {"h3"}
        racked = [replace(one, record=replace(one.record, labels={"rack": "r"})) for one in THREE]
        rule = ApartRule(name="racks", members=frozenset({vms[0].id, vms[1].id}), label="rack")
        bounds = Bounds(apart=(rule,), only={vms[2].id: frozenset({H1})})
        assert plan(cluster(racked, vms), Repair(), bounds=bounds).moves == ()

    def test_a_vm_that_is_bound_or_refused_is_not_sent_there(self) -> None:
        vms = [vm("a", busy_cores=8.0), vm("b", busy_cores=8.0)]
        refused = {(one.id, H2): CpuAnswer(compatible=False) for one in vms}
        seen = cluster(THREE, vms, cpu=refused)
        assert set(ends(plan(seen, Balance())).values()) == {"h3"}
        bounds = Bounds(only={one.id: frozenset({H1}) for one in vms})
        assert plan(seen, Balance(), bounds=bounds).moves == ()

    def test_room_is_kept_for_the_loss_of_a_host(self) -> None:
        # Spread thinly, no host has room for the large VM any more.
        hosts = [tight("h1", 16), tight("h2", 16), tight("h3", 16)]
        vms = [vm("big", "h1", memory_bytes=14 * GIB, busy_cores=0.0)]
        vms += [vm(f"s{n}", "h2", memory_bytes=3 * GIB, busy_cores=0.5) for n in range(5)]
        seen = cluster(hosts, vms)
        made = plan(seen, Balance())
        assert made.moves == ()
        assert "spare" in made.reasons[0]
        assert plan(seen, Balance(), weights=Weights(spare=0.0)).moves


class TestDrain:
    def test_several_hosts_are_emptied_at_once(self) -> None:
        vms = [vm("a", "h1"), vm("b", "h2"), vm("c", "h3")]
        made = plan(cluster(THREE, vms), Drain(hosts=(H1, H2)))
        assert ends(made) == {"a": "h3", "b": "h3"}
        assert made.host is None
        misplaced = made.terms[0]
        assert (misplaced.name, misplaced.before, misplaced.after) == ("misplaced", 2.0, 0.0)

    def test_others_make_room_unless_they_may_not(self) -> None:
        hosts = [tight("h1", 16), tight("h2", 12), tight("h3", 6)]
        vms = [
            vm("big", "h1", memory_bytes=10 * GIB),
            vm("small", "h2", memory_bytes=4 * GIB),
        ]
        seen = cluster(hosts, vms)
        assert ends(plan(seen, Drain(hosts=(H1,)))) == {"big": "h2", "small": "h3"}
        alone = plan(seen, Drain(hosts=(H1,), make_room=False))
        assert alone.moves == ()
        assert [one.vm_name for one in alone.unplaced] == ["big"]
        assert "big could go to h2 if 2.0 GiB of memory were freed there" in alone.reasons

    def test_who_helps_moves_first_and_says_why(self) -> None:
        hosts = [tight("h1", 16), tight("h2", 12), tight("h3", 6)]
        vms = [vm("big", "h1", memory_bytes=10 * GIB), vm("small", "h2", memory_bytes=4 * GIB)]
        first, second = plan(cluster(hosts, vms), Drain(hosts=(H1,))).moves
        assert (first.vm_name, second.vm_name) == ("small", "big")
        assert "makes room" in first.worth.why_vm
        assert "it must leave h1" in second.worth.why_vm

    def test_nothing_else_moves_though_it_would_gain(self) -> None:
        vms = [vm("a", "h1"), *(vm(f"hot{n}", "h2", busy_cores=5.0) for n in range(3))]
        assert ends(plan(cluster(THREE, vms), Drain(hosts=(H1,)))).keys() == {"a"}
        both = plan(cluster(THREE, vms), Mix(requests=(Drain(hosts=(H1,)), Balance())))
        assert len(both.moves) > 1

    def test_a_deadline_that_the_link_can_not_keep_is_told(self) -> None:
        seen = cluster([host("h1", migration_link_bytes_per_s=125e6), host("h2")], [vm()])
        made = plan(seen, Drain(hosts=(H1,), deadline_s=10.0))
        assert any("deadline of 10.0 s can't be kept" in one for one in made.reasons)
        assert made.deadline_s == 10.0
        late = plan(seen, Drain(hosts=(H1,), deadline_s=600.0))
        assert not any("deadline" in one for one in late.reasons)

    def test_one_that_can_not_move_says_why(self) -> None:
        stuck = vm(blockers=(Blocker(what="a device", remedy="Detach it."),))
        flying = vm("web2")
        seen = cluster(THREE, [stuck, flying], reservations=[promise(flying, "h2")])
        made = plan(seen, Drain(hosts=(H1,)))
        assert {one.vm_name for one in made.unplaced} == {"web1", "web2"}
        said = {one.vm_name: one.refusals[0].why for one in made.unplaced}
        assert "a device" in said["web1"]
        assert "on its way to h2 already" in said["web2"]

    def test_of_those_that_stay_the_urgent_come_first_then_the_large(self) -> None:
        sizes = {"b": (5, 0), "large": (9, 0), "urgent": (4, 1), "a": (5, 0)}
        vms = [
            vm(name, memory_bytes=gib * GIB, policy=VmPolicy(priority=priority))
            for name, (gib, priority) in sizes.items()
        ]
        made = plan(cluster([host("h1"), tight("h2", 3)], vms), Drain(hosts=(H1,)))
        assert [one.vm_name for one in made.unplaced] == ["urgent", "large", "a", "b"]

    def test_an_unknown_host_or_vm_is_refused(self) -> None:
        seen = cluster(THREE, [vm()])
        with pytest.raises(Refused, match="h9"):
            plan(seen, Drain(hosts=(HostName("h9"),)))
        with pytest.raises(Refused, match="nobody"):
            plan(seen, Place(vm=replace(vm(), id="nobody").id))


class TestOthers:
    def test_evacuation_saves_the_urgent_where_room_is_scarce(self) -> None:
        hosts = [host("h1"), tight("h2", 8)]
        vms = [
            vm("large", memory_bytes=8 * GIB),
            vm("urgent", memory_bytes=6 * GIB, policy=VmPolicy(priority=5)),
        ]
        seen = cluster(hosts, vms)
        assert ends(plan(seen, Evacuate(host=H1))) == {"urgent": "h2"}
        assert ends(plan(seen, Drain(hosts=(H1,)))) == {"large": "h2"}

    def test_restore_brings_back_what_may_and_tells_of_the_rest(self) -> None:
        hosts = [tight("h1", 4), host("h2"), host("h3")]
        vms = [vm("a", "h2"), vm("b", "h2"), vm("c", "h3")]
        back = {vms[0].id: H1, vms[1].id: H1, vms[2].id: H3}
        made = plan(cluster(hosts, vms), Restore(placement=back))
        assert len(made.moves) == len(made.unplaced) == 1
        assert made.moves[0].destination == "h1"
        assert "it was on h1 before" in made.moves[0].worth.why_vm
        assert made.unplaced[0].refusals[0].rule == "memory"

    def test_restore_exchanges_full_hosts(self) -> None:
        hosts = [tight("h1", 4), tight("h2", 4)]
        vms = [vm("a", "h2"), vm("b", "h1")]
        made = plan(cluster(hosts, vms), Restore(placement={vms[0].id: H1, vms[1].id: H2}))
        assert ends(made) == {"a": "h1", "b": "h2"}

    def test_consolidation_empties_the_emptiest_while_it_is_safe(self) -> None:
        vms = [vm("a", "h1"), vm("b", "h2"), vm("c", "h2"), vm("d", "h3")]
        made = plan(cluster(THREE, vms), Consolidate(hosts_least=1))
        after = {one.name: ends(made).get(one.name, one.host) for one in vms}
        # The one that is left could not be lost.
        assert len(set(after.values())) == 2
        two = plan(cluster(THREE, vms), Consolidate(hosts_least=2))
        assert len({ends(two).get(one.name, one.host) for one in vms}) == 2

    def test_consolidation_does_not_make_a_host_hot(self) -> None:
        vms = [vm(f"vm{n}", f"h{n}", busy_cores=7.0) for n in (1, 2, 3)]
        assert plan(cluster(THREE, vms), Consolidate()).moves == ()

    def test_place_finds_the_best_other_host(self) -> None:
        vms = [vm("a", "h1"), vm("b", "h2", busy_cores=6.0)]
        made = plan(cluster(THREE, vms), Place(vm=vms[0].id))
        assert ends(made) == {"a": "h3"}

    def test_repair_parts_those_that_met_with_one_move(self) -> None:
        vms = [vm("a"), vm("b"), vm("c", busy_cores=9.0), vm("d", busy_cores=6.0)]
        seen = cluster(THREE, vms, groups=[group("g", "a", "b", together=False)])
        made = plan(seen, Repair())
        assert len(made.moves) == 1
        assert ends(made).keys() <= {"a", "b"}
        assert "broken" in dict(made.moves[0].worth.gains)
        broken = next(one for one in made.terms if one.name == "broken")
        assert (broken.before, broken.after) == (1.0, 0.0)

    def test_repair_relieves_a_host_that_promised_too_much(self) -> None:
        hosts = [tight("h1", 8), host("h2")]
        vms = [vm(f"vm{n}", memory_bytes=4 * GIB) for n in range(3)]
        assert len(plan(cluster(hosts, vms), Repair()).moves) == 1

    def test_repair_joins_a_group_that_is_split(self) -> None:
        vms = [vm("a", "h1", memory_bytes=8 * GIB), vm("b", "h2"), vm("c", "h3")]
        seen = cluster(THREE, vms, groups=[group("g", "a", "b", "c", together=True)])
        assert ends(plan(seen, Repair())) == {"b": "h1", "c": "h1"}
        assert plan(seen, Balance(), weights=Weights(imbalance_cpu=0.0)).moves == ()

    def test_nothing_to_repair_says_so(self) -> None:
        made = plan(cluster(THREE, [vm()]), Repair())
        assert made.moves == ()
        assert "no rule is broken" in made.reasons


class TestTerms:
    def test_they_are_counted_as_a_person_would(self) -> None:
        hosts = [host("h1", cores=10), host("h2", cores=10)]
        vms = [vm("a", busy_cores=6.0, memory_bytes=32 * GIB), vm("b", busy_cores=6.0)]
        seen = cluster(hosts, vms)
        terms = {one.name: one for one in evaluate(seen, {vms[0].id: H2})}
        assert terms["hot cpu"].before == pytest.approx(0.4)
        assert terms["unmet cores"].before == pytest.approx(2.0)
        assert terms["imbalance cpu"].before == pytest.approx(2 * 0.6**2)
        assert terms["imbalance cpu"].after == 0.0
        assert terms["imbalance memory"].after == pytest.approx(2 * (14 / 64) ** 2)
        assert terms["hot cpu"].bound == 0.0
        assert terms["price"].after > 0

    def test_a_clock_that_has_run_out_is_told(self) -> None:
        vms = [vm(f"web{n}", busy_cores=5.0) for n in range(3)]
        ticks = iter(range(0, 10_000, 100))
        made = plan_request(cluster(THREE, vms), Balance(), clock=lambda: next(ticks), limit_s=5)
        assert any("cut off after 5 s" in one for one in made.reasons)
        assert made.moves
