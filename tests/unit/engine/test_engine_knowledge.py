"""Goal: what ended teaches what it can, is scored where that is fair, and is harmed by neither."""

import logging
from dataclasses import replace

import pytest

from godwit.core.errors import GodwitError
from godwit.core.migration import BandwidthOrdered, Migration, Phase, begin
from godwit.core.model import DirtySource, HostName, Knowledge, MigrationId, PathKey, VmId
from godwit.core.planner import PauseSettings
from godwit.core.units import MIB
from godwit.engine.knowledge import facts_of, link_share, without_gaps
from godwit.store import SqlJournal, SqlKnowledge, SqlStore
from tests.unit.core.builders import NOW_S, accepted, move
from tests.unit.engine.stage import A, B, C, Gate, Stage, guest, plan_drain

WEB = VmId("uuid-of-web")
LINK = 125e6
ASKED_NOTHING = PauseSettings()
#: Writes faster than the link, over more than fits into any pause.
HOT = {
    "memory_bytes": 512 * MIB,
    "working_set_bytes": 400 * MIB,
    "dirty_bytes_per_s": 2000.0 * MIB,
}


def _known(stage: Stage) -> Knowledge:
    return SqlKnowledge(stage.database).knowledge()


def _scores(stage: Stage):
    return SqlKnowledge(stage.database).scores(limit=99)


