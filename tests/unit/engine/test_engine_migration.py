"""Goal: a healthy migration walks its phases, journals before it acts, and measures what it did.

Method: the whole engine over the simulated hypervisor and a real journal, in simulated time.
"""

import pytest

from godwit.core.migration import Phase
from godwit.core.model import Probe, VmPolicy
from godwit.core.units import MIB
from tests.unit.engine.stage import A, B, Stage, guest


async def test_a_healthy_migration_walks_every_phase_once(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()

    migration = await stage.moved(controller)

    assert stage.phases(migration.id) == [
        Phase.ACCEPTED,
        Phase.CHECKING,
        Phase.STARTING,
        Phase.COPYING,
        Phase.SWITCHING,
        Phase.CONFIRMING,
        Phase.VERIFYING,
        Phase.DONE,
    ]
    stage.assert_ended_well(migration)


async def test_every_effect_has_its_intent_in_the_journal_and_its_outcome_after_it(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()

    migration = await stage.moved(controller)

    written = stage.written(migration.id)
    assert stage.missing_intents == []
    assert written.index("PreconditionsHeld") < written.index("StartOrdered")
    assert written.index("StartOrdered") < written.index("CallEnded") < written.index("Found")
    assert written[-1] == "VerifyEnded"


async def test_the_result_is_what_the_hypervisors_measured(stage: Stage) -> None:
    vm = stage.world.add_guest("a", guest())
    controller = await stage.start()

    migration = await stage.moved(controller)

    result = migration.result
    assert result is not None
    assert result.pause_s == pytest.approx(max(stage.world.trace.pauses_s(vm)), abs=1e-6)
    assert result.transferred_bytes is not None
    assert 64 * MIB < result.transferred_bytes < 128 * MIB
    assert result.total_s is not None
    assert 0.5 < result.total_s < 3.0
    assert result.rounds == len(migration.rounds) >= 2
    assert result.notes == ()


async def test_a_round_tells_what_the_sync_at_its_end_found(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()

    migration = await stage.moved(controller)

    first_pass = next(one for one in migration.rounds if one.number == 2)
    written = guest().dirtied_bytes(64 * MIB / 125e6)
    assert first_pass.remaining_bytes == pytest.approx(written, rel=0.05)
    assert first_pass.bandwidth_bytes_per_s == pytest.approx(125e6)


async def test_the_definition_follows_a_persistent_vm(stage: Stage) -> None:
    vm = stage.world.add_guest("a", guest())
    controller = await stage.start()

    await stage.moved(controller)

    assert vm not in stage.world.machines[A].copies
    assert stage.world.machines[B].copies[vm].persistent


async def test_a_transient_vm_stays_transient_and_nothing_is_found_wanting(stage: Stage) -> None:
    vm = stage.world.add_guest("a", guest(persistent=False))
    controller = await stage.start()

    migration = await stage.moved(controller)

    assert vm not in stage.world.machines[A].copies
    assert not stage.world.machines[B].copies[vm].persistent
    assert migration.result is not None
    assert migration.result.notes == ()


async def test_the_policy_of_the_vm_travels_with_it(stage: Stage) -> None:
    policy = VmPolicy(pause_max_s=0.2, priority=3, probe=Probe(address="10.0.0.7", tcp_port=80))
    stage.world.add_guest("a", guest(policy=policy))
    controller = await stage.start()

    await stage.moved(controller)

    cluster = await controller.scan()
    assert [(vm.host, vm.policy) for vm in cluster.vms] == [(B, policy)]


async def test_it_can_go_there_and_back_ten_times(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()

    for _ in range(10):
        for there in (B, A):
            migration = await stage.moved(controller, to=there)
            assert migration.phase is Phase.DONE
            stage.assert_ended_well(migration)


async def test_the_bandwidth_that_was_asked_for_is_kept(stage: Stage) -> None:
    stage.world.add_guest("a", guest(dirty_bytes_per_s=1.0 * MIB))
    controller = await stage.start()

    migration = await stage.moved(controller, bandwidth_bytes_per_s=16.0 * MIB)

    assert migration.result is not None
    assert migration.result.total_s is not None
    assert migration.result.total_s > 64 / 16


async def test_several_migrations_share_the_link_and_all_arrive(stage: Stage) -> None:
    for name in ("one", "two", "three"):
        stage.world.add_guest("a", guest(name))
    controller = await stage.start()

    started = [await stage.migrate(controller, name) for name in ("one", "two", "three")]

    for one in started:
        migration = await stage.settled(controller, one)
        assert migration.phase is Phase.DONE
        stage.assert_ended_well(migration)


async def test_of_a_migration_that_has_ended_only_its_value_is_kept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A controller lives for months: nothing piles up, and no journal is folded at every look."""
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    migration = await stage.moved(controller)
    await stage.world.clock.sleep(1.0)
    migrations = controller._migrations
    monkeypatch.setattr(migrations, "life", None)
    monkeypatch.setattr(migrations, "_replayed", None)

    assert controller.migrations(limit=5) == (migration,)
    assert not migrations._runners
    assert not migrations._tasks
