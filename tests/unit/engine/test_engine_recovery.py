"""Goal: a controller may die at any instant; the next one takes over, and no guest is harmed.

Method: everything that crosses between a controller and the world is counted; for each number the
controller dies at that crossing, and another one starts over the same store after a while.
"""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from godwit.core.migration import Migration, Phase
from godwit.core.model import HostName, Progress, VmId
from godwit.core.planner import PauseSettings
from godwit.core.units import GIB
from godwit.drivers.simulated import Point, SimulatedWorld
from godwit.drivers.simulated.client import SimulatedHost
from godwit.engine import runner
from tests.unit.engine.stage import B, Gate, Killed, Stage, guest

#: How long nobody is there. The first is a restart, the last is a night.
AWAY_S = (0.0, 0.4, 3.0, 3600.0)


class Deaths:
    """One fresh stage after the other, with a controller that dies one crossing later each time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.gate = Gate()
        self.at: list[str] = []

    async def each(self, *, step: int = 1, **world: object) -> AsyncIterator[Stage]:
        number, died = 0, True
        while died:
            number += step
            folder = self._folder / f"{number}"
            stage = Stage(folder, **world)
            self.gate = Gate(kill_at=number)
            self.gate.armed = False
            yield stage
            died = len(self.gate.crossings) == number
            if died:
                self.at.append(self.gate.crossings[-1])
            await stage.close()
            shutil.rmtree(folder)


async def run_until_death(stage: Stage, gate: Gate) -> None:
    """Plan in peace; then accept, and watch until the end or until death."""
    controller = await stage.start(gate)
    plan = await controller.plan_migration("web", destination=B, settings=PauseSettings())
    gate.armed = True
    try:
        await controller.accept(plan.id)
    except Killed:
        return
    await stage.until(lambda: gate.is_dead or not controller.is_busy)


async def take_over(stage: Stage, *, away_s: float) -> Migration | None:
    """A new controller, after a while; returns the one migration once it is settled."""
    await stage.kill()
    await stage.world.clock.sleep(away_s)
    controller = await stage.start()
    if not controller.migrations(limit=5):
        return None
    (migration,) = controller.migrations(limit=5)
    return await stage.settled(controller, migration.id)


@pytest.mark.parametrize("away_s", AWAY_S)
async def test_wherever_a_controller_dies_the_next_one_finds_one_running_copy(
    folder: Path, away_s: float
) -> None:
    deaths = Deaths(folder)
    outcomes = set()
    async for stage in deaths.each(step=1 if away_s == AWAY_S[1] else 2):
        stage.world.add_guest("a", guest())
        await run_until_death(stage, deaths.gate)

        migration = await take_over(stage, away_s=away_s)

        if migration is None:
            stage.assert_runs_once("web", "a")
            continue
        stage.assert_ended_well(migration)
        if migration.phase is Phase.FAILED:
            # Given up only where nothing had been asked of any host, or the call not yet made.
            assert migration.failure is not None
            assert migration.failure.code in {"not_started", "rolled_back"}, deaths.gate.crossings
        outcomes.add(migration.phase)
    assert outcomes == {Phase.DONE, Phase.FAILED}
    assert len(deaths.at) > 20


async def test_the_second_controller_may_die_too(folder: Path) -> None:
    """The first dies in the middle of the copy, the second at each of its own crossings."""
    deaths = Deaths(folder)
    async for stage in deaths.each(step=2):
        stage.world.add_guest("a", guest())
        first = await stage.start()
        one = await stage.migrate(first)
        await stage.reaches(first, one, Phase.COPYING)
        await stage.kill()
        deaths.gate.armed = True
        try:
            second = await stage.start(deaths.gate)
        except Killed:
            pass
        else:
            await stage.until(lambda now=second: deaths.gate.is_dead or not now.is_busy)

        migration = await take_over(stage, away_s=0.4)

        assert migration is not None
        assert migration.phase is Phase.DONE
        stage.assert_ended_well(migration)
    assert len(deaths.at) > 10


async def test_wherever_a_controller_dies_after_a_cancel_the_guest_is_unharmed(
    folder: Path,
) -> None:
    deaths = Deaths(folder)
    outcomes = set()
    async for stage in deaths.each(step=2):
        stage.world.add_guest("a", guest())
        controller = await stage.start(deaths.gate)
        one = await stage.migrate(controller)
        await stage.reaches(controller, one, Phase.COPYING)
        deaths.gate.armed = True
        await controller.cancel(one)
        await stage.until(lambda now=controller: deaths.gate.is_dead or not now.is_busy)

        migration = await take_over(stage, away_s=0.2)

        assert migration is not None
        stage.assert_ended_well(migration)
        outcomes.add(migration.phase)
        if "CancelOrdered" in stage.written(one):
            # Ordered in time, or too late for a guest that had moved meanwhile.
            assert migration.phase in {Phase.CANCELLED, Phase.DONE}
    assert Phase.CANCELLED in outcomes
    assert len(deaths.at) > 5


async def test_a_controller_that_is_closed_at_any_time_leaves_the_migration_to_the_next(
    folder: Path,
) -> None:
    for tenths in range(12):
        stage = Stage(folder / f"{tenths}")
        stage.world.add_guest("a", guest())
        controller = await stage.start()
        await stage.migrate(controller)
        await stage.world.clock.sleep(tenths / 10)

        await controller.close()
        assert not controller.is_busy

        migration = await take_over(stage, away_s=0.0)
        assert migration is not None
        assert migration.phase in {Phase.DONE, Phase.FAILED}
        assert (migration.phase is Phase.FAILED) == (
            "StartOrdered" not in stage.written(migration.id)
        )
        stage.assert_ended_well(migration)
        await stage.close()


FAULTS: dict[str, Callable[[SimulatedWorld], None]] = {
    "the source's libvirtd dies": lambda world: world.kill_libvirtd("a"),
    "the destination's libvirtd dies": lambda world: world.kill_libvirtd("b"),
    "the destination loses its power": lambda world: world.power_off("b"),
    "the data path is cut": lambda world: world.network.cut_data("a", "b"),
    "the daemons are cut off from each other": lambda world: world.network.cut_control("a", "b"),
}

#: The window in which libvirt itself may run a guest twice or lose it.
BEYOND_HELP = {
    ("the destination's libvirtd dies", Point.RUNS): Phase.SPLIT,
    ("the daemons are cut off from each other", Point.RUNS): Phase.SPLIT,
    ("the destination loses its power", Point.CONFIRM): Phase.LOST,
}


@pytest.mark.parametrize("point", [one for one in Point if not one.is_postcopy])
@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_a_controller_that_dies_together_with_something_else_is_followed_by_the_truth(
    stage: Stage, fault: str, point: Point
) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    stage.world.at(point, lambda: FAULTS[fault](stage.world))
    one = await stage.migrate(controller)
    await stage.until(lambda: not stage.world._hooks, every_s=0.001)
    await stage.kill()
    await stage.world.clock.sleep(3.0)
    controller = await stage.start()
    await stage.world.clock.sleep(60.0)

    stage.world.network.mend()
    for host in ("a", "b"):
        machine = stage.world.machines[HostName(host)]
        if not machine.powered:
            stage.world.power_on(host)
        elif not machine.daemon:
            stage.world.start_libvirtd(host)
    migration = await stage.settled(controller, one)

    if (worst := BEYOND_HELP.get((fault, point))) is not None:
        assert migration.phase is worst
        assert migration.needs_person
        return
    stage.assert_ended_well(migration, pause_s=120.0)


async def test_the_time_before_an_adoption_is_no_stall(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first reading of an adopted job may have no memory in it yet."""
    stage.world.add_guest("a", guest(memory_bytes=3 * GIB))
    first = await stage.start()
    one = await stage.migrate(first)
    await stage.until(lambda: len(first.migration(one).rounds) >= 1, every_s=0.01)
    await stage.kill()
    monkeypatch.setattr(runner, "ADOPTED_AFTER_S", 15.0)
    read, empty = SimulatedHost.progress, 4

    async def progress(host: SimulatedHost, vm: VmId) -> Progress | None:
        nonlocal empty
        empty -= 1
        return await read(host, vm) if empty < 0 else None

    monkeypatch.setattr(SimulatedHost, "progress", progress)
    migration = await stage.settled(await stage.start(), one)

    assert empty < 0
    assert migration.failure is None
    assert migration.phase is Phase.DONE
    stage.assert_ended_well(migration)
