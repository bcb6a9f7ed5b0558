"""Goal: each rule refuses what it is there for and nothing else, with numbers and a remedy.

Method: a table keyed by the name of the rule: one placement that is accepted and one that is
refused, by this rule and by no other. A test enumerates the registries and fails when a rule has
no row; another replaces each checker by "yes" and expects its refused placement to go through, so
that no row can pass by the work of another rule.
"""

from dataclasses import dataclass, replace

import pytest

from godwit.core import rules
from godwit.core.model import (
    Blocker,
    Cluster,
    CpuAnswer,
    Disk,
    DiskKind,
    DiskSighting,
    HostName,
    Nic,
    NumaCell,
    Pages,
    RunState,
    Vm,
    VmPolicy,
)
from godwit.core.plan import Refusal
from godwit.core.planner import choose_destination
from godwit.core.rules import (
    HOST_RULES,
    LONE_RULES,
    VM_RULES,
    Affinity,
    GroupRule,
    KeepOff,
    resolve_groups,
)
from godwit.core.units import GIB, MIB
from tests.unit.core.builders import cluster, group, host, promise, vm

H1, H2 = HostName("h1"), HostName("h2")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The question whether ``web1``, the VM of this cluster on h1, may go to h2."""

    cluster: Cluster
    arriving: tuple[tuple[Vm, HostName], ...] = ()
    leaving: tuple[Vm, ...] = ()

    def refusals(self) -> tuple[Refusal, ...]:
        """What the rules of the VM and of the host say, by way of the planner's own question."""
        moving = next(one for one in self.cluster.vms if (one.name, one.host) == ("web1", H1))
        choice = choose_destination(
            self.cluster,
            moving,
            arriving=self.arriving,
            leaving=frozenset(one.id for one in self.leaving),
        )
        judged = choice.candidate(H2)
        assert judged is not None
        return choice.vm_refusals + judged.refusals


def two(moving: Vm | None = None, other: object = None, **changes: object) -> Cluster:
    """h1 with the moving VM, and h2 with whatever else."""
    others = (other,) if isinstance(other, Vm) else ()
    return cluster([host("h1"), host("h2", **changes)], [moving or vm(), *others])


def nic(kind: str, source: str) -> Nic:
    return Nic(mac="52:54:00:00:00:02", kind=kind, source=source)


CROWDED = [vm(f"db{n}", "h2", memory_bytes=10 * GIB, vcpus=1) for n in range(6)]
WEB2 = vm("web2", "h2")
WEB2_HERE = vm("web2", "h1")
USB = Blocker(what="USB device 1d6b:0002 is passed through", remedy="Detach the device.")


def crowded(size_bytes: int) -> Cluster:
    """60 of the 64 GiB of h2 are promised; web1 needs so much."""
    return cluster([host("h1"), host("h2")], [vm(memory_bytes=size_bytes), *CROWDED])


def grouped(other: Vm, *, together: bool) -> Cluster:
    return cluster(
        [host("h1"), host("h2"), host("h3")],
        [vm(), other],
        groups=[group("web", "web1", "web2", together=together)],
    )


CELL = NumaCell(
    number=0,
    memory_bytes=32 * GIB,
    cores=8,
    pages=(Pages(page_bytes=2 * MIB, count=4096), Pages(page_bytes=GIB, count=2)),
)


def kept_off(name: str) -> Cluster:
    """The site wants web1 kept off a host."""
    keep_off = KeepOff(name="tenants", vms=frozenset({vm().id}), hosts=frozenset({HostName(name)}))
    return replace(two(), rules=(keep_off,))


def one_host(*names: str) -> Cluster:
    """The site wants these on one host; web2 is on h2 and web3 with web1 on h1."""
    vms = frozenset(vm(one).id for one in names)
    seen = cluster([host("h1"), host("h2")], [vm("web1"), vm("web2", "h2"), vm("web3")])
    return replace(seen, rules=(Affinity(name="shop", vms=vms, hosts=frozenset({H1, H2})),))


