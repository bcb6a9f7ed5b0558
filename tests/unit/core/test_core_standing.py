"""Goal: a move is weighed by the rules that it touches, for the price and the refusals they say.

Method: small clusters with figures worked out by hand. That tallies and checkers agree for every
kind is shown by the property tests.
"""

import pytest

from godwit.core.model import Cluster, HostName, Rule, VmId
from godwit.core.rules import (
    Absorb,
    Affinity,
    AntiAffinity,
    Capacity,
    KeepOff,
    Resource,
    Spread,
    Standing,
    breaches_of,
    end_of,
    rules_in_force,
)
from godwit.core.units import GIB
from tests.unit.core.builders import cluster, group, host, promise, vm

H1, H2, H3 = (HostName(f"h{n}") for n in (1, 2, 3))
WEB1, WEB2, DB = (VmId(f"id-{name}") for name in ("web1", "web2", "db"))
ALL = frozenset({H1, H2, H3})
SEEN = cluster([host("h1"), host("h2"), host("h3")], [vm("web1"), vm("web2"), vm("db", "h2")])

APART = AntiAffinity(name="apart", vms=frozenset({WEB1, WEB2}), hosts=ALL)
NEAR = Affinity(name="near", vms=frozenset({WEB1, DB}), hosts=ALL, hard=False, price=4.0)
OFF = KeepOff(name="off", vms=frozenset({WEB1}), hosts=frozenset({H3}))
RULES: tuple[Rule, ...] = (APART, NEAR, OFF)


def test_a_move_says_what_it_mends_what_it_costs_and_what_is_against_it() -> None:
    standing = Standing(RULES, SEEN)
    assert (standing.hard_amount, standing.price) == (1.0, 4.0)
    good = standing.weigh(WEB1, H2)
    assert {one.rule.name: one.by for one in good.changes} == {"apart": -1.0, "near": -1.0}
    assert (good.is_refused, good.price, good.hard_amount) == (False, -4.0, -1.0)
    bad = standing.weigh(WEB1, H3)
    assert {one.rule.name: (one.by, one.refused) for one in bad.changes} == {
        "apart": (-1.0, False),
        "off": (1.0, True),
    }
    assert bad.is_refused, "what gets better elsewhere is no excuse"
    assert bad.hard_amount == 0.0
    assert standing.weigh(WEB1, H1).changes == ()


def test_what_is_made_counts_for_what_is_weighed_next() -> None:
    standing = Standing(RULES, SEEN)
    standing.move(WEB1, H2)
    assert standing.place(WEB1) == H2
    assert (standing.hard_amount, standing.price) == (0.0, 0.0)
    assert standing.breaches() == ()
    back = standing.weigh(WEB2, H2)
    assert back.is_refused
    (breach,) = standing.breaches_with(WEB2, H2)
    assert (breach.rule, set(breach.vms)) == ("apart", {WEB1, WEB2})
    assert standing.place(WEB2) == H1, "asking moves nothing"
    assert standing.breaches() == ()


def test_a_soft_rule_refuses_nothing() -> None:
    soft = AntiAffinity(name="apart", vms=frozenset({WEB1, DB}), hosts=ALL, hard=False, price=3.0)
    effect = Standing([soft], SEEN).weigh(WEB1, H2)
    assert (effect.is_refused, effect.price) == (False, 3.0)


def test_a_host_may_not_be_filled_to_relieve_another_that_is_fuller() -> None:
    heavy = [vm(f"v{n}", memory_bytes=20 * GIB) for n in range(4)]
    seen = cluster([host("h1"), host("h2")], [*heavy, vm("big", "h2", memory_bytes=60 * GIB)])
    memory = Capacity(name="memory", resource=Resource.MEMORY, hosts=frozenset({H1, H2}))
    effect = Standing([memory], seen).weigh(heavy[0].id, H2)
    assert effect.hard_amount == pytest.approx(0.0)
    assert effect.is_refused


def test_only_the_rules_of_the_vm_and_of_both_hosts_are_touched() -> None:
    vms = [vm(f"v{n}", f"h{n % 3 + 1}") for n in range(300)]
    seen = cluster([host("h1"), host("h2"), host("h3")], vms)
    groups = [
        AntiAffinity(name=f"g{n}", vms=frozenset({one.id for one in vms[n : n + 3]}), hosts=ALL)
        for n in range(0, 300, 3)
    ]
    roomy = [
        Capacity(name=f"room {name}", resource=Resource.MEMORY, hosts=frozenset({name}))
        for name in sorted(ALL)
    ]
    touched = Standing([*groups, *roomy], seen).touched(vms[4].id, H1)
    assert [one.name for one in touched] == ["g3", "room h1", "room h2"]


def test_a_spread_over_many_places_is_weighed_both_ways() -> None:
    even = Spread(name="even", vms=frozenset({WEB1, WEB2, DB}), hosts=ALL, hard=False, price=1.0)
    standing = Standing([even], SEEN)
    assert standing.price == 1.0, "two, one, none"
    assert standing.weigh(WEB1, H3).price == -1.0
    assert standing.weigh(DB, H1).price == 1.0
    standing.move(WEB1, H3)
    assert standing.price == 0.0


def test_n_plus_one_is_asked_as_a_whole() -> None:
    spare = Absorb(name="n+1", hosts=ALL, vms=frozenset({WEB1}))
    standing = Standing([spare, *RULES], SEEN)
    assert standing.unweighed == (spare,)
    assert "n+1" not in {one.name for one in standing.touched(WEB1, H2)}
    assert breaches_of(standing.unweighed, standing.assignment, at_end=True) == ()


def flying() -> Cluster:
    """web1 is on its way to h3, as was accepted."""
    web1 = vm("web1", busy_with="migration out")
    return cluster(
        [host("h1"), host("h2"), host("h3")],
        [web1, vm("web2"), vm("db", "h2")],
        groups=[group("web", "web1", "web2", together=False)],
        reservations=[promise(web1, "h3")],
    )


def test_what_was_accepted_has_landed_and_is_no_move_of_the_plan() -> None:
    seen = flying()
    rules = rules_in_force(seen)
    end = end_of(seen, {})
    assert end.places[WEB1] == H3
    assert end.flights == {}
    assert breaches_of(rules, end, at_end=True) == ()
    standing = Standing(rules, seen)
    assert standing.hard_amount == 0.0
    assert standing.weigh(WEB2, H3).is_refused, "web1 is going to be there"
    again = standing.weigh(WEB1, H2)
    assert "vm_state" in {one.rule.name for one in again.changes if one.refused}


def test_a_vm_that_does_not_run_has_no_place() -> None:
    standing = Standing(RULES, SEEN, {VmId("id-off"): H1})
    with pytest.raises(KeyError):
        standing.weigh(VmId("id-off"), H2)
