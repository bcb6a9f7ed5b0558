"""Drains: /drains."""

from typing import Annotated

from fastapi import APIRouter, Query, status

from godwit import wire
from godwit.api.door import TheController
from godwit.api.views import drain_detail_to_wire, drain_to_wire
from godwit.core.model import DrainId

__all__ = ["router"]

router = APIRouter(tags=["drains"])


@router.get("/drains", operation_id="list_drains")
async def list_drains(
    controller: TheController, limit: Annotated[int, Query(ge=1, le=1000)] = 20
) -> list[wire.Drain]:
    """List the newest drains, newest first."""
    return [drain_to_wire(one) for one in controller.drains(limit=limit)]


@router.get("/drains/{drain_id}", operation_id="get_drain")
async def get_drain(drain_id: str, controller: TheController) -> wire.DrainDetail:
    """Return a drain with its plan and its migrations so far."""
    view = controller.drain(DrainId(drain_id))
    return drain_detail_to_wire(view, last_notice=controller.last_notice)


@router.post(
    "/drains/{drain_id}/cancel",
    operation_id="cancel_drain",
    status_code=status.HTTP_202_ACCEPTED,
)
async def cancel_drain(drain_id: str, controller: TheController) -> wire.Drain:
    """Start no more moves and cancel those in flight. The host stays in maintenance."""
    return drain_to_wire(await controller.cancel_drain(DrainId(drain_id)))
