"""Goal: any plan is audited, carried out and followed as a run, and keeps out of another's way.

Method: three simulated hosts, one of them with more busy cores than is safe.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from godwit.core.errors import HostUnreachable, PlanStale, Refused, UnknownHost, UnknownVm
from godwit.core.migration import Phase
from godwit.core.model import HostName, RunId, VmId
from godwit.core.plan import Plan, PlanKind
from godwit.core.planner import (
    Balance,
    Consolidate,
    Drain,
    Evacuate,
    Mix,
    PauseSettings,
    Place,
    PlanRequest,
    PlanSettings,
    Repair,
    Restore,
)
from godwit.engine import Controller, NoticeKind, RunState, RunView
from godwit.store import SqlStore
from tests.unit.engine.stage import A, B, C, Stage, guest, plan_drain

HOT = ("hot1", "hot2", "hot3")


def overload(stage: Stage, host: str = "a") -> None:
    """Guests that keep 15 of a host's 16 cores busy."""
    for name in HOT:
        stage.world.add_guest(host, guest(name, vcpus=6, busy_cores=5.0))


async def planned(controller: Controller, asked: PlanRequest, *, parallel: int = 1) -> Plan:
    return await controller.plan_request(asked, PlanSettings(parallel=parallel))


async def accepted(controller: Controller, plan: Plan) -> RunId:
    acceptance = await controller.accept(plan.id)
    assert acceptance.run is not None
    assert acceptance.migrations == ()
    return acceptance.run


async def ended(stage: Stage, controller: Controller, run: RunId) -> RunView:
    await stage.until(lambda: controller.run(run).state is not RunState.RUNNING, every_s=0.2)
    return controller.run(run)


async def carried_out(stage: Stage, controller: Controller, asked: PlanRequest) -> RunView:
    plan = await planned(controller, asked)
    return await ended(stage, controller, await accepted(controller, plan))


def closed(controller: Controller) -> list[HostName]:
    return [one.name for one in controller.host_records() if one.in_maintenance]


async def test_a_balance_cures_an_overloaded_host_and_closes_none(stage: Stage) -> None:
    overload(stage)
    controller = await stage.start()

    plan = await planned(controller, Balance())

    assert (plan.kind, plan.host, plan.closes) == (PlanKind.BALANCE, None, ())
    hot = next(one for one in plan.terms if one.name == "hot cpu")
    assert hot.before > 0.0 == hot.after
    assert plan.gain > 0.0
    assert plan.timed is not None
    assert all(one.worth is not None and one.forecast is not None for one in plan.moves)
    assert not stage.world.jobs
    view = await ended(stage, controller, await accepted(controller, plan))
    assert (view.state, view.host, view.remaining) == (RunState.DONE, None, ())
    assert {one.phase for one in view.migrations} == {Phase.DONE}
    assert closed(controller) == []
    ends = dict.fromkeys(HOT, "a") | {one.vm_name: one.destination for one in plan.moves}
    assert sorted(ends.values()) != ["a"] * 3
    for name, host in ends.items():
        stage.assert_runs_once(name, host)
    again = await planned(controller, Balance())
    assert again.moves == ()
    assert again.reasons


async def test_a_plan_of_any_kind_is_audited(stage: Stage) -> None:
    overload(stage)
    controller = await stage.start()
    for asked in (Balance(), Evacuate(host=A), Drain(hosts=(A,))):
        plan = await planned(controller, asked)
        assert plan.timed is not None
        at_once = tuple(replace(one, after=()) for one in plan.timed.moves)
        assert len(at_once) > 1
        broken = replace(plan, timed=replace(plan.timed, moves=at_once))
        stored = SqlStore(stage.database).add_plan(broken)

        with pytest.raises(Refused, match="would break rules"):
            await controller.accept(stored.id)

    assert controller.runs(limit=5) == ()
    assert closed(controller) == []


