"""Goal: a post-copy ends at the destination whatever breaks, by itself, and the source never runs.

Method: the stream is cut, daemons and QEMUs end, and the controller dies, at every crossing of a
post-copy. The simulated hypervisor refuses for ever what must never be ordered of a stale source.
"""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from godwit.core.errors import GodwitError, HostUnreachable, Refused
from godwit.core.migration import Phase, ResumeOrdered
from godwit.core.model import Feature, MigrationId, RunState, VmId
from godwit.core.planner import PauseSettings
from godwit.core.units import MIB
from godwit.drivers.simulated import Guest, Point
from godwit.engine import Controller
from godwit.store import SqlJournal
from tests.unit.engine.stage import A, B, Gate, Stage, guest

WEB = VmId("uuid-of-web")


def hot() -> Guest:
    """A guest that only a post-copy can move, with a second of memory left at its start."""
    return guest(memory_bytes=128 * MIB, working_set_bytes=96 * MIB, dirty_bytes_per_s=800.0 * MIB)


async def begin(stage: Stage, controller: Controller) -> MigrationId:
    return await stage.migrate_by(controller, pause_max_s=0.2, postcopy=True)


async def post_copying(stage: Stage) -> tuple[Controller, MigrationId]:
    """A migration whose guest runs at the destination with memory missing."""
    stage.world.add_guest("a", hot())
    controller = await stage.start()
    one = await begin(stage, controller)
    await stage.reaches(controller, one, Phase.POSTCOPY)
    return controller, one


def assert_moved(stage: Stage, controller: Controller, one: MigrationId) -> None:
    migration = controller.migration(one)
    assert migration.phase is Phase.DONE, stage.written(one)
    assert not stage.world.machines[A].has_process(WEB)
    stage.assert_ended_well(migration, pause_s=0.2)


