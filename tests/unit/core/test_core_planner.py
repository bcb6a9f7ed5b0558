"""Goal: a plan names the best place for each VM, says why, and hides nothing that can't move.

Method: small clusters by hand, each with one thing to see. That no plan breaks a limit at any
instant is shown over drawn clusters in tests/property/test_property_plans.py.
"""

from dataclasses import replace

import pytest

from godwit.core.errors import NoDestination, Refused
from godwit.core.model import Blocker, Cluster, DiskSighting, Host, HostName, RunState, Vm, VmPolicy
from godwit.core.plan import PlanKind, Recipe
from godwit.core.planner import (
    PauseSettings,
    choose_destination,
    explain,
    plan_drain,
    plan_migration,
    recipe_for,
)
from godwit.core.planner.settings import PAUSE_START_S
from godwit.core.units import GIB, MIB
from tests.unit.core.builders import cluster, group, host, promise, vm

H1, H2, H3 = HostName("h1"), HostName("h2"), HostName("h3")
ASKED_NOTHING = PauseSettings()
PASSED_THROUGH = Blocker(what="a PCI device is passed through", remedy="Detach the device.")


def drain(of: Cluster, parallel: int = 2, settings: PauseSettings = ASKED_NOTHING):
    return plan_drain(of, H1, parallel=parallel, settings=settings)


def migrate(of: Cluster, to: HostName | None = None, settings: PauseSettings = ASKED_NOTHING):
    moving = next(one for one in of.vms if one.name == "web1")
    return plan_migration(of, moving, destination=to, settings=settings)


def loaded(name: str, gib: int) -> tuple[Host, Vm]:
    """A host, and the VM that has so much of it promised."""
    return host(name), vm(f"on-{name}", name, memory_bytes=gib * GIB, busy_cores=0.0)


class TestChoice:
    def test_the_best_host_has_the_lowest_projected_load(self) -> None:
        (h2, on_h2), (h3, on_h3) = loaded("h2", 20), loaded("h3", 10)
        choice = choose_destination(cluster([host("h1"), h2, h3], [vm(), on_h2, on_h3]), vm())
        assert [one.host for one in choice.candidates] == ["h3", "h2"]
        assert choice.best is choice.candidates[0]
        assert choice.best.memory_after == pytest.approx(14 / 64)

    def test_load_is_the_larger_of_memory_and_cores(self) -> None:
        hot = vm("hot", "h2", memory_bytes=GIB, busy_cores=15.0)
        h3, on_h3 = loaded("h3", 40)
        choice = choose_destination(cluster([host("h1"), host("h2"), h3], [vm(), hot, on_h3]), vm())
        assert [one.host for one in choice.candidates] == ["h3", "h2"]
        busy = choice.candidate(H2)
        assert busy is not None
        assert busy.cpu_after == busy.load_after == pytest.approx(15.5 / 16)

    def test_busy_cores_never_count_for_more_than_all(self) -> None:
        hot = vm("hot", "h2", busy_cores=99.0)
        judged = choose_destination(cluster([host("h1"), host("h2")], [vm(), hot]), vm())
        assert judged.candidates[0].cpu_after == 1.0

    def test_what_is_not_measured_yet_counts_as_idle(self) -> None:
        quiet = vm("quiet", "h2", busy_cores=None)
        judged = choose_destination(cluster([host("h1"), host("h2")], [vm(), quiet]), vm())
        assert judged.candidates[0].cpu_after == pytest.approx(0.5 / 16)

    def test_equal_hosts_come_by_name(self) -> None:
        hosts = [host(name) for name in ("h9", "h1", "h3", "h2")]
        choice = choose_destination(cluster(hosts, [vm()]), vm())
        assert [one.host for one in choice.candidates] == ["h2", "h3", "h9"]

    def test_refused_hosts_come_last_with_their_reasons(self) -> None:
        hosts = [
            host("h1"),
            host("h2", in_maintenance=True),
            host("h3", networks=frozenset()),
            host("h4"),
        ]
        choice = choose_destination(cluster(hosts, [vm(), vm("db", "h4")]), vm())
        assert [one.host for one in choice.candidates] == ["h4", "h2", "h3"]
        assert [one.fits for one in choice.candidates] == [True, False, False]
        assert [[r.rule for r in one.refusals] for one in choice.candidates] == [
            [],
            ["maintenance"],
            ["networks"],
        ]

    def test_its_own_host_is_no_candidate(self) -> None:
        choice = choose_destination(cluster([host("h1"), host("h2")], [vm()]), vm())
        assert [one.host for one in choice.candidates] == ["h2"]
        assert choice.candidate(H1) is None

    def test_a_vm_that_can_not_move_has_no_best_host_though_hosts_fit(self) -> None:
        stuck = vm(blockers=(PASSED_THROUGH,))
        choice = choose_destination(cluster([host("h1"), host("h2")], [stuck]), stuck)
        assert choice.best is None
        assert choice.candidates[0].fits

    def test_a_host_that_was_never_read_counts_as_full(self) -> None:
        choice = choose_destination(cluster([host("h1"), host("h2", known=False)], [vm()]), vm())
        assert choice.candidates[0].load_after == 1.0


