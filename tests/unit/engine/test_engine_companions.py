"""Goal: what goes along with a migration hears of its every turn, and can never harm it.

Method: a companion that writes down when it was called, and others that fail, hang or die with
their controller.
"""

import asyncio

import pytest

from godwit.core.migration import Phase, RecordStepped
from godwit.engine.record import Record
from godwit.store import SqlJournal
from tests.unit.engine.stage import Stage, guest


class Diary:
    """Writes its calls into the journal of the migration, and into a list of its own."""

    def __init__(self, *, fails_at: str = "", hangs_at: str = "") -> None:
        self.calls: list[tuple[str, Phase]] = []
        self._fails_at, self.hangs_at = fails_at, hangs_at

    async def _note(self, word: str, record: Record) -> None:
        self.calls.append((word, record.phase))
        if word == self.hangs_at:
            await asyncio.sleep(3600.0)
        if word == self._fails_at:
            raise RuntimeError(word)
        record.write(
            RecordStepped(at_s=record.now_s(), record="diary", step=word, worked=True, what="")
        )

    async def before_start(self, record: Record) -> None:
        await self._note("before_start", record)

    async def switched(self, record: Record) -> None:
        await self._note("switched", record)

    async def ended(self, record: Record) -> None:
        await self._note("ended", record)

    @property
    def words(self) -> list[str]:
        return [word for word, _ in self.calls]


async def test_it_hears_of_the_start_the_switch_over_and_the_end(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    diary = Diary()
    controller = await stage.start(companions=(diary,))
    one = await stage.migrate(controller)
    await stage.until(lambda: not controller.is_busy)

    assert diary.calls == [
        ("before_start", Phase.CHECKING),
        ("switched", Phase.SWITCHING),
        ("ended", Phase.DONE),
    ]
    written = stage.written(one)
    assert written.count("RecordStepped") == 3
    assert written.index("RecordStepped") < written.index("StartOrdered")
    assert SqlJournal(stage.database).unfinished() == ()
    assert stage.replayed(one) == controller.migration(one)
    stage.assert_ended_well(controller.migration(one))


async def test_a_roll_back_is_told_after_the_switch_over_that_failed(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    diary = Diary()
    controller = await stage.start(companions=(diary,))
    one = await stage.migrate(controller)
    await stage.reaches(controller, one, Phase.SWITCHING)
    stage.world.kill_qemu("b", controller.migration(one).move.vm)
    await stage.until(lambda: not controller.is_busy)

    assert controller.migration(one).phase is Phase.FAILED
    assert diary.calls[-1] == ("ended", Phase.FAILED)
    assert diary.words == ["before_start", "switched", "ended"]
    stage.assert_ended_well(controller.migration(one), pause_s=6.0)


@pytest.mark.parametrize("word", ["before_start", "switched", "ended"])
async def test_a_companion_that_fails_harms_neither_the_migration_nor_another(
    stage: Stage, word: str
) -> None:
    stage.world.add_guest("a", guest())
    bad, good = Diary(fails_at=word), Diary()
    controller = await stage.start(companions=(bad, good))
    one = await stage.migrate(controller)
    await stage.until(lambda: not controller.is_busy)

    assert good.words == bad.words == ["before_start", "switched", "ended"]
    assert SqlJournal(stage.database).unfinished() == ()
    stage.assert_ended_well(controller.migration(one))


async def test_the_migration_does_not_wait_for_the_switch_of_a_companion(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start(companions=(Diary(hangs_at="switched"),))
    one = await stage.migrate(controller)
    migration = await stage.settled(controller, one, within_s=30.0)
    stage.assert_ended_well(migration)


async def test_what_a_dead_controller_left_undone_at_the_end_is_done_by_the_next(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start(companions=(Diary(hangs_at="ended"),))
    one = await stage.migrate(controller)
    await stage.settled(controller, one)
    await stage.kill()
    assert SqlJournal(stage.database).unfinished() == (one,)

    diary = Diary()
    controller = await stage.start(companions=(diary,))
    await stage.until(lambda: not controller.is_busy)

    assert diary.calls == [("ended", Phase.DONE)]
    assert SqlJournal(stage.database).unfinished() == ()
    stage.assert_ended_well(controller.migration(one))


async def test_a_move_that_never_started_is_told_as_ended(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    diary = Diary()
    controller = await stage.start(companions=(diary,))
    one = await stage.migrate(controller)
    await controller.cancel(one)
    await stage.until(lambda: not controller.is_busy)

    assert controller.migration(one).phase is Phase.CANCELLED
    assert diary.words == ["ended"]
    assert SqlJournal(stage.database).unfinished() == ()


async def test_a_switch_that_was_let_go_of_is_made_when_a_person_has_it_looked_at_again(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", guest())
    diary = Diary(hangs_at="switched")
    controller = await stage.start(companions=(diary,))
    one = await stage.migrate(controller)
    await stage.reaches(controller, one, Phase.SWITCHING)
    stage.world.kill_qemu("a", controller.migration(one).move.vm)
    await stage.reaches(controller, one, Phase.LOST)
    await stage.until(lambda: not controller.is_busy)

    diary.hangs_at = ""
    stage.world.add_guest("b", guest())
    await controller.resolve(one)
    await stage.until(lambda: not controller.is_busy)

    assert diary.calls[-2:] == [("switched", Phase.VERIFYING), ("ended", Phase.DONE)]
    assert SqlJournal(stage.database).unfinished() == ()
