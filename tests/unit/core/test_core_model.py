"""Goal: what is derived from observed values never claims more than was observed.

Method: each property of the model by hand, at its boundary and where nothing is known.
"""

import dataclasses

import pytest

from godwit.core.model import HostName, HostVersions, Presence, RunState, VmSighting
from godwit.core.plan import Choice, Refusal, Unplaced
from godwit.core.units import GIB
from tests.unit.core.builders import (
    ABSENT,
    UNKNOWN,
    candidate,
    cluster,
    here,
    host,
    move,
    promise,
    round_,
    vm,
)

H1, H2 = HostName("h1"), HostName("h2")


class TestHost:
    def test_it_is_known_only_when_it_answered_in_this_reading(self) -> None:
        assert host().is_known
        assert not host(known=False).is_known
        assert not host(unreachable="timed out").is_known, "an old observation is not an answer"

    def test_its_reserve_is_not_for_vms_and_never_makes_less_than_nothing(self) -> None:
        assert host(memory_total_bytes=8 * GIB).memory_for_vms_bytes == 7 * GIB
        assert host(memory_total_bytes=GIB, memory_reserve_bytes=2 * GIB).memory_for_vms_bytes == 0

    def test_a_host_that_was_never_read_gives_nothing(self) -> None:
        assert host(known=False).memory_for_vms_bytes == 0
        assert host(known=False).cores_for_vms == 0.0

    def test_its_vcpus_are_its_cores_times_the_overcommit(self) -> None:
        assert host(cores=4, cores_overcommit=1.5).cores_for_vms == 6.0

    def test_versions_are_shown_as_people_write_them(self) -> None:
        versions = HostVersions(libvirt=11_003_000, qemu=7_002_022)
        assert (versions.libvirt_text, versions.qemu_text) == ("11.3.0", "7.2.22")


class TestCluster:
    def test_an_unknown_name_is_a_key_error(self) -> None:
        seen = cluster([host("h1")], [])
        assert seen.host(H1).name == "h1"
        with pytest.raises(KeyError):
            seen.host(HostName("h7"))

    def test_a_vm_is_found_by_name_and_by_id_on_every_host_that_shows_it(self) -> None:
        seen = cluster([host("h1"), host("h2")], [vm(), vm(on="h2"), vm("db")])
        assert [one.host for one in seen.vms_matching("web1")] == ["h1", "h2"]
        assert seen.vms_matching("id-db") == (vm("db"),)
        assert seen.vms_matching("web") == ()

    def test_promises_are_active_vms_and_migrations_on_their_way(self) -> None:
        off = vm("off", "h2", memory_bytes=9 * GIB, state=RunState.SHUT_OFF)
        seen = cluster(
            [host("h1"), host("h2")],
            [vm(), vm("db", "h2"), off],
            reservations=[promise(vm(), "h2")],
        )
        assert seen.memory_promised_bytes(H2) == 8 * GIB
        assert seen.vcpus_promised(H2) == 4
        assert seen.memory_promised_bytes(H2, without=vm().id) == 4 * GIB
        assert seen.vcpus_promised(H2, without=vm().id) == 2
        assert seen.memory_promised_bytes(H1) == 4 * GIB

    def test_busy_cores_that_are_not_measured_count_for_none(self) -> None:
        seen = cluster([host("h1")], [vm(busy_cores=1.5), vm("db", busy_cores=None)])
        assert seen.busy_cores(H1) == 1.5


class TestSighting:
    @pytest.mark.parametrize("state", RunState)
    def test_a_process_exists_unless_it_is_shut_off_or_has_crashed(self, state: RunState) -> None:
        gone = {RunState.SHUT_OFF, RunState.CRASHED}
        assert here(state).has_process == (state not in gone)
        assert not ABSENT.has_process
        assert not UNKNOWN.has_process

    def test_vcpus_run_in_three_states_only(self) -> None:
        assert {one for one in RunState if one.runs} == {
            RunState.RUNNING,
            RunState.RUNNING_POSTCOPY,
            RunState.RUNNING_POSTCOPY_FAILED,
        }

    def test_it_can_be_told_in_words(self) -> None:
        assert ABSENT.describe() == "not there"
        assert UNKNOWN.describe() == "unknown (no route to host)"
        assert VmSighting(presence=Presence.UNKNOWN).describe() == "unknown"
        assert (
            here(RunState.PAUSED_MIGRATION, job=True).describe() == "paused migration, job running"
        )


class TestRound:
    def test_the_implied_pause_is_the_rest_over_the_bandwidth(self) -> None:
        assert round_(1, leaves=25).implied_pause_s == pytest.approx(0.25)

    def test_it_is_unknown_without_a_bandwidth_and_never_nothing(self) -> None:
        blind = dataclasses.replace(round_(1, leaves=25), bandwidth_bytes_per_s=0.0)
        assert blind.implied_pause_s is None


class TestUnplaced:
    def refused(self, name: str, *whys: str) -> object:
        refusals = tuple(Refusal(rule="r", why=why, remedy="do") for why in whys)
        return dataclasses.replace(candidate(name), refusals=refusals)

    def of(self, *candidates: object, vm_refusals: tuple[Refusal, ...] = ()) -> Unplaced:
        choice = Choice(
            vm=vm().id,
            vm_name="web1",
            source=H1,
            vm_refusals=vm_refusals,
            candidates=candidates,  # type: ignore[arg-type]
        )
        return Unplaced(vm=vm().id, vm_name="web1", choice=choice)

    def test_it_tells_the_first_reason_of_each_host_once(self) -> None:
        left = self.of(
            self.refused("h2", "is full", "is old"),
            self.refused("h3", "is full"),
            self.refused("h4", "is far"),
        )
        assert [one.why for one in left.refusals] == ["is full", "is far"]

    def test_reasons_in_the_vm_go_before_those_of_hosts(self) -> None:
        own = Refusal(rule="devices", why="a device", remedy="detach")
        left = self.of(self.refused("h2", "is full"), vm_refusals=(own,))
        assert left.refusals == (own,)
        assert left.choice.best is None

    def test_without_any_other_host_there_is_still_a_reason(self) -> None:
        (refusal,) = self.of().refusals
        assert "h1 is the only host" in refusal.why
        assert refusal.remedy


def test_a_plan_keeps_everything_but_its_id_when_it_is_stored() -> None:
    from godwit.core.model import PlanId
    from godwit.core.plan import Plan, PlanKind

    plan = Plan(id=PlanId(""), kind=PlanKind.MIGRATE, generation=1, made_at_s=2.0, moves=(move(),))
    stored = plan.with_id(PlanId("p-abc"))
    assert stored.id == "p-abc"
    assert dataclasses.replace(stored, id=PlanId("")) == plan