class TestExplanation:
    def explained(self, of: Cluster, to: HostName) -> str:
        choice = choose_destination(of, vm())
        chosen = choice.candidate(to)
        assert chosen is not None
        return explain(choice, chosen)

    def test_the_best_is_compared_with_the_next_best_in_numbers(self) -> None:
        (h2, on_h2), (h3, on_h3) = loaded("h2", 28), loaded("h3", 12)
        said = self.explained(cluster([host("h1"), h2, h3], [vm(), on_h2, on_h3]), H3)
        assert said.startswith("lowest projected load")
        assert "h3 has 25 % of its memory" in said
        assert "3 % of its cores" in said
        assert "next best h2: 50 %, 3 %" in said

    def test_one_that_was_asked_for_is_told_what_would_have_been_better(self) -> None:
        (h2, on_h2), (h3, on_h3) = loaded("h2", 28), loaded("h3", 12)
        said = self.explained(cluster([host("h1"), h2, h3], [vm(), on_h2, on_h3]), H2)
        assert said.startswith("asked for")
        assert "h2 has 50 %" in said
        assert "h3 would have had 25 %" in said

    def test_the_only_host_says_so(self) -> None:
        two = cluster([host("h1"), host("h2")], [vm()])
        assert self.explained(two, H2).startswith("the only other host; after the move h2 has 6 %")
        three = cluster([host("h1"), host("h2"), host("h3", in_maintenance=True)], [vm()])
        assert self.explained(three, H2).startswith("the only host that no rule refuses")


