"""Goal: observers get every transition in order, or are told that they lost some."""

import asyncio

from godwit.drivers.simulated import Point
from godwit.engine import Controller, Notice, NoticeKind
from godwit.engine.notices import Notices
from tests.unit.engine.stage import Stage, guest


async def take(notices: Notices | Controller, after: int | None, count: int) -> list[Notice]:
    """Read so many notices, or as many as come within a second."""
    found: list[Notice] = []

    async def read() -> None:
        async for notice in notices.watch(after):
            found.append(notice)
            if len(found) == count:
                return

    try:
        await asyncio.wait_for(read(), 1.0)
    except TimeoutError:
        return found
    return found


def filled(count: int, *, first_number: int = 100) -> Notices:
    notices = Notices(first_number=first_number)
    for number in range(count):
        notices.publish(NoticeKind.HOST, at_s=0.0, text=str(number))
    return notices


async def test_numbers_grow_by_one_over_a_whole_migration(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    before = controller.last_notice

    migration = await stage.moved(controller)

    seen = await take(controller, before, 10_000)
    assert [one.number for one in seen] == list(range(before + 1, controller.last_notice + 1))
    steps = [one.migration for one in seen if one.kind is NoticeKind.MIGRATION]
    assert [one.generation for one in steps if one] == list(range(1, migration.generation + 1))
    assert steps[-1] == migration
    assert any(one.kind is NoticeKind.PROGRESS and one.progress is not None for one in seen)


async def test_what_an_observer_sees_is_in_the_journal_already(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    one = await stage.migrate(controller)
    ahead = []

    async def observe() -> None:
        async for notice in controller.watch():
            if notice.kind is NoticeKind.MIGRATION and notice.migration is not None:
                written = stage.replayed(one)
                ahead.append(notice.migration.generation > written.generation)

    observer = asyncio.create_task(observe())
    await stage.settled(controller, one)
    observer.cancel()

    assert len(ahead) > 5
    assert not any(ahead)


async def test_numbers_grow_over_a_restart_of_the_controller(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    first = await stage.start()
    await stage.moved(first)
    await first.close()

    second = await stage.start()
    assert second.last_notice > first.last_notice


async def test_a_reader_gets_all_that_came_after_what_it_knows() -> None:
    notices = filled(10)

    seen = await take(notices, 104, 5)

    assert [one.number for one in seen] == [105, 106, 107, 108, 109]


async def test_a_reader_that_says_nothing_gets_only_what_is_new() -> None:
    notices = filled(10)

    reading = asyncio.create_task(take(notices, None, 1))
    await asyncio.sleep(0.01)
    notices.publish(NoticeKind.HOST, at_s=0.0, text="new")

    assert [one.text for one in await reading] == ["new"]


async def test_a_reader_that_comes_too_late_is_told_so_and_gets_the_rest() -> None:
    notices = filled(5000)

    seen = await take(notices, 100, 4097)

    assert seen[0].kind is NoticeKind.RESET
    assert seen[1].number == seen[0].number + 1
    assert seen[-1].number == notices.last_number
    assert all(one.kind is NoticeKind.HOST for one in seen[1:])


async def test_a_reader_that_stops_reading_for_too_long_is_told_so() -> None:
    notices = filled(1)
    reader = notices.watch(99)
    assert (await anext(reader)).number == 100

    for number in range(6000):
        notices.publish(NoticeKind.HOST, at_s=0.0, text=str(number))

    assert (await anext(reader)).kind is NoticeKind.RESET


async def test_a_reader_of_an_earlier_controller_is_told_so_before_anything_happens() -> None:
    seen = await take(Notices(first_number=50_000), 1_000, 1)

    assert [one.kind for one in seen] == [NoticeKind.RESET]


async def test_a_reader_that_is_ahead_of_us_is_told_so_and_harms_nobody() -> None:
    """Its number may come from a clock that went back; the loop must not spin on it."""
    notices = filled(3)

    reading = asyncio.create_task(take(notices, 10**15, 2))
    await asyncio.sleep(0.1)
    notices.publish(NoticeKind.HOST, at_s=0.0, text="new")

    seen = await reading
    assert [one.kind for one in seen] == [NoticeKind.RESET, NoticeKind.HOST]
    assert seen[1].text == "new"


async def test_closing_ends_every_reader_after_the_last_notice(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    before = controller.last_notice
    stage.world.at(Point.COPY, lambda: None)
    await stage.moved(controller)
    readings = [asyncio.create_task(take(controller, before, 10_000)) for _ in range(3)]
    await asyncio.sleep(0.01)

    began_s = stage.world.now_s()
    await controller.close()
    seen = await asyncio.gather(*readings)

    assert stage.world.now_s() - began_s < 0.5
    assert all(one[-1].number == controller.last_notice for one in seen)
