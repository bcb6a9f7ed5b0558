"""Goal: what the audit finds fault with is not carried out, and a refusal changes nothing.

Method: plans of the engine's own, broken by hand in the store, or left behind by the world.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from godwit.core.errors import GodwitError, PlanStale, Refused
from godwit.core.model import VmId, VmPolicy
from godwit.core.plan import Plan
from godwit.core.planner import PauseSettings
from godwit.core.timed import TimedPlan
from godwit.core.units import GIB, MIB
from godwit.engine import Controller, RunState, auditing
from godwit.store import SqlStore
from tests.unit.engine.stage import A, B, C, Stage, guest, plan_drain

ASKED = PauseSettings()
NAMES = ("one", "two", "three")


async def drain_plan(stage: Stage, *, parallel: int = 1) -> tuple[Controller, Plan]:
    for name in NAMES:
        stage.world.add_guest("a", guest(name))
    controller = await stage.start()
    return controller, await plan_drain(controller, A, parallel=parallel, settings=ASKED)


def kept(stage: Stage, plan: Plan, **timed: object) -> Plan:
    """The plan with another timetable, as if something had made it so."""
    assert plan.timed is not None
    broken = replace(plan, timed=replace(plan.timed, **timed))  # type: ignore[arg-type]
    return SqlStore(stage.database).add_plan(broken)


def all_at_once(timed: TimedPlan) -> dict[str, object]:
    """Without its waits, a plan of one move at a time has all of them in flight together."""
    return {"moves": tuple(replace(one, after=()) for one in timed.moves)}


def assert_untouched(stage: Stage, controller: Controller) -> None:
    assert not stage.world.jobs
    assert controller.migrations(limit=10) == ()
    assert controller.runs(limit=10) == ()
    assert not any(one.in_maintenance for one in controller.host_records())
    assert not controller.is_busy
    assert stage.orders == []


async def test_a_plan_that_would_break_a_limit_is_refused_and_nothing_is_changed(
    stage: Stage,
) -> None:
    controller, plan = await drain_plan(stage)
    broken = kept(stage, plan, **all_at_once(plan.timed))

    with pytest.raises(Refused, match="would break rules") as refused:
        await controller.accept(broken.id)

    assert not isinstance(refused.value, PlanStale)
    assert "flight of the whole" in refused.value.evidence
    assert "3 moves at once" in refused.value.evidence
    assert refused.value.remedy
    assert_untouched(stage, controller)


async def test_a_plan_says_nothing_of_the_bounds_that_it_is_judged_by(stage: Stage) -> None:
    controller, plan = await drain_plan(stage)
    loose = replace(plan.timed.bounds, limits=replace(plan.limits, whole=None))
    broken = kept(stage, plan, **all_at_once(plan.timed), bounds=loose)

    with pytest.raises(Refused, match="would break rules"):
        await controller.accept(broken.id)


async def test_it_is_the_audit_that_refuses(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an audit that finds nothing, the same plan would be carried out."""
    controller, plan = await drain_plan(stage)
    broken = kept(stage, plan, **all_at_once(plan.timed))
    monkeypatch.setattr(auditing, "audit", lambda *_: ())

    accepted = await controller.accept(broken.id)

    assert accepted.run is not None
    await stage.until(lambda: not controller.is_busy)


async def test_a_plan_with_room_for_nobody_is_refused(stage: Stage) -> None:
    """Free memory is no part of the generation: the replay alone sees it."""
    controller, plan = await drain_plan(stage)
    for name in (B, C):
        stage.world.machines[name].memory_bytes = GIB + 32 * MIB

    with pytest.raises(Refused, match="would break rules") as refused:
        await controller.accept(plan.id)

    assert "memory: " in refused.value.evidence
    assert_untouched(stage, controller)


