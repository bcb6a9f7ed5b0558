"""Goal: rules that can't all be kept are named before anything is planned, and no others.

Method: a table of rules that contradict each other, each beside the smallest change that ends it.
"""

from dataclasses import dataclass, replace

import pytest

from godwit.core.model import Cluster, HostName, Rule, VmId
from godwit.core.rules import (
    Affinity,
    AntiAffinity,
    Available,
    Bundle,
    Contradiction,
    KeepOff,
    Pinned,
    Quarantine,
    RunOn,
    Spread,
    StayWithin,
    contradictions_of,
    rules_in_force,
)
from godwit.core.units import GIB
from tests.unit.core.builders import cluster, group, host, vm

#: Two racks of two hosts, of 64 GiB for VMs each.
HOSTS = [
    host("h1", labels={"rack": "a"}),
    host("h2", labels={"rack": "a"}),
    host("h3", labels={"rack": "b"}),
    host("h4", labels={"rack": "b"}),
]
VMS = [
    *(vm(f"web{n}", "h1") for n in (1, 2, 3)),
    vm("db1", "h2"),
    vm("db2", "h3", memory_bytes=40 * GIB),
]
SEEN = cluster(HOSTS, VMS)


def ids(*names: str) -> frozenset[VmId]:
    return frozenset(VmId(f"id-{one}") for one in names)


def hosts(*names: str) -> frozenset[HostName]:
    return frozenset(HostName(one) for one in names)


