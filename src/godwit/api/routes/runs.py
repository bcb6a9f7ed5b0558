"""Plans that are carried out: /runs."""

from typing import Annotated

from fastapi import APIRouter, Query, status

from godwit import wire
from godwit.api.door import TheController
from godwit.api.views import run_detail_to_wire, run_to_wire
from godwit.core.model import RunId

__all__ = ["router"]

router = APIRouter(tags=["runs"])


@router.get("/runs", operation_id="list_runs")
async def list_runs(
    controller: TheController, limit: Annotated[int, Query(ge=1, le=1000)] = 20
) -> list[wire.Run]:
    """List the newest runs, newest first."""
    return [run_to_wire(one) for one in controller.runs(limit=limit)]


@router.get("/runs/{run_id}", operation_id="get_run")
async def get_run(run_id: str, controller: TheController) -> wire.RunDetail:
    """Return a run with its plan and its migrations so far."""
    view = controller.run(RunId(run_id))
    return run_detail_to_wire(view, last_notice=controller.last_notice)


@router.post(
    "/runs/{run_id}/cancel",
    operation_id="cancel_run",
    status_code=status.HTTP_202_ACCEPTED,
)
async def cancel_run(run_id: str, controller: TheController) -> wire.Run:
    """Start no more moves and cancel those in flight. Maintenance of hosts stays as it is."""
    return run_to_wire(await controller.cancel_run(RunId(run_id)))
