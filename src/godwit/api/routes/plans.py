"""Plans: made, looked at, and only then accepted: /plans."""

from typing import assert_never

from fastapi import APIRouter, status

from godwit import wire
from godwit.api.door import TheController, named_host
from godwit.api.views import acceptance_to_wire
from godwit.core.model import PlanId

__all__ = ["router"]

router = APIRouter(tags=["plans"])


@router.post("/plans", operation_id="make_plan", status_code=status.HTTP_201_CREATED)
async def make_plan(asked: wire.PlanRequest, controller: TheController) -> wire.Plan:
    """Make a plan from a fresh reading. Nothing moves before it is accepted."""
    settings = wire.pause_settings_from_wire(asked)
    match asked:
        case wire.MigrateRequest():
            to = asked.destination
            plan = await controller.plan_migration(
                asked.vm,
                destination=None if to is None else named_host(controller, to),
                settings=settings,
                measure=asked.measure,
            )
        case wire.DrainRequest():
            plan = await controller.plan_drain(
                named_host(controller, asked.host),
                parallel=asked.parallel,
                settings=settings,
                measure=asked.measure,
            )
        case _:
            assert_never(asked)
    return wire.plan_to_wire(plan)


@router.get("/plans/{plan_id}", operation_id="get_plan")
async def get_plan(plan_id: str, controller: TheController) -> wire.Plan:
    """Return a plan."""
    return wire.plan_to_wire(controller.plan(PlanId(plan_id)))


@router.post(
    "/plans/{plan_id}/accept", operation_id="accept_plan", status_code=status.HTTP_202_ACCEPTED
)
async def accept_plan(plan_id: str, controller: TheController) -> wire.Acceptance:
    """Set a plan going. Accepting it again changes nothing and gives the same answer."""
    last_notice = controller.last_notice
    acceptance = await controller.accept(PlanId(plan_id))
    return acceptance_to_wire(acceptance, last_notice=last_notice)
