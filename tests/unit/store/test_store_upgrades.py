"""Goal: a file of an older Godwit becomes one of today, whole or not at all, and nothing is lost.

Method: ``schema_1.sql`` is the dump of a file that Godwit 0.1 wrote, with hosts, a plan and the
journal of a migration in it; ``schema_2.sql`` of one with a drain that had ended and one that ran.
"""

import re
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from godwit.core.errors import Bug, GodwitError
from godwit.core.migration import RoundEnded, replay
from godwit.core.model import MigrationId, PlanId, RunId, VmId, VmKnowledge
from godwit.core.plan import PlanKind
from godwit.ports import StoredRun
from godwit.store import Database, SqlJournal, SqlKnowledge, SqlStore
from godwit.store.schema import SCHEMA_VERSION

OLD = (Path(__file__).parent / "schema_1.sql").read_text(encoding="utf-8")
OF_DRAINS = (Path(__file__).parent / "schema_2.sql").read_text(encoding="utf-8")
M1 = MigrationId("m-1")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with a database of schema 1, in WAL mode as it was left."""
    return _left_behind(tmp_path / "100 % old, with spaces", OLD)


@pytest.fixture
def of_drains(tmp_path: Path) -> Path:
    """A folder with a database of schema 2: ``a`` was drained, and ``b`` was being drained."""
    return _left_behind(tmp_path / "of drains", OF_DRAINS)


def _left_behind(folder: Path, dump: str) -> Path:
    folder.mkdir()
    raw = sqlite3.connect(folder / "godwit.db")
    raw.executescript(dump)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.close()
    return folder


def _asked(folder: Path, query: str) -> list[tuple[object, ...]]:
    raw = sqlite3.connect(folder / "godwit.db")
    found = raw.execute(query).fetchall()
    raw.close()
    return found


def _shape(folder: Path) -> set[tuple[str, str, str]]:
    """All tables, indexes and triggers, without what differs in spacing alone."""
    rows = _asked(folder, "SELECT type, name, coalesce(sql, '') FROM sqlite_master")
    return {
        (str(kind), str(name), re.sub(r"[\s\"]+", "", str(sql)).lower()) for kind, name, sql in rows
    }


def test_what_was_in_it_is_in_it(old: Path) -> None:
    opened = Database(old)
    store, journal = SqlStore(opened), SqlJournal(opened)
    assert [one.name for one in store.hosts()] == ["h1", "h2"]
    assert store.generation() == 2
    assert store.plan(PlanId("p-bjd4j7")).moves[0].destination == "h2"
    birth, events = journal.life(M1)
    assert isinstance(events[-1], RoundEnded)
    assert replay(birth, events).phase.word == "copying"
    assert journal.unfinished() == (M1,)
    SqlKnowledge(opened).put_vm(VmKnowledge(vm=VmId("v"), migrations=1))
    opened.close()


def test_drains_of_schema_2_are_runs(of_drains: Path) -> None:
    assert _asked(of_drains, "SELECT value FROM meta WHERE key = 'schema_version'") == [(2,)]
    opened = Database(of_drains)
    store, journal = SqlStore(opened), SqlJournal(opened)
    newer, older = store.runs(limit=9)
    assert (older.host, newer.host) == ("a", "b")
    assert older.ended_at_s is not None
    assert newer.ended_at_s is None
    for run in (older, newer):
        plan = store.plan(run.plan)
        assert (plan.kind, plan.closes) == (PlanKind.DRAIN, (run.host,))
        assert plan.timed is not None
        (migration,) = journal.of_plan(plan.id)
        assert journal.life(migration)[0].move == plan.moves[0]
    cut_off = replace(newer, ended_at_s=9.0, interrupted=True)
    store.put_run(cut_off)
    balance = StoredRun(id=RunId("r-1"), plan=older.plan, host=None, accepted_at_s=10.0)
    store.put_run(balance)
    assert store.runs(limit=9) == (balance, cut_off, older)
    opened.close()


def test_it_has_the_shape_of_a_new_one(old: Path, of_drains: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for folder in (old, of_drains, tmp_path / "new"):
        Database(folder).close()
    assert _shape(old) == _shape(of_drains) == _shape(tmp_path / "new")
    query = "SELECT value, version_num FROM meta, alembic_version WHERE key = 'schema_version'"
    for folder in (old, of_drains, tmp_path / "new"):
        assert _asked(folder, query) == [(SCHEMA_VERSION, f"{SCHEMA_VERSION:04}")]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal SET payload = '{}'",
        "DELETE FROM journal",
        "INSERT INTO journal VALUES (NULL, 'm-1', 9, 1.0, 'CopyStarted', '{}')",
    ],
)
def test_the_journal_stays_append_only(old: Path, change: str) -> None:
    Database(old).close()
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        _asked(old, change)


@pytest.mark.parametrize("broken", ["before the last table", "at the note of the version"])
def test_an_upgrade_that_is_cut_off_leaves_the_old_one_whole(old: Path, broken: str) -> None:
    before = _shape(old)
    obstacle = (
        "CREATE TABLE scores (mine TEXT)"
        if broken == "before the last table"
        else "CREATE TRIGGER no BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    raw = sqlite3.connect(old / "godwit.db")
    raw.execute(obstacle)
    raw.commit()
    raw.close()
    with pytest.raises(GodwitError):
        Database(old)
    name = "scores" if broken == "before the last table" else "no"
    assert {one for one in _shape(old) if one[1] != name} == before
    assert _asked(old, "SELECT value FROM meta WHERE key = 'schema_version'") == [(1,)]
    _asked(old, "DROP TABLE scores" if name == "scores" else "DROP TRIGGER no")
    opened = Database(old)
    assert SqlJournal(opened).unfinished() == (M1,)
    opened.close()


def test_a_version_without_a_way_is_a_bug_and_changes_nothing(old: Path) -> None:
    raw = sqlite3.connect(old / "godwit.db")
    raw.execute("UPDATE meta SET value = 0 WHERE key = 'schema_version'")
    raw.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    raw.execute("INSERT INTO alembic_version VALUES ('0000')")
    raw.commit()
    raw.close()
    before = _shape(old)
    with pytest.raises(Bug, match="no way from schema 0 to"):
        Database(old)
    assert _shape(old) == before


def test_alembic_is_loaded_only_for_an_old_file(old: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from godwit.store import Database;"
        "Database(pathlib.Path(sys.argv[1])).close(); print('alembic' in sys.modules)"
    )

    def loaded(folder: Path) -> str:
        command = [sys.executable, "-W", "error", "-c", code, str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert [loaded(tmp_path / "new"), loaded(tmp_path / "new")] == ["False", "False"]
    assert [loaded(old), loaded(old)] == ["True", "False"]
