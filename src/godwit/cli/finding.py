"""Which migration is meant: by its id, or as the last one of a VM."""

from godwit import wire
from godwit.client import Client
from godwit.core.errors import UnknownMigration

__all__ = ["find_migration", "last_migration_of"]


def find_migration(client: Client, what: str) -> wire.MigrationDetail:
    """Return the migration with that id, else the last one of that VM. Raises: UnknownMigration."""
    try:
        return client.migration(what)
    except UnknownMigration:
        found = last_migration_of(client, what)
    if found is not None:
        return found
    raise UnknownMigration(
        f"no migration is {what!r}, and no VM of that name was ever moved",
        remedy="See `godwit history` for migrations; their ids begin with m-.",
    )


def last_migration_of(client: Client, vm: str) -> wire.MigrationDetail | None:
    """Return the last migration of a VM, by its name or UUID; None where there is none."""
    for migration in client.all_migrations():
        if vm in {migration.vm_name, migration.vm}:
            return client.migration(migration.id)
    return None
