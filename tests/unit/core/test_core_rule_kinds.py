"""Goal: each rule about an assignment finds what it is there for and nothing else, with numbers.

Method: a table keyed by kind: one assignment that is accepted and one that is not, by the same rule
in the same cluster. A test enumerates the kinds and fails when one has no row; another replaces
each checker by "yes" and expects the rejected assignment to be accepted, so that no row can be
rejected by the work of anything else.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from godwit.core.model import (
    Blocker,
    Cluster,
    CpuAnswer,
    HostName,
    NumaCell,
    Pages,
    RunState,
    VmId,
    When,
)
from godwit.core.rules import (
    HOST_RULES,
    KINDS,
    VM_RULES,
    Absorb,
    Affinity,
    AntiAffinity,
    Assignment,
    Available,
    Bandwidth,
    Breach,
    Bundle,
    Capacity,
    ClusterRule,
    Drained,
    Fits,
    HugePages,
    InFlight,
    KeepOff,
    Movable,
    NumaCells,
    OneName,
    Pinned,
    Quarantine,
    Resource,
    RunOn,
    Spread,
    StayWithin,
    breaches_of,
    is_idle,
    present,
    price_of,
    rules_in_force,
)
from godwit.core.units import GIB, MIB
from tests.unit.core.builders import cluster, host, promise, vm

CPU = next(one for one in HOST_RULES if one.name == "cpu")
DEVICES = next(one for one in VM_RULES if one.name == "devices")
USB = Blocker(what="USB device 1d6b:0002 is passed through", remedy="Detach the device.")

#: Two racks of two hosts; web1 to web4 and db1, of 4 GiB and 2 vCPUs each.
HOSTS = [
    host("h1", labels={"rack": "a", "cpu": "old"}),
    host("h2", labels={"rack": "a", "cpu": "old"}),
    host("h3", labels={"rack": "b", "cpu": "new"}),
    host("h4", labels={"rack": "b", "cpu": "new"}),
]
VMS = [*(vm(f"web{n}", "h1") for n in (1, 2, 3, 4)), vm("db1", "h2")]
SEEN = cluster(HOSTS, VMS)


def ids(*names: str) -> frozenset[VmId]:
    return frozenset(VmId(f"id-{one}") for one in names)


def hosts(*names: str) -> frozenset[HostName]:
    return frozenset(HostName(one) for one in names)


WEB = ids("web1", "web2", "web3", "web4")
ALL = hosts("h1", "h2", "h3", "h4")


def at(
    where: str, *, flying: str = "", seen: Cluster = SEEN, undecided: frozenset[VmId] = frozenset()
) -> Assignment:
    """Place VMs: ``web1:h1 web2:h3``; what is not named stays. ``flying`` are moves in flight."""

    def told(text: str) -> dict[VmId, HostName]:
        pairs = (one.split(":") for one in text.split())
        return {VmId(f"id-{name}"): HostName(to) for name, to in pairs}

    now = present(seen)
    return replace(
        now, places={**now.places, **told(where)}, flights=told(flying), undecided=undecided
    )


def tight(memory_bytes: int) -> Cluster:
    """Two hosts of 64 GiB for VMs, with so much on the first and 40 GiB on the second."""
    return cluster(
        [host("h1"), host("h2")],
        [vm("web1", "h1", memory_bytes=memory_bytes), vm("db1", "h2", memory_bytes=40 * GIB)],
    )


BLOCKED = cluster(HOSTS, [vm("web1", "h1", blockers=(USB,))])
OTHER_CPU = cluster(
    HOSTS,
    [vm("web1", "h1")],
    cpu={(VmId("id-web1"), HostName("h3")): CpuAnswer(compatible=False, detail="no avx512f")},
)


def paged(*asked: tuple[str, int, int]) -> Cluster:
    """h2 has 8 GiB in pages of 2 MiB and h3 has none; VMs on h1: name, GiB, page size."""
    cell = NumaCell(number=0, memory_bytes=64 * GIB, cores=8)
    full = replace(cell, pages=(Pages(page_bytes=2 * MIB, count=4096),))
    return cluster(
        [host("h1"), host("h2", numa=(full,)), host("h3", numa=(cell,))],
        [vm(name, memory_bytes=gib * GIB, huge_page_bytes=size) for name, gib, size in asked],
    )


def bound(*gib: int) -> Cluster:
    """VMs of that many GiB on h1, bound to cell 0; that of h2 has 16 GiB."""
    cell = NumaCell(number=0, memory_bytes=16 * GIB, cores=8)
    return cluster(
        [host("h1"), host("h2", numa=(cell,))],
        [
            vm(f"web{n}", memory_bytes=one * GIB, numa_cells=frozenset({0}))
            for n, one in enumerate(gib, start=1)
        ],
    )


TWINS = cluster(
    HOSTS,
    [
        *(vm("twin", on, id=VmId(f"id-{name}")) for name, on in (("a", "h1"), ("b", "h2"))),
        vm("resting", "h1", id=VmId("id-off"), state=RunState.SHUT_OFF),
        vm("resting", "h2", id=VmId("id-c")),
    ],
)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One rule, what it accepts, what it rejects by so much, and words that it must say."""

    rule: ClusterRule
    accepted: Assignment
    rejected: Assignment
    amount: float = 1.0
    words: tuple[str, ...]


