"""Goal: what is accepted is what was planned, once; and what can't be done has a reason."""

import asyncio
from dataclasses import replace

import pytest

from godwit.core.errors import (
    BadValue,
    HostUnreachable,
    NoDestination,
    PlanStale,
    Refused,
    UnknownHost,
    UnknownMigration,
    UnknownPlan,
    UnknownVm,
)
from godwit.core.migration import Phase
from godwit.core.model import HostName, MigrationId, PlanId, RunState, VmId
from godwit.core.planner import PauseSettings
from godwit.core.units import GIB, MIB
from godwit.store import SqlStore
from tests.unit.engine.stage import A, B, C, Stage, guest

WEB = VmId("uuid-of-web")
ASKED = PauseSettings()


# Plans and their acceptance.


async def test_a_plan_is_stale_once_a_vm_was_moved(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    stage.world.add_guest("a", guest("db"))
    controller = await stage.start()
    plan = await controller.plan_migration("web", destination=B, settings=ASKED)
    await stage.moved(controller, "db", to=C)

    with pytest.raises(PlanStale, match="not the one"):
        await controller.accept(plan.id)
    assert stage.world.trace.runners(WEB) == {A}


async def test_a_plan_is_stale_once_a_host_is_in_maintenance(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    plan = await controller.plan_migration("web", destination=B, settings=ASKED)
    await controller.set_maintenance(B, on=True)

    with pytest.raises(PlanStale):
        await controller.accept(plan.id)


async def test_a_plan_is_stale_once_a_host_does_not_answer(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    plan = await controller.plan_migration("web", destination=B, settings=ASKED)
    stage.world.kill_libvirtd("c")

    with pytest.raises(PlanStale):
        await controller.accept(plan.id)


async def test_accepting_a_plan_again_returns_the_same_migration(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    plan = await controller.plan_migration("web", destination=B, settings=ASKED)

    first = await controller.accept(plan.id)
    second = await controller.accept(plan.id)
    await stage.settled(controller, first.migrations[0])
    third = await controller.accept(plan.id)
    fourth = await (await stage.start()).accept(plan.id)

    assert first == second == third == fourth
    assert len(controller.migrations(limit=10)) == 1


async def test_two_who_accept_at_once_start_one_migration(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    plan = await controller.plan_migration("web", destination=B, settings=ASKED)

    one, other = await asyncio.gather(controller.accept(plan.id), controller.accept(plan.id))

    assert one == other
    assert len(controller.migrations(limit=10)) == 1
    await stage.settled(controller, one.migrations[0])


async def test_a_vm_that_is_being_moved_is_not_moved_twice(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    plans = [
        await controller.plan_migration("web", destination=host, settings=ASKED) for host in (B, C)
    ]
    first = await controller.accept(plans[0].id)

    with pytest.raises(Refused, match="being moved already"):
        await controller.accept(plans[1].id)
    await stage.settled(controller, first.migrations[0])
    stage.assert_runs_once("web", "b")


async def test_an_unknown_plan_or_migration_is_said_to_be_unknown(stage: Stage) -> None:
    controller = await stage.start()

    with pytest.raises(UnknownPlan):
        await controller.accept(PlanId("p-nosuch"))
    with pytest.raises(UnknownMigration):
        await controller.cancel(MigrationId("m-nosuch"))
    with pytest.raises(UnknownHost):
        await controller.plan_migration("web", destination=HostName("z"), settings=ASKED)


async def test_an_unknown_vm_is_answered_with_the_nearest_name(stage: Stage) -> None:
    stage.world.add_guest("a", guest("frontend"))
    controller = await stage.start()

    with pytest.raises(UnknownVm) as unknown:
        await controller.plan_migration("frontnd", destination=None, settings=ASKED)
    assert "frontend" in unknown.value.remedy

    stage.world.kill_libvirtd("c")
    with pytest.raises(UnknownVm) as unknown:
        await controller.plan_migration("nothing", destination=None, settings=ASKED)
    assert "c" in unknown.value.evidence


async def test_a_vm_is_found_by_its_uuid_too(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()

    plan = await controller.plan_migration(WEB, destination=None, settings=ASKED)

    assert plan.moves[0].vm == WEB


async def test_room_that_is_promised_to_a_migration_is_not_promised_twice(stage: Stage) -> None:
    stage.world.machines[B].memory_bytes = 3 * GIB
    for name in ("one", "two"):
        stage.world.add_guest("a", guest(name, memory_bytes=1536 * MIB))
    controller = await stage.start()
    first = await stage.migrate(controller, "one")

    with pytest.raises(NoDestination, match="two can't be moved"):
        await controller.plan_migration("two", destination=B, settings=ASKED)
    await stage.settled(controller, first)


# Between plan and start.


async def broken_between(stage: Stage, change: str) -> tuple[Phase, str]:
    """Accept a move, let the world change before it starts, and return how it ended."""
    stage.world.add_guest("a", guest(memory_bytes=2 * GIB))
    controller = await stage.start()
    plan = await controller.plan_migration("web", destination=B, settings=ASKED)
    one = (await controller.accept(plan.id)).migrations[0]
    match change:
        case "gone":
            stage.world.kill_qemu("a", WEB)
            del stage.world.machines[A].copies[WEB]
        case "stopped":
            stage.world.kill_qemu("a", WEB)
        case "maintenance":
            await controller.set_maintenance(B, on=True)
        case "memory":
            stage.world.machines[B].memory_bytes = 1 * GIB
        case "destination":
            stage.world.power_off("b")
        case "source":
            stage.world.kill_libvirtd("a")
    migration = await stage.settled(controller, one)
    assert migration.failure is not None
    assert migration.failure.code == "preconditions"
    assert migration.failure.remedy
    assert stage.orders == [], "no host was asked for anything"
    return migration.phase, migration.failure.evidence


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("gone", "no such VM"),
        ("stopped", "shut off"),
        ("maintenance", "maintenance"),
        ("memory", "room for"),
        ("destination", "does not answer"),
        ("source", "does not answer"),
    ],
)
async def test_a_move_whose_grounds_are_gone_is_not_started(
    stage: Stage, change: str, says: str
) -> None:
    phase, evidence = await broken_between(stage, change)

    assert phase is Phase.FAILED
    assert says in evidence


# Hosts.


async def test_a_scan_with_a_silent_host_tells_of_the_others(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    stage.world.kill_libvirtd("b")
    controller = await stage.start()

    cluster = await controller.scan()

    assert [(host.name, host.is_known) for host in cluster.hosts] == [
        (A, True),
        (B, False),
        (C, True),
    ]
    assert cluster.host(B).unreachable
    assert [vm.host for vm in cluster.vms] == [A]


async def test_a_scan_of_an_unchanged_cluster_keeps_its_generation(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    first = await controller.scan()

    assert (await controller.scan()).generation == first.generation
    stage.world.kill_libvirtd("b")
    assert (await controller.scan()).generation > first.generation


async def test_the_destination_copy_of_a_migration_is_no_second_vm(stage: Stage) -> None:
    stage.world.add_guest("a", guest(memory_bytes=4 * GIB))
    controller = await stage.start()
    one = await stage.migrate(controller)
    await stage.until(lambda: controller.migration(one).phase is Phase.COPYING)

    cluster = await controller.scan()

    assert [(vm.host, vm.state) for vm in cluster.vms] == [(A, RunState.RUNNING)]
    assert cluster.memory_promised_bytes(B) == 4 * GIB
    await stage.settled(controller, one)


async def test_hosts_are_added_all_or_none(stage: Stage) -> None:
    controller = await stage.start()
    good, dead = stage.world.add_host("d"), stage.world.add_host("e")
    stage.world.kill_libvirtd("e")

    with pytest.raises(HostUnreachable):
        await controller.add_hosts([good, dead])
    assert [one.name for one in controller.host_records()] == [A, B, C]

    stage.world.start_libvirtd("e")
    added = await controller.add_hosts([good, dead])
    assert [one.name for one in added] == ["d", "e"]
    assert [one.name for one in SqlStore(stage.database).hosts()] == [A, B, C, "d", "e"]


@pytest.mark.parametrize("together", [True, False])
async def test_the_same_host_is_not_added_twice_under_two_names(
    stage: Stage, together: bool
) -> None:
    controller = await stage.start()
    one, twin = stage.world.add_host("d"), stage.world.add_host("e", uuid="uuid-of-d")
    if not together:
        await controller.add_hosts([one])

    with pytest.raises(BadValue, match="called d already"):
        await controller.add_hosts([one, twin] if together else [twin])
    assert HostName("e") not in {record.name for record in controller.host_records()}


async def test_a_name_that_is_taken_is_refused(stage: Stage) -> None:
    controller = await stage.start()
    other = replace(stage.world.add_host("d"), name=A)

    with pytest.raises(BadValue, match="in the inventory already"):
        await controller.add_hosts([other])


async def test_two_who_add_a_host_of_the_same_name_at_once_add_one(stage: Stage) -> None:
    controller = await stage.start()
    one = stage.world.add_host("d")
    other = replace(stage.world.add_host("e"), name=HostName("d"))

    results = await asyncio.gather(
        controller.add_hosts([one]), controller.add_hosts([other]), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["BadValue", "tuple"]


async def test_a_host_in_use_is_not_removed(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    one = await stage.migrate(controller)

    for name in (A, B):
        with pytest.raises(Refused, match="can't be removed now"):
            await controller.remove_host(name)
    await controller.remove_host(C)
    await stage.settled(controller, one)
    await controller.remove_host(A)

    assert [record.name for record in controller.host_records()] == [B]
    stage.assert_runs_once("web", "b")
    with pytest.raises(UnknownHost):
        await controller.remove_host(A)


async def test_maintenance_is_kept_over_a_restart_and_takes_no_vms(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    await (await stage.start()).set_maintenance(B, on=True)

    controller = await stage.start()

    assert [one.name for one in controller.host_records() if one.in_maintenance] == [B]
    with pytest.raises(NoDestination, match="can't be moved to b"):
        await controller.plan_migration("web", destination=B, settings=ASKED)
    plan = await controller.plan_migration("web", destination=None, settings=ASKED)
    assert plan.moves[0].destination == C
    await controller.set_maintenance(B, on=False)
    assert (await stage.moved(controller)).phase is Phase.DONE


async def test_a_migration_in_doubt_keeps_its_hosts_however_old_it_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host may stay silent for weeks, while hundreds of others are moved."""
    monkeypatch.setattr("godwit.engine.controller.LOOK_BACK", 0)
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    await stage.migrate(controller)

    with pytest.raises(Refused, match="can't be removed now"):
        await controller.remove_host(A)


async def test_answers_about_disks_that_are_too_old_are_forgotten(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    await controller.scan()
    assert controller._observer._disks
    stage.world.machines[A].copies.clear()
    await stage.world.clock.sleep(120.0)

    await controller.scan()

    assert not controller._observer._disks


async def test_a_host_that_is_removed_during_a_scan_does_not_end_it(stage: Stage) -> None:
    """Migrations read the cluster too: none may fail for a host it has nothing to do with."""
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    fleet = controller._fleet

    def remove() -> None:
        fleet._records.pop(C, None)
        fleet._hosts.pop(C, None)

    stage.call_faults["accepts_cpu"] = remove

    cluster = await controller.scan()

    assert not cluster.cpu_answers[WEB, C].compatible
    assert cluster.cpu_answers[WEB, B].compatible