class TestAPathThatBreaks:
    async def test_it_goes_on_by_itself_when_the_path_is_back(self, stage: Stage) -> None:
        controller, one = await post_copying(stage)
        stage.world.network.cut_data(A, B)
        await stage.reaches(controller, one, Phase.RECOVERING)
        states = [stage.world.machines[host].copies[WEB].state for host in (A, B)]
        assert states == [RunState.PAUSED_POSTCOPY_FAILED, RunState.RUNNING_POSTCOPY_FAILED]

        await stage.world.clock.sleep(20.0)
        assert controller.migration(one).phase is Phase.RECOVERING
        stage.world.network.mend()
        migration = await stage.settled(controller, one, within_s=60.0)

        assert_moved(stage, controller, one)
        assert migration.resume_attempts >= 2
        assert stage.phases(one)[-5:] == [
            Phase.RECOVERING,
            Phase.POSTCOPY,
            Phase.CONFIRMING,
            Phase.VERIFYING,
            Phase.DONE,
        ]
        assert migration.result is not None
        assert any("taken up again" in note for note in migration.result.notes)

    async def test_a_destination_that_has_not_noticed_is_waited_for(self, stage: Stage) -> None:
        controller, one = await post_copying(stage)
        stage.world.network.cut_data(A, B)
        await stage.reaches(controller, one, Phase.RECOVERING)
        there = stage.world.machines[B]
        there.set_state(there.copies[WEB], RunState.RUNNING_POSTCOPY)
        await stage.world.clock.sleep(2.0)
        before = stage.written(one).count("ResumeOrdered")
        await stage.until(lambda: controller.migration(one).needs_person, within_s=330.0)
        assert stage.written(one).count("ResumeOrdered") == before

        there.set_state(there.copies[WEB], RunState.RUNNING_POSTCOPY_FAILED)
        stage.world.network.mend()
        await stage.settled(controller, one, within_s=60.0)
        assert_moved(stage, controller, one)

    async def test_it_may_break_again_and_again(self, stage: Stage) -> None:
        controller, one = await post_copying(stage)
        for _ in range(3):
            stage.world.network.cut_data(A, B)
            await stage.reaches(controller, one, Phase.RECOVERING)
            stage.world.network.mend()
            await stage.reaches(controller, one, Phase.POSTCOPY)
            await stage.world.clock.sleep(0.05)
        await stage.settled(controller, one)
        assert_moved(stage, controller, one)

    async def test_a_person_is_called_in_time_and_it_is_tried_on_ever_more_rarely(
        self, stage: Stage
    ) -> None:
        controller, one = await post_copying(stage)
        stage.world.network.cut_data(A, B)
        await stage.until(lambda: controller.migration(one).needs_person, within_s=330.0)
        failure = controller.migration(one).failure
        assert failure is not None
        assert failure.code == "postcopy_broken"
        await stage.world.clock.sleep(3600.0)
        orders = [
            event
            for event in SqlJournal(stage.database).life(one)[1]
            if isinstance(event, ResumeOrdered)
        ]
        assert [event.attempt for event in orders] == list(range(1, len(orders) + 1))
        assert 50 < len(orders) < 80, "a minute apart in the end"

        stage.world.network.mend()
        migration = await stage.settled(controller, one, within_s=90.0)
        assert_moved(stage, controller, one)
        assert not migration.needs_person

    async def test_a_host_whose_libvirt_has_no_such_recovery_is_not_asked_for_it(
        self, stage: Stage
    ) -> None:
        controller, one = await post_copying(stage)
        there = stage.world.machines[B]
        there.features -= {Feature.POSTCOPY_RECOVERY}
        stage.world.network.cut_data(A, B)
        await stage.reaches(controller, one, Phase.RECOVERING)
        stage.world.network.mend()
        await stage.until(lambda: controller.migration(one).needs_person, within_s=330.0)
        failure = controller.migration(one).failure
        assert failure is not None
        assert "update it" in failure.remedy
        assert "ResumeOrdered" not in stage.written(one)

        there.features |= {Feature.POSTCOPY_RECOVERY}
        await stage.settled(controller, one, within_s=90.0)
        assert_moved(stage, controller, one)

    async def test_a_host_that_answers_no_more_than_its_state_is_believed_as_it_was(
        self, stage: Stage
    ) -> None:
        controller, one = await post_copying(stage)

        def busy() -> None:
            raise HostUnreachable("its job lets no query pass")

        stage.call_faults["read"] = busy
        stage.world.network.cut_data(A, B)
        await stage.reaches(controller, one, Phase.RECOVERING)
        stage.world.network.mend()
        await stage.settled(controller, one, within_s=60.0)
        assert_moved(stage, controller, one)

    async def test_what_nobody_told_is_seen(self, stage: Stage) -> None:
        """Every event is lost: neither the start nor the break nor the end is heard of."""
        stage.world.add_guest("a", hot())
        controller = await stage.start()
        one = await begin(stage, controller)
        await stage.until(lambda: "PostcopyOrdered" in stage.written(one), every_s=0.001)
        stage.events_lost = True
        await stage.reaches(controller, one, Phase.POSTCOPY)
        stage.world.network.cut_data(A, B)
        await stage.reaches(controller, one, Phase.RECOVERING)
        stage.world.network.mend()
        await stage.settled(controller, one)
        assert_moved(stage, controller, one)


async def test_the_vm_is_where_it_runs_and_holds_room_on_both_hosts(stage: Stage) -> None:
    controller, one = await post_copying(stage)
    for cut in (False, True):
        if cut:
            stage.world.network.cut_data(A, B)
            await stage.reaches(controller, one, Phase.RECOVERING)
        cluster = await controller.scan()
        assert [vm.host for vm in cluster.vms] == [B]
        for host in (A, B):
            assert cluster.memory_promised_bytes(host) == 128 * MIB
        with pytest.raises(GodwitError, match="web"):
            await controller.plan_migration("web", destination=None, settings=PauseSettings())
    stage.world.network.mend()
    await stage.settled(controller, one)


