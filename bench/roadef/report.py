"""The figures and the page of the machine reassignment benchmark."""

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Rows = list[dict[str, Any]]
WINNER: Final = "S38"
GOAL_B_1: Final = 3.34e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """What the 27 teams of 2012 reached on one instance in 300 s."""

    best: int
    winner: int
    median: float


def read_anchors(path: Path) -> dict[str, Anchors]:
    """Read the table of the challenge: a row a team, a column an instance (B1 is b_1)."""
    with path.open(encoding="ascii", newline="") as table:
        teams = {row["team"]: row for row in csv.DictReader(table)}
    columns = [name for name in teams[WINNER] if name != "team"]
    found = {}
    for column in columns:
        costs = [int(team[column]) for team in teams.values()]
        found[f"{column[0].lower()}_{column[1:]}"] = Anchors(
            best=min(costs),
            winner=int(teams[WINNER][column]),
            median=statistics.median(costs),
        )
    return found


def score(cost: float, anchors: Anchors, initial: int) -> float:
    """The challenge's score: how far above the best team, in percent of the initial cost."""
    return 100.0 * (cost - anchors.best) / initial


def summary(rows: Rows, anchors: dict[str, Anchors]) -> dict[str, Any]:
    """The figures that the goals are set for, and the same of the winner and the median team."""
    figures: dict[str, Any] = {}
    for limit_s in sorted({row["limit_s"] for row in rows}):
        judged = [row for row in rows if row["limit_s"] == limit_s and row["instance"] in anchors]
        if not judged:
            continue
        figures |= {
            f"score_sum_b_{limit_s}s": round(sum(row["score"] for row in judged), 5),
            f"instances_b_{limit_s}s": len(judged),
            f"worse_than_median_{limit_s}s": [
                row["instance"] for row in judged if row["score"] > row["score_median"]
            ],
            f"score_sum_winner_{limit_s}s": round(sum(row["score_winner"] for row in judged), 5),
            f"score_sum_median_{limit_s}s": round(sum(row["score_median"] for row in judged), 5),
        }
        costs = {row["instance"]: row["cost"] for row in judged}
        if "b_1" in costs:
            figures[f"b_1_cost_{limit_s}s"] = costs["b_1"]
    return figures


def with_scores(row: dict[str, Any], anchors: dict[str, Anchors]) -> dict[str, Any]:
    """Add the gap to the bound, and the scores where the challenge has results."""
    bound = row["lower_bound"]
    # Of a bound of nothing there are no hundredths.
    scored = row | {"gap_percent": 100.0 * (row["cost"] - bound) / bound if bound else None}
    if row["instance"] in anchors:
        known = anchors[row["instance"]]
        scored |= {
            "score": score(row["cost"], known, row["initial_cost"]),
            "score_winner": score(known.winner, known, row["initial_cost"]),
            "score_median": score(known.median, known, row["initial_cost"]),
        }
    return scored


def _gap(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.4f}"


def table(rows: Rows, figures: dict[str, Any], about: dict[str, str]) -> str:
    """Write the page."""
    words = (
        "Written by `bench/roadef/run.py`. The challenge's own data and rules, wall-clock limits"
        " that include reading and writing, two processes. Every result is checked by the"
        " evaluator beside the data. Score: 100 x (cost - best of the 27 teams) / initial cost,"
        f" lower is better, below zero is better than all of them; {WINNER} won this set. The"
        " teams had 300 s on two cores of 2012. Gap: to the elementary lower bound. A limit that"
        " is not listed was not run."
    )
    lines = [
        "# Machine reassignment: Google/ROADEF/EURO 2012",
        "",
        words,
        "",
        *(f"- {key}: {value}" for key, value in about.items()),
        "",
    ]
    for limit_s in sorted({row["limit_s"] for row in rows}):
        chosen = [row for row in rows if row["limit_s"] == limit_s]
        lines += [f"## {limit_s} s", "", *_totals(figures, limit_s), *_body(chosen), ""]
    return "\n".join(lines)


def _totals(figures: dict[str, Any], limit_s: int) -> Sequence[str]:
    if f"score_sum_b_{limit_s}s" not in figures:
        return ()
    worse = ", ".join(figures[f"worse_than_median_{limit_s}s"]) or "none"
    words = (
        f"Sum of scores over {figures[f'instances_b_{limit_s}s']} instances of set B:"
        f" **{figures[f'score_sum_b_{limit_s}s']:.4f}**"
        f" ({WINNER} {figures[f'score_sum_winner_{limit_s}s']:.4f},"
        f" median team {figures[f'score_sum_median_{limit_s}s']:.4f})."
        f" Worse than the median team: {worse}."
    )
    return (words, "")


def _body(rows: Rows) -> list[str]:
    head = ["instance", "cost", "gap, %", "score", WINNER, "median team"]
    head += ["moved", "of", "tried moves/s", "wall, s"]
    lines = [f"| {' | '.join(head)} |", "|---" + "|--:" * (len(head) - 1) + "|"]
    for row in rows:
        scores = (
            f"{row[key]:.4f}" if key in row else "-"
            for key in ("score", "score_winner", "score_median")
        )
        lines.append(
            f"| {row['instance']} | {row['cost']:,} | {_gap(row['gap_percent'])}"
            f" | {' | '.join(scores)} | {row['moved']:,} | {row['processes']:,}"
            f" | {row['moves_per_s']:,.0f} | {row['wall_s']:.1f} |"
        )
    return lines
