"""Live migrations between real hosts, judged by the guest itself and by a client outside.

Goal: a migration that succeeds loses nothing and breaks nothing. Method: the guest checks every
page and every record it wrote, the client holds one TCP connection open all the time, and both
hypervisors are read for copies and definitions afterwards.
"""

import pytest

from godwit.core.errors import NoDestination, Refused, UnknownVm
from godwit.core.migration import Phase
from godwit.core.model import HostName
from godwit.core.planner import PauseSettings

pytestmark = pytest.mark.lab


async def test_ten_moves_under_dirtying_load_keep_memory_disk_and_the_tcp_session(site, guest, lab):
    guest("busy", memory="256MiB", working_set="64MiB", dirty_rate="20MiB/s")
    with lab.meter(["busy"], seconds_max=240) as meter:
        for turn in range(10):
            ended = await site.move("busy", "h2" if turn % 2 == 0 else "h1")

            assert ended.phase is Phase.DONE, ended.failure
            assert ended.result.pause_s <= ended.move.recipe.pause_max_s
            assert ended.result.answers is True
            assert ended.result.outage_s is not None
        report = meter.stop()["busy"]
    checked = lab.guest("busy").verify()

    assert checked.is_intact
    assert report.is_intact
    assert report.tcp_broken == 0
    assert report.http_lost == 0
    assert lab.copies("busy") == {"h1": "running"}


async def test_definition_and_metadata_follow_the_vm_and_leave_nothing_behind(site, guest, lab):
    metadata = (
        '<godwit:vm xmlns:godwit="urn:godwit:vm:1" pause-max="400ms" priority="7">'
        '<godwit:anti-affinity group="web"/><godwit:probe address="{address}"/></godwit:vm>'
        '<other:note xmlns:other="urn:example:other">kept &amp; whole</other:note>'
    )
    guest("named", metadata=metadata)

    ended = await site.move("named", "h2")

    assert ended.phase is Phase.DONE
    assert ended.move.recipe.pause_max_s == 0.4
    inactive = lab.host("h2").run(["virsh", "dumpxml", "--inactive", "named"])
    assert "kept &amp; whole" in inactive
    assert 'group="web"' in inactive.replace("'", '"')
    assert "named" not in lab.host("h1").run(["virsh", "list", "--all", "--name"]).split()


async def test_pause_limit_that_was_asked_for_is_the_one_qemu_is_given(site, guest, lab):
    guest("strict", working_set="64MiB")
    migration = await site.begin("strict", "h2", pause_max_s=0.013, bandwidth_bytes_per_s=5e6)
    await site.copying(migration)

    # Until the first pass is over, QEMU's expected pause is its limit.
    progress = site.controller.progress(migration)
    await site.controller.cancel(migration)
    ended = await site.end(migration)

    assert progress.iteration == 1
    assert progress.expected_pause_s == 0.013
    assert ended.phase is Phase.CANCELLED
    assert max(one.pause_limit_s for one in ended.rounds) <= 0.013


async def test_guest_that_writes_faster_than_the_stream_is_given_up_unharmed(site, guest, lab):
    guest("hot", memory="256MiB", working_set="128MiB", dirty_rate="200MiB/s")

    ended = await site.move("hot", "h2", pause_max_s=0.05, bandwidth_bytes_per_s=25e6)

    assert ended.phase is Phase.FAILED
    assert ended.failure.code == "not_converging"
    assert ended.pause_limit_s <= 0.05
    assert lab.copies("hot") == {"h1": "running"}
    assert lab.guest("hot").verify().is_intact


async def test_transient_vm_moves_and_stays_transient(site, guest, lab):
    guest("fleeting", transient=True)

    ended = await site.move("fleeting", "h2")

    assert ended.phase is Phase.DONE, ended.failure
    assert lab.host("h2").run(["virsh", "list", "--transient", "--name"]).split() == ["fleeting"]


async def test_vm_on_a_local_disk_is_refused_on_every_host_with_the_remedy(site, guest):
    guest("local", disk="local")

    with pytest.raises(NoDestination) as refused:
        await site.begin("local")

    assert "local to h1" in refused.value.evidence
    assert "h2" in refused.value.remedy or "both hosts" in refused.value.remedy


async def test_host_in_maintenance_and_host_without_room_are_refused_by_name(site, guest):
    guest("small")
    await site.controller.set_maintenance(HostName("h2"), on=True)

    with pytest.raises(NoDestination) as refused:
        await site.begin("small", "h2")
    plan = await site.controller.plan_migration("small", destination=None, settings=PauseSettings())

    assert "h2 is in maintenance" in refused.value.evidence
    assert plan.moves[0].destination == "h3"
    assert plan.moves[0].choice.candidate(HostName("h2")).refusals[0].rule == "maintenance"


async def test_host_without_the_network_is_refused_before_anything_starts(site, guest, lab):
    guest("wired")
    lab.host("h2").run(["virsh", "net-destroy", "guests"])
    try:
        with pytest.raises(NoDestination) as refused:
            await site.begin("wired", "h2")
    finally:
        lab.host("h2").run(["virsh", "net-start", "guests"])

    assert "no active libvirt network 'guests'" in refused.value.evidence


async def test_unknown_vm_names_the_near_one_and_a_move_to_itself_is_refused(site, guest):
    guest("webserver")

    with pytest.raises(UnknownVm, match="webservr") as unknown:
        await site.begin("webservr")
    with pytest.raises(Refused, match="on h1 already"):
        await site.begin("webserver", "h1")

    assert "webserver" in unknown.value.remedy


async def test_second_migration_of_the_same_vm_is_refused_while_the_first_runs(site, guest):
    guest("once", memory="256MiB", working_set="128MiB")
    first = await site.begin("once", "h2", bandwidth_bytes_per_s=10e6)
    await site.copying(first)

    with pytest.raises((Refused, NoDestination)) as refused:
        await site.begin("once", "h3")
    await site.controller.cancel(first)
    ended = await site.end(first)

    assert "migration" in str(refused.value)
    assert ended.phase is Phase.CANCELLED
