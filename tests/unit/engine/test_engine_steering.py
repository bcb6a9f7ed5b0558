"""Goal: what steering orders is carried out, in this order and no other, and undone afterwards.

Method: guests that can't converge but for one means, each with a recipe that permits it; orders
that are refused; controllers that die between the intent and the order.
"""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from godwit.core.errors import HostUnreachable
from godwit.core.migration import (
    BandwidthOrdered,
    Phase,
    PostcopyOrdered,
    RoundEnded,
    ThrottleOrdered,
    Traced,
    begin,
)
from godwit.core.model import HostName, MigrationId, Progress, Sample, VmId
from godwit.core.plan import Throttle
from godwit.core.precopy import StartPostcopy
from godwit.core.units import MIB
from godwit.drivers.simulated import Guest
from godwit.drivers.simulated.client import SimulatedHost
from godwit.engine.carrying import Carrying
from godwit.store import SqlJournal
from tests.unit.core.builders import NOW_S, accepted, move
from tests.unit.engine.stage import A, Stage, guest

WEB = VmId("uuid-of-web")
LINK = 125e6


def hot() -> Guest:
    """It writes more than three times what the link carries, to a working set of half a second."""
    return guest(memory_bytes=128 * MIB, working_set_bytes=64 * MIB, dirty_bytes_per_s=400.0 * MIB)


def events(stage: Stage, one: MigrationId, kind: type) -> list:
    return [event for event in SqlJournal(stage.database).life(one)[1] if isinstance(event, kind)]


