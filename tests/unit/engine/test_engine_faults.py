"""Goal: whatever breaks in whatever phase, at most one copy runs and the outcome is told truly.

Method: every fault of the failure model at every point of a migration; each is healed after a
while. The trace of the vCPUs, which the engine never sees, says who really ran the guest.
"""

from collections.abc import Callable

import pytest

from godwit.core.errors import Refused, StepRefused
from godwit.core.migration import Phase
from godwit.core.model import RunState, VmId
from godwit.core.units import MIB
from godwit.drivers.simulated import Point, SimulatedWorld
from godwit.engine.tracing import Tracing
from tests.unit.engine.stage import A, B, Stage, guest

WEB = VmId("uuid-of-web")
BEFORE_SWITCH = (Point.BEGIN, Point.PREPARE, Point.COPY, Point.ROUND)
UNTIL_FINISH = (*BEFORE_SWITCH, Point.SWITCH, Point.FINISH)

Change = Callable[[SimulatedWorld], None]


async def migrate_through(
    stage: Stage, point: Point, hurt: Change, heal: Change, *, back_s: float
) -> Phase:
    """Migrate with a fault at a point, healed later; returns the phase it settled in."""
    stage.world.add_guest("a", guest())
    controller = await stage.start()

    def fault() -> None:
        hurt(stage.world)
        stage.world.later(back_s, lambda: heal(stage.world))

    stage.world.at(point, fault)
    one = await stage.migrate(controller)
    migration = await stage.settled(controller, one)
    await stage.world.clock.sleep(back_s + 60.0)
    assert stage.replayed(one) == migration
    return migration.phase


@pytest.mark.parametrize("back_s", [5.0, 400.0])
@pytest.mark.parametrize("point", UNTIL_FINISH)
async def test_a_source_libvirtd_that_dies_before_the_switch_leaves_the_guest_at_the_source(
    stage: Stage, point: Point, back_s: float
) -> None:
    phase = await migrate_through(
        stage,
        point,
        lambda world: world.kill_libvirtd("a"),
        lambda world: world.start_libvirtd("a"),
        back_s=back_s,
    )

    assert phase is Phase.FAILED
    # From SWITCH on libvirt itself leaves it paused until somebody starts its daemon.
    frozen_s = back_s + 5.0 if point not in BEFORE_SWITCH else 0.0
    stage.assert_runs_once("web", "a", pause_s=frozen_s)


@pytest.mark.parametrize("point", [Point.RUNS, Point.CONFIRM])
async def test_a_source_libvirtd_that_dies_after_the_switch_leaves_a_remainder_that_is_cleared(
    stage: Stage, point: Point
) -> None:
    phase = await migrate_through(
        stage,
        point,
        lambda world: world.kill_libvirtd("a"),
        lambda world: world.start_libvirtd("a"),
        back_s=20.0,
    )

    assert phase is Phase.DONE
    stage.assert_runs_once("web", "b")
    assert WEB not in stage.world.machines[A].copies


@pytest.mark.parametrize("back_s", [5.0, 400.0])
@pytest.mark.parametrize("point", UNTIL_FINISH)
async def test_a_destination_libvirtd_that_dies_costs_the_migration_and_nothing_else(
    stage: Stage, point: Point, back_s: float
) -> None:
    phase = await migrate_through(
        stage,
        point,
        lambda world: world.kill_libvirtd("b"),
        lambda world: world.start_libvirtd("b"),
        back_s=back_s,
    )

    assert phase is Phase.FAILED
    stage.assert_runs_once("web", "a")
    assert not stage.world.machines[B].has_process(WEB)


@pytest.mark.parametrize("point", UNTIL_FINISH)
async def test_a_destination_that_loses_its_power_leaves_the_guest_at_the_source(
    stage: Stage, point: Point
) -> None:
    phase = await migrate_through(
        stage,
        point,
        lambda world: world.power_off("b"),
        lambda world: world.power_on("b"),
        back_s=200.0,
    )

    assert phase is Phase.FAILED
    # Once vCPUs stand still, an abort frees them; once Finish is out, only libvirt's keepalive.
    pauses_s = {Point.SWITCH: 6.0, Point.FINISH: 31.0}
    stage.assert_runs_once("web", "a", pause_s=pauses_s.get(point, 0.0))


