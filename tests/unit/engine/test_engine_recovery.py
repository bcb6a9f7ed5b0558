"""Goal: a controller may die at any instant; the next one takes over, and no guest is harmed.

Method: everything that crosses between a controller and the world is counted; for each number the
controller dies at that crossing, and another one starts over the same store after a while.
"""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from godwit.core.migration import Migration, Phase
from godwit.core.model import VmId
from godwit.core.planner import PauseSettings
from tests.unit.engine.stage import B, Gate, Killed, Stage, guest

#: How long nobody is there. The first is a restart, the last is a night.
AWAY_S = (0.0, 0.4, 3.0, 3600.0)

WEB = VmId("uuid-of-web")


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
    async for stage in deaths.each():
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
    assert len(deaths.at) > 40
