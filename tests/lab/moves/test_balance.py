"""A real overload cured: six guests on three hosts, clients on all of them, and as few moves as do.

The hosts of the lab share one machine, so that their memory is what can be told apart: each is
given a reserve that leaves its VMs as much as the scene wants.
"""

from dataclasses import replace

import pytest

from godwit.core.errors import PlanStale
from godwit.core.migration import Phase
from godwit.core.model import HostName
from godwit.core.planner import Balance, Drain, PlanSettings
from godwit.core.units import MIB
from godwit.engine import NoticeKind, RunState

pytestmark = pytest.mark.lab

H1, H2, H3 = (HostName(name) for name in ("h1", "h2", "h3"))


async def _leave_vms(site, **for_vms_bytes):
    """Give hosts a reserve that leaves VMs so much in all."""
    cluster = await site.controller.scan()
    for name, for_vms in for_vms_bytes.items():
        host = cluster.host(HostName(name))
        reserve = host.observed.memory_total_bytes - for_vms
        await site.controller.remove_host(host.name)
        await site.controller.add_hosts([replace(host.record, memory_reserve_bytes=reserve)])


async def _overloaded(site, guest):
    """h1 has 98 % of its memory promised; only one small guest fits on h2, none on h3."""
    guest("large", memory="320MiB", dirty_rate="2MiB/s")
    for name in ("one", "two", "three"):
        guest(name, memory="192MiB", dirty_rate="1MiB/s")
    guest("at-h2", host="h2", memory="192MiB", dirty_rate="1MiB/s")
    guest("at-h3", host="h3", memory="192MiB", dirty_rate="1MiB/s")
    await _leave_vms(site, h1=914 * MIB, h2=512 * MIB, h3=300 * MIB)


async def _end_of(site, acceptance):
    async for notice in site.controller.watch():
        view = site.controller.run(acceptance.run)
        if view.state is not RunState.RUNNING:
            return view
        assert notice.kind is not NoticeKind.RESET
    raise AssertionError("the stream of notices ended")


async def test_balance_cures_an_overload_with_one_move_and_says_why(site, guest, lab):
    await _overloaded(site, guest)
    with lab.meter(seconds_max=120) as meter:
        plan = await site.controller.plan_request(Balance(), PlanSettings())
        view = await _end_of(site, await site.controller.accept(plan.id))
        reports = meter.stop()

    (move,) = plan.moves
    terms = {one.name: one for one in plan.terms}
    assert terms["hot memory"].before > 0
    assert terms["hot memory"].after == 0
    assert (move.source, move.destination) == (H1, H2)
    assert move.vm_name in {"one", "two", "three"}
    assert "h1 has 98 % of its memory promised, above the 95 % that are safe" in move.worth.why_vm
    assert dict(move.worth.gains)["hot memory"] > move.worth.price.points
    assert view.state is RunState.DONE
    assert [one.phase for one in view.migrations] == [Phase.DONE]
    assert lab.where(move.vm_name) == "h2"
    assert not any(one.in_maintenance for one in site.controller.host_records())
    assert len(reports) == 6
    assert all(one.tcp_broken == 0 and one.is_intact for one in reports.values())

    # Guests are never equally busy twice, so that small moves may gain; the overload is no more.
    again = await site.controller.plan_request(Balance(), PlanSettings(), measure=False)
    assert next(one for one in again.terms if one.name == "hot memory").before == 0


async def test_a_balance_is_refused_as_stale_when_the_world_has_moved(site, guest, lab):
    await _overloaded(site, guest)
    plan = await site.controller.plan_request(Balance(), PlanSettings(), measure=False)
    guest("newcomer", host="h2", memory="192MiB")

    with pytest.raises(PlanStale) as refused:
        await site.controller.accept(plan.id)

    assert "memory" in refused.value.evidence
    assert refused.value.remedy == "Plan again."
    assert site.controller.migrations(limit=5) == ()
    assert lab.where(plan.moves[0].vm_name) == "h1"


async def test_the_way_back_after_a_drain_brings_its_guests_home(site, guest, lab):
    guest("one", dirty_rate="2MiB/s")
    guest("two")
    drain = await site.controller.plan_request(
        Drain(hosts=(H1,), make_room=False), PlanSettings(parallel=2), measure=False
    )
    await _end_of(site, await site.controller.accept(drain.id))
    assert "h1" not in {lab.where("one"), lab.where("two")}

    await site.controller.set_maintenance(H1, on=False)
    back = await site.controller.plan_request(
        site.controller.way_back(H1), PlanSettings(parallel=2), measure=False
    )
    view = await _end_of(site, await site.controller.accept(back.id))

    assert view.state is RunState.DONE
    assert {lab.where("one"), lab.where("two")} == {"h1"}
