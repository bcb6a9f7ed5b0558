"""Goal: the challenge's files are read as its statement says, and a broken file is named."""

import json
from pathlib import Path

import pytest

from bench.roadef import run
from bench.roadef.model import VARIABLE, UnreadableInstance, data_folder, read_instance
from bench.roadef.report import Anchors, read_anchors, summary, table, with_scores
from godwit.core.planner.search import best_cost, broken_rules, start

#: The example of the challenge's problem statement: four machines, three processes.
MODEL = """\
2
1 100
0 10
4
0 0 30 400 16 80 0 1 4 5
0 0 10 240 8 160 1 0 3 4
1 1 15 100 12 80 4 3 0 2
1 2 10 100 8 80 5 4 2 0
2
2 0
1 1 0
3
0 12 10 1000
0 10 20 100
1 6 200 1
1
0 1 20 10
1 10 100
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model_x.txt").write_text(MODEL)
    (tmp_path / "assignment_x.txt").write_text("0 3 0\n")
    return tmp_path


def test_an_instance_costs_what_the_statement_says(folder: Path) -> None:
    problem = read_instance(folder, "x").problem
    assert best_cost(start(problem)) == 4200
    assert broken_rules(start(problem)) == 0
    moved = start(problem, [0, 2, 0])
    assert best_cost(moved) == 3510


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("1 10 100\n", "1 10\n", "the weights"),
        ("1 10 100\n", "1 10 100 7\n", "left over"),
        ("1 6 200 1\n", "9 6 200 1\n", "outside 0..1"),
        ("1 6 200 1\n", "1 6 many 1\n", "model_x.txt"),
    ],
)
def test_a_broken_file_is_named(folder: Path, old: str, new: str, named: str) -> None:
    (folder / "model_x.txt").write_text(MODEL.replace(old, new))
    with pytest.raises(UnreadableInstance, match=named):
        read_instance(folder, "x")


def test_an_assignment_that_does_not_fit_is_named(folder: Path) -> None:
    (folder / "assignment_x.txt").write_text("0 3\n")
    with pytest.raises(UnreadableInstance, match="2 machines for 3 processes"):
        read_instance(folder, "x")


def test_data_that_are_not_there_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UnreadableInstance, match=VARIABLE):
        data_folder()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(UnreadableInstance, match=r"evaluate\.py"):
        data_folder()


def test_scores_are_those_of_the_challenge(tmp_path: Path) -> None:
    results = tmp_path / "results.csv"
    results.write_text("team,B1,B2\nS38,110,30\nS41,100,50\nJ1,190,20\n")
    anchors = read_anchors(results)
    assert anchors["b_1"] == Anchors(best=100, winner=110, median=110)
    run = {"limit_s": 300, "initial_cost": 1000, "lower_bound": 80}
    rows = [
        with_scores(run | {"instance": "b_1", "cost": 90}, anchors),
        with_scores(run | {"instance": "b_2", "cost": 41}, anchors),
    ]
    assert [row["score"] for row in rows] == pytest.approx([-1.0, 2.1])
    figures = summary(rows, anchors)
    assert figures["score_sum_b_300s"] == pytest.approx(1.1)
    assert figures["score_sum_winner_300s"] == pytest.approx(2.0)
    assert figures["worse_than_median_300s"] == ["b_2"]
    assert figures["b_1_cost_300s"] == 90


def test_the_page_has_a_line_for_each_run() -> None:
    row = {"instance": "a1_1", "limit_s": 10, "cost": 5, "lower_bound": 4, "moved": 1}
    row |= {"processes": 2, "moves_per_s": 3.0, "wall_s": 9.9, "initial_cost": 10}
    rows = [with_scores(row, {})]
    page = table(rows, summary(rows, {}), {"machine": "two cores"})
    assert "| a1_1 | 5 | 25.0000 | - | - | - | 1 | 2 | 3 | 9.9 |" in page


class Cut(Exception):
    """The run is ended from outside."""


def test_a_run_that_was_cut_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "roadef").mkdir()
    (tmp_path / "roadef" / "evaluate.py").write_text("")
    (tmp_path / "roadef" / "challenge_results_b.csv").write_text("team,B1,B2\nS38,9,9\n")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    asked, patience = [], 1

    def solved(folder: Path, name: str, *, limit_s: int, **rest) -> dict[str, object]:
        asked.append((name, limit_s))
        if len(asked) > patience:
            raise Cut
        row = {"instance": name, "limit_s": limit_s, "seed": 1, "cost": 5, "lower_bound": 4}
        row |= {"processes": 2, "moves_per_s": 3.0, "wall_s": 9.9, "initial_cost": 10, "moved": 1}
        return with_scores(row, rest["anchors"])

    monkeypatch.setattr(run, "one", solved)
    monkeypatch.setattr(run, "warm_up", lambda _: None)
    words = ["--results", str(tmp_path), "--limits", "10", "300", "--instances", "b_1", "b_2"]
    with pytest.raises(Cut):
        run.main(words)
    assert json.loads((tmp_path / "roadef.json").read_text())["b_1_cost_10s"] == 5
    patience = 9
    run.main(words)
    assert asked == [("b_1", 10), ("b_1", 300), ("b_1", 300), ("b_2", 10), ("b_2", 300)]
    written = json.loads((tmp_path / "roadef.json").read_text())
    assert written["score_sum_b_300s"] == pytest.approx(-80.0)
    assert written["b_1_cost_300s"] == 5
    assert [row["limit_s"] for row in written["runs"]] == [10, 10, 300, 300]
    asked.clear()
    run.main([*words, "--seed", "2"])
    assert len(asked) == 4


def test_results_of_another_search_are_not_gone_on_from(tmp_path: Path) -> None:
    runs = [{"search": "this", "seed": 1}, {"search": "other", "seed": 1}]
    (tmp_path / "roadef.json").write_text(json.dumps({"runs": runs}))
    assert run.kept_rows(tmp_path, of="this", seed=1) == runs[:1]
    assert run.kept_rows(tmp_path / "nowhere", of="this", seed=1) == []


def test_a_bound_of_nothing_has_no_gap_in_hundredths() -> None:
    row = with_scores({"instance": "a2_1", "cost": 167, "lower_bound": 0}, {})
    assert row["gap_percent"] is None