REQUESTS: dict[str, PlanRequest] = {
    "balance": Balance(),
    "evacuate": Evacuate(host=A),
    "place": Place(vm=VmId("hot1")),
    "restore": Restore(placement={VmId("uuid-of-hot1"): B}),
    "mix": Mix(requests=(Balance(), Place(vm=VmId("hot2")))),
}


@pytest.mark.parametrize("kind", REQUESTS)
async def test_a_plan_that_the_world_has_broken_is_stale(stage: Stage, kind: str) -> None:
    overload(stage)
    controller = await stage.start()
    plan = await planned(controller, REQUESTS[kind])
    assert plan.kind.value == kind
    stage.world.kill_qemu("a", plan.moves[0].vm)

    with pytest.raises(PlanStale, match="not the one") as stale:
        await controller.accept(plan.id)

    assert plan.moves[0].vm_name in stale.value.evidence
    assert stale.value.remedy == "Plan again."
    assert controller.runs(limit=5) == ()
    assert closed(controller) == []


@pytest.mark.parametrize("kind", REQUESTS)
async def test_a_plan_goes_through_a_change_that_does_not_touch_it(stage: Stage, kind: str) -> None:
    overload(stage)
    controller = await stage.start()
    plan = await planned(controller, REQUESTS[kind])
    stage.world.add_guest("b", guest("elsewhere"))
    assert (await controller.scan()).generation > plan.generation

    view = await ended(stage, controller, await accepted(controller, plan))

    assert view.state is RunState.DONE
    for move in plan.moves:
        stage.assert_runs_once(move.vm_name, move.destination)


async def test_a_second_balance_waits_for_the_first(stage: Stage) -> None:
    overload(stage)
    stage.world.add_guest("c", guest("cool"))
    controller = await stage.start()
    first, second = [await planned(controller, Balance()) for _ in range(2)]
    other = await planned(controller, Place(vm=VmId("cool")))
    run = await accepted(controller, first)

    with pytest.raises(Refused, match=f"{run} \\(balance\\) moves .*hot") as shares:
        await controller.accept(second.id)
    with pytest.raises(Refused, match=f"{run} \\(balance\\) is under way") as waits:
        await controller.accept(other.id)

    for refused in (shares, waits):
        assert f"godwit cancel {run}" in refused.value.remedy
    assert [one.id for one in controller.runs(limit=5)] == [run]
    await ended(stage, controller, run)
    # Planned before the first was carried out, and nothing of it has changed since.
    assert await accepted(controller, other)
    await stage.until(lambda: not controller.is_busy)


async def test_an_evacuation_starts_beside_a_balance_unless_it_shares_a_vm(stage: Stage) -> None:
    overload(stage)
    stage.world.add_guest("c", guest("cool"))
    controller = await stage.start()
    balance = await planned(controller, Balance())
    elsewhere = await planned(controller, Evacuate(host=C))
    same = await planned(controller, Evacuate(host=A))
    run = await accepted(controller, balance)

    with pytest.raises(Refused, match=r"moves .*hot") as refused:
        await controller.accept(same.id)
    assert f"godwit cancel {run}" in refused.value.remedy
    assert closed(controller) == []
    urgent = await accepted(controller, elsewhere)
    assert controller.run(run).state is RunState.RUNNING
    assert {one.id for one in controller.runs_under_way()} == {run, urgent}

    assert (await ended(stage, controller, urgent)).state is RunState.DONE
    await ended(stage, controller, run)
    assert controller.runs_under_way() == ()
    assert closed(controller) == [C]
    for name in (*HOT, "cool"):
        (host,) = stage.world.trace.runners(VmId(f"uuid-of-{name}"))
        stage.assert_runs_once(name, host)
    assert stage.world.trace.runners(VmId("uuid-of-cool")) != {C}


