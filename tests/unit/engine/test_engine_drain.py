"""Goal: a drain empties a host in order and within its bound, and never stops a guest."""

import asyncio

import pytest

from godwit.core.errors import HostUnreachable, Refused
from godwit.core.migration import Phase
from godwit.core.model import HostName, RunId, VmId
from godwit.core.planner import PauseSettings
from godwit.core.units import GIB, MIB
from godwit.drivers.simulated import Point
from godwit.engine import Controller, RunState, RunView
from tests.unit.engine.stage import SETTLED, A, B, C, Gate, Killed, Stage, guest, plan_drain

ASKED = PauseSettings()
NAMES = ("one", "two", "three", "four", "five", "six")


def fill(stage: Stage, names: tuple[str, ...] = NAMES) -> None:
    """Guests on host ``a``, each a little larger than the one before."""
    for number, name in enumerate(names):
        stage.world.add_guest("a", guest(name, memory_bytes=(64 + 16 * number) * MIB))


async def begin(controller: Controller, *, parallel: int = 2) -> RunId:
    plan = await plan_drain(controller, A, parallel=parallel, settings=ASKED)
    accepted = await controller.accept(plan.id)
    assert accepted.run is not None
    assert accepted.migrations == ()
    return accepted.run


async def ended(stage: Stage, controller: Controller, run: RunId) -> RunView:
    await stage.until(lambda: controller.run(run).state is not RunState.RUNNING, every_s=1.0)
    return controller.run(run)


def assert_all_run(stage: Stage, names: tuple[str, ...] = NAMES) -> None:
    """Nothing was stopped, nothing runs twice, and no pause was long."""
    for name in names:
        trace, vm = stage.world.trace, VmId(f"uuid-of-{name}")
        assert len(trace.runners(vm)) == 1
        assert not trace.ever_two(vm)
        assert max(trace.pauses_s(vm), default=0.0) <= 1.0


@pytest.mark.parametrize("parallel", [1, 2, 4])
async def test_a_drain_empties_its_host_with_never_more_moves_at_once_than_allowed(
    stage: Stage, parallel: int
) -> None:
    fill(stage)
    controller = await stage.start()
    run = await begin(controller, parallel=parallel)
    at_once: list[int] = []
    while controller.is_busy:
        at_once.append(len(stage.world.jobs))
        await asyncio.sleep(0.01)

    view = controller.run(run)

    assert max(at_once) == parallel
    assert view.state is RunState.DONE
    assert view.remaining == ()
    assert {one.phase for one in view.migrations} == {Phase.DONE}
    assert not stage.world.machines[A].copies
    assert [one.name for one in controller.host_records() if one.in_maintenance] == [A]
    assert_all_run(stage)


async def test_moves_start_in_the_order_of_the_plan(stage: Stage) -> None:
    fill(stage)
    controller = await stage.start()

    view = await ended(stage, controller, await begin(controller, parallel=1))

    assert [one.move.vm_name for one in view.migrations] == [
        move.vm_name for move in view.plan.moves
    ]
    assert [move.vm_name for move in view.plan.moves] == list(reversed(NAMES))


async def test_a_host_that_is_drained_takes_no_vms_while_it_is(stage: Stage) -> None:
    fill(stage)
    controller = await stage.start()

    run = await begin(controller)

    assert (await controller.scan()).host(A).record.in_maintenance
    await ended(stage, controller, run)


async def test_a_vm_that_no_host_may_take_is_told_with_its_reason_and_runs_on(
    stage: Stage,
) -> None:
    fill(stage, ("one", "two"))
    stage.world.add_guest("a", guest("stuck", disk="/local/stuck.qcow2"))
    controller = await stage.start()
    plan = await plan_drain(controller, A, parallel=2, settings=ASKED)
    assert [one.vm_name for one in plan.unplaced] == ["stuck"]
    assert "local" in plan.unplaced[0].refusals[0].why

    view = await ended(stage, controller, await begin(controller))

    assert view.state is RunState.PARTLY
    assert view.remaining == ("stuck",)
    stage.assert_runs_once("stuck", "a", pause_s=0.0)
    assert_all_run(stage, ("one", "two"))


async def test_a_move_that_failed_is_tried_on_another_host(stage: Stage) -> None:
    fill(stage, ("one",))
    controller = await stage.start()
    plan = await plan_drain(controller, A, parallel=1, settings=ASKED)
    first = plan.moves[0].destination
    stage.world.machines[first].refuses_prepare = "cannot access storage file"

    view = await ended(stage, controller, await begin(controller))

    assert [one.phase for one in view.migrations] == [Phase.FAILED, Phase.DONE]
    assert [one.attempt for one in view.migrations] == [1, 2]
    assert view.migrations[1].move.destination == ({B, C} - {first}).pop()
    again = view.migrations[1].move
    assert "failed" in again.reason
    assert again.forecast is not None
    assert again.forecast.made_at_s > plan.moves[0].forecast.made_at_s
    assert again.recipe == plan.moves[0].recipe
    assert view.state is RunState.DONE
    assert_all_run(stage, ("one",))


