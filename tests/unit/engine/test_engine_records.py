"""Goal: the network's records say the true place in the end, and never touch the guest.

Method: a register of places with faults on demand, behind the same gate as everything else of a
controller, so that a controller may die between what it ordered and what it wrote.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from godwit.core.errors import RecordFailed
from godwit.core.migration import Migration, Phase, RecordStepped
from godwit.core.model import MigrationId, Probe, VmPolicy
from godwit.core.planner import PauseSettings
from godwit.drivers.simulated import Point
from godwit.engine import Controller
from godwit.engine.record_steps import RecordRule
from godwit.ports import PlaceChange, Prepared
from godwit.store import SqlJournal
from tests.unit.engine.stage import B, Gate, Killed, Stage, guest


class Register:
    """Says where each VM is, outlives every controller, and keeps what it was asked."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {"web": "a (written by hand)"}
        self.steps: list[str] = []
        self.changes: list[PlaceChange] = []
        self.faults: dict[str, Callable[[int], None]] = {}


class Keeper:
    """A keeper of the register, in one controller."""

    def __init__(self, register: Register, gate: Gate, name: str = "register") -> None:
        self.register = register
        self._gate = gate
        self._name = name
        self.hangs_at = ""

    @property
    def name(self) -> str:
        return self._name

    async def _step(self, step: str, change: PlaceChange) -> None:
        self._gate.cross(f"before {step} of a record")
        self.register.steps.append(step)
        self.register.changes.append(change)
        if step == self.hangs_at:
            await asyncio.sleep(3600.0)
        if (fault := self.register.faults.get(step)) is not None:
            fault(self.register.steps.count(step))
        await asyncio.sleep(0.02)

    async def prepare(self, change: PlaceChange) -> Prepared:
        await self._step("prepare", change)
        return Prepared(what="seen", saw=self.register.places["web"])

    async def switch(self, change: PlaceChange) -> str:
        await self._step("switch", change)
        self.register.places[change.new.vm_name] = change.new.host
        self._gate.cross("after switch of a record")
        return f"says {change.new.host}"

    async def verify(self, change: PlaceChange) -> str:
        await self._step("verify", change)
        if self.register.places["web"] != change.new.host:
            raise RecordFailed("it says the old place")
        return "read back"

    async def roll_back(self, change: PlaceChange) -> str:
        await self._step("roll_back", change)
        self.register.places[change.old.vm_name] = change.saw or change.old.host
        self._gate.cross("after roll_back of a record")
        return "restored"

    async def close(self) -> None:
        pass


def fails(times: int = 100, error: Exception | None = None) -> Callable[[int], None]:
    def fail(count: int) -> None:
        if count <= times:
            raise error or RecordFailed("the server does not answer", evidence="refused")

    return fail


async def begin(
    stage: Stage, register: Register, gate: Gate | None = None, **rule: object
) -> Controller:
    gate = gate or Gate()
    keeper = Keeper(register, gate)
    keeper.hangs_at = str(rule.pop("hangs_at", ""))
    rules = (RecordRule(keeper=keeper, **rule),)  # type: ignore[arg-type]
    return await stage.start(gate, record_rules=rules)


async def whole(stage: Stage, controller: Controller, **more: object) -> Migration:
    """Migrate, and wait until nothing is left to do."""
    one = await stage.migrate(controller, **more)  # type: ignore[arg-type]
    await stage.until(lambda: not controller.is_busy)
    return controller.migration(one)


def written(stage: Stage, one: MigrationId) -> list[tuple[str, bool]]:
    life = SqlJournal(stage.database).life(one)[1]
    return [(each.step, each.worked) for each in life if isinstance(each, RecordStepped)]


async def test_a_move_is_prepared_switched_at_the_stop_and_verified(stage: Stage) -> None:
    policy = VmPolicy(probe=Probe(address="10.9.9.9"))
    stage.world.add_guest("a", guest(address="10.0.0.1", policy=policy))
    register = Register()
    controller = await begin(stage, register)

    migration = await whole(stage, controller)

    assert migration.phase is Phase.DONE
    assert register.places == {"web": "b"}
    assert register.steps == ["prepare", "switch", "verify"]
    assert written(stage, migration.id) == [("prepare", True), ("switch", True), ("verify", True)]
    change = register.changes[-1]
    assert (change.old.host, change.new.host) == ("a", "b")
    assert change.saw == "a (written by hand)"
    assert change.new.addresses == ("10.9.9.9", "10.0.0.1")
    assert change.new.macs == ("52:54:00:00:00:01",)
    words = stage.written(migration.id)
    assert words.index("VcpusStopped") < words.index("RecordStepped", words.index("VcpusStopped"))
    assert max(i for i, word in enumerate(words) if word == "RecordStepped") < words.index(
        "VerifyEnded"
    )
    stage.assert_ended_well(migration)