async def test_a_host_is_emptied_by_one_run_at_a_time(stage: Stage) -> None:
    overload(stage)
    controller = await stage.start()
    plans = [await planned(controller, asked) for asked in (Evacuate(host=A), Drain(hosts=(A, B)))]
    run = await accepted(controller, plans[0])

    with pytest.raises(Refused, match=f"a is being emptied already, by {run}"):
        await controller.accept(plans[1].id)

    assert closed(controller) == [A]
    await ended(stage, controller, run)


@pytest.mark.parametrize(
    ("asked", "closes"),
    [
        (Evacuate(host=A), [A]),
        (Drain(hosts=(A, B)), [A, B]),
        (Mix(requests=(Drain(hosts=(A,)), Balance())), [A]),
        (Consolidate(hosts_least=1), []),
        (Place(vm=VmId("hot1")), []),
        (Repair(), []),
    ],
)
async def test_hosts_that_are_emptied_for_work_are_closed_and_no_others(
    stage: Stage, asked: PlanRequest, closes: list[HostName]
) -> None:
    for name, host in (("hot1", "a"), ("b1", "b"), ("c1", "c")):
        stage.world.add_guest(host, guest(name))
    controller = await stage.start()

    view = await carried_out(stage, controller, asked)

    assert view.state is RunState.DONE
    assert closed(controller) == closes
    for name in closes:
        assert not stage.world.machines[name].copies
    if isinstance(asked, Consolidate):
        assert view.plan.leaving
        assert view.migrations
        for name in view.plan.leaving:
            assert not stage.world.machines[name].copies


@pytest.mark.parametrize("asked", [Balance(), Evacuate(host=A), Consolidate(hosts_least=2)])
async def test_a_move_that_failed_is_tried_elsewhere_only_where_its_host_is_emptied(
    stage: Stage, asked: PlanRequest
) -> None:
    if isinstance(asked, Consolidate):
        for name, host in (("one", "a"), ("two", "b"), ("three", "b"), ("four", "c")):
            stage.world.add_guest(host, guest(name))
    else:
        overload(stage)
    controller = await stage.start()
    plan = await planned(controller, asked)
    first = plan.moves[0]
    stage.world.machines[first.destination].refuses_prepare = "cannot access storage file"

    view = await ended(stage, controller, await accepted(controller, plan))

    tried = [one for one in view.migrations if one.move.vm == first.vm]
    if isinstance(asked, Evacuate):
        assert [one.phase for one in tried] == [Phase.FAILED, Phase.DONE]
        assert [one.attempt for one in tried] == [1, 2]
        assert view.state is RunState.DONE
    else:
        assert [one.phase for one in tried] == [Phase.FAILED]
        assert view.state is RunState.PARTLY
        assert first.vm_name in view.remaining
        stage.assert_runs_once(first.vm_name, first.source, pause_s=0.0)


async def test_accepting_a_plan_again_gives_the_same_run(stage: Stage) -> None:
    overload(stage)
    controller = await stage.start()
    plan = await planned(controller, Balance())

    run = await accepted(controller, plan)

    assert await accepted(controller, plan) == run
    view = await ended(stage, controller, run)
    assert await accepted(controller, plan) == run
    await stage.kill()
    controller = await stage.start()
    assert await accepted(controller, plan) == run
    assert [one.id for one in controller.runs(limit=5)] == [run]
    assert controller.run(run) == view
    assert len(controller.migrations(limit=50)) == len(plan.moves)


async def test_a_cancelled_balance_starts_no_more_and_leaves_no_host_closed(stage: Stage) -> None:
    overload(stage)
    controller = await stage.start()
    plan = await planned(controller, Balance(), parallel=1)
    assert len(plan.moves) == 2
    run = await accepted(controller, plan)
    await stage.until(lambda: bool(stage.world.jobs))
    await asyncio.sleep(0.3)

    await controller.cancel_run(run)
    view = await ended(stage, controller, run)

    assert view.state is RunState.CANCELLED
    assert [one.phase for one in view.migrations] == [Phase.CANCELLED]
    assert set(view.remaining) == {one.vm_name for one in plan.moves}
    assert closed(controller) == []
    for name in HOT:
        stage.assert_runs_once(name, "a")
    with pytest.raises(Refused, match="is over"):
        await controller.cancel_run(run)