#: rule -> (accepted, refused, words that the refusal must contain)
SCENES: dict[str, tuple[Scene, Scene, tuple[str, ...]]] = {
    "vm_state": (
        Scene(cluster=two()),
        Scene(cluster=two(vm(state=RunState.PAUSED_OTHER))),
        ("web1", "paused other"),
    ),
    "devices": (
        Scene(cluster=two(vm(warnings=("clock drifts",)))),
        Scene(cluster=two(vm(blockers=(USB,)))),
        ("web1", "1d6b:0002"),
    ),
    "availability": (
        Scene(cluster=two()),
        Scene(cluster=two(unreachable="connection refused")),
        ("h2", "connection refused"),
    ),
    "maintenance": (
        Scene(cluster=two(in_maintenance=False)),
        Scene(cluster=two(in_maintenance=True)),
        ("h2", "maintenance"),
    ),
    "identity": (
        Scene(cluster=two(other=vm("web2", "h2"))),
        Scene(cluster=two(other=vm("web1", "h2", id="another", memory_bytes=GIB))),
        ("h2", "web1", "another"),
    ),
    "machine_type": (
        Scene(cluster=two(machine_types=frozenset({"pc-q35-7.2", "pc-q35-10.0"}))),
        Scene(cluster=two(machine_types=frozenset({"pc-q35-7.2"}))),
        ("h2", "pc-q35-10.0", "10.0.0"),
    ),
    "cpu": (
        Scene(cluster=two()),
        Scene(
            cluster=cluster(
                [host("h1"), host("h2")],
                [vm()],
                cpu={(vm().id, H2): CpuAnswer(compatible=False, detail="avx512f is missing")},
            )
        ),
        ("h2", "avx512f"),
    ),
    "storage": (
        Scene(
            cluster=cluster(
                [host("h1"), host("h2")],
                [vm()],
                disks={(vm().id, "vda", H2): DiskSighting.DECLARED},
            )
        ),
        Scene(
            cluster=cluster(
                [host("h1"), host("h2")], [vm()], disks={(vm().id, "vda", H2): DiskSighting.LOCAL}
            )
        ),
        ("vda", "/shared/web1.qcow2", "h1"),
    ),
    "networks": (
        Scene(cluster=two(vm(nics=(nic("bridge", "br0"), nic("network", "default"))))),
        Scene(cluster=two(vm(nics=(nic("network", "backup"),)))),
        ("h2", "backup", "default"),
    ),
    "anti_affinity": (
        Scene(cluster=grouped(vm("web2", "h3"), together=False)),
        Scene(cluster=grouped(WEB2, together=False)),
        ("h2", "web2", "web"),
    ),
    "affinity": (
        Scene(cluster=grouped(WEB2, together=True)),
        Scene(cluster=grouped(WEB2_HERE, together=True)),
        ("web2 on h1",),
    ),
    "memory": (
        Scene(cluster=crowded(4 * GIB)),
        Scene(cluster=crowded(5 * GIB)),
        ("h2", "4.0 GiB", "5.0 GiB", "60.0 GiB", "64.0 GiB"),
    ),
    "cores": (
        Scene(cluster=two(vm(vcpus=16), cores=2)),
        Scene(cluster=two(vm(vcpus=17), cores=2)),
        ("h2", "17 vCPUs", "2 cores", "8"),
    ),
    "huge_pages": (
        Scene(cluster=two(vm(memory_bytes=8 * GIB, huge_page_bytes=2 * MIB), numa=(CELL,))),
        Scene(cluster=two(vm(memory_bytes=9 * GIB, huge_page_bytes=0), numa=(CELL,))),
        ("h2", "8.0 GiB in huge pages of 2.0 MiB", "9.0 GiB"),
    ),
    "numa": (
        Scene(cluster=two(vm(numa_cells=frozenset({0})), numa=(CELL,))),
        Scene(cluster=two(vm(numa_cells=frozenset({0, 1})), numa=(CELL,))),
        ("web1", "0, 1", "h2 has no 1"),
    ),
    "declared": (
        Scene(cluster=kept_off("h3")),
        Scene(cluster=kept_off("h2")),
        ("web1", "h2", "'tenants'"),
    ),
    "declared_together": (
        Scene(cluster=one_host("web1", "web2")),
        Scene(cluster=one_host("web1", "web3")),
        ("web1", "web3", "'shop'"),
    ),
}
#: A rule of the site is told under its kind.
KINDS_OF_THE_SITE = {"declared": "keep_off", "declared_together": "affinity"}
NAMES = [one.name for one in VM_RULES + HOST_RULES]
each_rule = pytest.mark.parametrize("name", NAMES)


