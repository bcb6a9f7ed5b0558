"""Goal: the rules that a site declares are bound at each reading, and no move breaks them."""

import pytest

from godwit.core.errors import NoDestination
from godwit.core.model import VmId
from godwit.core.planner import PauseSettings
from godwit.core.rules import (
    AntiAffinity,
    DeclaredRule,
    KeepOff,
    Selection,
    examine,
    rules_in_force,
)
from tests.unit.engine.stage import A, B, C, Stage, guest

WEB, DB = VmId("uuid-of-web"), VmId("uuid-of-db")


async def test_a_rule_means_the_vms_and_hosts_of_each_reading(stage: Stage) -> None:
    apart = DeclaredRule(rule=AntiAffinity(name="apart"), vms=Selection(patterns=("w*", "d*")))
    stage.world.add_guest("a", guest())
    controller = await stage.start(site_rules=(apart,))
    (bound,) = (await controller.scan()).rules
    assert (bound.vms, bound.hosts) == ({WEB}, {A, B, C})
    stage.world.add_guest("a", guest("db"))
    cluster = await controller.scan()
    (bound,) = cluster.rules
    assert bound.vms == {WEB, DB}
    found = examine(rules_in_force(cluster), cluster)
    assert [one.rule for one in found.breaches if one.hard] == ["apart"]


async def test_a_move_that_a_rule_forbids_is_not_planned(stage: Stage) -> None:
    keep_off = DeclaredRule(
        rule=KeepOff(name="tenants"),
        vms=Selection(patterns=("web",)),
        hosts=Selection(patterns=("b",)),
    )
    stage.world.add_guest("a", guest())
    controller = await stage.start(site_rules=(keep_off,))
    with pytest.raises(NoDestination) as caught:
        await controller.plan_migration("web", destination=B, settings=PauseSettings())
    assert "web is to keep off b (rule 'tenants')" in caught.value.evidence
    plan = await controller.plan_migration("web", destination=None, settings=PauseSettings())
    assert plan.moves[0].destination == C
