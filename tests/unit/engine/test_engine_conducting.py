"""Goal: a plan is carried out by dependency, goes on around what fails, and says what it left.

Method: plans of the schedule for three hosts with hardly any room, carried out in the simulated
world by the engine's own migrations.
"""

import asyncio
from dataclasses import dataclass, field, replace

from godwit.core.migration import Migration, Phase
from godwit.core.model import HostName, PlanId, RunId, VmId, VmPolicy
from godwit.core.plan import Move, Plan
from godwit.core.units import GIB, MIB
from godwit.drivers.simulated import Point
from godwit.engine import Controller, RunState, RunView
from godwit.engine.conducting import Conducting
from godwit.engine.runs import view_of
from godwit.ports import StoredRun
from tests.unit.core.builders import moving
from tests.unit.engine.stage import A, B, C, Stage, guest

SIZE = 64 * MIB


def with_room(stage: Stage, **guests: int) -> None:
    """Each host has room for so many guests, and no more."""
    for name, count in guests.items():
        stage.world.machines[HostName(name)].memory_bytes = GIB + count * SIZE


@dataclass
class Carried:
    """A plan that is carried out, and what was asked meanwhile."""

    controller: Controller
    plan: Plan
    asked_elsewhere: list[str] = field(default_factory=list)
    changes: int = 0

    def __post_init__(self) -> None:
        migrations = self.controller._migrations
        self.conducting = Conducting(
            self.plan,
            start=migrations.start,
            wait=migrations.wait,
            elsewhere=self._elsewhere,
            changed=self._changed,
        )

    async def _elsewhere(self, move: Move, tried: frozenset[HostName]) -> Move | None:
        self.asked_elsewhere.append(f"{move.vm_name} not {', '.join(sorted(tried))}")
        return None

    def _changed(self) -> None:
        self.changes += 1

    def migrations(self) -> list[Migration]:
        return [self.controller.migration(one) for one in self.conducting.migrations]

    def of(self, name: str) -> list[Migration]:
        return [one for one in self.migrations() if one.move.vm_name == name]


async def planned(stage: Stage, **ends: str) -> Carried:
    controller = await stage.start()
    plan = moving(await controller.scan(), **ends)
    assert plan.timed is not None
    assert not plan.timed.stuck
    return Carried(controller, plan)


async def swap(stage: Stage) -> Carried:
    """Two full hosts are to swap their guests, and a third has room for one of them."""
    with_room(stage, a=1, b=1, c=1)
    stage.world.add_guest("a", guest("one"))
    stage.world.add_guest("b", guest("two"))
    return await planned(stage, one="b", two="a")


def where(stage: Stage, name: str) -> frozenset[HostName]:
    return stage.world.trace.runners(VmId(f"uuid-of-{name}"))


async def test_two_full_hosts_swap_their_guests_over_a_third(stage: Stage) -> None:
    carried = await swap(stage)
    assert len(carried.plan.moves) == 3

    await carried.conducting.run()

    assert [one.phase for one in carried.migrations()] == [Phase.DONE] * 3
    stepped, straight, went_on = carried.migrations()
    assert stepped.move.destination == C == went_on.move.source
    assert stepped.ended_at_s <= straight.accepted_at_s
    assert straight.ended_at_s <= went_on.accepted_at_s
    assert (where(stage, "one"), where(stage, "two")) == ({B}, {A})
    assert carried.conducting.given_up == ()
    for name, host in (("one", "b"), ("two", "a")):
        stage.assert_runs_once(name, host)


async def test_a_swap_that_fails_at_its_stop_leaves_every_guest_where_it_runs(
    stage: Stage,
) -> None:
    carried = await swap(stage)
    first, other, last = carried.plan.moves
    stage.world.machines[other.destination].refuses_prepare = "no such storage"

    await carried.conducting.run()

    assert [one.phase for one in carried.migrations()] == [Phase.DONE, Phase.FAILED]
    (left,) = carried.conducting.given_up
    assert (left.vm, left.source, left.destination) == (last.vm, C, last.destination)
    assert (
        left.why == f"{last.destination} has no place for it until {other.vm_name} has left:"
        " that failed"
    )
    assert where(stage, first.vm_name) == {C}
    assert where(stage, other.vm_name) == {other.source}


async def test_a_group_that_belongs_together_may_be_apart_on_its_way(stage: Stage) -> None:
    """The large one has too many vCPUs for the third host, so that the group steps aside."""
    with_room(stage, a=2, b=2, c=2)
    stage.world.machines[C].cores = 1
    together = VmPolicy(affinity=("g",))
    for name in ("one", "mate"):
        stage.world.add_guest("a", guest(name, policy=together))
    stage.world.add_guest("b", guest("large", memory_bytes=2 * SIZE, vcpus=12))
    carried = await planned(stage, one="b", mate="b", large="a")
    assert len(carried.plan.moves) == 5

    await carried.conducting.run()

    assert [one.phase for one in carried.migrations()] == [Phase.DONE] * 5
    for name, host in (("one", "b"), ("mate", "b"), ("large", "a")):
        stage.assert_runs_once(name, host)


