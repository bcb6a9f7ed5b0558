"""Goal: migrations that share a link arrive sooner than all at once, and none starves.

Method: guests that converge with a link to themselves and not with a third of it, moved at once,
with the speed of the link known and without.
"""

import asyncio
from itertools import pairwise

import pytest

from godwit.core.migration import BandwidthOrdered, Migration, Phase
from godwit.core.model import HostName, MigrationId, VmId
from godwit.core.units import MIB
from godwit.engine import Controller
from godwit.store import SqlJournal
from tests.unit.engine.stage import A, Stage, guest

LINK = 125e6
NAMES = ("web", "db", "mail")


def fill(stage: Stage) -> None:
    for name in NAMES:
        stage.world.add_guest(
            "a",
            guest(
                name,
                memory_bytes=256 * MIB,
                working_set_bytes=64 * MIB,
                dirty_bytes_per_s=70.0 * MIB,
            ),
        )


async def start_all(stage: Stage, controller: Controller, **recipe: object) -> list[MigrationId]:
    plans = [await stage.planned(controller, name, pause_max_s=0.2, **recipe) for name in NAMES]
    return [(await controller.accept(plan)).migrations[0] for plan in plans]


async def all_settled(
    stage: Stage, controller: Controller, started: list[MigrationId]
) -> list[Migration]:
    return [await stage.settled(controller, one) for one in started]


def shares(stage: Stage, one: MigrationId) -> list[float | None]:
    events = SqlJournal(stage.database).life(one)[1]
    return [event.bytes_per_s for event in events if isinstance(event, BandwidthOrdered)]


async def test_guests_that_would_not_converge_together_arrive_one_after_the_other(
    stage: Stage,
) -> None:
    fill(stage)
    controller = await stage.start()
    started = await start_all(stage, controller, link_bytes_per_s=LINK)
    ended = await all_settled(stage, controller, started)

    assert {one.phase for one in ended} == {Phase.DONE}
    stops = sorted(one.stopped_at_s or 0.0 for one in ended)
    assert all(after - before > 1.0 for before, after in pairwise(stops))
    for one in ended:
        stage.assert_ended_well(one, pause_s=0.3)
    assert any(shares(stage, one) for one in started)


async def test_a_link_of_unknown_speed_is_not_divided(stage: Stage) -> None:
    fill(stage)
    controller = await stage.start()
    started = await start_all(stage, controller)
    await all_settled(stage, controller, started)
    assert not any(shares(stage, one) for one in started)


async def test_how_a_link_is_divided_is_not_for_steering_to_say(stage: Stage) -> None:
    """Guests just hot enough to stall: alone, steering would lift the limit of each."""
    for name in NAMES:
        stage.world.add_guest(
            "a",
            guest(
                name,
                memory_bytes=128 * MIB,
                working_set_bytes=96 * MIB,
                dirty_bytes_per_s=200.0 * MIB,
            ),
        )
    controller = await stage.start()
    started = await start_all(stage, controller, link_bytes_per_s=LINK)
    ended = await all_settled(stage, controller, started)

    assert {one.phase for one in ended} == {Phase.FAILED}
    for one in started:
        for event in SqlJournal(stage.database).life(one)[1]:
            if isinstance(event, BandwidthOrdered):
                assert event.why.startswith(("shares the link", "it has the link")), event.why