async def test_a_move_that_fails_everywhere_is_reported_and_the_others_go_on(
    stage: Stage,
) -> None:
    fill(stage, ("one", "two", "hot"))
    stage.world.kill_qemu("a", VmId("uuid-of-hot"))
    writes = guest(
        "hot", memory_bytes=512 * MIB, working_set_bytes=256 * MIB, dirty_bytes_per_s=400.0 * MIB
    )
    stage.world.add_guest("a", writes)
    controller = await stage.start()
    plan = await plan_drain(controller, A, parallel=1, settings=PauseSettings(pause_max_s=0.1))
    accepted = await controller.accept(plan.id)
    assert accepted.run is not None

    view = await ended(stage, controller, accepted.run)

    assert view.state is RunState.PARTLY
    assert view.remaining == ("hot",)
    tried = [one.move.destination for one in view.migrations if one.move.vm_name == "hot"]
    assert sorted(tried) == [B, C]
    stage.assert_runs_once("hot", "a", pause_s=0.0)
    assert_all_run(stage, ("one", "two"))


async def test_preconditions_are_read_again_before_each_move(stage: Stage) -> None:
    """A host that fills up meanwhile is not used, although the plan names it."""
    fill(stage)
    controller = await stage.start()
    run = await begin(controller, parallel=1)
    stage.world.machines[B].memory_bytes = 1 * GIB

    view = await ended(stage, controller, run)

    broke = [one for one in view.migrations if one.phase is Phase.FAILED]
    assert broke
    assert all(one.failure and one.failure.code == "preconditions" for one in broke)
    assert view.state is RunState.DONE
    assert {host for name in NAMES for host in _where(stage, name)} == {C}
    assert_all_run(stage)


async def test_a_vm_that_is_being_moved_by_hand_does_not_end_the_drain(stage: Stage) -> None:
    fill(stage, ("one", "two"))
    stage.world.add_guest("a", guest("big", memory_bytes=2 * GIB))
    controller = await stage.start()
    run = await begin(controller, parallel=1)
    await stage.until(lambda: bool(stage.world.jobs))
    (first,) = controller.run(run).migrations
    name = next(one for one in ("big", "two") if one != first.move.vm_name)
    by_hand = await stage.migrate(controller, name, to=C)

    view = await ended(stage, controller, run)

    await stage.settled(controller, by_hand)
    assert view.ended_at_s is not None
    assert all(_where(stage, one) <= {B, C} for one in ("one", "two", "big"))
    assert _where(stage, name) == {C}
    assert_all_run(stage, ("one", "two", "big"))


async def test_a_destination_that_has_left_the_inventory_is_not_used(stage: Stage) -> None:
    fill(stage)
    controller = await stage.start()
    run = await begin(controller, parallel=1)
    assert {move.destination for move in controller.run(run).plan.moves} == {B, C}
    await stage.until(lambda: bool(controller.run(run).migrations))
    (first,) = controller.run(run).migrations
    leaves, stays = (B, C) if first.move.destination == C else (C, B)
    await controller.remove_host(leaves)

    view = await ended(stage, controller, run)

    assert view.state is RunState.DONE
    assert {host for name in NAMES for host in _where(stage, name)} == {stays}
    assert_all_run(stage)


async def test_a_cancelled_drain_starts_no_more_and_cancels_what_is_in_flight(
    stage: Stage,
) -> None:
    fill(stage)
    controller = await stage.start()
    run = await begin(controller, parallel=2)
    await stage.until(lambda: len(stage.world.jobs) == 2)
    await asyncio.sleep(0.3)

    await controller.cancel_run(run)
    view = await ended(stage, controller, run)

    assert view.state is RunState.CANCELLED
    assert {one.phase for one in view.migrations} == {Phase.CANCELLED}
    assert len(view.migrations) == 2
    assert [one.name for one in controller.host_records() if one.in_maintenance] == [A]
    with pytest.raises(Refused, match="is over"):
        await controller.cancel_run(run)
    assert_all_run(stage)
    assert all(_where(stage, name) == {A} for name in NAMES)


async def test_a_drain_is_accepted_once_and_a_host_is_drained_once_at_a_time(
    stage: Stage,
) -> None:
    fill(stage)
    controller = await stage.start()
    plans = [await plan_drain(controller, A, parallel=1, settings=ASKED) for _ in range(2)]

    first = await controller.accept(plans[0].id)
    again = await controller.accept(plans[0].id)
    # Maintenance has changed the cluster: the other plan is of an older one.
    with pytest.raises(Refused):
        await controller.accept(plans[1].id)
    third = await plan_drain(controller, A, parallel=1, settings=ASKED)
    with pytest.raises(Refused):
        await controller.accept(third.id)

    assert again.run == first.run
    assert first.run is not None
    assert (await ended(stage, controller, first.run)).state is RunState.DONE


