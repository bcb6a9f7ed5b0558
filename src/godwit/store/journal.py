"""The journal in SQLite: one row an event, never changed, never deleted.

Whether a migration has ended is a flag beside it that the engine sets: nothing is folded here.
"""

from sqlalchemy import Connection, func, insert, select, update

from godwit.core.errors import Bug, UnknownMigration
from godwit.core.migration import Accepted, Event
from godwit.core.model import MigrationId, PlanId
from godwit.store.codec import decode_event, encode
from godwit.store.database import Database
from godwit.store.schema import journal, migrations

__all__ = ["SqlJournal"]


class SqlJournal:
    """Implements ``godwit.ports.Journal``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(self, accepted: Accepted) -> None:
        """Write the birth of a migration. Raises: Bug when that id was born before."""
        move = accepted.move
        with self._database.transaction() as connection:
            connection.execute(
                insert(migrations).values(
                    id=accepted.id,
                    plan=accepted.plan,
                    vm_name=move.vm_name,
                    source=move.source,
                    destination=move.destination,
                    accepted_at_s=accepted.at_s,
                )
            )
            _write(connection, accepted.id, 1, accepted)

    def append(self, migration: MigrationId, event: Event) -> None:
        """Write one event. Raises: UnknownMigration."""
        last = select(func.max(journal.c.generation)).where(journal.c.migration == migration)
        with self._database.transaction() as connection:
            generation = connection.execute(last).scalar()
            if generation is None:
                raise _unknown(migration)
            _write(connection, migration, generation + 1, event)

    def life(self, migration: MigrationId) -> tuple[Accepted, tuple[Event, ...]]:
        """Return the birth and all events in order. Raises: UnknownMigration."""
        query = (
            select(journal.c.kind, journal.c.payload)
            .where(journal.c.migration == migration)
            .order_by(journal.c.generation)
        )
        with self._database.transaction() as connection:
            rows = connection.execute(query).all()
        if not rows:
            raise _unknown(migration)
        birth, *events = [decode_event(row.kind, row.payload) for row in rows]
        if not isinstance(birth, Accepted):
            raise Bug(f"the journal of migration {migration} does not start with its birth")
        return birth, tuple(one for one in events if not isinstance(one, Accepted))

    def unfinished(self) -> tuple[MigrationId, ...]:
        """The migrations that were not marked as ended, oldest first."""
        query = select(migrations.c.id).where(~migrations.c.ended).order_by(migrations.c.number)
        with self._database.transaction() as connection:
            return tuple(MigrationId(found) for found in connection.scalars(query))

    def newest(self, *, limit: int, before: MigrationId | None = None) -> tuple[MigrationId, ...]:
        """The newest migrations, newest first; those older than ``before``, where it is given.

        Raises: UnknownMigration.
        """
        query = select(migrations.c.id).order_by(migrations.c.number.desc()).limit(limit)
        with self._database.transaction() as connection:
            if before is not None:
                place = select(migrations.c.number).where(migrations.c.id == before)
                number = connection.execute(place).scalar()
                if number is None:
                    raise _unknown(before)
                query = query.where(migrations.c.number < number)
            return tuple(MigrationId(found) for found in connection.scalars(query))

    def of_plan(self, plan: PlanId) -> tuple[MigrationId, ...]:
        """All migrations of one plan, oldest first."""
        query = select(migrations.c.id).where(migrations.c.plan == plan)
        with self._database.transaction() as connection:
            found = connection.scalars(query.order_by(migrations.c.number)).all()
        return tuple(MigrationId(one) for one in found)

    def mark_ended(self, migration: MigrationId) -> None:
        """Note that nothing more will happen to it. Raises: UnknownMigration."""
        change = update(migrations).where(migrations.c.id == migration).values(ended=True)
        with self._database.transaction() as connection:
            if connection.execute(change).rowcount == 0:
                raise _unknown(migration)


def _write(
    connection: Connection, migration: MigrationId, generation: int, event: Accepted | Event
) -> None:
    connection.execute(
        insert(journal).values(
            migration=migration,
            generation=generation,
            at_s=event.at_s,
            kind=type(event).__name__,
            payload=encode(event),
        )
    )


def _unknown(migration: MigrationId) -> UnknownMigration:
    return UnknownMigration(
        f"there is no migration {migration!r}", remedy="List them with `godwit history`."
    )