class TestMigration:
    def test_a_plan_of_one_move_names_everything(self) -> None:
        seen = cluster([host("h1"), host("h2")], [vm(warnings=("the clock drifts",))])
        plan = migrate(seen)
        (move,) = plan.moves
        assert (plan.kind, plan.generation, plan.made_at_s) == (
            PlanKind.MIGRATE,
            seen.generation,
            seen.taken_at_s,
        )
        assert (move.vm, move.source, move.destination) == (vm().id, "h1", "h2")
        assert (move.memory_bytes, move.vcpus) == (4 * GIB, 2)
        assert move.warnings == ("the clock drifts",)
        assert move.reason
        assert plan.unplaced == ()

    def test_a_host_that_was_asked_for_is_taken_though_another_is_better(self) -> None:
        h2, on_h2 = loaded("h2", 30)
        seen = cluster([host("h1"), h2, host("h3")], [vm(), on_h2])
        assert migrate(seen).moves[0].destination == "h3"
        assert migrate(seen, to=H2).moves[0].destination == "h2"

    def test_the_host_where_it_is_is_refused(self) -> None:
        with pytest.raises(Refused, match="web1 is on h1 already") as raised:
            migrate(cluster([host("h1"), host("h2")], [vm()]), to=H1)
        assert raised.value.remedy

    def test_no_destination_names_every_host_with_its_reason(self) -> None:
        hosts = [
            host("h1"),
            host("h2", in_maintenance=True),
            host("h3", unreachable="timed out"),
            host("h4"),
            host("h5", memory_total_bytes=2 * GIB),
            host("h6", machine_types=frozenset()),
        ]
        local = {(vm().id, "vda", HostName("h4")): DiskSighting.LOCAL}
        with pytest.raises(NoDestination, match="web1 can't be moved to any host") as raised:
            migrate(cluster(hosts, [vm()], disks=local))
        evidence = raised.value.evidence.split("; ")
        for name, told in zip(("h2", "h3", "h4", "h5", "h6"), evidence, strict=True):
            assert name in told
        for word in ("maintenance", "timed out", "local to h1", "1.0 GiB", "pc-q35-10.0"):
            assert word in raised.value.evidence
        assert "godwit undrain h2" in raised.value.remedy

    def test_a_host_is_named_also_where_its_name_is_part_of_another(self) -> None:
        moving = vm(on="h10")
        local = {(moving.id, "vda", H1): DiskSighting.LOCAL}
        with pytest.raises(NoDestination) as raised:
            migrate(cluster([host("h1"), host("h10")], [moving], disks=local))
        assert raised.value.evidence.startswith("h1: disk vda")

    def test_a_refused_host_that_was_asked_for_names_those_that_could_take_it(self) -> None:
        seen = cluster([host("h1"), host("h2", in_maintenance=True), host("h3")], [vm()])
        with pytest.raises(NoDestination, match="to h2") as raised:
            migrate(seen, to=H2)
        assert raised.value.evidence == "h2 is in maintenance"
        assert "h3" in raised.value.remedy

    def test_a_reason_in_the_vm_itself_is_told_once_and_not_for_each_host(self) -> None:
        stuck = vm(blockers=(PASSED_THROUGH,))
        with pytest.raises(NoDestination) as raised:
            migrate(cluster([host("h1"), host("h2"), host("h3")], [stuck]), to=H2)
        assert raised.value.evidence == f"web1 can't be moved live: {PASSED_THROUGH.what}"
        assert raised.value.remedy == PASSED_THROUGH.remedy

    def test_the_only_host_of_the_inventory_is_told_apart_from_refused_ones(self) -> None:
        with pytest.raises(NoDestination, match="any host") as raised:
            migrate(cluster([host("h1")], [vm()]))
        assert "only host" in raised.value.evidence
        assert "godwit host add" in raised.value.remedy


class TestRecipe:
    def recipe(
        self,
        policy_s: float = 1.0,
        asked: PauseSettings = ASKED_NOTHING,
        links: tuple[float | None, float | None] = (None, None),
    ) -> tuple[Recipe, tuple[str, ...]]:
        hosts = [
            host(name, migration_link_bytes_per_s=link)
            for name, link in zip(("h1", "h2"), links, strict=True)
        ]
        moving = vm(policy=VmPolicy(pause_max_s=policy_s))
        return recipe_for(cluster(hosts, [moving]), moving, H2, asked)

    def test_the_limit_starts_low_and_may_go_up_to_the_policy(self) -> None:
        made, notes = self.recipe(policy_s=0.8)
        assert (made.pause_start_s, made.pause_max_s) == (PAUSE_START_S, 0.8)
        assert notes == ()

    def test_a_person_may_lower_the_limit(self) -> None:
        made, notes = self.recipe(asked=PauseSettings(pause_max_s=0.5))
        assert made.pause_max_s == 0.5
        assert notes == ()

    def test_a_person_may_not_raise_it_and_is_told_so(self) -> None:
        made, (note,) = self.recipe(policy_s=0.3, asked=PauseSettings(pause_max_s=2.0))
        assert made.pause_max_s == 0.3
        assert "300 ms" in note
        assert "2000 ms" in note

    def test_a_promise_below_the_first_limit_lowers_that_too(self) -> None:
        made, _ = self.recipe(policy_s=0.005)
        assert (made.pause_start_s, made.pause_max_s) == (0.005, 0.005)

    def test_the_slower_end_of_the_path_counts(self) -> None:
        assert self.recipe(links=(100.0, 50.0))[0].link_bytes_per_s == 50.0
        assert self.recipe(links=(None, 70.0))[0].link_bytes_per_s == 70.0
        assert self.recipe()[0].link_bytes_per_s is None

    def test_a_bandwidth_is_passed_on(self) -> None:
        made, _ = self.recipe(asked=PauseSettings(bandwidth_bytes_per_s=5.0 * MIB))
        assert made.bandwidth_bytes_per_s == 5.0 * MIB

    def test_the_note_reaches_the_person_by_the_move(self) -> None:
        strict = vm(policy=VmPolicy(pause_max_s=0.1))
        seen = cluster([host("h1"), host("h2")], [strict])
        asked = PauseSettings(pause_max_s=0.2)
        for plan in (migrate(seen, settings=asked), drain(seen, settings=asked)):
            (warning,) = plan.moves[0].warnings
            assert "100 ms" in warning

    @pytest.mark.parametrize(("start", "most"), [(0.0, 1.0), (-1.0, 1.0), (0.5, 0.4)])
    def test_limits_out_of_order_are_no_recipe(self, start: float, most: float) -> None:
        with pytest.raises(ValueError, match="pause limits"):
            Recipe(pause_start_s=start, pause_max_s=most)