def test_every_rule_has_one_accepted_and_one_refused_scene() -> None:
    assert set(SCENES) == set(NAMES)
    assert len(NAMES) == len(set(NAMES)), "two rules of one name"
    assert all(one.says for one in VM_RULES + HOST_RULES)


@each_rule
def test_the_accepted_scene_is_refused_by_no_rule(name: str) -> None:
    accepted, _, _ = SCENES[name]
    assert accepted.refusals() == ()


@each_rule
def test_the_refused_scene_is_refused_by_this_rule_alone_with_evidence(name: str) -> None:
    _, refused, words = SCENES[name]
    (refusal,) = refused.refusals()
    assert refusal.rule == KINDS_OF_THE_SITE.get(name, name)
    for word in words:
        assert word in refusal.why
    assert len(refusal.remedy) > 10


@each_rule
def test_without_its_rule_the_refused_scene_goes_through(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def yes(*_: object) -> None:
        return None

    hosts = tuple(replace(one, check=yes) if one.name == name else one for one in HOST_RULES)
    vms = tuple(replace(one, check=yes) if one.name == name else one for one in VM_RULES)
    monkeypatch.setattr(rules, "HOST_RULES", hosts)
    monkeypatch.setattr("godwit.core.planner.place.VM_RULES", vms)
    _, refused, _ = SCENES[name]
    assert refused.refusals() == ()


def test_the_lone_rules_are_those_that_no_other_vm_changes() -> None:
    others = {one.name for one in HOST_RULES} - {one.name for one in LONE_RULES}
    assert others == {
        "affinity",
        "anti_affinity",
        "memory",
        "cores",
        "huge_pages",
        "declared_together",
    }


class TestAvailability:
    def test_a_silent_host_is_asked_nothing_more(self) -> None:
        scene = Scene(cluster=two(known=False, in_maintenance=True))
        assert [one.rule for one in scene.refusals()] == ["availability"]
        assert "never read" in scene.refusals()[0].why

    def test_what_a_host_was_last_seen_with_is_not_good_enough(self) -> None:
        old = host("h2", unreachable="timed out")
        assert old.observed is not None
        assert not old.is_known

    def test_a_host_that_lacks_something_says_what(self) -> None:
        (refusal,) = Scene(cluster=two(lacks=("no migration port is open",))).refusals()
        assert "no migration port is open" in refusal.why

    def test_a_host_that_answers_is_told_everything_that_is_wrong(self) -> None:
        wrong = two(vm(vcpus=999), in_maintenance=True, networks=frozenset())
        assert [one.rule for one in Scene(cluster=wrong).refusals()] == [
            "maintenance",
            "networks",
            "cores",
        ]


class TestVmState:
    @pytest.mark.parametrize("state", [one for one in RunState if one is not RunState.RUNNING])
    def test_only_a_running_vm_is_moved_live(self, state: RunState) -> None:
        refused = Scene(cluster=two(vm(state=state))).refusals()
        assert [one.rule for one in refused] == ["vm_state"]

    def test_a_vm_that_another_job_holds_is_left_alone(self) -> None:
        (refusal,) = Scene(cluster=two(vm(busy_with="a backup job"))).refusals()
        assert "a backup job" in refusal.why


class TestIdentity:
    def test_its_own_old_definition_does_not_stand_in_its_way(self) -> None:
        earlier = vm(on="h2", state=RunState.SHUT_OFF)
        assert Scene(cluster=two(other=earlier)).refusals() == ()

    def test_a_namesake_that_is_shut_off_still_has_the_name(self) -> None:
        other = vm(on="h2", id="another", state=RunState.SHUT_OFF)
        assert [one.rule for one in Scene(cluster=two(other=other)).refusals()] == ["identity"]


class TestMachineType:
    def test_another_architecture_is_refused(self) -> None:
        (refusal,) = Scene(cluster=two(architecture="aarch64")).refusals()
        assert {"aarch64,", "x86_64"} <= set(refusal.why.split())

    def test_a_kvm_guest_does_not_go_where_kvm_is_missing(self) -> None:
        (refusal,) = Scene(cluster=two(virt_types=frozenset({"qemu"}))).refusals()
        assert "kvm" in refusal.why


class TestUnknownAnswers:
    """What nobody asked is not known, and not known is not good enough."""

    def test_a_cpu_that_was_not_compared_is_refused(self) -> None:
        unasked = cluster([host("h1"), host("h2")], [vm()], cpu={(vm().id, H2): None})
        assert [one.rule for one in Scene(cluster=unasked).refusals()] == ["cpu"]

    @pytest.mark.parametrize("sighting", [None, DiskSighting.MISSING, DiskSighting.LOCAL])
    def test_a_disk_that_is_not_proven_to_be_there_is_refused(
        self, sighting: DiskSighting | None
    ) -> None:
        seen = cluster([host("h1"), host("h2")], [vm()], disks={(vm().id, "vda", H2): sighting})
        assert [one.rule for one in Scene(cluster=seen).refusals()] == ["storage"]

    def test_the_second_disk_counts_too_and_an_empty_drive_does_not(self) -> None:
        disks = (
            *vm().disks,
            Disk(target="sda", kind=DiskKind.FILE, source=None, format="raw"),
            Disk(target="vdb", kind=DiskKind.BLOCK, source="/dev/sdx", format="raw"),
        )
        moving = vm(disks=disks)
        answers = {(moving.id, "sda", H2): None, (moving.id, "vdb", H2): DiskSighting.MISSING}
        seen = cluster([host("h1"), host("h2")], [moving], disks=answers)
        (refusal,) = Scene(cluster=seen).refusals()
        assert "vdb (/dev/sdx)" in refusal.why

    def test_a_bridge_is_taken_on_trust_only_where_bridges_cannot_be_listed(self) -> None:
        moving = vm(nics=(nic("bridge", "br7"),))
        assert Scene(cluster=two(moving, bridges=None)).refusals() == ()
        (refusal,) = Scene(cluster=two(moving, bridges=frozenset({"br0"}))).refusals()
        assert "'br7'" in refusal.why
        assert "br0" in refusal.why


class TestMemoryOfItsOwnKind:
    """Huge pages and NUMA cells."""

    def test_pages_of_other_guests_are_taken_and_those_of_another_size_do_not_help(self) -> None:
        other = vm("db", "h2", memory_bytes=5 * GIB, huge_page_bytes=2 * MIB)
        asks = vm(memory_bytes=4 * GIB, huge_page_bytes=2 * MIB)
        (refusal,) = Scene(cluster=two(asks, other, numa=(CELL,))).refusals()
        assert "others use 5.0 GiB" in refusal.why
        assert "1.0 GiB more" in refusal.remedy
        elsewhere = replace(other, huge_page_bytes=GIB)
        assert Scene(cluster=two(asks, elsewhere, numa=(CELL,))).refusals() == ()

    def test_a_host_without_any_is_refused(self) -> None:
        bare = replace(CELL, pages=(Pages(page_bytes=4096, count=10**7),))
        scene = Scene(cluster=two(vm(huge_page_bytes=0), numa=(bare,)))
        (refusal,) = scene.refusals()
        assert "h2 has no huge pages" in refusal.why

    def test_a_cell_that_is_too_small_is_refused(self) -> None:
        bound = vm(numa_cells=frozenset({0}), memory_bytes=33 * GIB)
        (refusal,) = Scene(cluster=two(bound, numa=(CELL,))).refusals()
        assert "32.0 GiB" in refusal.why
        assert "33.0 GiB" in refusal.why

    def test_what_a_host_does_not_tell_is_a_warning_and_no_refusal(self) -> None:
        asks = vm(huge_page_bytes=0, numa_cells=frozenset({1}), warnings=("clock drifts",))
        judged = choose_destination(two(asks), asks).candidate(H2)
        assert judged is not None
        assert judged.fits
        first, pages, cells = judged.warnings
        assert first == "clock drifts"
        assert "huge pages" in pages
        assert "NUMA cells 1" in cells
        assert "h2" in pages
        assert "h2" in cells


class TestMemory:
    ROOM = 4 * GIB

    def test_the_boundary_is_exact_to_the_byte(self) -> None:
        assert Scene(cluster=crowded(self.ROOM)).refusals() == ()
        refused = Scene(cluster=crowded(self.ROOM + 1)).refusals()
        assert [one.rule for one in refused] == ["memory"]

    def test_the_reserve_of_the_host_is_never_given_away(self) -> None:
        tight = [host("h1"), host("h2", memory_reserve_bytes=GIB + 1)]
        refused = Scene(cluster=cluster(tight, [vm(), *CROWDED])).refusals()
        assert [one.rule for one in refused] == ["memory"]

    def test_a_migration_in_flight_holds_its_room_already(self) -> None:
        flying = vm("db9", "h3", memory_bytes=1)
        hosts = [host("h1"), host("h2"), host("h3")]
        full = cluster(hosts, [vm(), *CROWDED, flying], reservations=[promise(flying, "h2")])
        assert [one.rule for one in Scene(cluster=full).refusals()] == ["memory"]
        elsewhere = cluster(hosts, [vm(), *CROWDED, flying], reservations=[promise(flying, "h3")])
        assert Scene(cluster=elsewhere).refusals() == ()

    def test_a_vm_both_there_and_reserved_counts_once(self) -> None:
        arrived = CROWDED[0]
        seen = cluster(
            [host("h1"), host("h2")], [vm(), *CROWDED], reservations=[promise(arrived, "h2")]
        )
        assert seen.memory_promised_bytes(H2) == 60 * GIB
        assert seen.vcpus_promised(H2) == 6
        assert Scene(cluster=seen).refusals() == ()

    def test_its_own_reservation_does_not_stand_in_its_way(self) -> None:
        moving = vm()
        seen = cluster(
            [host("h1"), host("h2")], [moving, *CROWDED], reservations=[promise(moving, "h2")]
        )
        assert Scene(cluster=seen).refusals() == ()

    def test_what_the_same_plan_sends_there_counts(self) -> None:
        before = vm("web0", memory_bytes=1)
        scene = Scene(
            cluster=cluster([host("h1"), host("h2")], [vm(), before, *CROWDED]),
            arriving=((before, H2),),
            leaving=(vm(), before),
        )
        assert [one.rule for one in scene.refusals()] == ["memory"]

    def test_a_vm_that_leaves_still_holds_its_memory_until_it_has_left(self) -> None:
        scene = Scene(cluster=crowded(self.ROOM + 1), leaving=(CROWDED[0],))
        assert [one.rule for one in scene.refusals()] == ["memory"]

    @pytest.mark.parametrize("state", [one for one in RunState if one is not RunState.SHUT_OFF])
    def test_a_vm_holds_memory_in_every_state_but_shut_off(self, state: RunState) -> None:
        other = vm("db", "h2", memory_bytes=61 * GIB, state=state)
        refused = Scene(cluster=cluster([host("h1"), host("h2")], [vm(), other])).refusals()
        assert [one.rule for one in refused] == ["memory"]

    def test_a_vm_that_is_shut_off_holds_none(self) -> None:
        other = vm("db", "h2", memory_bytes=61 * GIB, state=RunState.SHUT_OFF)
        assert Scene(cluster=cluster([host("h1"), host("h2")], [vm(), other])).refusals() == ()


class TestCores:
    def test_the_boundary_is_the_overcommit_of_the_host(self) -> None:
        for vcpus, fits in ((3, True), (4, False)):
            scene = Scene(cluster=two(vm(vcpus=vcpus), cores=2, cores_overcommit=1.5))
            assert [one.rule for one in scene.refusals()] == ([] if fits else ["cores"])

    def test_reservations_and_arrivals_count(self) -> None:
        flying, before = vm("db9", "h3", vcpus=7), vm("web0", vcpus=8)
        hosts = [host("h1"), host("h2", cores=2), host("h3")]
        seen = cluster(hosts, [vm(vcpus=2), flying, before], reservations=[promise(flying, "h2")])
        assert Scene(cluster=seen).refusals() == ()
        full = Scene(cluster=seen, arriving=((before, H2),), leaving=(before,)).refusals()
        assert [one.rule for one in full] == ["cores"]
        assert "17 vCPUs" in full[0].why
        assert "free 1 vCPUs" in full[0].remedy


class TestGroups:
    def test_anti_affinity_counts_what_is_on_its_way_there(self) -> None:
        flying = vm("web2", "h3")
        hosts = [host("h1"), host("h2"), host("h3")]
        groups = [group("web", "web1", "web2", together=False)]
        seen = cluster(hosts, [vm(), flying], groups=groups, reservations=[promise(flying, "h2")])
        (refusal,) = Scene(cluster=seen).refusals()
        assert refusal.rule == "anti_affinity"
        assert "web2" in refusal.why

    def test_anti_affinity_counts_what_the_same_plan_sends_there(self) -> None:
        scene = Scene(
            cluster=grouped(WEB2_HERE, together=False),
            arriving=((WEB2_HERE, H2),),
            leaving=(WEB2_HERE,),
        )
        assert [one.rule for one in scene.refusals()] == ["anti_affinity"]

    def test_anti_affinity_holds_in_transit_so_a_member_that_leaves_still_counts(self) -> None:
        scene = Scene(cluster=grouped(WEB2, together=False), leaving=(WEB2,))
        assert [one.rule for one in scene.refusals()] == ["anti_affinity"]

    def test_anti_affinity_lets_a_shut_off_member_lie(self) -> None:
        off = vm("web2", "h2", state=RunState.SHUT_OFF)
        assert Scene(cluster=grouped(off, together=False)).refusals() == ()

    def test_affinity_counts_at_the_end_so_a_member_that_follows_does_not(self) -> None:
        follows = Scene(cluster=grouped(WEB2_HERE, together=True), leaving=(WEB2_HERE,))
        assert follows.refusals() == ()

    @pytest.mark.parametrize(("end", "fits"), [(H2, True), (HostName("h3"), False)])
    def test_affinity_follows_a_member_that_has_chosen_already(
        self, end: HostName, fits: bool
    ) -> None:
        scene = Scene(
            cluster=grouped(WEB2_HERE, together=True),
            arriving=((WEB2_HERE, end),),
            leaving=(vm(), WEB2_HERE),
        )
        assert [one.rule for one in scene.refusals()] == ([] if fits else ["affinity"])

    def test_affinity_lets_a_shut_off_member_lie(self) -> None:
        off = vm("web2", "h1", state=RunState.SHUT_OFF)
        assert Scene(cluster=grouped(off, together=True)).refusals() == ()

    def test_a_group_of_others_is_no_reason(self) -> None:
        for together in (True, False):
            seen = cluster(
                [host("h1"), host("h2")],
                [vm(), WEB2],
                groups=[group("db", "db1", "web2", together=together)],
            )
            assert Scene(cluster=seen).refusals() == ()


class TestResolveGroups:
    VMS = (
        vm("web1", policy=VmPolicy(anti_affinity=("web",))),
        vm("web2", policy=VmPolicy(anti_affinity=("web",), affinity=("shop",))),
        vm("db1", policy=VmPolicy(affinity=("shop",))),
    )

    def test_the_members_come_from_the_metadata_of_the_vms(self) -> None:
        assert resolve_groups((), self.VMS) == (
            group("shop", "web2", "db1", together=True),
            group("web", "web1", "web2", together=False),
        )

    def test_the_members_come_from_the_patterns_of_the_site(self) -> None:
        rule = GroupRule(name="apart", together=False, patterns=("web*", "d?1"))
        (apart, *_) = resolve_groups((rule,), self.VMS)
        assert apart == group("apart", "web1", "web2", "db1", together=False)

    def test_both_sources_add_up_and_patterns_mind_the_case(self) -> None:
        rules_ = (
            GroupRule(name="shop", together=True, patterns=("web1",)),
            GroupRule(name="loud", together=True, patterns=("WEB*",)),
        )
        assert resolve_groups(rules_, self.VMS) == (
            group("loud", together=True),
            group("shop", "web1", "web2", "db1", together=True),
            group("web", "web1", "web2", together=False),
        )

    def test_one_name_used_in_both_ways_is_two_groups(self) -> None:
        rule = GroupRule(name="web", together=True, patterns=("db1",))
        found = resolve_groups((rule,), self.VMS)
        assert [(one.name, one.together) for one in found] == [
            ("shop", True),
            ("web", False),
            ("web", True),
        ]
