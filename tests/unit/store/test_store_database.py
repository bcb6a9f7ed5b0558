"""Goal: the file is private, durable, of a known version; each failure has a clear error."""

import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from godwit.core.errors import Bug, GodwitError, StoreBusy
from godwit.store import Database, SqlStore, database
from godwit.store.failures import mapped


def _raw(path: Path, statement: str) -> None:
    raw = sqlite3.connect(path)
    raw.execute(statement)
    raw.commit()
    raw.close()


def test_writes_are_durable_and_references_are_kept(tmp_path: Path) -> None:
    opened = Database(tmp_path)
    with opened.transaction() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    opened.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    opened = Database(tmp_path / "state")
    SqlStore(opened).next_generation()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    opened.close()
    assert modes == {0o600}


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    Database(tmp_path).close()
    _raw(tmp_path / "godwit.db", "UPDATE meta SET value = 99 WHERE key = 'schema_version'")
    with pytest.raises(GodwitError, match="newer Godwit") as caught:
        Database(tmp_path)
    assert "99" in caught.value.evidence
    assert caught.value.remedy


def test_a_set_up_that_was_cut_off_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "TRIGGERS", ("nonsense",))
    with pytest.raises(GodwitError):
        Database(tmp_path)
    monkeypatch.undo()
    opened = Database(tmp_path)
    assert SqlStore(opened).generation() == 1
    opened.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "godwit.db").write_text("this is a letter to my grandmother" * 99)
    with pytest.raises(GodwitError, match=r"godwit\.db is damaged or no database"):
        Database(tmp_path)


def test_a_database_that_another_program_holds_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_TIMEOUT_MS", 10)
    opened = Database(tmp_path)
    raw = sqlite3.connect(tmp_path / "godwit.db", isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="another program"):
        SqlStore(opened).next_generation()
    raw.close()
    assert SqlStore(opened).next_generation() == 2
    opened.close()


def test_a_full_disk_changes_nothing_and_says_so(tmp_path: Path) -> None:
    opened = Database(tmp_path)
    with opened.transaction() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(GodwitError, match="is full; nothing was written"):
        _fill(opened)
    assert SqlStore(opened).generation() == 1
    opened.close()


def _fill(opened: Database) -> None:
    with opened.transaction() as connection:
        connection.execute(text("UPDATE meta SET value = 7 WHERE key = 'cluster_generation'"))
        for number in range(9):
            row = {"name": f"h{number}", "payload": "x" * 4096}
            connection.execute(text("INSERT INTO hosts VALUES (:name, :payload)"), row)


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GodwitError, match=r"the store at .* can't be used"):
        Database(tmp_path / "file" / "below")


def _with_code(code: int) -> OperationalError:
    orig = sqlite3.OperationalError("as SQLite says it")
    orig.sqlite_errorcode = code
    return OperationalError("SELECT 1", {}, orig)


@pytest.mark.parametrize(
    ("name", "expected", "says"),
    [
        ("SQLITE_FULL", GodwitError, "full"),
        ("SQLITE_BUSY", StoreBusy, "another program"),
        ("SQLITE_LOCKED", StoreBusy, "another program"),
        ("SQLITE_CORRUPT", GodwitError, "damaged"),
        ("SQLITE_NOTADB", GodwitError, "damaged"),
        ("SQLITE_READONLY", GodwitError, "opened for writing"),
        ("SQLITE_READONLY_DBMOVED", GodwitError, "opened for writing"),
        ("SQLITE_CANTOPEN", GodwitError, "opened for writing"),
        ("SQLITE_IOERR_FSYNC", GodwitError, "failed"),
        ("SQLITE_ERROR", Bug, "used wrongly"),
    ],
)
def test_every_code_of_sqlite_has_its_error(
    name: str, expected: type[GodwitError], says: str
) -> None:
    with pytest.raises(GodwitError, match=says) as caught, mapped(Path("godwit.db")):
        raise _with_code(getattr(sqlite3, name))
    assert type(caught.value) is expected
    assert caught.value.evidence == "as SQLite says it"
    assert bool(caught.value.remedy) is (expected is not Bug)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (lambda: OSError(28, "No space left on device"), GodwitError),
        (lambda: IntegrityError("x", {}, sqlite3.IntegrityError("x")), Bug),
        (lambda: OperationalError("x", {}, sqlite3.OperationalError("no code")), Bug),
    ],
)
def test_other_failures_have_theirs(
    failure: Callable[[], Exception], expected: type[GodwitError]
) -> None:
    with pytest.raises(GodwitError) as caught, mapped(Path("godwit.db")):
        raise failure()
    assert type(caught.value) is expected
