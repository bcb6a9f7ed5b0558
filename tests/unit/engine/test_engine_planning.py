"""Goal: plans rest on what the site weighs and on what has just been done.

Method: three simulated hosts; what a move costs and whether it is made says what counted.
"""

import pytest

from godwit.core.migration import Phase
from godwit.core.planner import Balance, PauseSettings, Place, PlanSettings, Weights
from godwit.engine import Controller
from tests.unit.engine.stage import Stage, guest


async def price_points(controller: Controller) -> float:
    plan = await controller.plan_request(Place(vm="web"), PlanSettings())
    (move,) = plan.moves
    assert move.worth is not None
    return move.worth.price.points


async def test_who_has_just_been_moved_costs_more_to_move_again(stage: Stage) -> None:
    stage.world.add_guest("a", guest("web"))
    controller = await stage.start()
    before = await price_points(controller)
    plan = await controller.plan_migration("web", destination=None, settings=PauseSettings())
    (migration,) = (await controller.accept(plan.id)).migrations
    await stage.until(lambda: controller.migration(migration).phase is Phase.DONE, every_s=0.2)

    after = await price_points(controller)

    assert after > before + 5 * Weights().churn
    await stage.world.clock.sleep(24 * 3600.0)
    # What was learnt of it meanwhile counts a little.
    assert await price_points(controller) == pytest.approx(before, rel=0.05)


async def test_the_weights_of_the_site_decide_what_is_worth_a_move(stage: Stage) -> None:
    for name in ("one", "two"):
        stage.world.add_guest("a", guest(name, vcpus=6, busy_cores=5.0))
    for churn, moves in ((0.0, True), (1000.0, False)):
        controller = await stage.start(weights=Weights(churn=churn))
        plan = await controller.plan_request(Balance(), PlanSettings())
        assert bool(plan.moves) is moves
        assert bool(plan.reasons) is not moves