class TestThereIsNoWayBack:
    @pytest.mark.parametrize("broken", [False, True])
    async def test_a_person_can_not_cancel_it_and_is_told_why(
        self, stage: Stage, broken: bool
    ) -> None:
        controller, one = await post_copying(stage)
        if broken:
            stage.world.network.cut_data(A, B)
            await stage.reaches(controller, one, Phase.RECOVERING)
        with pytest.raises(Refused, match="runs at b already") as raised:
            await controller.cancel(one)
        assert "stop neither copy" in raised.value.remedy
        stage.world.network.mend()
        await stage.settled(controller, one)
        assert_moved(stage, controller, one)

    async def test_a_cancel_just_before_its_start_comes_too_late(self, stage: Stage) -> None:
        stage.world.add_guest("a", hot())
        controller = await stage.start()
        asked = []

        def cancel() -> None:
            stage.world.spawn(asks())

        async def asks() -> None:
            asked.append(await controller.cancel(one))

        stage.call_faults["start_postcopy"] = cancel
        one = await begin(stage, controller)
        migration = await stage.settled(controller, one)

        assert asked
        host = "b" if migration.phase is Phase.DONE else "a"
        stage.assert_runs_once("web", host)
        stage.assert_ended_well(migration)

    async def test_a_cancel_that_could_not_be_ordered_in_time_is_dropped(
        self, stage: Stage
    ) -> None:
        stage.world.add_guest("a", hot())
        controller = await stage.start()

        def cancel() -> None:
            stage.world.spawn(asks())

        async def asks() -> None:
            await controller.cancel(one)

        def unreachable() -> None:
            raise HostUnreachable("not now")

        stage.call_faults["start_postcopy"] = cancel
        stage.call_faults["abort"] = unreachable
        one = await begin(stage, controller)
        migration = await stage.settled(controller, one)

        phases = stage.phases(one)
        assert phases[phases.index(Phase.CANCELLING) + 1] is Phase.POSTCOPY
        assert migration.failure is None
        assert stage.written(one).count("CancelOrdered") == 1
        assert_moved(stage, controller, one)

    async def test_an_alarm_is_raised_over_a_post_copy_that_creeps_and_nothing_is_ended(
        self, stage: Stage
    ) -> None:
        controller, one = await post_copying(stage)
        stage.world.network.data_bytes_per_s = 1e4
        stage.world.wake()
        await stage.until(lambda: controller.migration(one).needs_person, within_s=600.0)
        assert controller.migration(one).phase is Phase.POSTCOPY
        stage.world.network.data_bytes_per_s = 125e6
        stage.world.wake()
        await stage.settled(controller, one)
        assert_moved(stage, controller, one)
        assert stage.written(one).count("DeadlinePassed") == 1
        assert "CancelOrdered" not in stage.written(one)


Fault = Callable[[Stage], None]
LOSSES: dict[str, Fault] = {
    "the destination's QEMU ends": lambda stage: stage.world.kill_qemu("b", WEB),
    "the source's QEMU ends": lambda stage: stage.world.kill_qemu("a", WEB),
    "the destination loses its power": lambda stage: (
        stage.world.power_off("b"),
        stage.world.later(30.0, lambda: stage.world.power_on("b")),
    )[0],
    "the source loses its power": lambda stage: (
        stage.world.power_off("a"),
        stage.world.later(30.0, lambda: stage.world.power_on("a")),
    )[0],
}


