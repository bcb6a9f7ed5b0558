"""Goal: a migration can be given up in every phase, by a person or by a limit, without harm.

Also the steering: the pause limit is never raised above the promise, whatever the hosts say.
"""

import pytest

from godwit.core.errors import OutcomeUnknown, Refused, StepRefused
from godwit.core.migration import DEADLINES_S, Phase
from godwit.core.model import MigrationId, VmId, VmPolicy
from godwit.core.units import MIB
from godwit.drivers.simulated import Point
from godwit.engine import Controller, NoticeKind
from godwit.ports import MigrationOrder
from tests.unit.engine.stage import A, GatedHost, Stage, guest

WEB = VmId("uuid-of-web")

#: Writes faster than a gigabit link carries, over more memory than a short pause can send.
#: The start orders the first limit.
ORDERS_A_LIMIT = {"migrate", "set_pause_limit"}
HOT = {"dirty_bytes_per_s": 400.0 * MIB, "working_set_bytes": 256 * MIB, "memory_bytes": 512 * MIB}


async def cancel_at(stage: Stage, phase: Phase) -> tuple[Controller, MigrationId]:
    """Start a migration, and cancel it as soon as it is in a phase."""
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    one = await stage.migrate(controller)
    await stage.until(lambda: controller.migration(one).phase is phase, every_s=0.001)
    await controller.cancel(one)
    return controller, one


@pytest.mark.parametrize(
    "phase", [Phase.ACCEPTED, Phase.CHECKING, Phase.STARTING, Phase.COPYING, Phase.SWITCHING]
)
async def test_a_cancel_before_the_switch_is_over_leaves_the_guest_at_the_source(
    stage: Stage, phase: Phase
) -> None:
    controller, one = await cancel_at(stage, phase)

    migration = await stage.settled(controller, one)

    assert migration.phase is Phase.CANCELLED
    assert migration.cancel_by_person
    stage.assert_ended_well(migration)
    await stage.world.clock.sleep(1.0)
    assert not any("internal error" in text for text in await texts(controller))


