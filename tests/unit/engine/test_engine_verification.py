"""Goal: after the move the network is verified, and what clients saw is measured apart."""

import asyncio

import pytest

from godwit.core.errors import StepRefused
from godwit.core.migration import Phase
from godwit.core.model import Probe, VmId, VmPolicy
from godwit.drivers.simulated import Point
from godwit.engine.verification import Verification
from godwit.ports import RepairAction
from tests.unit.engine.stage import Stage, guest

WEB = VmId("uuid-of-web")


async def test_a_guest_that_answers_has_its_outage_measured(stage: Stage) -> None:
    stage.world.add_guest("a", guest(address="10.0.0.1"))
    controller = await stage.start()

    migration = await stage.moved(controller)

    result = migration.result
    assert result is not None
    (pause_s,) = stage.world.trace.pauses_s(WEB)
    assert result.answers is True
    assert result.outage_s is not None
    assert result.outage_resolution_s is not None
    assert pause_s <= result.outage_s <= pause_s + 2 * result.outage_resolution_s
    assert not result.announced_again
    assert result.notes == ()


async def test_the_probe_of_the_policy_comes_before_what_the_host_knows(stage: Stage) -> None:
    policy = VmPolicy(probe=Probe(address="10.9.9.9", tcp_port=443))
    stage.world.add_guest("a", guest(address="10.0.0.1", policy=policy))
    controller = await stage.start()

    migration = await stage.moved(controller)

    assert migration.result is not None
    assert migration.result.answers is None
    assert any("never answered" in note for note in migration.result.notes)


async def test_a_guest_that_never_answered_is_not_measured_and_not_announced(stage: Stage) -> None:
    stage.world.add_guest("a", guest(policy=VmPolicy(probe=Probe(address="10.0.0.99"))))
    controller = await stage.start()

    migration = await stage.moved(controller)

    result = migration.result
    assert migration.phase is Phase.DONE
    assert result is not None
    assert (result.answers, result.outage_s, result.announced_again) == (None, None, False)