async def test_a_guest_that_died_with_its_destination_after_the_switch_is_called_lost(
    stage: Stage,
) -> None:
    phase = await migrate_through(
        stage,
        Point.CONFIRM,
        lambda world: world.power_off("b"),
        lambda world: world.power_on("b"),
        back_s=60.0,
    )

    assert phase is Phase.LOST
    assert stage.world.trace.runners(WEB) == frozenset()


@pytest.mark.parametrize("point", UNTIL_FINISH)
async def test_the_destination_qemu_may_die_without_harm_to_the_guest(
    stage: Stage, point: Point
) -> None:
    phase = await migrate_through(
        stage,
        point,
        lambda world: world.kill_qemu("b", WEB),
        lambda _: None,
        back_s=1.0,
    )

    assert phase is (Phase.DONE if point is Point.BEGIN else Phase.FAILED)
    stage.assert_runs_once("web", "b" if point is Point.BEGIN else "a")


@pytest.mark.parametrize("point", UNTIL_FINISH)
async def test_a_guest_that_died_at_the_source_is_called_lost_and_is_not_started_again(
    stage: Stage, point: Point
) -> None:
    phase = await migrate_through(
        stage,
        point,
        lambda world: world.kill_qemu("a", WEB),
        lambda _: None,
        back_s=1.0,
    )

    assert phase is Phase.LOST
    assert not stage.world.trace.ever_two(WEB)
    assert stage.world.trace.runners(WEB) == frozenset()


@pytest.mark.parametrize("point", BEFORE_SWITCH)
async def test_a_cut_data_path_is_noticed_and_the_copy_given_up(stage: Stage, point: Point) -> None:
    phase = await migrate_through(
        stage,
        point,
        lambda world: world.network.cut_data("a", "b"),
        lambda world: world.network.mend(),
        back_s=600.0,
    )

    (one,) = (await stage.start()).migrations(limit=1)
    assert phase is Phase.FAILED
    assert one.failure is not None
    assert one.failure.code == "stalled"
    assert one.ended_at_s is not None
    assert 10.0 < one.ended_at_s - one.accepted_at_s < 10.0 + 3.0
    stage.assert_runs_once("web", "a", pause_s=0.0)


async def test_a_data_path_cut_in_the_switch_frees_the_guest_within_seconds(stage: Stage) -> None:
    phase = await migrate_through(
        stage,
        Point.SWITCH,
        lambda world: world.network.cut_data("a", "b"),
        lambda world: world.network.mend(),
        back_s=600.0,
    )

    assert phase is Phase.FAILED
    stage.assert_runs_once("web", "a", pause_s=7.0)


@pytest.mark.parametrize("host", ["a", "b"])
@pytest.mark.parametrize("point", [one for one in Point if not one.is_postcopy])
async def test_a_controller_cut_off_from_a_host_learns_the_outcome_when_it_is_back(
    stage: Stage, point: Point, host: str
) -> None:
    phase = await migrate_through(
        stage,
        point,
        lambda world: world.network.cut_management(A if host == "a" else B),
        lambda world: world.network.mend(),
        back_s=200.0,
    )

    assert phase is Phase.DONE
    stage.assert_runs_once("web", "b")