class TestDrain:
    def test_larger_vms_choose_first_and_equal_ones_by_name(self) -> None:
        sizes = {"b": 4, "a": 4, "big": 16, "small": 1}
        vms = [vm(name, memory_bytes=gib * GIB) for name, gib in sizes.items()]
        plan = drain(cluster([host("h1"), host("h2")], vms))
        assert [one.vm_name for one in plan.moves] == ["big", "a", "b", "small"]
        assert (plan.kind, plan.host, plan.parallel) == (PlanKind.DRAIN, "h1", 2)

    def test_priority_goes_before_size(self) -> None:
        urgent = vm("urgent", memory_bytes=GIB, policy=VmPolicy(priority=5))
        later = vm("later", memory_bytes=32 * GIB, policy=VmPolicy(priority=-1))
        plan = drain(cluster([host("h1"), host("h2")], [vm(), later, urgent]))
        assert [one.vm_name for one in plan.moves] == ["urgent", "web1", "later"]

    def test_what_arrives_counts_for_the_next_choice(self) -> None:
        vms = [vm(f"web{n}", memory_bytes=8 * GIB) for n in range(4)]
        plan = drain(cluster([host("h1"), host("h2"), host("h3")], vms))
        assert [one.destination for one in plan.moves] == ["h2", "h3", "h2", "h3"]
        last = plan.moves[-1].choice.candidate(H3)
        assert last is not None
        assert last.memory_after == pytest.approx(16 / 64)
        assert last.cpu_after == pytest.approx(1.0 / 16)

    def test_what_has_no_room_stays_and_says_why(self) -> None:
        big = vm("big", memory_bytes=60 * GIB)
        plan = drain(cluster([host("h1"), host("h2")], [big, vm(memory_bytes=5 * GIB)]))
        assert [one.vm_name for one in plan.moves] == ["big"]
        (left,) = plan.unplaced
        assert left.vm_name == "web1"
        (refusal,) = left.refusals
        assert refusal.rule == "memory"
        assert "4.0 GiB" in refusal.why
        assert refusal.remedy

    def test_vms_that_are_shut_off_are_noted_and_left(self) -> None:
        off = vm("old", state=RunState.SHUT_OFF)
        plan = drain(cluster([host("h1"), host("h2")], [vm(), off]))
        assert [one.vm_name for one in plan.moves] == ["web1"]
        assert plan.unplaced == ()
        assert plan.notes == ("shut off, and stays defined here: old",)

    @pytest.mark.parametrize("state", [RunState.PAUSED_USER, RunState.CRASHED])
    def test_active_vms_that_do_not_run_are_in_the_way(self, state: RunState) -> None:
        plan = drain(cluster([host("h1"), host("h2")], [vm(state=state)]))
        assert plan.moves == ()
        assert [one.refusals[0].rule for one in plan.unplaced] == ["vm_state"]

    def test_a_host_without_vms_needs_no_moves(self) -> None:
        plan = drain(cluster([host("h1"), host("h2")], [vm(on="h2")]))
        assert (plan.moves, plan.unplaced, plan.notes) == ((), (), ())

    def test_the_only_host_of_the_inventory_says_so_for_every_vm(self) -> None:
        plan = drain(cluster([host("h1")], [vm()]))
        (refusal,) = plan.unplaced[0].refusals
        assert "only host" in refusal.why
        assert refusal.remedy

    def test_a_reason_that_is_the_same_for_all_hosts_is_told_once(self) -> None:
        local = {(vm().id, "vda", name): DiskSighting.LOCAL for name in (H2, H3)}
        plan = drain(cluster([host("h1"), host("h2"), host("h3")], [vm()], disks=local))
        assert len(plan.unplaced[0].refusals) == 1

    def test_members_of_an_anti_affinity_group_are_spread(self) -> None:
        vms = [vm("web1"), vm("web2"), vm("web3")]
        apart = [group("web", *vms, together=False)]
        plan = drain(cluster([host("h1"), host("h2"), host("h3")], vms, groups=apart))
        assert {one.destination for one in plan.moves} == {"h2", "h3"}
        assert [one.vm_name for one in plan.unplaced] == ["web3"]

    def test_members_of_an_affinity_group_go_together(self) -> None:
        vms = [vm("web1", memory_bytes=8 * GIB), vm("web2"), vm("other", memory_bytes=6 * GIB)]
        whole = [group("web", "web1", "web2", together=True)]
        plan = drain(cluster([host("h1"), host("h2"), host("h3")], vms, groups=whole))
        ends = {one.vm_name: one.destination for one in plan.moves}
        assert ends == {"web1": "h2", "other": "h3", "web2": "h2"}

    @pytest.mark.parametrize("stuck", ["web1", "web2"])
    def test_a_member_that_can_not_leave_holds_its_affinity_group_back(self, stuck: str) -> None:
        vms = [
            vm(name, blockers=(PASSED_THROUGH,) if name == stuck else ())
            for name in ("web1", "web2", "other")
        ]
        whole = [group("web", "web1", "web2", together=True)]
        plan = drain(cluster([host("h1"), host("h2")], vms, groups=whole))
        assert [one.vm_name for one in plan.moves] == ["other"]
        reasons = {one.vm_name: one.refusals[0].rule for one in plan.unplaced}
        follower = ({"web1", "web2"} - {stuck}).pop()
        assert reasons == {stuck: "devices", follower: "affinity"}

    def test_a_chain_of_groups_is_held_back_as_a_whole(self) -> None:
        vms = [vm(f"web{n}", blockers=(PASSED_THROUGH,) if n == 4 else ()) for n in range(5)]
        chain = [group(f"g{n}", f"web{n}", f"web{n + 1}", together=True) for n in range(4)]
        plan = drain(cluster([host("h1"), host("h2")], vms, groups=chain))
        assert plan.moves == ()
        assert len(plan.unplaced) == 5

    def test_a_migration_in_flight_keeps_its_room(self) -> None:
        flying = vm("flying", "h3", memory_bytes=61 * GIB)
        seen = cluster(
            [host("h1"), host("h2"), host("h3")],
            [vm(), flying],
            reservations=[promise(flying, "h2")],
        )
        plan = drain(seen)
        assert plan.moves == ()
        assert {one.rule for one in plan.unplaced[0].refusals} == {"memory"}

    def test_the_plan_is_of_the_generation_that_it_was_made_from(self) -> None:
        seen = replace(cluster([host("h1"), host("h2")], [vm()]), generation=41)
        assert drain(seen).generation == 41