async def test_a_host_that_does_not_answer_is_not_drained(stage: Stage) -> None:
    fill(stage, ("one",))
    stage.world.kill_libvirtd("a")
    controller = await stage.start()

    with pytest.raises(HostUnreachable, match="can't be moved away"):
        await plan_drain(controller, A, parallel=1, settings=ASKED)


async def test_a_drain_whose_controller_died_is_shown_as_interrupted_and_its_moves_end(
    stage: Stage,
) -> None:
    fill(stage)
    controller = await stage.start()
    run = await begin(controller, parallel=2)
    await stage.until(lambda: len(stage.world.jobs) == 2)
    await asyncio.sleep(0.3)
    await stage.kill()

    controller = await stage.start()
    assert controller.run(run).state is RunState.INTERRUPTED
    assert controller.run(run).ended_at_s is not None
    await stage.until(lambda: not controller.is_busy)

    view = controller.run(run)
    assert [one.phase for one in view.migrations] == [Phase.DONE, Phase.DONE]
    assert len(view.remaining) == 4
    assert [one.name for one in controller.host_records() if one.in_maintenance] == [A]
    assert_all_run(stage)
    again = await ended(stage, controller, await begin(controller))
    assert again.state is RunState.DONE
    assert_all_run(stage)


@pytest.mark.parametrize("number", range(1, 140, 9))
async def test_a_drain_may_lose_its_controller_at_any_crossing(stage: Stage, number: int) -> None:
    fill(stage, ("one", "two", "three"))
    gate = Gate(kill_at=number)
    gate.armed = False
    controller = await stage.start(gate)
    plan = await plan_drain(controller, A, parallel=2, settings=ASKED)
    gate.armed = True
    try:
        await controller.accept(plan.id)
    except Killed:
        pass
    else:
        await stage.until(lambda: gate.is_dead or not controller.is_busy)
    await stage.kill()

    controller = await stage.start()
    await stage.until(lambda: not controller.is_busy)

    for one in controller.migrations(limit=20):
        assert one.phase in SETTLED
        stage.assert_ended_well(one)
    assert all(one.state is not RunState.RUNNING for one in controller.runs(limit=5))
    assert_all_run(stage, ("one", "two", "three"))


async def test_a_destination_that_dies_in_a_drain_costs_no_guest(stage: Stage) -> None:
    fill(stage)
    controller = await stage.start()
    stage.world.at(Point.ROUND, lambda: stage.world.power_off("b"))

    view = await ended(stage, controller, await begin(controller, parallel=2))

    assert view.state is RunState.DONE
    assert {host for name in NAMES for host in _where(stage, name)} == {C}
    assert_all_run(stage)


def _where(stage: Stage, name: str) -> frozenset[HostName]:
    return stage.world.trace.runners(VmId(f"uuid-of-{name}"))


async def test_a_migration_in_doubt_does_not_keep_the_others_waiting_for_ever(
    stage: Stage,
) -> None:
    fill(stage, NAMES[:2])
    controller = await stage.start()
    plan = await plan_drain(controller, A, parallel=1, settings=ASKED)
    first, second = plan.moves
    stage.world.at(Point.SWITCH, lambda: stage.world.power_off(first.destination), vm=first.vm)

    accepted = await controller.accept(plan.id)
    assert accepted.run is not None
    view = await ended(stage, controller, accepted.run)

    last = {one.move.vm: one.phase for one in view.migrations}
    assert last[first.vm] is not Phase.DONE
    assert last[second.vm] is Phase.DONE
    assert view.state is RunState.PARTLY
    assert first.vm_name in view.remaining


async def test_a_host_of_a_running_drain_is_not_removed_and_a_broken_drain_has_an_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(stage, NAMES[:2])
    controller = await stage.start()
    run = await begin(controller, parallel=1)

    with pytest.raises(Refused, match="can't be removed now"):
        await controller.remove_host(A)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(controller._runs._runs[run]._conducting, "_start", broken)
    view = await ended(stage, controller, run)

    assert view.state is RunState.INTERRUPTED
    assert_all_run(stage, NAMES[:2])


async def test_a_fault_in_one_move_leaves_no_other_behind_a_drain_that_is_over(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(stage, NAMES[:3])
    controller = await stage.start()
    run = await begin(controller, parallel=1)
    conducting = controller._runs._runs[run]._conducting
    start, started = conducting._start, []

    def broken_once(*of_what: object) -> object:
        started.append(of_what)
        if len(started) == 1:
            raise RuntimeError("a fault of ours")
        return start(*of_what)

    monkeypatch.setattr(conducting, "_start", broken_once)
    view = await ended(stage, controller, run)

    assert view.state is RunState.INTERRUPTED
    assert len(started) == 3
    assert len(view.remaining) == 1
    assert all(one.is_ended for one in view.migrations)
    assert_all_run(stage, NAMES[:3])
