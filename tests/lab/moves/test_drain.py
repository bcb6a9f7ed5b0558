"""A real host drained: every VM that can leave leaves, the others are named and run on."""

from dataclasses import replace

import pytest

from godwit.core.errors import Refused
from godwit.core.migration import Phase
from godwit.core.model import HostName
from godwit.core.planner import Drain, PauseSettings, PlanSettings
from godwit.core.units import MIB
from godwit.engine import NoticeKind, RunState

pytestmark = pytest.mark.lab

H1, H2, H3 = (HostName(name) for name in ("h1", "h2", "h3"))
APART = (
    '<godwit:vm xmlns:godwit="urn:godwit:vm:1"><godwit:anti-affinity group="pair"/>'
    '<godwit:probe address="{address}"/></godwit:vm>'
)


async def _planned(site, *, parallel=1):
    return await site.controller.plan_request(
        Drain(hosts=(H1,), make_room=False), PlanSettings(parallel=parallel)
    )


async def _drain(site, **wishes):
    plan = await _planned(site, **wishes)
    acceptance = await site.controller.accept(plan.id)
    async for notice in site.controller.watch():
        view = site.controller.run(acceptance.run)
        if view.state is not RunState.RUNNING:
            return plan, view
        assert notice.kind is not NoticeKind.RESET
    raise AssertionError("the stream of notices ended")


async def test_drain_moves_what_can_move_and_leaves_the_rest_running(site, guest, lab):
    guest("one", dirty_rate="5MiB/s", metadata=APART)
    guest("two", host="h2", metadata=APART)
    guest("three", dirty_rate="2MiB/s")
    guest("stuck", disk="local")
    with lab.meter(seconds_max=120) as meter:
        plan, view = await _drain(site, parallel=2)
        reports = meter.stop()

    assert {one.vm_name for one in plan.unplaced} == {"stuck"}
    assert "local to h1" in plan.unplaced[0].refusals[0].why
    assert view.state is RunState.PARTLY
    assert view.remaining == ("stuck",)
    assert all(one.phase is Phase.DONE for one in view.migrations)
    assert lab.where("one") == "h3", "h2 holds its anti-affine partner"
    assert lab.where("three") in {"h2", "h3"}
    assert lab.where("stuck") == "h1"
    assert all(one.tcp_broken == 0 and one.is_intact for one in reports.values())
    assert site.controller.host_records()[0].in_maintenance


async def test_drained_host_takes_no_vm_until_it_is_undrained(site, guest, lab):
    guest("mover")
    _, view = await _drain(site)
    assert view.state is RunState.DONE

    plan = await site.controller.plan_migration("mover", destination=None, settings=PauseSettings())
    assert plan.moves[0].destination != H1
    await site.controller.set_maintenance(H1, on=False)
    back = await site.move("mover", "h1")

    assert back.phase is Phase.DONE


async def _leave_room(site, **free_bytes):
    """Give hosts a reserve that leaves VMs so much beside those that run there."""
    cluster = await site.controller.scan()
    for name, free in free_bytes.items():
        host = cluster.host(HostName(name))
        promised = cluster.memory_promised_bytes(host.name)
        reserve = host.observed.memory_total_bytes - promised - free
        await site.controller.remove_host(host.name)
        await site.controller.add_hosts([replace(host.record, memory_reserve_bytes=reserve)])


async def test_drain_with_anti_affinity_into_tight_hosts_keeps_its_order_and_its_room(
    site, guest, lab
):
    """There is one way only: the large one beside none of its group, and one small one each."""
    guest("large", memory="320MiB", dirty_rate="5MiB/s", metadata=APART)
    guest("partner", host="h2", metadata=APART)
    for name in ("small", "tiny"):
        guest(name, memory="192MiB", dirty_rate="2MiB/s")
    await _leave_room(site, h2=192 * MIB, h3=512 * MIB)

    with lab.meter(seconds_max=180) as meter:
        plan, view = await _drain(site, parallel=2)
        reports = meter.stop()

    assert plan.unplaced == ()
    assert plan.timed.stuck == ()
    assert plan.timed.lower_bound_s <= plan.timed.makespan_s.likely
    assert [one.vm for one in plan.timed.moves] == [one.vm for one in plan.moves]
    assert view.state is RunState.DONE
    assert view.given_up == ()
    assert [one.phase for one in view.migrations] == [Phase.DONE] * 3
    assert lab.where("large") == "h3", "h2 holds its anti-affine partner"
    assert {lab.where("small"), lab.where("tiny")} == {"h2", "h3"}
    cluster = await site.controller.scan()
    for name in (H2, H3):
        room = cluster.host(name).memory_for_vms_bytes
        assert cluster.memory_promised_bytes(name) <= room
    # A move begins when those that it waits for are over, whatever the clock said.
    ended_s = {one.move.vm: one.ended_at_s for one in view.migrations}
    begun_s = {one.move.vm: one.accepted_at_s for one in view.migrations}
    vms = {one.id: one.vm for one in plan.timed.moves}
    for timed in plan.timed.moves:
        assert all(ended_s[vms[one]] <= begun_s[timed.vm] for one in timed.after)
    assert all(one.tcp_broken == 0 and one.is_intact for one in reports.values())


async def test_a_plan_of_a_drain_is_refused_once_its_room_has_gone(site, guest, lab):
    guest("mover")
    plan = await _planned(site)
    await _leave_room(site, h2=64 * MIB, h3=64 * MIB)

    with pytest.raises(Refused) as refused:
        await site.controller.accept(plan.id)

    assert "memory" in refused.value.evidence
    assert refused.value.remedy
    assert site.controller.migrations(limit=5) == ()
    assert not any(one.in_maintenance for one in site.controller.host_records())
    assert lab.where("mover") == "h1"
