"""The database file: opened, set up, brought to the schema of today. It knows no value of the core.

SQLite in WAL mode with ``synchronous=FULL``: a transaction is on the disk when it returns. It must
only be opened by the process that holds the ownership of its folder.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
    update,
)

from godwit.core.errors import GodwitError
from godwit.store.failures import mapped
from godwit.store.schema import (
    GENERATION,
    METADATA,
    SCHEMA_VERSION,
    TRIGGERS,
    VERSION,
    meta,
    revisions,
)

__all__ = ["Database"]

_FILE: Final = "godwit.db"

#: How long another program (a shell, a backup) may hold the file before we give up. Short,
#: because the engine's loop stands still meanwhile.
_BUSY_TIMEOUT_MS: Final = 2000


class Database:
    """One open database. Safe to use from several threads; close it when done."""

    def __init__(self, directory: Path) -> None:
        """Open the database of a folder; make it when it is not there yet, upgrade an older one.

        Raises: GodwitError when it can't be used or was written by a newer Godwit.
        """
        self.path = directory / _FILE
        with mapped(self.path):
            _make_private(self.path)
            self._engine = _open(self.path)
        try:
            self._set_up()
        except BaseException:
            self._engine.dispose()
            raise

    def _set_up(self) -> None:
        with self.transaction() as connection:
            if inspect(connection).has_table(meta.name):
                _bring_up_to_date(connection, self.path)
                return
            METADATA.create_all(connection)
            for trigger in TRIGGERS:
                connection.execute(text(trigger))
            first = [{"key": VERSION, "value": SCHEMA_VERSION}, {"key": GENERATION, "value": 1}]
            connection.execute(insert(meta), first)
            connection.execute(insert(revisions).values(version_num=f"{SCHEMA_VERSION:04}"))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection; all that is done on it is durable at the end, or undone on an error.

        Raises: GodwitError for every failure of the database.
        """
        with mapped(self.path), self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close the file. The last connection to close it folds the WAL back into it."""
        self._engine.dispose()


def _make_private(path: Path) -> None:
    # SQLite gives the WAL the rights of the database file: made here, all of them stay private.
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _open(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
        # The Python module would begin transactions only before some statements, and none before
        # a CREATE: we begin them ourselves.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {_BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _bring_up_to_date(connection: Connection, path: Path) -> None:
    query = select(meta.c.value).where(meta.c.key == VERSION)
    found = int(connection.execute(query).scalar_one())
    if found > SCHEMA_VERSION:
        raise GodwitError(
            f"the database {path} was written by a newer Godwit",
            evidence=f"it has schema version {found}, this Godwit knows {SCHEMA_VERSION}",
            remedy="Use that newer Godwit, or name another folder in GODWIT_STATE.",
        )
    if found < SCHEMA_VERSION:
        # Imported late: most starts find nothing to do, and Alembic takes long to load.
        from godwit.store.upgrades import upgrade  # noqa: PLC0415

        upgrade(connection, found=found, wanted=SCHEMA_VERSION)
        change = update(meta).where(meta.c.key == VERSION).values(value=SCHEMA_VERSION)
        connection.execute(change)
