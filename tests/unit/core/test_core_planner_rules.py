"""Goal: what the site declares decides where VMs go, in small clusters where a person sees why.

That no plan breaks a rule, whatever is declared, is shown over drawn clusters in
tests/property/test_property_plans_and_rules.py.
"""

from dataclasses import replace

import pytest

from godwit.core.model import Blocker, Cluster, Host, HostName, Rule, Vm, VmId, When
from godwit.core.plan import Plan
from godwit.core.planner import (
    Balance,
    Drain,
    PauseSettings,
    PlanRequest,
    PlanSettings,
    Repair,
    Weights,
    plan_request,
)
from godwit.core.rules import (
    Absorb,
    Affinity,
    AntiAffinity,
    Available,
    Bandwidth,
    Bundle,
    Capacity,
    KeepOff,
    Pinned,
    Quarantine,
    Resource,
    RunOn,
    Spread,
    StayWithin,
    broken_on_the_way,
    taken_back,
)
from godwit.core.timetable import bounds_of, with_times
from godwit.core.units import GIB
from godwit.core.worth import Worth
from tests.unit.core.builders import cluster, host, moving, vm

H1, H2, H3, H4 = (HostName(f"h{n}") for n in (1, 2, 3, 4))
RACKS = [host(f"h{n}", labels={"rack": "a" if n < 3 else "b"}) for n in (1, 2, 3, 4)]
NAMES = frozenset({H1, H2, H3, H4})


def of(*vms: Vm) -> frozenset[VmId]:
    return frozenset(one.id for one in vms)


def ruled(vms: list[Vm], *rules: Rule, hosts: list[Host] | None = None) -> Cluster:
    made = cluster(hosts if hosts is not None else RACKS, vms)
    everywhere = frozenset(one.name for one in made.hosts)
    bound = (replace(one, hosts=one.hosts or everywhere) for one in rules)
    return replace(made, rules=tuple(bound))


def plan(seen: Cluster, request: PlanRequest, **changes: object) -> Plan:
    return plan_request(seen, request, PlanSettings(steps=2000, **changes))  # type: ignore[arg-type]


def worth(made: Plan, name: str) -> Worth:
    (move,) = [one for one in made.moves if one.vm_name == name]
    assert move.worth is not None
    return move.worth


def ends(made: Plan) -> dict[str, str]:
    return {one.vm_name: one.destination for one in made.moves}


class TestRepair:
    def test_a_vm_that_is_where_it_must_not_be_is_moved_and_no_other(self) -> None:
        vms = [vm("a"), vm("b", busy_cores=9.0), vm("c", busy_cores=6.0)]
        rule = KeepOff(name="off", vms=of(vms[0]), hosts=frozenset({H1}))
        made = plan(ruled(vms, rule), Repair())
        assert ends(made).keys() == {"a"}
        assert dict(worth(made, "a").gains)["broken"] == 1e6
        assert "'off'" in worth(made, "a").why_vm

    def test_a_soft_rule_is_cured_although_that_costs_more_than_it(self) -> None:
        vms = [vm("a"), vm("b"), vm("c", "h3")]
        rule = AntiAffinity(name="apart", by="rack", hard=False, price=0.01, vms=of(*vms[:2]))
        seen = ruled(vms, rule)
        made = plan(seen, Repair())
        assert len(made.moves) == 1
        assert set(ends(made).values()) <= {"h3", "h4"}
        (term,) = [one for one in made.terms if one.name == "rule apart"]
        assert (term.points, term.before, term.after) == (0.01, 1.0, 0.0)
        assert plan(seen, Balance()).moves == ()

    def test_what_can_not_be_cured_is_told_with_its_remedy(self) -> None:
        vms = [vm("a", blockers=(Blocker(what="a device", remedy="Detach it."),))]
        rule = KeepOff(name="off", vms=of(*vms), hosts=frozenset({H1}))
        made = plan(ruled(vms, rule), Repair())
        assert made.moves == ()
        assert any("not cured: off: a is to keep off h1" in one for one in made.reasons)

    @pytest.mark.parametrize("hard", [True, False])
    def test_a_spread_is_evened_out_with_the_fewest_moves(self, hard: bool) -> None:
        vms = [vm(f"web{n}") for n in range(4)]
        rule = Spread(name="even", by="rack", hard=hard, price=5.0, vms=of(*vms), most_skew=1)
        made = plan(ruled(vms, rule), Repair())
        assert len(made.moves) == 2
        assert set(ends(made).values()) <= {"h3", "h4"}

    def test_vms_of_one_rack_that_are_torn_are_joined_where_most_are(self) -> None:
        vms = [vm("a", "h1"), vm("b", "h2"), vm("c", "h3")]
        rule = Affinity(name="near", by="rack", vms=of(*vms))
        made = plan(ruled(vms, rule), Repair())
        assert ends(made).keys() == {"c"}
        assert set(ends(made).values()) <= {"h1", "h2"}

    def test_room_that_a_rule_keeps_free_is_freed(self) -> None:
        vms = [vm(f"vm{n}", memory_bytes=10 * GIB) for n in range(5)]
        rule = Capacity(
            name="headroom", resource=Resource.MEMORY, most_fraction=0.7, hosts=frozenset({H1})
        )
        made = plan(ruled(vms, rule), Repair())
        assert len(made.moves) == 1