async def test_a_cancel_that_comes_too_late_is_told_as_done(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    one = await stage.migrate(controller)
    stage.world.at(Point.FINISH, lambda: controller._migrations.cancel(one))

    migration = await stage.settled(controller, one)

    assert migration.phase is Phase.DONE
    stage.assert_ended_well(migration)


async def test_a_cancel_after_the_move_is_refused_with_the_way_back(stage: Stage) -> None:
    stage.world.add_guest("a", guest(address="10.0.0.1", needs_announcement=True))
    controller = await stage.start()
    one = await stage.migrate(controller)
    await stage.until(lambda: controller.migration(one).phase is Phase.VERIFYING, every_s=0.01)

    with pytest.raises(Refused, match="moved its guest already") as refused:
        await controller.cancel(one)
    assert "--to a" in refused.value.remedy
    await stage.settled(controller, one)

    with pytest.raises(Refused, match="nothing to cancel"):
        await controller.cancel(one)


async def test_a_cancelled_migration_can_be_started_again(stage: Stage) -> None:
    controller, one = await cancel_at(stage, Phase.COPYING)
    await stage.settled(controller, one)

    migration = await stage.moved(controller)

    assert migration.phase is Phase.DONE
    stage.assert_ended_well(migration)


async def test_a_cancel_that_a_dead_controller_had_written_is_carried_out_by_the_next(
    stage: Stage,
) -> None:
    """The intent is in the journal, the abort never went out: the person still wants it."""
    stage.world.add_guest("a", guest(memory_bytes=4096 * MIB))
    controller = await stage.start()
    one = await stage.migrate(controller)
    await stage.until(lambda: controller.migration(one).phase is Phase.COPYING)

    def die() -> None:
        for gate in stage._gates:
            gate.kill()

    stage.call_faults["abort"] = die
    await controller.cancel(one)
    await stage.world.clock.sleep(1.0)
    await stage.kill()
    stage.call_faults.clear()
    assert stage.written(one)[-1] == "CancelOrdered"

    migration = await stage.settled(await stage.start(), one)

    assert migration.phase is Phase.CANCELLED
    stage.assert_ended_well(migration, pause_s=0.0)


async def test_a_guest_that_writes_too_fast_is_left_where_it_is(stage: Stage) -> None:
    stage.world.add_guest("a", guest(**HOT, policy=VmPolicy(pause_max_s=0.1)))
    controller = await stage.start()

    migration = await stage.moved(controller)

    assert migration.phase is Phase.FAILED
    assert migration.failure is not None
    assert migration.failure.code == "not_converging"
    stage.assert_ended_well(migration, pause_s=0.0)


@pytest.mark.parametrize("promise_s", [0.005, 0.1, 0.75, 1.0, 3.0])
@pytest.mark.parametrize("dirty_mib_per_s", [1.0, 60.0, 110.0, 400.0])
async def test_no_order_ever_goes_above_the_promise(
    stage: Stage, promise_s: float, dirty_mib_per_s: float
) -> None:
    stage.world.add_guest(
        "a",
        guest(
            dirty_bytes_per_s=dirty_mib_per_s * MIB,
            working_set_bytes=48 * MIB,
            policy=VmPolicy(pause_max_s=promise_s),
        ),
    )
    controller = await stage.start()

    migration = await stage.moved(controller)

    limits_s = [limit for word, limit in stage.orders if word in ORDERS_A_LIMIT]
    assert limits_s
    assert all(0 < limit <= promise_s for limit in limits_s)
    stage.assert_ended_well(migration, pause_s=promise_s + 0.05)


async def test_a_person_may_lower_the_promise_and_never_raise_it(stage: Stage) -> None:
    stage.world.add_guest("a", guest(**HOT, policy=VmPolicy(pause_max_s=0.2)))
    controller = await stage.start()

    for asked_s, kept_s in ((0.05, 0.05), (5.0, 0.2)):
        stage.orders.clear()
        migration = await stage.moved(controller, pause_max_s=asked_s)
        assert migration.phase is Phase.FAILED
        limits_s = [limit for word, limit in stage.orders if word in ORDERS_A_LIMIT]
        assert migration.move.recipe.pause_max_s == kept_s
        assert 0 < max(limits_s) <= kept_s


async def test_a_pause_limit_that_could_not_be_set_is_set_later(stage: Stage) -> None:
    """A guest that converges only at a higher limit, and a host that refuses the first orders."""
    stage.world.add_guest("a", guest(dirty_bytes_per_s=300.0 * MIB, working_set_bytes=48 * MIB))
    controller = await stage.start()
    refusals = iter(range(6))

    def refuse() -> None:
        if next(refusals, None) is not None:
            raise StepRefused("cannot acquire state change lock")

    stage.call_faults["set_pause_limit"] = refuse

    migration = await stage.moved(controller)

    assert migration.phase is Phase.DONE
    stage.assert_ended_well(migration)


async def test_a_pause_limit_that_can_never_be_set_costs_the_migration_only(stage: Stage) -> None:
    stage.world.add_guest("a", guest(dirty_bytes_per_s=300.0 * MIB, working_set_bytes=48 * MIB))
    controller = await stage.start()

    def refuse() -> None:
        raise StepRefused("cannot acquire state change lock")

    stage.call_faults["set_pause_limit"] = refuse

    migration = await stage.moved(controller)

    assert migration.phase is Phase.FAILED
    stage.assert_ended_well(migration, pause_s=0.0)


async def test_a_limit_that_a_dead_controller_had_written_is_set_by_the_next(stage: Stage) -> None:
    stage.world.add_guest("a", guest(dirty_bytes_per_s=300.0 * MIB, working_set_bytes=48 * MIB))
    controller = await stage.start()

    def die() -> None:
        for gate in stage._gates:
            gate.kill()

    stage.call_faults["set_pause_limit"] = die
    one = await stage.migrate(controller)
    await stage.until(lambda: stage._gates[0].is_dead)
    await stage.kill()
    stage.call_faults.clear()
    ordered_s = stage.replayed(one).pause_limit_s
    stage.orders.clear()

    migration = await stage.settled(await stage.start(), one)

    assert migration.phase is Phase.DONE
    assert stage.orders[0] == ("set_pause_limit", ordered_s)
    stage.assert_ended_well(migration)


async def test_a_copy_that_never_begins_is_given_up_at_its_deadline(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    stage.call_faults["progress"] = _refuse
    stage.events_lost = True
    stage.world.network.data_bytes_per_s = 1.0

    migration = await stage.moved(controller)

    assert migration.phase is Phase.FAILED
    assert migration.failure is not None
    assert migration.failure.code == "deadline"
    assert migration.ended_at_s is not None
    lasted_s = migration.ended_at_s - migration.accepted_at_s
    assert lasted_s == pytest.approx(DEADLINES_S[Phase.STARTING], abs=5.0)
    stage.assert_ended_well(migration, pause_s=0.0)


async def test_a_copy_that_creeps_is_given_up_at_its_deadline(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    stage.world.network.data_bytes_per_s = 1000.0

    migration = await stage.moved(controller)

    assert migration.phase is Phase.FAILED
    assert migration.failure is not None
    assert migration.failure.code == "deadline"
    stage.assert_ended_well(migration, pause_s=0.0)


async def test_an_abort_that_can_not_be_ordered_ends_in_doubt_and_then_in_the_truth(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", guest(memory_bytes=16384 * MIB))
    controller = await stage.start()
    one = await stage.migrate(controller)
    await stage.until(lambda: controller.migration(one).phase is Phase.COPYING)
    stage.call_faults["abort"] = _refuse

    await controller.cancel(one)
    await stage.world.clock.sleep(DEADLINES_S[Phase.CANCELLING] + 10.0)
    assert "DeadlinePassed" in stage.written(one)
    stage.call_faults.clear()

    migration = await stage.settled(controller, one)
    assert migration.phase is Phase.CANCELLED
    stage.assert_ended_well(migration, pause_s=0.0)


async def test_a_cancel_in_doubt_outlives_its_controller(stage: Stage) -> None:
    stage.world.add_guest("a", guest(memory_bytes=16384 * MIB))
    first = await stage.start()
    one = await stage.migrate(first)
    await stage.reaches(first, one, Phase.COPYING)
    stage.world.network.cut_management(A)
    await stage.kill()
    second = await stage.start()
    await stage.reaches(second, one, Phase.UNKNOWN)

    await second.cancel(one)
    await second.cancel(one)
    await stage.kill()
    stage.world.network.mend()
    migration = await stage.settled(await stage.start(), one)

    assert migration.phase is Phase.CANCELLED
    stage.assert_ended_well(migration, pause_s=0.0)


async def test_a_silent_pair_of_hosts_raises_an_alarm_after_the_deadline(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    stage.world.at(Point.COPY, lambda: stage.world.network.cut_management(A))
    one = await stage.migrate(controller)
    await stage.until(lambda: controller.migration(one).phase is Phase.UNKNOWN)
    assert not controller.migration(one).needs_person

    await stage.world.clock.sleep(DEADLINES_S[Phase.UNKNOWN] + 20.0)

    assert controller.migration(one).phase is Phase.UNKNOWN
    assert controller.migration(one).needs_person
    stage.world.network.mend()
    migration = await stage.settled(controller, one)
    assert migration.phase is Phase.DONE
    assert not migration.needs_person


async def test_a_call_whose_answer_was_lost_leaves_no_pause_limit_of_ours(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()

    def lose() -> None:
        raise OutcomeUnknown("the answer of a was lost")

    stage.call_faults["migrate"] = lose

    migration = await stage.moved(controller)
    await stage.world.clock.sleep(1.0)

    assert migration.phase is Phase.FAILED
    assert ("reset_pause_limit", 0.3) in stage.orders


async def test_a_call_that_did_not_get_out_before_its_deadlines_never_does(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source takes minutes before it takes the call: by then it was told as given up."""
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    at_once = GatedHost.migrate

    async def late(self: GatedHost, order: MigrationOrder) -> None:
        given_up_s = DEADLINES_S[Phase.STARTING] + DEADLINES_S[Phase.CANCELLING]
        await stage.world.clock.sleep(given_up_s + 1.0)
        await at_once(self, order)

    monkeypatch.setattr(GatedHost, "migrate", late)

    migration = await stage.moved(controller)
    await stage.world.clock.sleep(60.0)

    assert migration.phase is Phase.FAILED
    assert not [word for word, _ in stage.orders if word == "migrate"]
    stage.assert_ended_well(migration, pause_s=0.0)


def _refuse() -> None:
    raise StepRefused("cannot acquire state change lock")


async def texts(controller: Controller) -> list[str]:
    """The texts of all notices about migrations so far."""
    found = []
    async for notice in controller.watch(controller.last_notice - len(controller._notices._kept)):
        if notice.kind is NoticeKind.MIGRATION:
            found.append(notice.text)
        if notice.number == controller.last_notice:
            break
    return found