async def test_nothing_is_concluded_of_one_that_is_held_for_the_sake_of_others(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", guest(working_set_bytes=64 * MIB, dirty_bytes_per_s=800.0 * MIB))
    controller = await stage.start()
    one = await stage.migrate_by(controller, pause_max_s=0.1)
    carrying = controller._migrations._runners[one]._watch.carrying
    carrying.is_held = True
    await stage.world.clock.sleep(60.0)
    assert controller.migration(one).phase is Phase.COPYING
    assert "PauseLimitOrdered" not in stage.written(one)
    carrying.is_held = False
    assert (await stage.settled(controller, one, within_s=60.0)).phase is Phase.FAILED


async def test_one_that_is_held_beyond_its_deadline_is_given_up_for_that(stage: Stage) -> None:
    """In a pass that would take minutes: nobody waits for its end."""
    stage.world.add_guest("a", guest(memory_bytes=49152 * MIB))
    controller = await stage.start()
    one = await stage.migrate_by(controller, pause_max_s=0.3, deadline_s=20.0)
    await stage.until(lambda: controller.migration(one).phase is Phase.COPYING)
    controller._migrations._runners[one]._watch.carrying.is_held = True
    await stage.world.clock.sleep(15.0)
    assert controller.migration(one).phase is Phase.COPYING
    ended = await stage.settled(controller, one, within_s=30.0)
    assert ended.phase is Phase.FAILED
    assert ended.failure is not None
    assert "another migration still has the link" in str(ended.failure)


async def test_those_that_wait_are_not_given_up_for_it(stage: Stage) -> None:
    """A wait of minutes at a trickle, with rounds that bring nothing."""
    fill(stage)
    stage.world.add_guest("a", guest("big", memory_bytes=16384 * MIB, dirty_bytes_per_s=1.0 * MIB))
    controller = await stage.start()
    recipe = {"pause_max_s": 0.2, "link_bytes_per_s": LINK}
    plans = [await stage.planned(controller, name, **recipe) for name in ("big", *NAMES)]
    started = [(await controller.accept(plan)).migrations[0] for plan in plans]
    ended = await all_settled(stage, controller, started)
    assert {one.phase for one in ended} == {Phase.DONE}, [one.failure for one in ended]


async def test_the_last_one_gets_back_what_it_had(stage: Stage) -> None:
    fill(stage)
    controller = await stage.start()
    started = await start_all(stage, controller, link_bytes_per_s=LINK)
    await stage.until(lambda: sum(bool(shares(stage, one)) for one in started) == len(NAMES))
    runners = [controller._migrations._runners[one] for one in started]
    assert sum(one._watch.carrying.is_held for one in runners) == 2
    for one in started[1:]:
        await controller.cancel(one)
    first = await stage.settled(controller, started[0])

    assert first.phase is Phase.DONE
    assert shares(stage, started[0])[-1] is None
    assert not runners[0]._watch.carrying.is_held
    assert first.bandwidth_bytes_per_s is None


async def test_no_share_is_more_than_a_person_permits(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    fill(stage)
    controller = await stage.start()
    hard = {"bandwidth_bytes_per_s": 90e6, "bandwidth_is_hard": True}
    started = await start_all(stage, controller, link_bytes_per_s=LINK, **hard)
    await all_settled(stage, controller, started)

    given = [rate for one in started for rate in shares(stage, one)]
    assert given
    assert all(rate is not None and rate <= 90e6 for rate in given)
    assert "could not be divided" not in caplog.text, "a larger one was tried"


@pytest.mark.parametrize("together", [True, False])
async def test_a_share_of_a_dead_controller_does_not_stay_for_ever(
    stage: Stage, together: bool
) -> None:
    fill(stage)
    controller = await stage.start()
    started = await start_all(stage, controller, link_bytes_per_s=LINK)
    await stage.until(lambda: sum(bool(shares(stage, one)) for one in started) == len(NAMES))
    await stage.kill()
    kept = started
    if not together:
        # The others end while nobody is there.
        held = [one for one in started if (shares(stage, one)[-1] or LINK) < LINK / 10]
        kept = held[:1]
        for one in started:
            if one not in kept:
                vm = stage.replayed(one).move.vm
                stage.world.kill_qemu("b", VmId(vm))
        await asyncio.sleep(1.0)
    controller = await stage.start()
    ended = await all_settled(stage, controller, started)

    if not together:
        assert shares(stage, kept[0])[-1] is None, "back to what its recipe says"
    for one in ended:
        assert one.phase is (Phase.DONE if one.id in kept else Phase.FAILED)
        copies = stage.world.machines[HostName(A)].copies
        assert one.move.vm not in copies or one.phase is Phase.FAILED