async def test_a_vm_that_is_in_flight_refuses_the_whole_plan(stage: Stage) -> None:
    controller, plan = await drain_plan(stage)
    by_hand = await stage.migrate(controller, "one", to=C)

    with pytest.raises(Refused) as refused:
        await controller.accept(plan.id)

    assert "unmovable: one: in flight already" in refused.value.evidence
    assert "Wait" in refused.value.remedy
    await stage.settled(controller, by_hand)


def a_vm_has_gone(stage: Stage) -> None:
    stage.world.kill_qemu("a", VmId("uuid-of-two"))


def a_vm_has_come(stage: Stage) -> None:
    stage.world.add_guest("a", guest("new"))


def a_destination_is_full(stage: Stage) -> None:
    for name in ("b", "c"):
        stage.world.machines[{"b": B, "c": C}[name]].memory_bytes = 2 * GIB
        stage.world.add_guest(name, guest(f"big-{name}", memory_bytes=GIB))


def an_owner_permits_less(stage: Stage) -> None:
    copy = stage.world.machines[A].copies[VmId("uuid-of-two")]
    copy.guest = replace(copy.guest, policy=VmPolicy(pause_max_s=0.1))


def an_owner_sets_a_deadline(stage: Stage) -> None:
    copy = stage.world.machines[A].copies[VmId("uuid-of-two")]
    copy.guest = replace(copy.guest, policy=VmPolicy(deadline_s=60.0))


@pytest.mark.parametrize(
    ("moves_on", "said"),
    [
        (a_vm_has_gone, "two"),
        (a_vm_has_come, "a runs new as well"),
        (a_destination_is_full, "memory: "),
        (an_owner_permits_less, "two permits a pause of 100 ms now, and 1.0 s was planned"),
        (an_owner_sets_a_deadline, "no longer permits this deadline"),
    ],
)
async def test_a_plan_that_no_longer_holds_is_stale(
    stage: Stage, moves_on: Callable[[Stage], None], said: str
) -> None:
    controller, plan = await drain_plan(stage)
    moves_on(stage)

    with pytest.raises(PlanStale, match="not the one") as stale:
        await controller.accept(plan.id)

    assert said in stale.value.evidence
    assert f"generation {plan.generation}" in stale.value.evidence
    assert stale.value.remedy == "Plan again."
    assert_untouched(stage, controller)


async def test_a_plan_that_still_holds_is_carried_out_although_the_world_moved(
    stage: Stage,
) -> None:
    controller, plan = await drain_plan(stage)
    stage.world.add_guest("c", guest("elsewhere"))
    assert (await controller.scan()).generation > plan.generation

    accepted = await controller.accept(plan.id)

    assert accepted.run is not None
    await stage.until(lambda: not controller.is_busy)
    assert controller.run(accepted.run).state is RunState.DONE


async def test_a_plan_of_an_older_godwit_is_stale(stage: Stage) -> None:
    controller, plan = await drain_plan(stage)
    old = SqlStore(stage.database).add_plan(replace(plan, timed=None))

    with pytest.raises(PlanStale, match="has no times"):
        await controller.accept(old.id)
    assert_untouched(stage, controller)


async def test_a_refusal_names_vms_by_their_names(stage: Stage) -> None:
    controller, plan = await drain_plan(stage)
    first, *rest = plan.timed.moves
    ringed = replace(first, after=(rest[-1].id,))
    broken = kept(stage, plan, moves=(ringed, *rest))

    with pytest.raises(Refused) as refused:
        await controller.accept(broken.id)

    assert "order: these wait for each other: " in refused.value.evidence
    assert f"{first.vm_name}#1" in refused.value.evidence
    assert "uuid-of" not in refused.value.evidence


async def test_every_refusal_says_cause_evidence_and_remedy(stage: Stage) -> None:
    controller, plan = await drain_plan(stage)
    for broken in (kept(stage, plan, **all_at_once(plan.timed)), replace(plan, timed=None)):
        stored = SqlStore(stage.database).add_plan(broken)
        with pytest.raises(GodwitError) as refused:
            await controller.accept(stored.id)
        assert refused.value.message
        assert refused.value.evidence
        assert refused.value.remedy