#: kind -> scenes; a kind may have several.
SCENES: dict[str, list[Scene]] = {
    "affinity": [
        Scene(
            rule=Affinity(name="shop", vms=ids("web1", "web2", "db1"), hosts=ALL),
            accepted=at("db1:h1"),
            rejected=at("web1:h1 web2:h1 db1:h2"),
            words=("web1, web2 on h1", "db1 on h2"),
        ),
        Scene(
            rule=Affinity(name="near", vms=ids("web1", "db1"), hosts=ALL, by="rack"),
            accepted=at("web1:h1 db1:h2"),
            rejected=at("web1:h1 db1:h3"),
            words=("web1 on a", "db1 on b", "rack"),
        ),
    ],
    "anti-affinity": [
        Scene(
            rule=AntiAffinity(name="web", vms=WEB, hosts=ALL),
            accepted=at("web1:h1 web2:h2 web3:h3 web4:h4"),
            rejected=at("web1:h1 web2:h1 web3:h1 web4:h4"),
            amount=2.0,
            words=("host h1 has 3 VMs", "web1, web2, web3"),
        ),
        Scene(
            rule=AntiAffinity(name="feeds", vms=ids("web1", "web2"), hosts=ALL, by="rack"),
            accepted=at("web1:h1 web2:h3"),
            rejected=at("web1:h1 web2:h2"),
            words=("rack a has 2 VMs", "web1, web2"),
        ),
        Scene(
            rule=AntiAffinity(name="in transit", vms=ids("web1", "db1"), hosts=ALL),
            accepted=at("web1:h1 db1:h2", flying="web1:h3"),
            rejected=at("web1:h1 db1:h2", flying="web1:h2"),
            words=("host h2 has 2 VMs", "db1, web1"),
        ),
    ],
    "run-on": [
        Scene(
            rule=RunOn(name="licence", vms=ids("db1"), hosts=hosts("h2", "h3")),
            accepted=at("db1:h3"),
            rejected=at("db1:h4"),
            words=("db1", "h2, h3", "h4"),
        )
    ],
    "keep-off": [
        Scene(
            rule=KeepOff(name="tenants", vms=WEB, hosts=hosts("h3", "h4")),
            accepted=at("web1:h2"),
            rejected=at("web1:h2 web2:h3"),
            words=("web2", "h3"),
        )
    ],
    "stay-within": [
        Scene(
            rule=StayWithin(name="cpu classes", vms=WEB, hosts=ALL, by="cpu"),
            accepted=at("web1:h2"),
            rejected=at("web1:h3"),
            words=("web1", "cpu old", "h3 is cpu new"),
        )
    ],
    "pinned": [
        Scene(
            rule=Pinned(name="stay", vms=ids("db1"), hosts=ALL),
            accepted=at("web1:h4"),
            rejected=at("", flying="db1:h1"),
            words=("db1 is pinned to h2",),
        )
    ],
    "spread": [
        Scene(
            rule=Spread(name="even", vms=WEB, hosts=ALL, by="rack"),
            accepted=at("web1:h1 web2:h2 web3:h3 web4:h4"),
            rejected=at("web1:h1 web2:h2 web3:h2 web4:h4"),
            words=("rack a has 3", "b has 1", "difference of 1"),
        ),
        Scene(
            rule=Spread(name="wide", vms=WEB, hosts=ALL, most_skew=None, least_values=3),
            accepted=at("web1:h1 web2:h2 web3:h3"),
            rejected=at("web1:h1 web2:h1 web3:h1 web4:h4"),
            words=("4 VMs are on 2 values of host", "to be on 3"),
        ),
    ],
    "available": [
        Scene(
            rule=Available(name="quorum", vms=WEB, hosts=ALL, least=3),
            accepted=at("", flying="web1:h2"),
            rejected=at("", flying="web1:h2 web2:h3"),
            words=("2 of 4 VMs are available", "3 are to be", "web1, web2 in flight"),
        ),
        Scene(
            rule=Available(name="after a loss", vms=WEB, hosts=ALL, least=2, losing="rack"),
            accepted=at("web1:h1 web2:h2 web3:h3 web4:h4"),
            rejected=at("web1:h1 web2:h2 web3:h2 web4:h4"),
            words=("the loss of rack a would leave 1 of 4", "web1, web2, web3"),
        ),
    ],
    "bundle": [
        Scene(
            rule=Bundle(name="stack", vms=ids("web1", "web2", "db1"), hosts=ALL),
            accepted=at("web1:h3 web2:h4 db1:h1"),
            rejected=at("web1:h3 web2:h4"),
            words=("web1, web2 would move without db1",),
        )
    ],
    "in-flight": [
        Scene(
            rule=InFlight(name="gently", vms=WEB, hosts=ALL, most=1),
            accepted=at("", flying="web1:h2 db1:h1"),
            rejected=at("", flying="web1:h2 web2:h3 web3:h4"),
            amount=2.0,
            words=("3 VMs", "at most 1", "web1, web2, web3"),
        )
    ],
    "quarantine": [
        Scene(
            rule=Quarantine(name="bad memory", vms=WEB, hosts=hosts("h1", "h3")),
            accepted=at("web1:h2"),
            rejected=at("web1:h3"),
            words=("h3 is in quarantine", "web1"),
        )
    ],
    "drained": [
        Scene(
            rule=Drained(name="empty it", vms=WEB, hosts=hosts("h1")),
            accepted=at("web1:h2 web2:h2 web3:h3 web4:h4"),
            rejected=at("web1:h2 web2:h2 web3:h3"),
            words=("h1 is to be empty", "web4 is still there"),
        )
    ],
    "capacity": [
        Scene(
            rule=Capacity(
                name="half of the memory",
                resource=Resource.MEMORY,
                vms=WEB,
                hosts=hosts("h1"),
                most_fraction=0.25,
            ),
            accepted=at(""),
            rejected=at("", flying="db1:h1"),
            amount=4 / 64,
            words=("h1", "20.0 GiB of memory to 5 VMs", "4.0 GiB more", "16.0 GiB", "25 %"),
        ),
        Scene(
            rule=Capacity(
                name="cores", resource=Resource.CORES, vms=ids("web1"), hosts=hosts("h1")
            ),
            accepted=at("", seen=cluster([host("h1", cores=2)], [vm("web1", vcpus=16)])),
            rejected=at("", seen=cluster([host("h1", cores=2)], [vm("web1", vcpus=17)])),
            amount=1 / 16,
            words=("h1 promises 17 vCPUs", "1 vCPUs more", "16 vCPUs"),
        ),
    ],
    "network": [
        Scene(
            rule=Bandwidth(
                name="uplinks",
                vms=WEB,
                hosts=ALL,
                each_bytes_per_s=50.0 * MIB,
                most_bytes_per_s=150.0 * MIB,
            ),
            accepted=at("web1:h2"),
            rejected=at(""),
            amount=1 / 3,
            words=("h1 has 4 VMs", "50.0 MiB/s each", "200 MiB/s in all", "150 MiB/s"),
        )
    ],
    "huge-pages": [
        Scene(
            rule=HugePages(name="huge_pages", vms=ids("web1", "web2"), hosts=ALL),
            accepted=at("web1:h2 web2:h2", seen=paged(("web1", 4, 2 * MIB), ("web2", 4, 0))),
            rejected=at("web1:h2 web2:h2", seen=paged(("web1", 4, 2 * MIB), ("web2", 6, 0))),
            amount=0.25,
            words=("h2 has 8.0 GiB", "pages of 2.0 MiB", "web1, web2 ask for 10.0 GiB"),
        ),
        Scene(
            rule=HugePages(name="none there", vms=ids("web1"), hosts=ALL),
            accepted=at("", seen=paged(("web1", 4, 0))),
            rejected=at("", flying="web1:h3", seen=paged(("web1", 4, 0))),
            words=("h3 has 0 B in huge pages", "web1 ask for 4.0 GiB"),
        ),
    ],
    "numa-cells": [
        Scene(
            rule=NumaCells(name="numa_cells", vms=ids("web1", "web2"), hosts=ALL),
            accepted=at("web1:h2 web2:h2", seen=bound(8, 8)),
            rejected=at("web1:h2 web2:h2", seen=bound(8, 12)),
            amount=0.25,
            words=("h2 has 16.0 GiB in NUMA cells 0", "web1, web2 ask for 20.0 GiB"),
        )
    ],
    "one-name": [
        Scene(
            rule=OneName(name="identity", vms=WEB, hosts=ALL),
            accepted=at("a:h3 b:h2 c:h4", seen=TWINS),
            rejected=at("a:h3 b:h3 c:h4", seen=TWINS),
            words=("h3 would have 2 VMs named twin",),
        ),
        Scene(
            rule=OneName(name="defined there", vms=WEB, hosts=ALL),
            accepted=at("b:h3", seen=TWINS),
            rejected=at("", flying="c:h1", seen=TWINS),
            words=("h1 would have 2 VMs named resting",),
        ),
    ],
    "n+1": [
        Scene(
            rule=Absorb(name="spare", vms=ids("web1", "db1"), hosts=hosts("h1", "h2")),
            accepted=at("", seen=tight(24 * GIB)),
            rejected=at("", seen=tight(25 * GIB)),
            amount=2.0,
            words=("the loss of host h1", "1 of 1 VMs", "25.0 GiB", "24.0 GiB is free"),
        )
    ],
    "fits": [
        Scene(
            rule=Fits(name="cpu", asks=CPU, vms=ids("web1"), hosts=ALL),
            accepted=at("web1:h2", seen=OTHER_CPU),
            rejected=at("web1:h3", seen=OTHER_CPU),
            words=("h3", "no avx512f"),
        )
    ],
    "movable": [
        Scene(
            rule=Movable(name="devices", asks=DEVICES, vms=ids("web1"), hosts=ALL),
            accepted=at("", seen=BLOCKED),
            rejected=at("web1:h2", seen=BLOCKED),
            words=("web1", "1d6b:0002"),
        )
    ],
}
EACH = [
    pytest.param(scene, id=f"{kind}-{scene.rule.name}")
    for kind, scenes in SCENES.items()
    for scene in scenes
]
each_scene = pytest.mark.parametrize("scene", EACH)