class TestBalance:
    def hot(self) -> list[Vm]:
        return [vm("a", busy_cores=7.0), vm("b", busy_cores=7.0)]

    def test_a_wish_is_weighed_against_what_it_stands_in_the_way_of(self) -> None:
        vms = self.hot()
        for price, count in ((1.0, 1), (1000.0, 0)):
            rule = Pinned(name="stay", hard=False, price=price, vms=of(*vms))
            made = plan(ruled(vms, rule), Balance())
            assert len(made.moves) == count
        near = Affinity(name="near", hard=False, price=1000.0, vms=of(*vms))
        assert plan(ruled(vms, near), Balance()).moves == ()

    def test_each_hard_rule_decides_where_it_may_go(self) -> None:
        vms = [*self.hot(), vm("c", "h3"), vm("d", "h3")]
        a, b = of(vms[0]), of(vms[1])
        for rule, hosts in (
            (RunOn(name="r", vms=a | b, hosts=frozenset({H1, H4})), {"h4"}),
            (KeepOff(name="r", vms=a | b, hosts=frozenset({H2, H3})), {"h4"}),
            (StayWithin(name="r", by="rack", vms=a | b), {"h2"}),
            (Quarantine(name="r", vms=of(*vms), hosts=frozenset({H2, H4})), {"h3"}),
            (Affinity(name="r", by="rack", vms=a | b), {"h2"}),
            (AntiAffinity(name="r", by="rack", when=When.END, vms=a | of(*vms[2:])), {"h2"}),
            (Available(name="r", losing="rack", least=2, vms=of(*vms)), {"h2"}),
            (
                Bandwidth(
                    name="r",
                    each_bytes_per_s=1.0,
                    most_bytes_per_s=2.0,
                    vms=of(*vms),
                    hosts=frozenset({H3}),
                ),
                {"h2", "h4"},
            ),
        ):
            # Whichever rack is fuller, the rule alone decides.
            made = plan(ruled(vms, rule), Balance())
            assert made.moves, rule
            assert set(ends(made).values()) <= hosts, rule

    def test_a_bundle_of_one_host_moves_as_one_or_not_at_all(self) -> None:
        vms = [vm("a", busy_cores=4.0), vm("b", busy_cores=4.0), vm("c", busy_cores=7.5)]
        made = plan(ruled(vms, Bundle(name="stack", vms=of(*vms[:2]))), Balance())
        assert ends(made).keys() in ({"a", "b"}, {"c"})

    def test_nothing_is_moved_of_which_all_are_to_run_at_any_moment(self) -> None:
        vms = self.hot()
        made = plan(ruled(vms, Available(name="quorum", least=2, vms=of(*vms))), Balance())
        assert made.moves == ()

    def test_a_rule_about_a_loss_is_kept_by_other_moves_rather_than_by_none(self) -> None:
        # The largest hole is that of h3; filled, nobody could take the large VM any more.
        hosts = [host(name, memory_total_bytes=33 * GIB) for name in ("h1", "h2", "h3")]
        vms = [vm("big", "h1", memory_bytes=24 * GIB, busy_cores=0.0)]
        vms += [vm(f"hot{n}", "h2", memory_bytes=8 * GIB, busy_cores=7.0) for n in range(3)]
        made = plan(cluster(hosts, vms), Balance(), weights=Weights(spare=1000.0))
        assert made.moves
        assert all(one.gain >= 0 for one in made.terms if one.name == "spare")
        rule = Absorb(name="any host", hard=True, vms=of(*vms), hosts=frozenset({H1, H2, H3}))
        made = plan(replace(cluster(hosts, vms), rules=(rule,)), Balance())
        assert not any(one.name == "spare" and one.before for one in made.terms)
        assert next(one for one in made.terms if one.name == "broken").gain >= 0


