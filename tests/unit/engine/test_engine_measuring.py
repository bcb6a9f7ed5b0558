"""Goal: dirtying is measured where it helps a plan, rarely, never of a VM that moves, and in time.

Method: the simulated hosts measure as libvirt does: it takes the window, and a VM that migrates or
stands still is refused. The time is the simulation's.
"""

import asyncio
from dataclasses import replace

import pytest

from godwit.core.errors import StepRefused
from godwit.core.migration import Phase
from godwit.core.model import (
    DirtyObservation,
    DirtySource,
    HostName,
    RunState,
    VmId,
    VmKnowledge,
    VmPolicy,
)
from godwit.core.planner import PauseSettings
from godwit.core.rules import PolicyRule
from godwit.core.units import MIB
from godwit.engine import Controller
from godwit.engine.measuring import MeasuringLimits, is_due
from godwit.store import SqlKnowledge
from tests.unit.engine.stage import A, B, GatedHost, Stage, guest, plan_drain

WEB = VmId("uuid-of-web")
ON = MeasuringLimits()
ASKED_NOTHING = PauseSettings()


class Watch:
    """Notes every measurement: of what, for how long, and how many there were at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, float]] = []
        self.at_once: dict[HostName, int] = {}
        self.most: dict[HostName, int] = {}
        self.answer: list[object] = []
        real = GatedHost.measure_dirtying
        watch = self

        async def noted(host: GatedHost, vm: VmId, *, window_s: float) -> DirtyObservation | None:
            watch.asked.append((vm.removeprefix("uuid-of-"), window_s))
            now = watch.at_once[host._name] = watch.at_once.get(host._name, 0) + 1
            watch.most[host._name] = max(now, watch.most.get(host._name, 0))
            try:
                if watch.answer:
                    answer = watch.answer.pop(0)
                    if isinstance(answer, Exception):
                        raise answer
                    return answer  # type: ignore[return-value]
                return await real(host, vm, window_s=window_s)
            finally:
                watch.at_once[host._name] -= 1

        monkeypatch.setattr(GatedHost, "measure_dirtying", noted)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def _known(stage: Stage, vm: VmId = WEB) -> VmKnowledge | None:
    return SqlKnowledge(stage.database).knowledge().vms.get(vm)


async def _plan(controller: Controller, vm: str = "web", *, measure: bool = True):
    return await controller.plan_migration(
        vm, destination=None, settings=ASKED_NOTHING, measure=measure
    )


async def test_a_vm_that_nobody_knows_is_measured_and_the_plan_rests_on_it(
    stage: Stage, watch: Watch
) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start(measuring=ON)
    begun_s = stage.world.now_s()
    plan = await _plan(controller)

    assert watch.asked == [("web", 1.0), ("web", 2.0)]
    assert stage.world.now_s() - begun_s < 4
    known = _known(stage)
    assert known is not None
    assert [one.source for one in known.observations] == [DirtySource.SAMPLED] * 2
    assert known.observations[0].written_bytes == guest().dirtied_bytes(1.0)
    assert "by sampling" in " ".join(plan.moves[0].forecast.grounds)
    assert plan.notes == ()


async def test_it_is_not_measured_again_before_that_is_old(stage: Stage, watch: Watch) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start(measuring=ON)
    await _plan(controller)
    await asyncio.sleep(ON.sampled_age_s - 60)
    await _plan(controller)
    assert len(watch.asked) == 2
    await asyncio.sleep(70)
    await _plan(controller)
    assert len(watch.asked) == 4


async def test_a_person_may_do_without(stage: Stage, watch: Watch) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start(measuring=ON)
    plan = await _plan(controller, measure=False)
    await plan_drain(controller, A, parallel=1, settings=ASKED_NOTHING, measure=False)
    assert watch.asked == []
    assert plan.moves[0].forecast is not None


async def test_a_vm_that_stands_still_or_can_not_move_is_left_alone(
    stage: Stage, watch: Watch
) -> None:
    stage.world.add_guest("a", guest(), state=RunState.PAUSED_USER)
    stage.world.add_guest("a", guest("local", disk="/var/local.qcow2"))
    controller = await stage.start(measuring=ON)
    plan = await plan_drain(controller, A, parallel=1, settings=ASKED_NOTHING)
    assert (plan.moves, watch.asked) == ((), [])


async def test_a_vm_that_migrates_is_never_measured(stage: Stage, watch: Watch) -> None:
    stage.world.add_guest("a", guest("busy", memory_bytes=2048 * MIB))
    stage.world.add_guest("a", guest())
    controller = await stage.start(measuring=ON)
    plan = await _plan(controller, "busy", measure=False)
    (one,) = (await controller.accept(plan.id)).migrations
    # Accepted, but nothing was asked of any host yet.
    await controller._planning._measuring.refresh([*(await controller.scan()).vms])
    assert {name for name, _ in watch.asked} == {"web"}
    await stage.reaches(controller, one, Phase.COPYING)
    watch.asked.clear()
    await controller._planning._measuring.refresh([*(await controller.scan()).vms])
    assert watch.asked == []


async def test_two_at_a_time_on_each_host_and_not_longer_than_a_plan_may_take(
    stage: Stage, watch: Watch
) -> None:
    for number in range(9):
        stage.world.add_guest("a", guest(f"vm{number}", memory_bytes=(64 + number) * MIB))
    controller = await stage.start(measuring=ON)
    begun_s = stage.world.now_s()
    plan = await plan_drain(controller, A, parallel=2, settings=ASKED_NOTHING)

    assert stage.world.now_s() - begun_s < ON.budget_s + 1
    assert watch.most == {A: 2}
    measured = {name for name, _ in watch.asked}
    # Two turns of 3 s and what goes with them fit into 10 s; the largest go first.
    assert measured == {f"vm{number}" for number in (8, 7, 6, 5)}
    (note,) = [one for one in plan.notes if "measured" in one]
    assert note == "dirtying not measured of vm4, vm3, vm2 and 2 more: the time for it was over"
    assert all(move.forecast is not None for move in plan.moves)


async def test_a_host_that_hangs_does_not_hold_the_plan_up(
    stage: Stage, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(*_: object, **__: object) -> None:
        await asyncio.sleep(3600)

    stage.world.add_guest("a", guest())
    controller = await stage.start(measuring=ON)
    monkeypatch.setattr(GatedHost, "measure_dirtying", hangs)
    begun_s = stage.world.now_s()
    plan = await _plan(controller)
    assert stage.world.now_s() - begun_s < ON.budget_s + 1
    assert plan.notes == ("dirtying not measured of web: the time for it was over",)


async def test_two_plans_at_the_same_time_measure_a_vm_once(stage: Stage, watch: Watch) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start(measuring=ON)
    await asyncio.gather(_plan(controller), _plan(controller))
    assert watch.asked == [("web", 1.0), ("web", 2.0)]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (StepRefused("refused", evidence="a job is active"), "a job is active"),
        (None, "a can't say how fast it writes its memory"),
    ],
)
async def test_a_refusal_is_a_note_and_nothing_more(
    stage: Stage, watch: Watch, answer: object, says: str
) -> None:
    stage.world.add_guest("a", guest())
    watch.answer = [answer]
    controller = await stage.start(measuring=ON)
    plan = await _plan(controller)
    assert plan.notes == (f"dirtying not measured of web: {says}",)
    assert len(watch.asked) == 1
    assert plan.moves[0].forecast is not None


async def test_what_was_measured_before_a_refusal_is_kept(stage: Stage, watch: Watch) -> None:
    stage.world.add_guest("a", guest())
    seen = DirtyObservation(
        window_s=1.0,
        written_bytes=1e6,
        source=DirtySource.SAMPLED,
        taken_at_s=stage.world.epoch_s(),
    )
    watch.answer = [seen, StepRefused("refused", evidence="a job is active")]
    controller = await stage.start(measuring=ON)
    await _plan(controller)
    known = _known(stage)
    assert known is not None
    assert known.observations == (seen,)


class TestDue:
    def seen(self, source: DirtySource, age_s: float) -> VmKnowledge:
        one = DirtyObservation(
            window_s=1.0, written_bytes=1.0, source=source, taken_at_s=100_000.0 - age_s
        )
        old = replace(one, taken_at_s=1.0, source=DirtySource.SAMPLED)
        return VmKnowledge(vm=WEB, observations=(old, one))

    @pytest.mark.parametrize(
        ("source", "age_s", "due"),
        [
            (DirtySource.SAMPLED, 1700.0, False),
            (DirtySource.SAMPLED, 1900.0, True),
            (DirtySource.COPIED, 1900.0, False),
            (DirtySource.COPIED, 86_000.0, False),
            (DirtySource.COPIED, 87_000.0, True),
            # A clock that was put back.
            (DirtySource.COPIED, -50.0, True),
        ],
    )
    def test_by_age_and_source(self, source: DirtySource, age_s: float, due: bool) -> None:
        assert is_due(self.seen(source, age_s), 100_000.0, ON) is due

    def test_of_what_nothing_is_known(self) -> None:
        assert is_due(None, 0.0, ON)
        assert is_due(VmKnowledge(vm=WEB), 0.0, ON)


async def test_a_policy_is_written_into_the_vm_and_read_back(stage: Stage) -> None:
    rule = PolicyRule(patterns=("web",), pause_max_s=0.4, priority=3)
    stage.world.add_guest("a", guest())
    controller = await stage.start(policy_rules=(rule,))
    wish = VmPolicy(pause_max_s=0.25, may_postcopy=True, given=frozenset({"pause_max_s"}))
    found = await controller.put_policy("web", wish)
    assert (found.policy.pause_max_s, found.policy.may_postcopy) == (0.25, False)
    assert found.policy.priority == 3
    plan = await controller.plan_migration("web", destination=B, settings=ASKED_NOTHING)
    assert plan.moves[0].recipe.pause_max_s == 0.25