class TestEitherSideEnds:
    @pytest.mark.parametrize("broken", [False, True])
    @pytest.mark.parametrize("loss", sorted(LOSSES))
    async def test_a_guest_that_lost_a_side_is_called_lost_and_started_nowhere(
        self, stage: Stage, loss: str, broken: bool
    ) -> None:
        controller, one = await post_copying(stage)
        if broken:
            stage.world.network.cut_data(A, B)
            await stage.reaches(controller, one, Phase.RECOVERING)
        LOSSES[loss](stage)
        migration = await stage.settled(controller, one)

        assert migration.phase is Phase.LOST, stage.written(one)
        assert migration.needs_person
        assert not stage.world.trace.ever_two(WEB)
        assert A not in stage.world.trace.runners(WEB)
        assert not [word for word, _ in stage.orders if word in {"resume_source", "abort"}]

    async def test_a_daemon_that_forgot_the_post_copy_does_not_make_us_resume_the_source(
        self, stage: Stage
    ) -> None:
        stage.world.forgets_postcopy = True
        controller, one = await post_copying(stage)
        stage.world.kill_libvirtd("a")
        stage.world.kill_qemu("b", WEB)
        await stage.world.clock.sleep(5.0)
        stage.world.start_libvirtd("a")
        migration = await stage.settled(controller, one)

        assert stage.world.machines[A].copies[WEB].state is RunState.PAUSED_MIGRATION
        assert migration.phase is Phase.LOST
        assert "RepairOrdered" not in stage.written(one)

    @pytest.mark.parametrize("host", ["a", "b"])
    async def test_a_daemon_may_die_and_libvirt_finishes_by_itself(
        self, stage: Stage, host: str
    ) -> None:
        controller, one = await post_copying(stage)
        stage.world.kill_libvirtd(host)
        stage.world.later(40.0, lambda: stage.world.start_libvirtd(host))
        await stage.settled(controller, one)
        assert_moved(stage, controller, one)


async def each_death(folder: Path) -> AsyncIterator[tuple[Stage, Gate]]:
    """A fresh stage and a gate, each time with the death one crossing later."""
    number, died = 0, True
    while died:
        number += 1
        stage = Stage(folder / f"{number}")
        stage.world.add_guest("a", hot())
        gate = Gate(kill_at=number)
        gate.armed = False
        yield stage, gate
        died = len(gate.crossings) == number
        await stage.close()
        shutil.rmtree(folder / f"{number}")


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "broken"])
async def test_wherever_a_controller_dies_in_a_post_copy_the_next_one_brings_it_to_its_end(
    folder: Path, cut: bool
) -> None:
    """The gate is armed from the order of the post-copy on; where it breaks, the path is back."""
    deaths, ends = 0, set()
    async for stage, gate in each_death(folder):
        controller = await stage.start(gate)
        one = await begin(stage, controller)
        if cut:
            stage.world.at(Point.POSTCOPY, lambda now=stage: now.world.network.cut_data(A, B))
            stage.world.at(
                Point.BROKEN, lambda now=stage: now.world.later(3.0, now.world.network.mend)
            )
        before = stage.call_faults

        def arm(now: Gate = gate) -> None:
            now.armed = True

        before["start_postcopy"] = arm
        await stage.until(lambda now=controller, at=gate: at.is_dead or not now.is_busy)
        deaths += gate.is_dead
        await stage.kill()
        before.clear()
        await stage.world.clock.sleep(0.3)

        controller = await stage.start()
        migration = await stage.settled(controller, one)
        ends.add(migration.phase)
        assert_moved(stage, controller, one)
    assert ends == {Phase.DONE}
    assert deaths > 20


@pytest.mark.parametrize("away_s", [0.0, 30.0, 3600.0])
async def test_a_break_that_nobody_saw_is_recovered_by_the_next_controller(
    stage: Stage, away_s: float
) -> None:
    _, one = await post_copying(stage)
    await stage.kill()
    stage.world.network.cut_data(A, B)
    await stage.world.clock.sleep(5.0 + away_s)
    controller = await stage.start()
    await stage.reaches(controller, one, Phase.RECOVERING)
    stage.world.network.mend()
    await stage.settled(controller, one)
    assert_moved(stage, controller, one)