async def test_a_copy_is_not_called_stalled_because_its_source_could_not_be_asked(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", guest(memory_bytes=8192 * MIB))
    controller = await stage.start()
    one = await stage.migrate(controller)
    await stage.until(lambda: controller.migration(one).phase is Phase.COPYING)

    stage.world.network.cut_management(A)
    await stage.world.clock.sleep(18.0)
    stage.world.network.mend()

    migration = await stage.settled(controller, one)
    assert "CancelOrdered" not in stage.written(one)
    assert migration.phase is Phase.DONE
    stage.assert_ended_well(migration)


SPLITTING = {
    "the destination's libvirtd dies": (
        lambda world: world.kill_libvirtd("b"),
        lambda world: world.start_libvirtd("b"),
    ),
    "the daemons are cut off from each other": (
        lambda world: world.network.cut_control("a", "b"),
        lambda world: world.network.mend(),
    ),
}


@pytest.mark.parametrize("fault", sorted(SPLITTING))
@pytest.mark.parametrize("call_s", [0.002, 0.1, 0.4])
async def test_a_lost_reply_of_finish_is_told_as_a_split_and_never_as_unharmed(
    stage: Stage, fault: str, call_s: float
) -> None:
    """However slowly the hosts answer, and however many events come late."""
    stage.world.call_s = call_s
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    hurt, heal = SPLITTING[fault]
    stage.world.at(Point.RUNS, lambda: hurt(stage.world))
    one = await stage.migrate(controller)
    await stage.world.clock.sleep(90.0)

    assert stage.world.trace.ever_two(WEB), "libvirt itself runs it twice"
    assert controller.migration(one).phase in {Phase.UNKNOWN, Phase.CONFIRMING, Phase.SPLIT}
    heal(stage.world)

    migration = await stage.settled(controller, one)
    assert migration.phase is Phase.SPLIT
    assert migration.needs_person
    assert stage.world.trace.runners(WEB) == {A, B}, "which one goes is for a person to say"


@pytest.mark.parametrize("fault", sorted(SPLITTING))
async def test_a_lock_on_the_image_turns_a_lost_reply_into_a_repair(
    locked_stage: Stage, fault: str
) -> None:
    hurt, heal = SPLITTING[fault]

    phase = await migrate_through(locked_stage, Point.RUNS, hurt, heal, back_s=60.0)

    assert phase is Phase.DONE
    locked_stage.assert_runs_once("web", "b")
    assert WEB not in locked_stage.world.machines[A].copies


async def test_a_person_who_stopped_one_copy_of_a_split_is_believed(stage: Stage) -> None:
    hurt, heal = SPLITTING["the destination's libvirtd dies"]
    await migrate_through(stage, Point.RUNS, hurt, heal, back_s=10.0)
    controller = await stage.start()
    (split,) = controller.migrations(limit=1)
    assert split.phase is Phase.SPLIT

    stage.world.kill_qemu("a", WEB)
    await controller.resolve(split.id)
    await stage.until(lambda: controller.migration(split.id).is_ended)

    assert controller.migration(split.id).phase is Phase.DONE
    assert not controller.migration(split.id).needs_person


async def test_a_destination_that_refuses_costs_nothing(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    stage.world.machines[B].refuses_prepare = "unable to find an unused port"
    controller = await stage.start()

    migration = await stage.moved(controller)

    assert migration.phase is Phase.FAILED
    assert migration.failure is not None
    assert "unused port" in migration.failure.evidence
    stage.assert_ended_well(migration, pause_s=0.0)


async def test_a_migration_that_a_fault_of_ours_has_left_is_taken_up_when_a_person_asks(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.world.add_guest("a", guest(memory_bytes=1024 * MIB))
    controller = await stage.start()
    one = await stage.migrate(controller)
    await stage.until(lambda: controller.migration(one).rounds != (), every_s=0.01)
    with monkeypatch.context() as broken:
        broken.setattr(Tracing, "add", lambda *_: 1 // 0)
        await stage.until(lambda: not controller.is_busy)
    assert controller.migration(one).phase is Phase.COPYING

    with pytest.raises(Refused, match="not watched") as refused:
        await controller.cancel(one)
    assert "resolve" in refused.value.remedy
    await controller.resolve(one)
    migration = await stage.settled(controller, one)

    assert migration.phase is Phase.DONE
    stage.assert_ended_well(migration)


async def test_a_fault_of_ours_in_the_call_leaves_no_limit_behind(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()

    def fault() -> None:
        raise TypeError("a parameter that the binding can't hand over")

    stage.call_faults["migrate"] = fault
    migration = await stage.moved(controller)
    await stage.until(lambda: not controller.is_busy)

    assert migration.phase is Phase.FAILED
    assert migration.failure is not None
    assert "TypeError" in migration.failure.evidence
    assert ("reset_pause_limit", 0.3) in stage.orders
    stage.assert_ended_well(migration)


async def test_a_repair_that_is_refused_again_and_again_is_asked_for_ever_more_rarely(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    stage.world.at(Point.FINISH, lambda: stage.world.kill_libvirtd("a"))
    stage.world.later(20.0, lambda: stage.world.start_libvirtd("a"))

    def refuse() -> None:
        raise StepRefused("no")

    stage.call_faults["repair resume"] = refuse
    one = await stage.migrate(controller)
    await stage.world.clock.sleep(3600.0)

    assert controller.migration(one).needs_person
    assert stage.written(one).count("RepairOrdered") < 60
    stage.call_faults.clear()
    migration = await stage.settled(controller, one)
    assert migration.phase is Phase.FAILED
    assert stage.world.machines[A].copies[WEB].state is RunState.RUNNING