ALL = hosts("h1", "h2", "h3", "h4")
WEB = ids("web1", "web2", "web3")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Rules that contradict each other, who is to be named, and one rule that mends it."""

    rules: tuple[Rule, ...]
    named: tuple[str, ...]
    vms: frozenset[VmId]
    words: tuple[str, ...]
    #: Takes the place of the last rule, and then all is well.
    instead: Rule


def case(*rules: Rule, vms: frozenset[VmId], words: tuple[str, ...], instead: Rule) -> Case:
    return Case(
        rules=rules, named=tuple(one.name for one in rules), vms=vms, words=words, instead=instead
    )


CASES = {
    "together and apart": case(
        Affinity(name="shop", vms=ids("web1", "db1")),
        AntiAffinity(name="web", vms=ids("web1", "db1", "db2")),
        vms=ids("web1", "db1"),
        words=("db1, web1", "share one host", "2 different values of host"),
        instead=AntiAffinity(name="web", vms=ids("web1", "db2")),
    ),
    "apart by rack what shares a host by two rules": case(
        Affinity(name="shop", vms=ids("web1", "db1")),
        Affinity(name="cache", vms=ids("db1", "web2")),
        AntiAffinity(name="feeds", vms=ids("web1", "web2"), by="rack"),
        vms=ids("web1", "web2"),
        words=("share one host", "values of rack", "at most 1"),
        instead=AntiAffinity(name="feeds", vms=ids("web1", "web3"), by="rack"),
    ),
    "three hosts in a rack of two": case(
        Affinity(name="near", vms=WEB, by="rack"),
        AntiAffinity(name="web", vms=WEB),
        vms=WEB,
        words=("share one rack", "3 different values of host", "at most 2"),
        instead=AntiAffinity(name="web", vms=ids("web1", "web2")),
    ),
    "more apart than racks": case(
        AntiAffinity(name="feeds", vms=WEB, by="rack"),
        vms=WEB,
        words=("3 VMs are to be on a rack each, and there are 2", "web1, web2, web3"),
        instead=AntiAffinity(name="feeds", vms=ids("web1", "web2"), by="rack"),
    ),
    "apart where others let them run": case(
        AntiAffinity(name="web", vms=WEB),
        RunOn(name="licence", vms=WEB, hosts=hosts("h1", "h2")),
        vms=WEB,
        words=("3 VMs", "only 2 of them"),
        instead=RunOn(name="licence", vms=WEB, hosts=hosts("h1", "h2", "h4")),
    ),
    "two pinned to one host, and apart": case(
        AntiAffinity(name="web", vms=ids("web1", "web2")),
        Pinned(name="stay", vms=ids("web1", "web2")),
        vms=ids("web1", "web2"),
        words=("only 1 of them",),
        instead=Pinned(name="stay", vms=ids("web1")),
    ),
    "must run where it must not": case(
        RunOn(name="licence", vms=ids("db1", "db2"), hosts=hosts("h2", "h3")),
        KeepOff(name="tenants", vms=ids("db1"), hosts=hosts("h1", "h2", "h3")),
        vms=ids("db1"),
        words=("leave no host to db1",),
        instead=KeepOff(name="tenants", vms=ids("db1"), hosts=hosts("h1", "h2")),
    ),
    "two sets of hosts": case(
        RunOn(name="licence", vms=ids("db1"), hosts=hosts("h2")),
        RunOn(name="gpu", vms=ids("db1", "web1"), hosts=hosts("h4")),
        vms=ids("db1"),
        words=("leave no host to db1",),
        instead=RunOn(name="gpu", vms=ids("db1", "web1"), hosts=hosts("h2", "h4")),
    ),
    "no such host": case(
        RunOn(name="licence", vms=ids("db1"), hosts=frozenset()),
        vms=ids("db1"),
        words=("no host that is known is left to db1",),
        instead=RunOn(name="licence", vms=ids("db1"), hosts=hosts("h1")),
    ),
    "pinned where it may not be": case(
        Pinned(name="stay", vms=ids("db1")),
        KeepOff(name="old hosts", vms=ids("db1", "db2"), hosts=hosts("h2")),
        vms=ids("db1"),
        words=("leave no host to db1",),
        instead=KeepOff(name="old hosts", vms=ids("db1", "db2"), hosts=hosts("h3")),
    ),
    "no two of three, but all three": case(
        RunOn(name="one", vms=ids("db1"), hosts=hosts("h1", "h2")),
        RunOn(name="two", vms=ids("db1"), hosts=hosts("h2", "h3")),
        RunOn(name="three", vms=ids("db1"), hosts=hosts("h3", "h1")),
        vms=ids("db1"),
        words=("leave no host to db1",),
        instead=RunOn(name="three", vms=ids("db1"), hosts=hosts("h3", "h2")),
    ),
    "a group without a host in common": case(
        Affinity(name="shop", vms=ids("web1", "db1")),
        StayWithin(name="racks", vms=ids("web1"), by="rack"),
        KeepOff(name="old rack", vms=ids("db1"), hosts=hosts("h1", "h2")),
        vms=ids("web1", "db1"),
        words=("db1, web1 are to share a host", "none that is left to all"),
        instead=KeepOff(name="old rack", vms=ids("db1"), hosts=hosts("h2")),
    ),
    "a group too large for any host": case(
        Affinity(name="heavy", vms=ids("db2", "big")),
        vms=ids("db2", "big"),
        words=("need 70.0 GiB", "64.0 GiB"),
        instead=Affinity(name="heavy", vms=ids("db2", "web1")),
    ),
    "a spread over too few values": case(
        Spread(name="wide", vms=WEB, hosts=ALL, by="rack", least_values=3),
        vms=WEB,
        words=("3 values of rack", "there are 2"),
        instead=Spread(name="wide", vms=WEB, hosts=ALL, by="rack", least_values=2),
    ),
    "a spread of too few VMs": case(
        Spread(name="wide", vms=ids("web1", "web2"), hosts=ALL, least_values=3),
        vms=ids("web1", "web2"),
        words=("3 values of host", "2 VMs"),
        instead=Spread(name="wide", vms=ids("web1", "web2"), hosts=ALL, least_values=2),
    ),
    "a spread over a label that nobody has": case(
        Spread(name="wide", vms=WEB, hosts=ALL, by="row"),
        vms=WEB,
        words=("no host", "label row"),
        instead=Spread(name="wide", vms=WEB, hosts=ALL, by="rack"),
    ),
    "more available than there are": case(
        Available(name="quorum", vms=WEB, least=4),
        vms=WEB,
        words=("4 VMs are to be available", "has 3"),
        instead=Available(name="quorum", vms=WEB, least=2),
    ),
    "all available, always": case(
        Available(name="quorum", vms=WEB, least=3),
        vms=WEB,
        words=("all 3 VMs", "none of them may ever be moved"),
        instead=Available(name="quorum", vms=WEB, least=2),
    ),
    "more left after a loss than can be": case(
        Available(name="quorum", vms=WEB, least=2, losing="rack"),
        vms=WEB,
        words=("2 of 3", "one rack is lost", "at the very best 1"),
        instead=Available(name="quorum", vms=WEB, least=2, losing="host"),
    ),
    "a bundle of which one may not and one must": case(
        Bundle(name="stack", vms=ids("web1", "db1")),
        Pinned(name="stay", vms=ids("web1")),
        KeepOff(name="old hosts", vms=ids("db1"), hosts=hosts("h2")),
        vms=ids("web1", "db1"),
        words=("db1 must leave", "web1 may not"),
        instead=KeepOff(name="old hosts", vms=ids("db1"), hosts=hosts("h1")),
    ),
}
each_case = pytest.mark.parametrize("one", CASES.values(), ids=CASES)
LARGER = cluster(HOSTS, [*VMS, vm("big", "h4", memory_bytes=30 * GIB)])


def found(*rules: Rule, seen: Cluster = LARGER) -> tuple[Contradiction, ...]:
    return contradictions_of(rules, seen)


@each_case
def test_it_is_named_with_its_rules_its_vms_and_a_remedy(one: Case) -> None:
    (contradiction,) = found(*one.rules)
    assert sorted(contradiction.rules) == sorted(one.named)
    assert set(contradiction.vms) == one.vms
    for word in (*one.words, *one.named):
        assert word in contradiction.why
    assert len(contradiction.remedy) > 10


@each_case
def test_the_smallest_change_ends_it(one: Case) -> None:
    assert found(*one.rules[:-1], one.instead) == ()


@each_case
def test_a_soft_rule_contradicts_nothing(one: Case) -> None:
    assert found(*one.rules[:-1], replace(one.rules[-1], hard=False)) == ()


@each_case
def test_the_order_of_the_rules_does_not_matter(one: Case) -> None:
    (forth,), (back,) = found(*one.rules), found(*reversed(one.rules))
    assert set(forth.rules) == set(back.rules)
    assert forth.vms == back.vms


def test_a_cluster_without_rules_of_its_own_has_none() -> None:
    assert contradictions_of(rules_in_force(SEEN), SEEN) == ()


def test_a_host_that_only_takes_no_more_strands_nobody_who_is_there() -> None:
    assert found(Quarantine(name="suspect", vms=WEB, hosts=ALL)) == ()


def test_groups_of_the_vms_count_like_rules_of_the_site() -> None:
    seen = replace(SEEN, groups=(group("web", "web1", "db1", together=True),))
    apart = AntiAffinity(name="apart", origin="[[rule]] 1", vms=ids("web1", "db1"))
    (contradiction,) = contradictions_of((*rules_in_force(seen), apart), seen)
    assert set(contradiction.rules) == {"web", "apart"}
    assert "[[group]] 'web'" in contradiction.why
    assert "[[rule]] 1" in contradiction.why


def test_vms_of_one_reason_are_told_once() -> None:
    (contradiction,) = found(
        RunOn(name="licence", vms=WEB, hosts=hosts("h2")),
        KeepOff(name="tenants", vms=WEB, hosts=hosts("h2")),
    )
    assert set(contradiction.vms) == WEB
    assert dict(contradiction.numbers) == {"vms_without_host": 3}


def test_a_large_group_within_a_few_limits_is_matched_and_not_refused() -> None:
    """Each has a host of its own only when those that may go anywhere make room for the others."""
    many = [host(f"h{n:04}") for n in range(400)]
    vms = [vm(f"w{n:04}", "h0000") for n in range(400)]
    seen = cluster(many, vms[:0])
    seen = replace(seen, vms=tuple(vms))
    everyone = frozenset(one.id for one in vms)
    last = RunOn(name="last", vms=frozenset({vms[-1].id}), hosts=frozenset({many[0].name}))
    rules = (AntiAffinity(name="apart", vms=everyone), last)
    assert contradictions_of(rules, seen) == ()
    both = RunOn(
        name="last", vms=frozenset({vms[-1].id, vms[-2].id}), hosts=frozenset({many[0].name})
    )
    (contradiction,) = contradictions_of((rules[0], both), seen)
    assert dict(contradiction.numbers)["vms_placed_max"] == 399