async def test_a_part_of_a_way_is_not_tried_elsewhere(stage: Stage) -> None:
    carried = await swap(stage)
    stage.world.machines[C].refuses_prepare = "no such storage"

    await carried.conducting.run()

    assert [one.phase for one in carried.migrations()] == [Phase.FAILED]
    assert carried.asked_elsewhere == []
    assert len(carried.conducting.given_up) == 2
    assert (where(stage, "one"), where(stage, "two")) == ({A}, {B})


async def test_a_move_starts_when_the_room_it_needs_is_free_however_long_that_takes(
    stage: Stage,
) -> None:
    """The guest that has to leave first writes so much that it takes far longer than planned."""
    with_room(stage, a=4, b=1, c=2)
    stage.world.add_guest("a", guest("next"))
    stage.world.add_guest(
        "b", guest("slow", working_set_bytes=60 * MIB, dirty_bytes_per_s=90.0 * MIB)
    )
    carried = await planned(stage, next="b", slow="c")
    assert [one.vm_name for one in carried.plan.moves] == ["slow", "next"]

    await carried.conducting.run()

    (slow,), (late,) = carried.of("slow"), carried.of("next")
    assert (slow.phase, late.phase) == (Phase.DONE, Phase.DONE)
    assert slow.ended_at_s <= late.accepted_at_s


async def test_who_needs_what_failed_is_not_started_and_the_rest_goes_on(stage: Stage) -> None:
    with_room(stage, a=4, b=1, c=4)
    stage.world.add_guest("a", guest("needs"))
    stage.world.add_guest("a", guest("free"))
    stage.world.add_guest("b", guest("stays"))
    carried = await planned(stage, needs="b", free="c", stays="c")
    stage.world.at(
        Point.ROUND,
        lambda: stage.world.kill_qemu(C, VmId("uuid-of-stays")),
        vm=VmId("uuid-of-stays"),
    )

    await carried.conducting.run()

    assert [one.phase for one in carried.of("stays")] == [Phase.FAILED]
    assert carried.asked_elsewhere == ["stays not c"]
    assert [one.phase for one in carried.of("free")] == [Phase.DONE]
    assert carried.of("needs") == []
    (left,) = carried.conducting.given_up
    assert left.vm_name == "needs"
    assert left.why == "b has no place for it until stays has left: that failed"
    assert carried.changes == 2 * len(carried.migrations()) + 1
    for name, host in (("needs", "a"), ("free", "c"), ("stays", "b")):
        stage.assert_runs_once(name, host)


async def test_the_view_of_a_run_counts_every_part_of_a_way_and_tells_what_was_given_up(
    stage: Stage,
) -> None:
    carried = await swap(stage)
    stepping, straight, _ = (one.vm_name for one in carried.plan.moves)
    stored = StoredRun(
        id=RunId("r-1"), plan=PlanId("p-1"), host=A, accepted_at_s=0.0, ended_at_s=9.0
    )

    def view(migrations: list[Migration]) -> RunView:
        given_up = carried.conducting.given_up
        return view_of(
            replace(stored, given_up=given_up), carried.plan, tuple(migrations), running=False
        )

    assert set(view([]).remaining) == {"one", "two"}
    await carried.conducting.run()
    done = carried.migrations()
    assert set(view(done[:1]).remaining) == {"one", "two"}, "it has come to its stop only"
    assert view(done[:2]).remaining == (stepping,)
    assert view([done[1]]).remaining == (stepping,)
    assert view(done).remaining == ()
    assert view(done).state is RunState.DONE
    assert straight not in view(done[:2]).remaining


async def test_what_a_person_cancelled_is_not_tried_again_and_not_called_failed(
    stage: Stage,
) -> None:
    with_room(stage, a=4, b=1, c=4)
    stage.world.add_guest("a", guest("needs"))
    stage.world.add_guest("b", guest("stays"))
    carried = await planned(stage, needs="b", stays="c")
    run = asyncio.create_task(carried.conducting.run())
    await stage.until(lambda: bool(stage.world.jobs))
    await carried.controller.cancel(carried.conducting.migrations[0])

    await run

    assert [one.phase for one in carried.migrations()] == [Phase.CANCELLED]
    assert carried.asked_elsewhere == []
    assert carried.conducting.given_up[0].why.endswith("until stays has left: that was cancelled")


async def test_a_cancelled_plan_starts_no_more(stage: Stage) -> None:
    with_room(stage, a=4, b=1, c=4)
    stage.world.add_guest("a", guest("needs"))
    stage.world.add_guest("b", guest("first"))
    carried = await planned(stage, needs="b", first="c")
    run = asyncio.create_task(carried.conducting.run())
    await stage.until(lambda: bool(stage.world.jobs))
    carried.conducting.cancel()

    await run

    assert [one.move.vm_name for one in carried.migrations()] == ["first"]
    assert carried.migrations()[0].phase is Phase.DONE
    assert carried.conducting.is_cancelled
    assert carried.conducting.given_up == ()
