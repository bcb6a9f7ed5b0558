"""Godwit's search on Google's machine reassignment problem of the ROADEF/EURO challenge 2012.

The environment variable GODWIT_BENCH_DATA names the folder that holds ``roadef/`` with the
instances, the challenge's results and an independent evaluator, which judges every result.
Each instance is solved once per limit, in a process of its own; the limit is wall-clock and
counts everything from its start to its end. Written: ``bench/results/roadef.md`` and ``.json``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench.machine import describe_machine
from bench.roadef.model import UnreadableInstance, data_folder
from bench.roadef.report import Anchors, Rows, read_anchors, summary, table, with_scores
from godwit.core.planner.search import build_problem, descend, heat_for, improve, start

RESULTS: Final = Path(__file__).resolve().parents[1] / "results"
LIMITS_S: Final = (10, 60, 300)
SET_B: Final = ("b_1", "b_2", "b_3", "b_4", "b_5", "b_6", "b_8", "b_9")
#: What a solver that missed its limit is left, before it is ended.
PATIENCE_S: Final = 60


def warm_up() -> None:
    """Have the kernels compiled, which is done once for a machine and not within a limit."""
    problem = build_problem(need=[[1], [1]], origin=[0, 0], capacity=[[2], [2]])
    state = start(problem)
    descend(problem, state, evaluations=10)
    improve(problem, state, heat_for(problem, state), progress_fraction=0.5, evaluations=10)


def solved(folder: Path, name: str, *, limit_s: int, seed: int, output: Path) -> dict[str, Any]:
    """Run the solver; returns what it says of itself, and how long it really took."""
    began_s = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench.roadef.solve", str(folder), name),
            *("--ends", repr(began_s + limit_s), "--seed", str(seed), "--output", str(output)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        timeout=limit_s + PATIENCE_S,
        check=False,
    )
    wall_s = time.monotonic() - began_s
    if done.returncode != 0:
        sys.exit(f"{name}: the solver ended with {done.returncode}")
    if wall_s > limit_s:
        say(f"{name}: {wall_s:.1f} s is longer than {limit_s} s")
    said: dict[str, Any] = json.loads(done.stdout)
    return said | {"wall_s": wall_s}


def judged(folder: Path, name: str, output: Path | None) -> dict[str, Any]:
    """Let the evaluator judge an assignment, or the one that the instance begins with."""
    files = [folder / f"model_{name}.txt", folder / f"assignment_{name}.txt"]
    done = subprocess.run(
        [
            *(sys.executable, str(folder / "evaluate.py"), *map(str, files)),
            *([str(output)] if output else []),
            *("--json", "--bound"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1}:
        sys.exit(f"{name}: the evaluator could not read it:\n{done.stderr}")
    verdict: dict[str, Any] = json.loads(done.stdout)
    if not verdict["feasible"]:
        sys.exit(f"{name}: a hard rule is broken: {verdict['violations']}")
    return verdict


def one(
    folder: Path, name: str, *, limit_s: int, seed: int, anchors: dict[str, Anchors]
) -> dict[str, Any]:
    """Solve and judge one instance within one limit."""
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "assignment.txt"
        run = solved(folder, name, limit_s=limit_s, seed=seed, output=output)
        verdict = judged(folder, name, output)
        processes = len(output.read_text().split())
    row = {
        "instance": name,
        "limit_s": limit_s,
        "seed": seed,
        "cost": verdict["cost"]["total"],
        "cost_parts": verdict["cost"],
        "initial_cost": judged(folder, name, None)["cost"]["total"],
        "lower_bound": verdict["lower_bound"]["total"],
        "moved": verdict["moved"],
        "processes": processes,
        "evaluations": run["evaluations"],
        "moves_per_s": round(run["evaluations"] / run["wall_s"]),
        "wall_s": round(run["wall_s"], 2),
    }
    return with_scores(row, anchors)


def main() -> None:
    """Run what was asked for, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limits", type=int, nargs="+", default=LIMITS_S, metavar="SECONDS")
    parser.add_argument("--instances", nargs="+", default=SET_B, metavar="NAME")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=Path, help="keep each row there, and go on from them")
    parser.add_argument("--trial", action="store_true", help="write no results")
    asked = parser.parse_args()
    try:
        folder = data_folder()
        anchors = read_anchors(folder / "challenge_results_b.csv")
    except (UnreadableInstance, OSError) as error:
        sys.exit(f"error: {error}")
    rows: Rows = json.loads(asked.rows.read_text()) if asked.rows and asked.rows.exists() else []
    done = {(row["instance"], row["limit_s"]) for row in rows}
    warm_up()
    for limit_s in asked.limits:
        for name in asked.instances:
            if (name, limit_s) in done:
                continue
            rows.append(one(folder, name, limit_s=limit_s, seed=asked.seed, anchors=anchors))
            say(f"{limit_s} s {name}: {rows[-1]['cost']:,} score {rows[-1].get('score', 0):.4f}")
            if asked.rows is not None:
                asked.rows.write_text(json.dumps(rows))
    figures, about = summary(rows, anchors), describe_machine()
    page = table(rows, figures, about)
    if not asked.trial:
        RESULTS.mkdir(exist_ok=True)
        written = figures | {"about": about, "runs": rows}
        (RESULTS / "roadef.json").write_text(json.dumps(written, indent=1) + "\n")
        (RESULTS / "roadef.md").write_text(page)
    say(page)


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