async def test_a_balance_whose_controller_died_is_shown_as_interrupted(stage: Stage) -> None:
    overload(stage)
    controller = await stage.start()
    run = await accepted(controller, await planned(controller, Balance()))
    await stage.until(lambda: bool(stage.world.jobs))
    await asyncio.sleep(0.3)
    await stage.kill()

    controller = await stage.start()

    assert controller.run(run).state is RunState.INTERRUPTED
    assert controller.run(run).ended_at_s is not None
    assert controller.runs_under_way() == ()
    await stage.until(lambda: not controller.is_busy)
    view = controller.run(run)
    assert [one.phase for one in view.migrations] == [Phase.DONE]
    assert len(view.remaining) == 1
    assert (await carried_out(stage, controller, Balance())).state is RunState.DONE
    for name in HOT:
        (host,) = stage.world.trace.runners(VmId(f"uuid-of-{name}"))
        stage.assert_runs_once(name, host)


async def test_drains_of_an_older_godwit_are_runs_of_this_one(folder: Path) -> None:
    dump = Path(__file__).parents[1] / "store" / "schema_2.sql"
    with closing(sqlite3.connect(folder / "godwit.db")) as raw:
        raw.executescript(dump.read_text(encoding="utf-8"))
    stage = Stage(folder)
    for name, host in (("one", "c"), ("two", "b")):
        stage.world.add_guest(host, guest(name))
    controller = await stage.start()
    await stage.until(lambda: not controller.is_busy)

    cut_off, done = controller.runs(limit=9)

    assert (done.state, done.host, done.remaining) == (RunState.DONE, A, ())
    assert (cut_off.state, cut_off.host) == (RunState.INTERRUPTED, B)
    assert cut_off.remaining == ("two",)
    assert controller.way_back(A) == Restore(placement={VmId("uuid-of-one"): A})
    await stage.close()


async def test_every_step_of_a_run_is_told(stage: Stage) -> None:
    overload(stage)
    controller = await stage.start()
    plan = await planned(controller, Balance())
    before = controller.last_notice
    run = await accepted(controller, plan)
    told: list[RunView] = []
    async for notice in controller.watch(before):
        if notice.kind is NoticeKind.RUN:
            assert notice.run is not None
            told.append(notice.run)
            if notice.run.state is not RunState.RUNNING:
                break

    assert {one.id for one in told} == {run}
    assert told[-1].state is RunState.DONE
    assert [len(one.remaining) for one in told] == sorted(
        (len(one.remaining) for one in told), reverse=True
    )
    assert {len(one.migrations) for one in told} >= set(range(1, len(plan.moves) + 1))


