"""What the controller has in hand, and which version it is: /status and /version."""

from fastapi import APIRouter

from godwit import __version__, wire
from godwit.api.door import TheController
from godwit.api.views import run_to_wire

__all__ = ["router"]

router = APIRouter(tags=["state"])

#: How far back an unfinished migration is looked for.
_LOOKED_AT = 1000


@router.get("/status", operation_id="get_status")
async def get_status(controller: TheController) -> wire.Status:
    """Say what is in flight. No host is asked: this answers at once."""
    migrations = controller.migrations(limit=_LOOKED_AT)
    return wire.Status(
        version=__version__,
        is_busy=controller.is_busy,
        last_notice=controller.last_notice,
        hosts=tuple(wire.host_record_to_wire(one) for one in controller.host_records()),
        migrations=tuple(wire.migration_to_wire(one) for one in migrations if not one.is_ended),
        runs=tuple(run_to_wire(one) for one in controller.runs_under_way()),
    )


@router.get("/version", operation_id="get_version")
async def get_version() -> wire.Version:
    """Say which version serves this API."""
    return wire.Version(version=__version__, api="v1")