async def test_a_copy_that_its_limit_keeps_from_converging_gets_more_bandwidth(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", guest(working_set_bytes=32 * MIB, dirty_bytes_per_s=40.0 * MIB))
    controller = await stage.start()
    one = await stage.migrate_by(
        controller, pause_max_s=0.1, bandwidth_bytes_per_s=20e6, link_bytes_per_s=LINK
    )
    migration = await stage.settled(controller, one)

    assert migration.phase is Phase.DONE
    assert [order.bytes_per_s for order in events(stage, one, BandwidthOrdered)] == [LINK]
    assert ("set_bandwidth", LINK) in stage.orders
    stage.assert_ended_well(migration, pause_s=0.2)


async def test_a_hard_bandwidth_is_never_raised(stage: Stage) -> None:
    stage.world.add_guest("a", guest(working_set_bytes=32 * MIB, dirty_bytes_per_s=40.0 * MIB))
    controller = await stage.start()
    one = await stage.migrate_by(
        controller,
        pause_max_s=0.1,
        bandwidth_bytes_per_s=20e6,
        bandwidth_is_hard=True,
        link_bytes_per_s=LINK,
    )
    migration = await stage.settled(controller, one)

    assert migration.phase is Phase.FAILED
    assert not events(stage, one, BandwidthOrdered)
    stage.assert_ended_well(migration)


async def test_a_guest_that_may_be_slowed_is_slowed_until_it_fits(stage: Stage) -> None:
    stage.world.add_guest("a", hot())
    controller = await stage.start()
    one = await stage.migrate_by(controller, pause_max_s=0.2, throttle=Throttle(most_fraction=0.9))
    migration = await stage.settled(controller, one)

    assert migration.phase is Phase.DONE
    assert events(stage, one, ThrottleOrdered)
    slowed = [event.round.throttle_fraction for event in events(stage, one, RoundEnded)]
    assert slowed[0] < 0.05 < max(slowed) <= 0.9
    stage.assert_ended_well(migration, pause_s=0.3)


async def test_a_guest_that_may_be_post_copied_runs_at_the_destination_before_its_memory(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", hot())
    controller = await stage.start()
    one = await stage.migrate_by(controller, pause_max_s=0.2, postcopy=True)
    migration = await stage.settled(controller, one)

    assert migration.phase is Phase.DONE
    assert Phase.POSTCOPY in stage.phases(one)
    assert len(events(stage, one, PostcopyOrdered)) == 1
    assert migration.postcopy_began
    stage.assert_ended_well(migration, pause_s=0.1)


async def test_what_may_not_be_done_is_not_done_and_the_options_are_named(stage: Stage) -> None:
    stage.world.add_guest("a", hot())
    controller = await stage.start()
    one = await stage.migrate_by(controller, pause_max_s=0.2)
    migration = await stage.settled(controller, one)

    assert migration.phase is Phase.FAILED
    assert migration.failure is not None
    assert migration.failure.code == "not_converging"
    assert migration.failure.remedy
    assert {word for word, _ in stage.orders} <= {"migrate", "set_pause_limit", "abort"}
    assert stage.world.trace.pauses_s(WEB) == ()
    stage.assert_ended_well(migration)


@pytest.mark.parametrize("answered", [True, False])
async def test_giving_up_leaves_the_guest_as_fast_and_as_free_as_before(
    stage: Stage, answered: bool
) -> None:
    stage.world.add_guest("a", hot())
    controller = await stage.start()
    one = await stage.migrate_by(
        controller,
        pause_max_s=0.1,
        bandwidth_bytes_per_s=20e6,
        link_bytes_per_s=30e6,
        throttle=Throttle(most_fraction=0.3),
    )
    if not answered:
        await stage.until(lambda: "ThrottleOrdered" in stage.written(one))
        await stage.kill()
        controller = await stage.start()
    migration = await stage.settled(controller, one)

    copy = stage.world.machines[A].copies[WEB]
    assert migration.phase is Phase.FAILED
    assert {"BandwidthOrdered", "ThrottleOrdered"} <= set(stage.written(one))
    await stage.until(lambda: not controller.is_busy)
    assert copy.bandwidth_bytes_per_s is None
    assert copy.pause_limit_s == 0.3
    assert copy.job is None, "the throttle went with it"
    stage.assert_ended_well(migration)


@pytest.mark.parametrize("word", ["set_bandwidth", "raise_throttle", "start_postcopy"])
async def test_an_order_that_is_refused_is_given_again_after_the_next_round(
    stage: Stage, word: str
) -> None:
    stage.world.add_guest("a", hot())
    controller = await stage.start()
    refused = 0

    def refuse_twice() -> None:
        nonlocal refused
        if refused < 2:
            refused += 1
            raise HostUnreachable("not now")

    stage.call_faults[word] = refuse_twice
    one = await stage.migrate_by(
        controller,
        pause_max_s=0.2,
        bandwidth_bytes_per_s=60e6,
        link_bytes_per_s=LINK,
        throttle=Throttle(most_fraction=0.5),
        postcopy=True,
    )
    migration = await stage.settled(controller, one)

    assert refused == 2
    assert [w for w, _ in stage.orders].count(word) >= 3
    assert migration.phase is Phase.DONE
    stage.assert_ended_well(migration)


@pytest.mark.parametrize(
    ("intent", "word"),
    [
        ("BandwidthOrdered", "set_bandwidth"),
        ("ThrottleOrdered", "raise_throttle"),
        ("PostcopyOrdered", "start_postcopy"),
    ],
)
async def test_an_order_that_a_dead_controller_had_written_is_given_by_the_next(
    stage: Stage, intent: str, word: str
) -> None:
    stage.world.add_guest("a", hot())
    controller = await stage.start()

    def never_out() -> None:
        raise HostUnreachable("the controller is about to die")

    stage.call_faults[word] = never_out
    one = await stage.migrate_by(
        controller,
        pause_max_s=0.2,
        bandwidth_bytes_per_s=60e6,
        link_bytes_per_s=LINK,
        throttle=Throttle(most_fraction=0.5),
        postcopy=True,
    )
    await stage.until(lambda: intent in stage.written(one))
    await stage.kill()
    stage.call_faults.clear()
    stage.orders.clear()
    controller = await stage.start()
    migration = await stage.settled(controller, one)

    assert word in {order for order, _ in stage.orders}
    assert migration.phase is Phase.DONE
    stage.assert_ended_well(migration)


async def test_a_post_copy_that_was_refused_is_not_begun_over_a_path_that_has_broken_since(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", hot())
    controller = await stage.start()

    def refuse() -> None:
        stage.call_faults.clear()
        stage.world.machines[HostName("b")].emit_disconnected()
        raise HostUnreachable("not now")

    stage.call_faults["start_postcopy"] = refuse
    one = await stage.migrate_by(controller, pause_max_s=0.2, pause_longer_s=2.0, postcopy=True)
    migration = await stage.settled(controller, one)

    assert len(events(stage, one, PostcopyOrdered)) == 1
    assert [word for word, _ in stage.orders].count("start_postcopy") == 1
    assert migration.phase is Phase.DONE, "by the longer pause that its owner permits"
    assert not migration.postcopy_began
    stage.assert_ended_well(migration, pause_s=2.0)


async def test_who_divides_the_link_begins_no_post_copy_that_was_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.world.add_guest("a", hot())
    controller = await stage.start()
    words: list[str] = []
    carry = Carrying.carry

    async def carry_and_share(carrying: Carrying, order: object) -> None:
        await carry(carrying, order)
        if isinstance(order, StartPostcopy) and not words:
            await carrying.share(50e6, "another one has come")
            words.extend(word for word, _ in stage.orders)

    def refuse() -> None:
        stage.call_faults.clear()
        raise HostUnreachable("not now")

    monkeypatch.setattr(Carrying, "carry", carry_and_share)
    stage.call_faults["start_postcopy"] = refuse
    one = await stage.migrate_by(controller, pause_max_s=0.2, postcopy=True)
    await stage.settled(controller, one)

    assert "set_bandwidth" in words
    assert words.count("start_postcopy") == 1


async def test_of_two_limits_that_are_ordered_at_once_the_last_one_holds() -> None:
    """The first call is slow: without order it would arrive after the second."""
    writes: list[float | None] = []
    migration = replace(
        begin(accepted(moving=move())), phase=Phase.COPYING, bandwidth_bytes_per_s=None
    )

    class OneRecord:
        """What carrying needs of a record."""

        phase = Phase.COPYING

        def __init__(self) -> None:
            self.migration = migration

        def now_s(self) -> float:
            return NOW_S

        def write(self, event: BandwidthOrdered, _why: str) -> None:
            self.migration = replace(self.migration, bandwidth_bytes_per_s=event.bytes_per_s)

    class SlowAtFirst:
        """A source whose first answer takes long."""

        def __init__(self) -> None:
            self.takes_s = [0.0, 5.0]

        async def set_bandwidth(self, _vm: VmId, bytes_per_s: float | None) -> None:
            await asyncio.sleep(self.takes_s.pop())
            writes.append(bytes_per_s)

    carrying = Carrying(OneRecord(), SlowAtFirst())
    await asyncio.gather(carrying.share(10e6, "first"), carrying.share(20e6, "second"))

    assert writes[-1] == 20e6


async def test_after_a_lost_connection_no_post_copy_is_begun(stage: Stage) -> None:
    stage.world.add_guest("a", hot())
    controller = await stage.start()
    one = await stage.migrate_by(controller, pause_max_s=0.2, postcopy=True)
    await stage.reaches(controller, one, Phase.COPYING)
    stage.world.machines[HostName("b")].emit_disconnected()
    migration = await stage.settled(controller, one)

    assert migration.phase is Phase.FAILED
    assert not events(stage, one, PostcopyOrdered)
    stage.assert_ended_well(migration)


class TestTrace:
    async def test_every_point_of_a_short_copy_is_kept_with_what_was_seen(
        self, stage: Stage
    ) -> None:
        stage.world.add_guest("a", guest(memory_bytes=1024 * MIB))
        controller = await stage.start()
        migration = await stage.moved(controller)

        samples = self.samples(stage, migration.id)
        took_s = (migration.stopped_at_s or 0.0) - (migration.copying_since_s or 0.0)
        assert len(samples) >= took_s / 0.25 - 2
        assert [one.taken_at_s for one in samples] == sorted(one.taken_at_s for one in samples)
        assert samples[-1].transferred_bytes > samples[0].transferred_bytes > 0
        assert stage.replayed(migration.id) == migration

    async def test_a_copy_of_hours_writes_no_more_than_so_many_points_in_few_batches(
        self, stage: Stage
    ) -> None:
        stage.world.network.data_bytes_per_s = 1e6
        stage.world.add_guest("a", guest(memory_bytes=4096 * MIB, dirty_bytes_per_s=0.1 * MIB))
        controller = await stage.start()
        one = await stage.migrate(controller)
        migration = await stage.settled(controller, one, within_s=7200.0, every_s=5.0)

        assert migration.ended_at_s is not None
        assert migration.ended_at_s - migration.accepted_at_s > 500
        batches = events(stage, one, Traced)
        samples = self.samples(stage, one)
        first_minute = [
            one for one in samples if one.taken_at_s < (migration.copying_since_s or 0) + 60
        ]
        assert 200 <= len(first_minute) <= 245
        assert len(samples) <= 600
        assert len(batches) <= 60

    @staticmethod
    def samples(stage: Stage, one: MigrationId) -> list[Sample]:
        return [sample for event in events(stage, one, Traced) for sample in event.samples]


async def test_one_late_reading_is_not_taken_for_many_rounds(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a slow host answers once, round after round ends: what it says is of the last one."""
    stage.world.add_guest("a", hot())
    controller = await stage.start()
    one = await stage.migrate_by(controller, pause_max_s=0.2, postcopy=True)
    await stage.until(lambda: len(controller.migration(one).rounds) >= 2, every_s=0.001)
    read, slow_s = SimulatedHost.progress, [4.0]

    async def progress(host: SimulatedHost, vm: VmId) -> Progress | None:
        if slow_s:
            await asyncio.sleep(slow_s.pop())
        return await read(host, vm)

    monkeypatch.setattr(SimulatedHost, "progress", progress)
    migration = await stage.settled(controller, one)

    sent = [event.round.transferred_bytes for event in events(stage, one, RoundEnded)]
    numbers = [event.round.number for event in events(stage, one, RoundEnded)]
    assert numbers[-1] > len(numbers), "rounds that nobody read are left out"
    assert all(late - early > MIB for early, late in pairwise(sent[1:]))
    assert migration.phase is Phase.DONE
    stage.assert_ended_well(migration)


async def test_a_round_says_how_long_it_took(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    migration = await stage.moved(controller)

    first, *others = migration.rounds
    assert first.took_s is None
    for before, after in zip(migration.rounds, others, strict=False):
        assert after.took_s == pytest.approx(after.ended_at_s - before.ended_at_s)