def found(rule: ClusterRule, assignment: Assignment) -> tuple[Breach, ...]:
    """What the rule says at the end of a plan, when every rule is asked."""
    return breaches_of([rule], assignment, at_end=True)


def test_every_kind_has_a_scene() -> None:
    assert set(SCENES) == set(KINDS)
    for kind, scenes in SCENES.items():
        assert all(kind == scene.rule.KIND for scene in scenes)
        assert KINDS[kind].SAYS


@each_scene
def test_the_accepted_assignment_breaks_nothing(scene: Scene) -> None:
    assert found(scene.rule, scene.accepted) == ()


@each_scene
def test_the_rejected_assignment_is_told_with_numbers_names_and_a_remedy(scene: Scene) -> None:
    breaches = found(scene.rule, scene.rejected)
    assert sum(one.amount for one in breaches) == pytest.approx(scene.amount)
    for word in scene.words:
        assert word in " ".join(one.why for one in breaches)
    for one in breaches:
        assert (one.rule, one.kind, one.hard) == (scene.rule.name, scene.rule.KIND, True)
        assert one.price == 0
        assert len(one.remedy) > 10
        assert set(one.hosts) <= set(scene.rejected.frame.hosts)
        assert set(one.vms) <= scene.rejected.frame.vms.keys()


