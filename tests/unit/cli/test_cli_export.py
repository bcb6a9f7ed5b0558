"""Goal: what other programs read of the history is whole, in a stable order, and says its units.

Method: the command over the fake controller, read back with the csv and json modules.
"""

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from api_fakes import Plot, World
from api_scene import make_cluster
from cli_fakes import CommandLine
from pyarrow import parquet

from godwit import wire
from godwit.cli.export import COLUMNS, to_csv, to_jsonl
from godwit.core.migration import Failure, Whereabouts

HOSTILE = 'web "1",\r\n=1+1;\u00fc\n'


def _move_two(world: World, godwit: CommandLine) -> None:
    failure = Failure(code="refused", cause=HOSTILE, evidence="a, b", remedy="")
    world.controller.plots["web2"] = Plot(end=Whereabouts.SOURCE, failure=failure)
    godwit("migrate", "web1", "--yes")
    godwit("migrate", "web2", "--yes")


def _read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_comes_back_as_it_was(world: World, godwit: CommandLine, tmp_path: Path) -> None:
    _move_two(world, godwit)
    path = tmp_path / "moves.csv"
    ran = godwit("history", "export", "--file", str(path))
    assert (ran.status, ran.out) == (0, f"{path}\n")
    text = path.read_bytes().decode()
    assert text.count("\r\n") >= 3
    first, second = _read(text)
    assert list(first) == [name for name, _ in COLUMNS]
    assert (first["vm_name"], first["phase"], first["source"]) == ("web1", "done", "kvm1")
    assert float(first["pause_s"]) == 0.042
    assert float(first["pause_max_s"]) == 1.0
    assert first["is_promise_kept"] == "true"
    assert int(first["transferred_bytes"]) == 812 * 2**20
    assert first["failure_cause"] == ""
    assert (second["vm_name"], second["phase"]) == ("web2", "failed")
    assert second["failure_cause"] == HOSTILE
    assert second["pause_s"] == "", "not measured is empty, never zero"


def test_json_lines_say_the_same(world: World, godwit: CommandLine) -> None:
    _move_two(world, godwit)
    out = godwit("history", "export", "--format", "jsonl").out
    rows = [json.loads(line) for line in out.splitlines()]
    assert [list(one) for one in rows] == [[name for name, _ in COLUMNS]] * 2
    assert rows[0]["pause_s"] == 0.042
    assert rows[1]["pause_s"] is None
    assert rows[1]["failure_cause"] == HOSTILE
    assert rows[0]["is_ended"] is True


def test_the_forecast_stands_beside_the_fact(world: World, godwit: CommandLine) -> None:
    _move_two(world, godwit)
    first, _ = _read(godwit("history", "export").out)
    assert [first[f"forecast_total_{one}_s"] for one in ("low", "likely", "high")] == [
        "2.6",
        "2.9",
        "3.4",
    ]
    assert first["total_s"] == "7.3"
    assert first["forecast_keeps_promise_fraction"] == "0.99"
    assert (first["stream"], first["may_throttle"], first["deadline_s"]) == (
        "plain",
        "true",
        "600.0",
    )


def test_parquet_keeps_types_and_what_is_missing(
    world: World, godwit: CommandLine, tmp_path: Path
) -> None:
    _move_two(world, godwit)
    path = tmp_path / "moves.parquet"
    ran = godwit("history", "export", "--format", "parquet", "--file", str(path))
    assert (ran.status, ran.out) == (0, f"{path}\n")
    table = parquet.read_table(path)
    assert table.column_names == [name for name, _ in COLUMNS]
    assert str(table.schema.field("memory_bytes").type) == "int64"
    assert str(table.schema.field("is_ended").type) == "bool"
    assert str(table.schema.field("pause_longer_s").type) == "double", "also without a value"
    first, second = table.to_pylist()
    assert first["pause_s"] == 0.042
    assert second["pause_s"] is None
    assert second["failure_cause"] == HOSTILE
    assert first["forecast_rounds_high"] == 5.0


def test_without_pyarrow_the_remedy_is_said(
    godwit: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "moves.parquet"
    ran = godwit("history", "export", "--format", "parquet", "--file", str(path))
    assert ran.status == 4
    assert "godwit[parquet]" in ran.err
    assert not path.exists()


def test_a_history_longer_than_a_page_comes_whole(
    world: World, godwit: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("godwit.client.client._PAGE", 2)
    for name in ("web1", "web2", "web1", "web2", "web1"):
        world.controller.cluster = make_cluster()
        godwit("migrate", name, "--yes")
    ids = [one["migration"] for one in _read(godwit("history", "export").out)]
    assert sorted(ids) == [f"m-{number:06x}" for number in range(5)]


def test_the_order_does_not_depend_on_who_lists(world: World, godwit: CommandLine) -> None:
    _move_two(world, godwit)
    listed = [wire.Migration.model_validate(one) for one in godwit("history", "-o", "json").json]
    assert to_csv(listed) == to_csv(listed[::-1])
    assert to_jsonl(listed) == to_jsonl(listed[::-1])


def test_an_empty_history_is_a_line_of_names(godwit: CommandLine) -> None:
    out = godwit("history", "export").out
    assert _read(out) == []
    assert out.startswith("migration,plan,")
    assert godwit("history", "export", "--format", "jsonl").out == ""


def test_every_column_is_explained_and_every_number_has_its_unit(godwit: CommandLine) -> None:
    explained = godwit("history", "export", "--columns", "-o", "json").json
    assert list(explained) == [name for name, _ in COLUMNS]
    assert all(explained.values())
    assert "the promise" in godwit("history", "export", "--columns").out
    godwit("migrate", "web1", "--yes")
    (row,) = map(json.loads, godwit("history", "export", "--format", "jsonl").out.splitlines())
    numbers = {
        name
        for name, one in row.items()
        if isinstance(one, int | float) and not isinstance(one, bool)
    }
    assert "pause_s" in numbers
    unitless = [one for one in sorted(numbers) if not one.endswith(("_s", "_bytes", "_fraction"))]
    rounds = [f"forecast_rounds_{one}" for one in ("high", "likely", "low")]
    assert unitless == ["attempt", *rounds, "rounds"]


def test_a_file_that_is_there_is_not_replaced_unasked(godwit: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("mine")
    ran = godwit("history", "export", "--file", str(path))
    assert ran.status == 2
    assert path.read_text() == "mine"
    assert godwit("history", "export", "--file", str(path), "--force", "-o", "json").json == {
        "path": str(path),
        "rows": 0,
    }


def test_the_list_is_what_it_was(godwit: CommandLine) -> None:
    godwit("migrate", "web1", "--yes")
    assert "42 ms" in godwit("history", "--limit", "5").out
    assert len(godwit("history", "-o", "json").json) == 1
    ran = godwit("history", "--limit", "5", "export")
    assert ran.status == 2
    assert "export --help" in ran.err


def test_the_help_names_the_package_whole(godwit: CommandLine) -> None:
    told = "".join(godwit("history", "export", "--help").out.replace("│", " ").split())
    assert "pipinstall'godwit[parquet]'" in told