class TestWayBack:
    """What a drain took away comes back, and nothing else."""

    async def test_it_brings_back_what_the_last_drain_took_away(self, stage: Stage) -> None:
        overload(stage)
        stage.world.add_guest("b", guest("other"))
        controller = await stage.start()
        plan = await plan_drain(controller, A, parallel=2, settings=PauseSettings())
        await ended(stage, controller, await accepted(controller, plan))

        asked = controller.way_back(A)
        still_closed = await planned(controller, asked)
        await controller.set_maintenance(A, on=False)
        back = await planned(controller, asked)

        assert asked == Restore(placement={VmId(f"uuid-of-{name}"): A for name in HOT})
        assert still_closed.moves == ()
        assert {one.vm_name for one in still_closed.unplaced} == set(HOT)
        assert "maintenance" in still_closed.unplaced[0].refusals[0].why
        assert back.kind is PlanKind.RESTORE
        assert {one.vm_name: one.destination for one in back.moves} == dict.fromkeys(HOT, A)
        view = await ended(stage, controller, await accepted(controller, back))
        assert view.state is RunState.DONE
        for name in HOT:
            stage.assert_runs_once(name, "a")
        stage.assert_runs_once("other", "b", pause_s=0.0)
        assert closed(controller) == []
        assert (await planned(controller, controller.way_back(A))).moves == ()

    async def test_it_is_known_to_the_next_controller_however_much_was_moved(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        overload(stage)
        controller = await stage.start()
        run = (await carried_out(stage, controller, Evacuate(host=A))).id
        monkeypatch.setattr("godwit.engine.runs.LOOK_BACK", 1)
        await stage.kill()

        controller = await stage.start()

        assert controller.run(run).state is RunState.DONE
        assert set(controller.way_back(A).placement) == {VmId(f"uuid-of-{name}") for name in HOT}

    async def test_what_never_left_is_not_brought_back(self, stage: Stage) -> None:
        overload(stage)
        controller = await stage.start()
        run = await accepted(controller, await planned(controller, Evacuate(host=A)))
        await stage.until(lambda: controller.run(run).migrations != ())
        await stage.until(lambda: controller.run(run).migrations[0].phase is Phase.DONE)
        await controller.cancel_run(run)
        view = await ended(stage, controller, run)

        (gone,) = [one.move.vm for one in view.migrations if one.phase is Phase.DONE]
        assert controller.way_back(A) == Restore(placement={gone: A})

    @pytest.mark.parametrize("asked", [None, Balance(), Consolidate()])
    async def test_without_a_drain_there_is_none(
        self, stage: Stage, asked: PlanRequest | None
    ) -> None:
        overload(stage)
        controller = await stage.start()
        if asked is not None:
            await carried_out(stage, controller, asked)

        with pytest.raises(Refused, match="no drain or evacuation of a") as refused:
            controller.way_back(A)

        assert "godwit migrate VM --to HOST" in refused.value.remedy

    async def test_nothing_moved_is_nothing_to_bring_back(self, stage: Stage) -> None:
        overload(stage)
        controller = await stage.start()
        run = await accepted(controller, await planned(controller, Evacuate(host=A)))
        await stage.until(lambda: bool(stage.world.jobs))
        await asyncio.sleep(0.1)
        await controller.cancel_run(run)
        await ended(stage, controller, run)

        with pytest.raises(Refused, match="no drain or evacuation of a"):
            controller.way_back(A)

    async def test_a_host_that_is_not_there_has_none(self, stage: Stage) -> None:
        controller = await stage.start()
        with pytest.raises(UnknownHost):
            controller.way_back(HostName("z"))


async def test_vms_are_asked_for_by_name_or_by_id(stage: Stage) -> None:
    overload(stage)
    controller = await stage.start()
    for asked in (
        Place(vm=VmId("hot2")),
        Place(vm=VmId("uuid-of-hot2")),
        Mix(requests=(Place(vm=VmId("hot2")), Repair())),
    ):
        plan = await planned(controller, asked)
        assert [one.vm_name for one in plan.moves] == ["hot2"]


def mixed(one: Place | Evacuate | Drain) -> PlanRequest:
    return Mix(requests=(Balance(), one))


@pytest.mark.parametrize("within", [lambda one: one, mixed])
async def test_what_is_not_there_is_said_before_anything_is_planned(
    stage: Stage, within: Callable[[PlanRequest], PlanRequest]
) -> None:
    overload(stage)
    controller = await stage.start()

    with pytest.raises(UnknownVm, match="'hto1'") as unknown:
        await planned(controller, within(Place(vm=VmId("hto1"))))
    assert "hot1" in unknown.value.remedy
    for asked in (Evacuate(host=HostName("z")), Drain(hosts=(A, HostName("z")))):
        with pytest.raises(UnknownHost, match="'z'"):
            await planned(controller, within(asked))
    stage.world.kill_libvirtd("a")
    for asked in (Evacuate(host=A), Drain(hosts=(B, A))):
        with pytest.raises(HostUnreachable, match="a does not answer"):
            await planned(controller, within(asked))
