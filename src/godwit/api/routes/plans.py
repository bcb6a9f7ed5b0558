"""Plans: made, looked at, and only then accepted: /plans."""

from fastapi import APIRouter, status

from godwit import wire
from godwit.api.door import TheController, named_host
from godwit.api.views import acceptance_to_wire
from godwit.core.model import PlanId
from godwit.core.planner import PlanRequest
from godwit.engine import Controller

__all__ = ["router"]

router = APIRouter(tags=["plans"])


@router.post("/plans", operation_id="make_plan", status_code=status.HTTP_201_CREATED)
async def make_plan(asked: wire.PlanRequest, controller: TheController) -> wire.Plan:
    """Make a plan from a fresh reading. Nothing moves before it is accepted."""
    if isinstance(asked, wire.MigrateRequest):
        to = asked.destination
        plan = await controller.plan_migration(
            asked.vm,
            destination=None if to is None else named_host(controller, to),
            settings=wire.pause_settings_from_wire(asked),
            measure=asked.measure,
        )
    else:
        plan = await controller.plan_request(
            _request(asked, controller),
            wire.plan_settings_from_wire(asked),
            measure=asked.measure,
            limit_s=asked.limit_s,
            seed=asked.seed,
        )
    return wire.plan_to_wire(plan)


def _request(asked: wire.SearchedRequest, controller: Controller) -> PlanRequest:
    """Read a request, with the hosts that it names. Raises: UnknownHost, Refused."""
    if isinstance(asked, wire.RestoreRequest) and asked.host is not None:
        return controller.way_back(named_host(controller, asked.host))
    return wire.request_from_wire(asked, lambda name: named_host(controller, name))


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
