"""Goal: the journal gives back every event in order, survives SIGKILL, and can't be changed."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from godwit.core.errors import Bug, UnknownMigration
from godwit.core.migration import Accepted, ControllerRestarted, Phase, PreconditionsHeld, replay
from godwit.core.model import HostName, MigrationId, PlanId, VmId
from godwit.core.plan import Choice, Move, Recipe
from godwit.ports import Journal
from godwit.store import Database, SqlJournal

VM = VmId("11111111-2222-3333-4444-555555555555")
ONE, TWO = HostName("one"), HostName("two")


def _birth(name: str, plan: str = "p-000000") -> Accepted:
    move = Move(
        vm=VM,
        vm_name="web1",
        source=ONE,
        destination=TWO,
        memory_bytes=1,
        vcpus=1,
        recipe=Recipe(pause_start_s=0.03, pause_max_s=1.0),
        reason="",
        choice=Choice(vm=VM, vm_name="web1", source=ONE, vm_refusals=(), candidates=()),
    )
    return Accepted(at_s=1.0, id=MigrationId(name), plan=PlanId(plan), move=move)


def test_the_journal_is_what_the_engine_asks_for(journal: SqlJournal) -> None:
    asked: Journal = journal
    assert asked.unfinished() == ()


def test_a_life_comes_back_in_order_and_folds_to_the_migration(journal: SqlJournal) -> None:
    birth, other = _birth("m-1"), _birth("m-2")
    events = (PreconditionsHeld(at_s=2.0), ControllerRestarted(at_s=3.0))
    journal.accept(birth)
    journal.accept(other)
    for event in events:
        journal.append(birth.id, event)
    assert journal.life(birth.id) == (birth, events)
    assert journal.life(other.id) == (other, ())
    assert replay(*journal.life(birth.id)).phase is Phase.FAILED


def test_the_migrations_of_a_plan_are_found_the_oldest_first(journal: SqlJournal) -> None:
    for name, plan in (("m-9", "p-1"), ("m-2", "p-2"), ("m-1", "p-1")):
        journal.accept(_birth(name, plan))
    assert journal.of_plan(PlanId("p-1")) == ("m-9", "m-1")
    assert journal.of_plan(PlanId("p-3")) == ()


def test_the_rows_count_like_the_generation_of_the_migration(
    journal: SqlJournal, database: Database
) -> None:
    birth = _birth("m-1")
    journal.accept(birth)
    journal.append(birth.id, PreconditionsHeld(at_s=2.0))
    with sqlite3.connect(database.path) as raw:
        rows = raw.execute("SELECT seq, generation, at_s, kind FROM journal").fetchall()
    raw.close()
    assert rows == [(1, 1, 1.0, "Accepted"), (2, 2, 2.0, "PreconditionsHeld")]
    assert replay(*journal.life(birth.id)).generation == 2


def test_unfinished_ones_come_oldest_first_until_they_are_marked(journal: SqlJournal) -> None:
    births = [_birth(name) for name in ("m-3", "m-1", "m-2")]
    for birth in births:
        journal.accept(birth)
    journal.mark_ended(births[0].id)
    assert journal.unfinished() == ("m-1", "m-2")
    assert journal.newest(limit=2) == ("m-2", "m-1")
    assert journal.newest(limit=2, before=MigrationId("m-2")) == ("m-1", "m-3")
    assert journal.newest(limit=2, before=MigrationId("m-3")) == ()
    with pytest.raises(UnknownMigration):
        journal.newest(limit=2, before=MigrationId("m-9"))


def test_a_birth_happens_once(journal: SqlJournal) -> None:
    journal.accept(_birth("m-1"))
    with pytest.raises(Bug):
        journal.accept(_birth("m-1"))
    assert journal.life(MigrationId("m-1")) == (_birth("m-1"), ())


def test_what_was_never_accepted_is_unknown(journal: SqlJournal) -> None:
    nobody = MigrationId("m-9")
    for ask in (journal.life, journal.mark_ended):
        with pytest.raises(UnknownMigration, match="'m-9'"):
            ask(nobody)
    with pytest.raises(UnknownMigration, match="'m-9'"):
        journal.append(nobody, PreconditionsHeld(at_s=1.0))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal SET at_s = 0",
        "DELETE FROM journal",
        "INSERT OR REPLACE INTO journal SELECT 1, migration, 1, 0, kind, payload FROM journal",
        "INSERT OR REPLACE INTO journal SELECT 1, migration, 2, 0, kind, payload FROM journal",
        "INSERT INTO journal SELECT 7, migration, 3, 0, kind, payload FROM journal",
    ],
)
def test_no_row_can_be_changed_by_anybody(
    journal: SqlJournal, database: Database, change: str
) -> None:
    journal.accept(_birth("m-1"))
    raw = sqlite3.connect(database.path)
    try:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(change)
    finally:
        raw.close()
    assert journal.life(MigrationId("m-1")) == (_birth("m-1"), ())


_APPENDING = """
import sys
from pathlib import Path
from godwit.core.migration import PreconditionsHeld
from godwit.store import Database, SqlJournal
journal = SqlJournal(Database(Path(sys.argv[1])))
for number in range(100_000):
    journal.append("m-1", PreconditionsHeld(at_s=float(number)))
    print(number, flush=True)
"""


def test_what_append_returned_from_is_there_after_sigkill(tmp_path: Path) -> None:
    database = Database(tmp_path)
    SqlJournal(database).accept(_birth("m-1"))
    database.close()
    writer = subprocess.Popen(
        [sys.executable, "-c", _APPENDING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(20):
        said = writer.stdout.readline()
    os.kill(writer.pid, signal.SIGKILL)
    rest = [line for line in writer.stdout.read().splitlines() if line]
    last = int((rest or [said])[-1])
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL
    again = Database(tmp_path)
    _, events = SqlJournal(again).life(MigrationId("m-1"))
    again.close()
    # One more than was said is right: killed between the write and the saying of it.
    assert [event.at_s for event in events] == [float(n) for n in range(len(events))]
    assert len(events) in {last + 1, last + 2}
