"""Migrations: /migrations."""

from typing import Annotated

from fastapi import APIRouter, Query, status

from godwit import wire
from godwit.api.door import TheController
from godwit.api.views import migration_detail_to_wire
from godwit.core.model import MigrationId

__all__ = ["router"]

router = APIRouter(tags=["migrations"])


@router.get("/migrations", operation_id="list_migrations")
async def list_migrations(
    controller: TheController,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    before: Annotated[
        str | None, Query(description="The last id of a page: the next one begins after it.")
    ] = None,
) -> list[wire.Migration]:
    """List the newest migrations, newest first."""
    found = controller.migrations(
        limit=limit, before=None if before is None else MigrationId(before)
    )
    return [wire.migration_to_wire(one) for one in found]


@router.get("/migrations/{migration_id}", operation_id="get_migration")
async def get_migration(migration_id: str, controller: TheController) -> wire.MigrationDetail:
    """Return a migration with every round, every decision and its journal."""
    return migration_detail_to_wire(controller, MigrationId(migration_id))


@router.post(
    "/migrations/{migration_id}/cancel",
    operation_id="cancel_migration",
    status_code=status.HTTP_202_ACCEPTED,
)
async def cancel_migration(migration_id: str, controller: TheController) -> wire.Migration:
    """Order the abort. Whether it came in time is known when the migration has ended."""
    return wire.migration_to_wire(await controller.cancel(MigrationId(migration_id)))


@router.post(
    "/migrations/{migration_id}/resolve",
    operation_id="resolve_migration",
    status_code=status.HTTP_202_ACCEPTED,
)
async def resolve_migration(migration_id: str, controller: TheController) -> wire.Migration:
    """Read both hosts again for a migration that waits for a person."""
    return wire.migration_to_wire(await controller.resolve(MigrationId(migration_id)))