async def test_a_guest_without_an_address_is_not_measured(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()

    migration = await stage.moved(controller)

    assert migration.result is not None
    assert (migration.result.answers, migration.result.outage_s) == (None, None)


async def test_a_guest_is_announced_once_it_is_confirmed_without_waiting_for_its_silence(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", guest(address="10.0.0.1", needs_announcement=True))
    controller = await stage.start()

    migration = await stage.moved(controller)

    result = migration.result
    assert result is not None
    assert result.answers is True
    assert not result.announced_again
    assert result.outage_s is not None
    assert result.outage_s < 0.5
    assert result.outage_causes[-1] == "it was reached only after Godwit announced it again"


async def test_a_guest_that_is_silent_after_the_move_is_announced_again(stage: Stage) -> None:
    stage.world.add_guest("a", guest(address="10.0.0.1", needs_announcement=True))
    controller = await stage.start()
    lose_announcements(stage, 1)

    migration = await stage.moved(controller)

    result = migration.result
    assert result is not None
    assert result.answers is True
    assert result.announced_again
    assert result.outage_s is not None
    assert result.outage_s > 3.0
    assert result.pause_s is not None
    assert result.pause_s < 0.2
    stood_still, passed, reached = result.outage_causes
    assert "stood still for" in stood_still
    assert passed.startswith("3.")
    assert reached == "it was reached only after Godwit announced it again"


def lose_announcements(stage: Stage, count: int) -> None:
    """The next announcements are refused."""
    left = count

    def refuse() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise StepRefused("the monitor does not answer")

    stage.call_faults["repair announce"] = refuse


async def test_a_guest_that_stays_silent_is_told_and_the_move_stands(stage: Stage) -> None:
    stage.world.add_guest("a", guest(address="10.0.0.1"))
    controller = await stage.start()
    stage.world.at(Point.RUNS, lambda: setattr(stage.world, "answers", lambda _: False))

    migration = await stage.moved(controller)

    result = migration.result
    assert migration.phase is Phase.DONE
    assert result is not None
    assert result.answers is False
    assert result.outage_s is None
    assert any("does not answer from b" in note for note in result.notes)
    stage.assert_ended_well(migration)


async def test_a_source_that_was_resumed_late_is_announced_again(stage: Stage) -> None:
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    stage.world.at(Point.SWITCH, lambda: stage.world.network.cut_data("a", "b"))

    migration = await stage.moved(controller)

    assert migration.phase is Phase.FAILED
    assert (RepairAction.ANNOUNCE.value, 0.0) in stage.orders


@pytest.mark.parametrize("persistent", [True, False])
async def test_an_adopted_migration_says_nothing_wrong_of_its_definition(
    stage: Stage, *, persistent: bool
) -> None:
    """The new controller comes when all is over: it never saw the VM at its source."""
    stage.world.add_guest("a", guest(persistent=persistent))
    first = await stage.start()
    one = await stage.migrate(first)
    await stage.until(lambda: first.migration(one).phase is Phase.COPYING)
    await stage.kill()
    await stage.world.clock.sleep(60.0)

    migration = await stage.settled(await stage.start(), one)

    assert migration.phase is Phase.DONE
    assert migration.result is not None
    assert migration.result.notes == ()


async def test_a_definition_that_did_not_follow_is_told_and_the_old_one_is_kept(
    stage: Stage,
) -> None:
    stage.world.add_guest("a", guest())
    first = await stage.start()
    one = await stage.migrate(first)
    stage.world.at(Point.CONFIRM, lambda: stage.world.kill_libvirtd("a"))
    await stage.until(lambda: "b" in stage.world.trace.runners(WEB) and not stage.world.jobs)
    stage.world.machines["b"].copies[WEB].persistent = False
    await stage.kill()
    stage.world.start_libvirtd("a")

    migration = await stage.settled(await stage.start(), one)

    assert migration.phase is Phase.DONE
    assert migration.result is not None
    assert any("no persistent definition" in note for note in migration.result.notes)
    assert WEB in stage.world.machines["a"].copies


async def test_the_old_definition_is_kept_while_the_destination_shows_none(stage: Stage) -> None:
    """The destination does not answer: the definition at the source may be the only one."""
    stage.world.add_guest("a", guest())
    controller = await stage.start()
    one = await stage.migrate(controller)
    stage.world.at(Point.CONFIRM, lambda: stage.world.kill_libvirtd("a"))
    await stage.until(lambda: "b" in stage.world.trace.runners(WEB) and not stage.world.jobs)
    stage.world.start_libvirtd("a")
    await stage.reaches(controller, one, Phase.VERIFYING)
    stage.world.kill_libvirtd("b")

    migration = await stage.settled(controller, one)

    assert migration.phase is Phase.DONE
    assert migration.result is not None
    assert any("was kept" in note for note in migration.result.notes)
    assert WEB in stage.world.machines["a"].copies


async def test_a_guest_that_a_person_started_again_is_not_called_silent(stage: Stage) -> None:
    """The probe ended with the migration: that it hears nothing says nothing of the guest."""
    stage.world.add_guest("a", guest(address="10.0.0.1"))
    controller = await stage.start()
    stage.world.at(Point.ROUND, lambda: stage.world.kill_qemu("a", WEB))
    lost = await stage.moved(controller)
    assert lost.phase is Phase.LOST
    stage.world.add_guest("b", guest(address="10.0.0.1"))
    await stage.world.clock.sleep(1.0)

    await controller.resolve(lost.id)
    await stage.until(lambda: controller.migration(lost.id).is_ended)

    result = controller.migration(lost.id).result
    assert result is not None
    assert (result.answers, result.announced_again) == (None, False)
    assert not any("does not answer" in note for note in result.notes)


async def test_a_verification_that_hangs_ends_at_its_deadline(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object, **__: object) -> list[str]:
        await asyncio.sleep(3600.0)
        return []

    monkeypatch.setattr(Verification, "_definitions", hang)
    stage.world.add_guest("a", guest())
    controller = await stage.start()

    migration = await stage.moved(controller)

    assert migration.phase is Phase.DONE
    assert migration.result is not None
    assert migration.result.notes == ("not verified in time",)
    stage.assert_ended_well(migration)
