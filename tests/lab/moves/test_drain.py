"""A real host drained: every VM that can leave leaves, the others are named and run on."""

import pytest

from godwit.core.migration import Phase
from godwit.core.model import HostName
from godwit.core.planner import PauseSettings
from godwit.engine import DrainState, NoticeKind

pytestmark = pytest.mark.lab

H1 = HostName("h1")


async def _drain(site, **wishes):
    plan = await site.controller.plan_drain(
        H1, parallel=wishes.get("parallel", 1), settings=PauseSettings()
    )
    acceptance = await site.controller.accept(plan.id)
    async for notice in site.controller.watch():
        view = site.controller.drain(acceptance.drain)
        if view.state is not DrainState.RUNNING:
            return plan, view
        assert notice.kind is not NoticeKind.RESET
    raise AssertionError("the stream of notices ended")


async def test_drain_moves_what_can_move_and_leaves_the_rest_running(site, guest, lab):
    group = '<godwit:anti-affinity group="pair"/><godwit:probe address="{address}"/>'
    apart = f'<godwit:vm xmlns:godwit="urn:godwit:vm:1">{group}</godwit:vm>'
    guest("one", dirty_rate="5MiB/s", metadata=apart)
    guest("two", host="h2", metadata=apart)
    guest("three", dirty_rate="2MiB/s")
    guest("stuck", disk="local")
    with lab.meter(seconds_max=120) as meter:
        plan, view = await _drain(site, parallel=2)
        reports = meter.stop()

    assert {one.vm_name for one in plan.unplaced} == {"stuck"}
    assert "local to h1" in plan.unplaced[0].refusals[0].why
    assert view.state is DrainState.PARTLY
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
    assert view.state is DrainState.EMPTIED

    plan = await site.controller.plan_migration("mover", destination=None, settings=PauseSettings())
    assert plan.moves[0].destination != H1
    await site.controller.set_maintenance(H1, on=False)
    back = await site.move("mover", "h1")

    assert back.phase is Phase.DONE