class TestDrain:
    def test_who_moves_only_with_others_takes_them_along(self) -> None:
        vms = [vm("a", "h1"), vm("b", "h2"), vm("c", "h2")]
        seen = ruled(vms, Bundle(name="stack", vms=of(*vms[:2])))
        made = plan(seen, Drain(hosts=(H1,)))
        assert ends(made).keys() == {"a", "b"}
        assert "rule 'stack': it moves together with a" in worth(made, "b").why_vm
        alone = plan(seen, Drain(hosts=(H1,), make_room=False))
        assert alone.moves == ()
        (left,) = alone.unplaced
        assert any("'stack'" in one.why for one in left.refusals)

    def test_none_goes_where_one_of_them_can_not(self) -> None:
        vms = [vm("a", "h1"), vm("b", "h1", blockers=(Blocker(what="a device", remedy="x"),))]
        made = plan(ruled(vms, Bundle(name="stack", vms=of(*vms))), Drain(hosts=(H1,)))
        assert made.moves == ()
        said = {one.vm_name: one.refusals[0].why for one in made.unplaced}
        assert "rule 'stack'" in said["a"]

    def test_a_rack_that_is_emptied_sends_those_that_belong_together_to_one_other(self) -> None:
        hosts = [*RACKS, host("h5", labels={"rack": "c"}), host("h6", labels={"rack": "c"})]
        vms = [vm("a", "h1"), vm("b", "h2"), vm("c", "h5", memory_bytes=50 * GIB)]
        seen = ruled(vms, Affinity(name="near", by="rack", vms=of(*vms[:2])), hosts=hosts)
        made = plan(seen, Drain(hosts=(H1, H2)))
        assert ends(made).keys() == {"a", "b"}
        assert set(ends(made).values()) <= {"h3", "h4"}

    def test_the_rule_that_stands_in_the_way_is_named(self) -> None:
        vms = [vm("a")]
        made = plan(ruled(vms, Pinned(name="never", vms=of(*vms))), Drain(hosts=(H1,)))
        assert made.moves == ()
        assert any("'never'" in one for one in made.reasons)
        assert any("'never'" in one.why for one in made.unplaced[0].refusals)

    def test_rules_that_exclude_each_other_are_named_and_the_rest_moves(self) -> None:
        vms = [vm("a"), vm("b")]
        rules = (
            RunOn(name="only", vms=of(vms[0]), hosts=frozenset({H2})),
            KeepOff(name="never", vms=of(vms[0]), hosts=frozenset({H2})),
        )
        made = plan(ruled(vms, *rules), Drain(hosts=(H1,)))
        assert ends(made).keys() == {"b"}
        (note,) = [one for one in made.notes if "exclude each other" in one]
        assert "'only'" in note
        assert "'never'" in note


class TestTakingBack:
    def test_one_of_two_that_fill_a_place_is_enough(self) -> None:
        vms = [vm("a"), vm("b"), vm("c", "h3")]
        rule = Bandwidth(name="uplink", each_bytes_per_s=1.0, most_bytes_per_s=2.0, vms=of(*vms))
        seen = ruled(vms, rule)
        found = taken_back(seen.rules, seen, {one.id: H3 for one in vms[:2]})
        assert found.keys() == {vms[0].id}
        assert taken_back(seen.rules, seen, {vms[0].id: H3}) == {}

    def test_of_a_bundle_all_are(self) -> None:
        vms = [vm("a"), vm("b"), vm("c")]
        seen = ruled(vms, Bundle(name="stack", vms=of(*vms)))
        assert taken_back(seen.rules, seen, dict.fromkeys(of(*vms[:2]), H2)).keys() == of(*vms[:2])
        assert taken_back(seen.rules, seen, dict.fromkeys(of(*vms), H2)) == {}

    def test_a_timed_plan_is_asked_at_every_instant(self) -> None:
        vms = [vm("a", "h1"), vm("b", "h3")]
        rule = Available(name="rack", losing="rack", least=1, vms=of(*vms))
        seen = ruled(vms, rule)
        timed = moving(replace(seen, rules=()), parallel=1, a="h3", b="h1").timed
        assert timed is not None
        found = broken_on_the_way(seen.rules, seen, timed.moves)
        assert found is not None
        assert found[0].rule == "rack"
        assert taken_back(seen.rules, seen, {one.vm: one.final for one in timed.moves}) == {}

    def test_what_the_order_can_not_keep_is_left_out_of_the_timetable(self) -> None:
        vms = [vm("a", "h1"), vm("b", "h3")]
        rule = Available(name="rack", losing="rack", least=1, vms=of(*vms))
        seen = ruled(vms, rule)
        timed = moving(seen, parallel=1, a="h3", b="h1")
        assert timed.timed is not None
        assert len(timed.moves) < 2
        assert timed.timed.stuck
        assert all("'rack'" in one.why for one in timed.timed.stuck)

    def test_of_so_many_that_must_run_only_those_beyond_are_in_flight(self) -> None:
        vms = [vm(f"vm{n}") for n in range(3)]
        seen = ruled(vms, Available(name="quorum", least=2, vms=of(*vms)))
        made = plan(seen, Drain(hosts=(H1,)))
        timed = with_times(seen, replace(made, parallel=8), PauseSettings())
        assert len(timed.moves) == 3
        (group,) = bounds_of(timed, seen).limits.groups
        assert group.most == 1
        assert timed.timed is not None
        assert broken_on_the_way(seen.rules, seen, timed.timed.moves) is None