async def test_a_finished_migration_teaches_and_is_scored(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    migration = await stage.moved(controller)

    known = _known(stage)
    vm = known.vms[WEB]
    assert vm.migrations == 1
    assert vm.first_pass is not None
    assert vm.first_pass.value == pytest.approx(64 * MIB, rel=0.1)
    assert {one.source for one in vm.observations} == {DirtySource.COPIED}
    (path,) = known.paths
    assert path == PathKey(source=A, destination=B, stream=migration.move.recipe.stream)
    learnt = known.paths[path]
    assert learnt.first_bandwidth is not None
    assert learnt.first_bandwidth.value == pytest.approx(LINK, rel=0.1)
    assert learnt.setup is not None
    assert learnt.ending is not None
    ((one, score),) = _scores(stage)
    assert (one, score.completed) == (migration.id, True)
    assert score.forecast == migration.move.forecast
    assert score.pause_s == migration.result.pause_s
    assert score.sent_bytes == migration.result.transferred_bytes
    assert known.calibration.count == 1
    assert controller.accuracy() == ((one, score),)


async def test_what_was_learnt_makes_the_next_forecast_better(stage: Stage) -> None:
    stage.world.add_guest("a", guest(memory_bytes=512 * MIB))
    controller = await stage.start()
    for to in (B, A, B, A, B):
        migration = await stage.moved(controller, to=to)
        assert migration.phase is Phase.DONE
    first, last = (_scores(stage)[at][1] for at in (-1, 0))

    def off(score) -> float:
        return abs(score.forecast.total_s.likely - score.total_s) / score.total_s

    assert off(last) < 0.2 < off(first)
    assert last.forecast.total_s.covers(last.total_s)
    assert last.forecast.sent_bytes.covers(last.sent_bytes)


async def test_one_that_does_not_converge_is_scored_as_such(stage: Stage) -> None:
    # More than a stream of deltas, which was never tried on it, is likely to hold either.
    stage.world.add_guest(
        "a", guest(**HOT | {"memory_bytes": 2048 * MIB, "working_set_bytes": 1600 * MIB})
    )
    controller = await stage.start()
    migration = await stage.moved(controller)
    assert migration.phase is Phase.FAILED
    ((_, score),) = _scores(stage)
    assert score.forecast.converges > 0.5
    assert (score.completed, score.total_s, score.pause_s) == (False, None, None)
    assert _known(stage).vms[WEB].migrations == 1
    # From now on it is known beforehand.
    plan = await controller.plan_migration("web", destination=C, settings=ASKED_NOTHING)
    assert plan.moves[0].forecast.converges < 0.5
    assert any("little chance" in one for one in plan.moves[0].warnings)


async def test_one_that_a_person_cancelled_teaches_but_is_not_scored(stage: Stage) -> None:
    stage.world.add_guest("a", guest(**HOT))
    controller = await stage.start()
    one = await stage.migrate(controller)
    await stage.until(lambda: len(controller.migration(one).rounds) >= 2, every_s=0.01)
    await controller.cancel(one)
    assert (await stage.settled(controller, one)).phase is Phase.CANCELLED
    assert _scores(stage) == ()
    assert _known(stage).vms[WEB].migrations == 1


async def test_a_fault_of_a_host_says_nothing_of_the_forecast(stage: Stage) -> None:
    stage.world.add_guest("a", guest(**HOT))
    controller = await stage.start()
    one = await stage.migrate(controller)
    await stage.until(lambda: len(controller.migration(one).rounds) >= 2, every_s=0.01)
    stage.world.kill_qemu("b", WEB)
    assert (await stage.settled(controller, one)).phase is Phase.FAILED
    assert _scores(stage) == ()
    assert _known(stage).vms[WEB].migrations == 1


async def test_one_that_never_copied_teaches_nothing(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    plan = await controller.plan_migration("web", destination=B, settings=ASKED_NOTHING)
    await controller.accept(plan.id)
    stage.world.kill_libvirtd("b")
    (one,) = controller.migrations(limit=1)
    assert (await stage.settled(controller, one.id)).phase is Phase.FAILED
    assert (_known(stage), _scores(stage)) == (Knowledge(), ())


@pytest.mark.parametrize("method", ["scores", "knowledge", "put_vm", "put_path", "add_score"])
async def test_a_store_that_fails_costs_the_knowledge_and_nothing_else(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise GodwitError("the disk is full")

    stage.world.add_guest("a", guest())
    controller = await stage.start()
    monkeypatch.setattr(SqlKnowledge, method, fails)
    with caplog.at_level(logging.WARNING):
        migration = await stage.moved(controller)
    stage.assert_ended_well(migration)
    assert migration.phase is Phase.DONE
    await stage.until(lambda: "the disk is full" in caplog.text)
    assert SqlJournal(stage.database).unfinished() == ()


async def test_a_controller_that_dies_at_the_end_leaves_the_lesson_to_the_next(
    stage: Stage,
) -> None:
    """Killed before the learning: it is made up for. Killed after it: not done twice."""
    stage.world.add_guest("a", guest())
    for number, to in enumerate((B, C), start=1):
        gate = Gate()
        first = await stage.start(gate)
        one = await stage.migrate(first, to=to)
        # The mark is the last thing; by then it has learnt.
        gate.crossings.clear()
        real = gate.cross

        def cross(label: str, gate: Gate = gate, real=real) -> None:
            if label == "before mark_ended":
                gate.kill()
            real(label)

        gate.cross = cross  # type: ignore[method-assign]
        await stage.until(lambda gate=gate: gate.is_dead)
        await stage.kill()
        assert SqlJournal(stage.database).unfinished() == (one,)
        second = await stage.start()
        await stage.until(lambda: SqlJournal(stage.database).unfinished() == ())
        assert second.migration(one).phase is Phase.DONE
        assert _known(stage).vms[WEB].migrations == number
        assert len(_scores(stage)) == number
        await stage.kill()


async def test_of_an_adopted_one_only_what_was_seen_is_learnt(stage: Stage) -> None:
    stage.world.add_guest("a", guest(memory_bytes=512 * MIB, dirty_bytes_per_s=60.0 * MIB))
    first = await stage.start()
    one = await stage.migrate(first)
    await stage.until(lambda: len(first.migration(one).rounds) >= 2, every_s=0.01)
    await stage.kill()
    second = await stage.start()
    assert (await stage.settled(second, one)).phase is Phase.DONE
    await stage.until(lambda: SqlJournal(stage.database).unfinished() == ())
    known = _known(stage)
    (path,) = known.paths.values()
    assert path.setup is not None
    assert (path.ending, path.pause_fixed) == (None, None)
    assert known.vms[WEB].migrations == 1


@pytest.mark.parametrize("link", [LINK, None])
async def test_a_link_that_was_shared_does_not_pass_for_a_slow_one(
    stage: Stage, link: float | None
) -> None:
    for record in stage.records:
        SqlStore(stage.database).put_hosts([replace(record, migration_link_bytes_per_s=link)])
    names = ("web", "db", "mail")
    for name in names:
        stage.world.add_guest("a", guest(name, memory_bytes=256 * MIB))
    controller = await stage.start()
    plan = await plan_drain(controller, A, parallel=3, settings=ASKED_NOTHING)
    run = (await controller.accept(plan.id)).run
    await stage.until(lambda: controller.run(run).ended_at_s is not None)
    ended = controller.run(run).migrations
    assert {one.phase for one in ended} == {Phase.DONE}
    limited = [
        any(isinstance(event, BandwidthOrdered) for event in controller.life(one.id)[1])
        for one in ended
    ]
    assert any(limited) is (link is not None)
    for path in _known(stage).paths.values():
        for learnt in (path.bandwidth, path.first_bandwidth):
            assert learnt is None or learnt.value == pytest.approx(LINK, rel=0.4)
    assert {one.migrations for one in _known(stage).vms.values()} == {1}


async def test_the_facts_are_those_of_the_journal(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    migration = await stage.moved(controller)
    birth, events = controller.life(migration.id)
    facts = facts_of(birth, events)
    assert facts.completed
    assert facts.recipe == migration.move.recipe
    assert facts.rounds == migration.rounds
    found_s = next(one.at_s for one in events if type(one).__name__ == "Found")
    assert facts.total_s == pytest.approx(found_s - migration.started_at_s)
    assert facts.setup_s is not None
    assert 0 <= facts.setup_s < facts.total_s
    assert facts.ending_s == pytest.approx(
        found_s - migration.stopped_at_s - migration.result.pause_s, abs=1e-6
    )
    # Cut off in the middle, there is no end to tell of.
    half = facts_of(birth, events[:5])
    assert (half.completed, half.total_s, half.ending_s, half.pause_s) == (False, None, None, None)


async def test_rounds_after_one_that_nobody_watched_say_nothing(stage: Stage) -> None:
    stage.world.add_guest("a", guest(**HOT))
    controller = await stage.start()
    migration = await stage.moved(controller)
    facts = facts_of(*controller.life(migration.id))
    assert len(facts.rounds) > 3
    torn = replace(facts, rounds=(*facts.rounds[:2], *facts.rounds[3:]), completed=True)
    assert without_gaps(torn).rounds == facts.rounds[:2]
    assert not without_gaps(torn).completed
    assert without_gaps(facts).rounds == facts.rounds
    headless = replace(facts, rounds=facts.rounds[1:])
    assert without_gaps(headless).rounds == (), "its first would pass for the whole memory's"


async def test_of_one_whose_events_were_lost_for_a_time_the_end_is_not_learnt(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", guest(memory_bytes=512 * MIB, dirty_bytes_per_s=90.0 * MIB))
    controller = await stage.start()
    one = await stage.migrate(controller)
    await stage.until(lambda: len(controller.migration(one).rounds) >= 2, every_s=0.01)
    stage.events_lost = True
    at = controller.migration(one).rounds[-1].number
    await stage.until(lambda: controller.progress(one).iteration > at + 1, every_s=0.01)
    stage.events_lost = False
    ended = await stage.settled(controller, one)
    assert ended.phase is Phase.DONE
    numbers = [made.number for made in ended.rounds]
    assert numbers != list(range(1, len(numbers) + 1)), "a round was missed"
    await stage.until(lambda: SqlJournal(stage.database).unfinished() == ())
    (path,) = _known(stage).paths.values()
    assert path.setup is not None
    assert (path.ending, path.pause_fixed) == (None, None)


class TestLinkShare:
    def one(
        self, name: str, begun_s: float, over_s: float, source: str = "h1", to: str = "h2"
    ) -> Migration:
        made = begin(accepted(moving=replace(move(), source=HostName(source))))
        ended = replace(
            made,
            id=MigrationId(name),
            phase=Phase.DONE,
            started_at_s=NOW_S + begun_s,
            stopped_at_s=NOW_S + over_s,
        )
        return replace(ended, move=replace(ended.move, destination=HostName(to)))

    def share(self, *others: Migration) -> float:
        mine = self.one("mine", 10, 20)
        return link_share(mine, [mine, *others], now_s=NOW_S + 100)

    def test_alone_it_has_all(self) -> None:
        assert self.share() == 1.0
        assert self.share(self.one("earlier", 0, 10), self.one("later", 20, 30)) == 1.0

    def test_one_beside_it_all_the_time_takes_half(self) -> None:
        assert self.share(self.one("m", 0, 30)) == pytest.approx(1 / 2)

    def test_one_that_overlaps_takes_its_part(self) -> None:
        assert self.share(self.one("m", 15, 30)) == pytest.approx(1 / 1.5)

    def test_only_the_same_source_or_destination_counts_and_the_fuller_of_both(self) -> None:
        other_way = self.one("m", 0, 30, source="h3", to="h4")
        assert self.share(other_way) == 1.0
        leaving = self.one("m1", 0, 30, to="h3")
        arriving = [self.one(f"m{n}", 0, 30, source="h3") for n in (2, 3)]
        assert self.share(leaving, *arriving) == pytest.approx(1 / 3)

    def test_one_that_still_copies_counts_until_now(self) -> None:
        running = replace(self.one("m", 15, 0), phase=Phase.COPYING, stopped_at_s=None)
        assert self.share(running) == pytest.approx(1 / 1.5)