async def test_a_vm_that_no_pattern_names_is_left_alone(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    register = Register()
    controller = await begin(stage, register, patterns=("db-*", "we"))

    migration = await whole(stage, controller)

    assert register.steps == []
    assert written(stage, migration.id) == []


async def test_a_failure_after_the_switch_over_is_rolled_back(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    register = Register()
    controller = await begin(stage, register)
    stage.world.at(Point.SWITCH, lambda: stage.world.network.cut_data("a", "b"))

    migration = await whole(stage, controller)

    assert migration.phase is Phase.FAILED
    assert register.places == {"web": "a (written by hand)"}
    assert register.steps == ["prepare", "switch", "roll_back"]
    stage.assert_runs_once("web", "a", pause_s=10.0)


async def test_a_failure_before_the_switch_over_touches_nothing(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    register = Register()
    controller = await begin(stage, register)
    stage.world.at(Point.ROUND, lambda: stage.world.kill_qemu("b", guest().id))

    migration = await whole(stage, controller)

    assert migration.phase is Phase.FAILED
    assert register.steps == ["prepare"]


async def test_nothing_is_done_while_the_outcome_is_unknown(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    register = Register()
    controller = await begin(stage, register)
    one = await stage.migrate(controller)
    stage.world.at(Point.CONFIRM, lambda: stage.world.network.cut_management("b"))
    await stage.reaches(controller, one, Phase.UNKNOWN)
    await stage.world.clock.sleep(60.0)

    assert register.steps == ["prepare", "switch"]

    stage.world.network.mend()
    migration = await stage.settled(controller, one)
    assert migration.phase is Phase.DONE
    assert register.steps == ["prepare", "switch", "verify"]


@pytest.mark.parametrize(
    "error", [RecordFailed("no"), RuntimeError("a bug"), TimeoutError(), OSError("gone")]
)
async def test_a_dead_register_harms_nothing_and_is_told(stage: Stage, error: Exception) -> None:
    stage.world.add_guest("a", guest())
    register = Register()
    for step in ("prepare", "switch", "verify", "roll_back"):
        register.faults[step] = fails(error=error)
    controller = await begin(stage, register)

    migration = await whole(stage, controller)

    assert migration.phase is Phase.DONE
    assert migration.result is not None
    (note,) = migration.result.notes
    assert note.startswith("the record register could not be verified: ")
    told = [text for text, worked in written(stage, migration.id) if not worked]
    assert told == ["prepare", "switch", "verify"]
    stage.assert_ended_well(migration)


@pytest.mark.parametrize("step", ["prepare", "switch", "verify"])
async def test_a_register_that_hangs_holds_nothing_up_for_long(stage: Stage, step: str) -> None:
    stage.world.add_guest("a", guest())
    register = Register()
    controller = await begin(stage, register, hangs_at=step)

    migration = await whole(stage, controller)

    assert migration.phase is Phase.DONE
    assert migration.result is not None
    assert migration.started_at_s is not None
    assert migration.ended_at_s is not None
    assert migration.started_at_s - migration.accepted_at_s < 6.0
    assert migration.ended_at_s - migration.accepted_at_s < 45.0
    assert bool(migration.result.notes) is (step != "prepare")
    assert register.places == {"web": "b"} if step != "switch" else True
    stage.assert_ended_well(migration)


async def test_a_failing_try_is_repeated_after_growing_waits(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    register = Register()
    register.faults["prepare"] = fails(2)
    register.faults["verify"] = fails(2)
    controller = await begin(stage, register)

    migration = await whole(stage, controller)

    assert register.steps.count("prepare") == 3
    # What could not be verified is said anew before the next look.
    assert register.steps[-5:] == ["verify", "switch", "verify", "switch", "verify"]
    assert [step for step, worked in written(stage, migration.id) if not worked] == []
    assert migration.result is not None
    assert migration.result.notes == ()


async def test_a_record_that_says_the_old_place_again_is_switched_again(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    register = Register()

    def overwritten(count: int) -> None:
        if count == 1:
            register.places["web"] = "a"

    register.faults["verify"] = overwritten
    controller = await begin(stage, register)

    await whole(stage, controller)

    assert register.places == {"web": "b"}
    assert register.steps == ["prepare", "switch", "verify", "switch", "verify"]


async def test_wherever_a_controller_dies_the_record_says_the_true_place_in_the_end(
    folder: Path,
) -> None:
    """Also where the migration fails after its switch-over: cut at every other death."""
    number, died, outcomes = 0, True, set()
    while died:
        number += 1
        place = folder / f"{number}"
        stage, gate, register = Stage(place), Gate(kill_at=number), Register()
        gate.armed = False
        stage.world.add_guest("a", guest())
        controller = await begin(stage, register, gate)
        if number % 2:
            stage.world.at(Point.SWITCH, lambda now=stage: now.world.network.cut_data("a", "b"))
        plan = await controller.plan_migration("web", destination=B, settings=PauseSettings())
        gate.armed = True
        try:
            await controller.accept(plan.id)
        except Killed:
            pass
        else:
            await stage.until(lambda now=controller: gate.is_dead or not now.is_busy)  # noqa: B023
        died = len(gate.crossings) == number

        await stage.kill()
        await stage.world.clock.sleep(20.0)
        following = await begin(stage, register)
        await stage.until(lambda now=following: not now.is_busy)

        for migration in following.migrations(limit=1):
            outcomes.add(migration.phase)
            host = "b" if migration.phase is Phase.DONE else "a"
            assert register.places["web"].startswith(host), (gate.crossings, register.steps)
            assert stage.replayed(migration.id) == migration
            assert SqlJournal(stage.database).unfinished() == ()
        await stage.close()
        shutil.rmtree(place)
    assert outcomes == {Phase.DONE, Phase.FAILED}
    assert number > 40


async def test_a_controller_that_leaves_finishes_the_roll_back_it_is_about(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    register = Register()
    controller = await begin(stage, register)
    stage.world.at(Point.SWITCH, lambda: stage.world.network.cut_data("a", "b"))
    one = await stage.migrate(controller)
    await stage.until(lambda: controller.migration(one).is_ended, every_s=0.001)

    await controller.close()

    assert register.places == {"web": "a (written by hand)"}
    assert SqlJournal(stage.database).unfinished() == ()
