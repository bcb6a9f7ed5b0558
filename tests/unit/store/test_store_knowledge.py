"""Goal: what was learnt comes back as it was, is bounded, and a damaged row harms nothing."""

from pathlib import Path

import pytest
from sqlalchemy import text

from godwit.core.model import (
    Calibration,
    DirtyObservation,
    DirtySource,
    Estimate,
    Forecast,
    HostName,
    Knowledge,
    MigrationId,
    PathKey,
    PathKnowledge,
    Range,
    Score,
    VmId,
    VmKnowledge,
)
from godwit.store import Database, SqlKnowledge
from godwit.store import knowledge as module


def _estimate(value: float, at: float = 5.0) -> Estimate:
    return Estimate(value=value, spread_fraction=0.2, count=3, updated_at_s=at)


def _vm(name: str, at: float = 1.0) -> VmKnowledge:
    seen = DirtyObservation(
        window_s=1.0, written_bytes=5e6, source=DirtySource.COPIED, taken_at_s=at
    )
    return VmKnowledge(
        vm=VmId(name), observations=(seen,), first_pass=_estimate(2e9, at), migrations=2
    )


def _path(source: str, at: float = 5.0) -> tuple[PathKey, PathKnowledge]:
    key = PathKey(source=HostName(source), destination=HostName("b"), stream="multifd-2")
    return key, PathKnowledge(bandwidth=_estimate(1e8, at))


def _score(total_s: float) -> Score:
    figure = Range(low=1.0, likely=2.0, high=float("inf"))
    forecast = Forecast(
        total_s=figure,
        pause_s=figure,
        outage_s=figure,
        sent_bytes=figure,
        rounds=figure,
        converges=0.9,
        keeps_promise=0.8,
        made_at_s=1.0,
        grounds=("two migrations",),
    )
    return Score(forecast=forecast, scored_at_s=total_s, completed=True, total_s=total_s)


@pytest.fixture
def known(database: Database) -> SqlKnowledge:
    return SqlKnowledge(database)


def test_nothing_is_known_at_first(known: SqlKnowledge) -> None:
    assert known.knowledge() == Knowledge()
    assert known.scores(limit=9) == ()


def test_all_of_it_comes_back_also_from_a_file_that_was_closed(tmp_path: Path) -> None:
    opened = Database(tmp_path)
    first = SqlKnowledge(opened)
    key, path = _path("a")
    first.put_vm(_vm("v1"))
    first.put_path(key, path)
    first.put_calibration(Calibration(total_factor=1.5, count=7))
    first.add_score(MigrationId("m-1"), _score(3.0))
    opened.close()
    again = Database(tmp_path)
    known = SqlKnowledge(again)
    assert known.knowledge() == Knowledge(
        vms={VmId("v1"): _vm("v1")},
        paths={key: path},
        calibration=Calibration(total_factor=1.5, count=7),
    )
    assert known.scores(limit=9) == ((MigrationId("m-1"), _score(3.0)),)
    again.close()


def test_what_is_put_again_is_replaced(known: SqlKnowledge) -> None:
    key, path = _path("a", at=9.0)
    for at in (1.0, 2.0):
        known.put_vm(_vm("v1", at))
        known.put_path(*_path("a", at))
        known.put_calibration(Calibration(pause_factor=at))
    known.put_path(key, path)
    assert known.knowledge().vms == {VmId("v1"): _vm("v1", 2.0)}
    assert known.knowledge().paths == {key: path}
    assert known.knowledge().calibration.pause_factor == 2.0


def test_only_the_vms_that_were_asked_for(
    known: SqlKnowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ASKED_AT_ONCE", 2)
    for number in range(6):
        known.put_vm(_vm(f"v{number}"))
    asked = [VmId(f"v{number}") for number in (0, 1, 2, 4, 99)]
    assert set(known.knowledge(vms=asked).vms) == {"v0", "v1", "v2", "v4"}
    assert known.knowledge(vms=()).vms == {}


def test_scores_come_newest_first_and_a_second_one_replaces(known: SqlKnowledge) -> None:
    for number in range(3):
        known.add_score(MigrationId(f"m-{number}"), _score(float(number)))
    known.add_score(MigrationId("m-1"), _score(9.0))
    found = [(one, score.total_s) for one, score in known.scores(limit=2)]
    assert found == [("m-2", 2.0), ("m-1", 9.0)]


def test_it_does_not_grow_without_end(known: SqlKnowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 3)
    monkeypatch.setattr(module, "_SCORES_KEPT", 2)
    for number in (4, 1, 3, 2, 5):
        known.put_vm(_vm(f"v{number}", at=float(number)))
        known.put_path(*_path(f"h{number}", at=float(number)))
        known.add_score(MigrationId(f"m-{number}"), _score(1.0))
    found = known.knowledge()
    assert set(found.vms) == {"v3", "v4", "v5"}
    assert {key.source for key in found.paths} == {"h3", "h4", "h5"}
    assert [one for one, _ in known.scores(limit=9)] == ["m-5", "m-2"]


@pytest.mark.parametrize("table", ["vm_knowledge", "path_knowledge", "calibration", "scores"])
def test_a_damaged_row_is_left_out(database: Database, known: SqlKnowledge, table: str) -> None:
    known.put_vm(_vm("v1"))
    known.put_path(*_path("a"))
    known.put_calibration(Calibration(total_factor=3.0))
    known.add_score(MigrationId("m-1"), _score(1.0))
    with database.transaction() as connection:
        connection.execute(text(f"UPDATE {table} SET payload = '{{'"))
    found = known.knowledge()
    left = {
        "vm_knowledge": bool(found.vms),
        "path_knowledge": bool(found.paths),
        "calibration": found.calibration.total_factor != 1.0,
        "scores": bool(known.scores(limit=9)),
    }
    assert left == {name: name != table for name in left}
