"""Goal: a move is refused for a hard rule of the site that it would break on the way or at the end.

Method: one cluster; each rule is asked about web1 going to h2, with the plan's other moves around.
"""

from dataclasses import replace

from godwit.core.model import Cluster, HostName, Rule, Vm, When
from godwit.core.plan import Refusal
from godwit.core.rules import (
    Affinity,
    AntiAffinity,
    Bandwidth,
    Bundle,
    Capacity,
    InFlight,
    KeepOff,
    Placement,
    Resource,
    refusals_of,
)
from tests.unit.core.builders import cluster, host, promise, vm

WEB1, DB = vm("web1"), vm("db", "h2")
WEB2 = vm("web2")
BOTH = frozenset({WEB1.id, DB.id})
PAIR = frozenset({WEB1.id, WEB2.id})
ALL = frozenset(HostName(f"h{n}") for n in (1, 2, 3))
SEEN = cluster([host("h1"), host("h2"), host("h3")], [WEB1, WEB2, DB])


def asked(
    rule: Rule,
    *,
    seen: Cluster = SEEN,
    leaving: tuple[Vm, ...] = (),
    arriving: tuple[Vm, ...] = (),
    ends: tuple[tuple[Vm, str], ...] = (),
) -> tuple[Refusal, ...]:
    placement = Placement(
        cluster=replace(seen, rules=(rule,)),
        vm=WEB1,
        host=seen.host(HostName("h2")),
        leaving=frozenset(one.id for one in leaving),
        arriving=arriving,
        final_hosts=tuple((one.id, HostName(to)) for one, to in ends),
    )
    return refusals_of(placement)


def test_who_leaves_is_still_there_on_the_way() -> None:
    apart = AntiAffinity(name="apart", vms=BOTH, hosts=ALL)
    (refusal,) = asked(apart, leaving=(DB,))
    assert refusal.rule == "anti_affinity"
    assert "(rule 'apart')" in refusal.why
    at_end = replace(apart, when=When.END)
    assert asked(at_end, leaving=(DB,)) == ()
    assert asked(at_end) != ()


def test_a_group_that_follows_is_not_split() -> None:
    near = Affinity(name="near", vms=PAIR, hosts=ALL)
    assert asked(near) != ()
    assert asked(near, leaving=(WEB1, WEB2)) == ()
    assert asked(near, ends=((WEB2, "h2"),), arriving=(WEB2,)) == ()
    assert asked(near, ends=((WEB2, "h3"),)) != ()


def test_a_bundle_goes_as_a_whole_or_not() -> None:
    bundle = Bundle(name="stack", vms=PAIR, hosts=ALL)
    assert asked(bundle) != ()
    assert asked(bundle, leaving=(WEB1, WEB2)) == ()
    assert asked(bundle, ends=((WEB2, "h3"),)) == ()


def test_what_is_broken_already_is_no_reason_unless_it_gets_worse() -> None:
    spoilt = AntiAffinity(name="apart", vms=PAIR, hosts=ALL)
    assert asked(spoilt) == (), "web1 leaves web2: that cures it"
    near = Affinity(name="near", vms=BOTH, hosts=ALL)
    assert asked(near) == (), "it joins db"


def test_one_that_is_wrong_where_it_is_may_not_be_wrong_elsewhere() -> None:
    off = KeepOff(name="off", vms=PAIR, hosts=frozenset({HostName("h1"), HostName("h2")}))
    (refusal,) = asked(off)
    assert refusal.rule == "keep_off"
    roomy = Capacity(name="room", resource=Resource.MEMORY, most_fraction=0.05, vms=PAIR, hosts=ALL)
    (full,) = asked(roomy)
    assert "h2 promises" in full.why
    cards = Bandwidth(name="cards", vms=BOTH, hosts=ALL, each_bytes_per_s=2.0, most_bytes_per_s=3.0)
    assert asked(cards) != ()


def test_those_in_flight_count_and_the_move_itself_once() -> None:
    gently = InFlight(name="gently", vms=PAIR, hosts=ALL, most=1)
    assert asked(gently) == ()
    assert asked(gently, seen=replace(SEEN, reservations=(promise(WEB1, "h2"),))) == ()
    (refusal,) = asked(gently, seen=replace(SEEN, reservations=(promise(WEB2, "h3"),)))
    assert "2 VMs of which at most 1" in refusal.why


def test_a_soft_rule_and_one_about_others_refuse_nothing() -> None:
    apart = AntiAffinity(name="apart", vms=BOTH, hosts=ALL)
    assert asked(apart) != ()
    assert asked(replace(apart, hard=False)) == ()
    assert asked(replace(apart, vms=frozenset({DB.id, WEB2.id}))) == ()
