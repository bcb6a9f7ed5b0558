"""A database in a temporary folder, and small values to put into it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from godwit.store import Database, SqlJournal, SqlStore


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def store(database: Database) -> SqlStore:
    return SqlStore(database)


@pytest.fixture
def journal(database: Database) -> SqlJournal:
    return SqlJournal(database)