@each_scene
def test_with_its_checker_replaced_by_yes_the_rejected_assignment_goes_through(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(scene.rule, scene.rejected), "else the replacement would show nothing"

    def yes(*_: object) -> Iterator[Breach]:
        return iter(())

    monkeypatch.setattr(type(scene.rule), "check", yes)
    assert found(scene.rule, scene.rejected) == ()


@each_scene
def test_a_soft_rule_has_its_price_for_each_unit(scene: Scene) -> None:
    soft = replace(scene.rule, hard=False, price=3.0)
    breaches = found(soft, scene.rejected)
    assert price_of(breaches) == pytest.approx(3.0 * scene.amount)
    assert not any(one.hard for one in breaches)


@each_scene
def test_a_rule_for_the_end_is_not_asked_on_the_way(scene: Scene) -> None:
    on_the_way = breaches_of([scene.rule], scene.rejected, at_end=False)
    expected = found(scene.rule, scene.rejected) if scene.rule.when is When.ALWAYS else ()
    assert on_the_way == expected
    always = replace(scene.rule, when=When.ALWAYS)
    assert breaches_of([always], scene.rejected, at_end=False)


#: Those of hosts count whoever is promised something there.
OF_VMS = [one for one in EACH if not one.values[0].rule.OF_HOSTS]


@pytest.mark.parametrize("scene", OF_VMS)
def test_vms_that_it_does_not_speak_of_break_nothing(scene: Scene) -> None:
    nobody = replace(scene.rule, vms=frozenset())
    assert [one for one in found(nobody, scene.rejected) if one.amount < scene.amount] == []
    if scene.rule.KIND != "available":
        assert found(nobody, scene.rejected) == ()


class TestTheEdges:
    def test_a_host_without_the_label_is_a_place_of_its_own(self) -> None:
        bare = cluster([host("h1"), host("h2")], [vm("web1"), vm("web2", "h2")])
        apart = AntiAffinity(name="feeds", vms=ids("web1", "web2"), by="rack")
        near = Affinity(name="near", vms=ids("web1", "web2"), by="rack")
        assert found(apart, present(bare)) == ()
        assert len(found(near, present(bare))) == 1

    def test_a_value_whose_hosts_are_all_in_maintenance_is_not_empty(self) -> None:
        rule = Spread(name="even", vms=WEB, hosts=ALL, by="rack")
        resting = [replace(one, record=replace(one.record, in_maintenance=True)) for one in HOSTS]
        seen = cluster([*HOSTS[:2], *resting[2:]], VMS)
        assert len(found(rule, present(SEEN))) == 1
        assert found(rule, present(seen)) == ()

    def test_a_vm_that_does_not_run_is_not_available(self) -> None:
        paused = [vm("web1", state=RunState.PAUSED_OTHER), vm("web2")]
        rule = Available(name="quorum", vms=ids("web1", "web2"), least=2)
        (breach,) = found(rule, present(cluster([host("h1")], paused)))
        assert "1 run" in breach.why

    def test_what_leaves_for_nobody_knows_where_splits_nothing(self) -> None:
        leaving = at("web1:h3", undecided=ids("web2", "db1"))
        vms = ids("web1", "web2", "db1")
        assert found(Affinity(name="shop", vms=vms), leaving) == ()
        assert found(Bundle(name="stack", vms=vms), leaving) == ()

    def test_a_shut_off_vm_breaks_nothing(self) -> None:
        off = [vm("web1"), vm("web2", state=RunState.SHUT_OFF)]
        rule = AntiAffinity(name="web", vms=ids("web1", "web2"))
        assert found(rule, present(cluster([host("h1")], off))) == ()

    def test_the_migrations_in_flight_are_those_that_hold_room(self) -> None:
        seen = cluster(HOSTS, VMS, reservations=[promise(VMS[0], "h3"), promise(VMS[1], "h1")])
        assert present(seen).flights == {VmId("id-web1"): HostName("h3")}

    def test_the_spare_room_of_a_host_in_maintenance_is_no_room(self) -> None:
        spare = Absorb(name="spare", vms=ids("web1", "db1"), hosts=hosts("h1", "h2"))
        seen = tight(20 * GIB)
        assert found(spare, present(seen)) == ()
        h1, h2 = seen.hosts
        resting = replace(h2, record=replace(h2.record, in_maintenance=True))
        breaches = found(spare, present(replace(seen, hosts=(h1, resting))))
        assert [one.hosts for one in breaches] == [(HostName("h1"),)]

    def test_room_in_pieces_is_told_apart_from_room_that_is_proven_missing(self) -> None:
        rule = Absorb(name="spare", vms=ids("big", "a", "b"), hosts=hosts("h1", "h2", "h3"))
        full = [vm("a", "h2", memory_bytes=40 * GIB), vm("b", "h3", memory_bytes=40 * GIB)]
        seen = cluster(
            [host("h1"), host("h2"), host("h3")], [vm("big", memory_bytes=30 * GIB), *full]
        )
        said = [one.why for one in found(rule, present(seen)) if one.hosts == (HostName("h1"),)]
        assert len(said) == 1
        assert "in pieces" in said[0]

    def test_a_host_that_has_nothing_to_give_counts_the_vms_it_promised_it_to(self) -> None:
        none_left = host("h1", memory_total_bytes=GIB, memory_reserve_bytes=GIB)
        rule = Capacity(name="memory", resource=Resource.MEMORY, hosts=hosts("h1"))
        (breach,) = found(rule, present(cluster([none_left], [vm("web1"), vm("web2")])))
        assert breach.amount == 2.0

    def test_cells_that_a_host_lacks_are_told_of_each_vm_and_no_pool(self) -> None:
        seen = bound(8)
        assert found(NumaCells(name="cells", hosts=ALL), at("web1:h1", seen=seen)) == ()
        other = [replace(one, numa_cells=frozenset({0, 3})) for one in seen.vms]
        away = at("web1:h2", seen=replace(seen, vms=tuple(other)))
        assert found(NumaCells(name="cells", hosts=ALL), away) == ()
        numa = next(one for one in HOST_RULES if one.name == "numa")
        (breach,) = found(Fits(name="numa", asks=numa, vms=ids("web1"), hosts=ALL), away)
        assert "h2 has no 3" in breach.why

    def test_what_godwit_brings_itself_is_never_idle(self) -> None:
        empty = cluster([], [])
        assert not any(is_idle(one) for one in rules_in_force(empty))
        assert is_idle(Pinned(name="stay", origin="[[rule]] 1"))
        assert is_idle(KeepOff(name="off", origin="[[rule]] 1", vms=WEB))
        assert not is_idle(KeepOff(name="off", origin="[[rule]] 1", vms=WEB, hosts=ALL))
