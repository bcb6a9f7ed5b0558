"""Godwit's search on Google's machine reassignment problem of the ROADEF/EURO challenge 2012.

The environment variable GODWIT_BENCH_DATA names the folder that holds ``roadef/`` with the
instances, the challenge's results and an independent evaluator, which judges every result.
Each instance is solved once per limit, in a process of its own; the limit is wall-clock and
counts everything from its start to its end. Written: ``bench/results/roadef.md`` and ``.json``,
after each result, so that a run which was ended goes on where it was. Results of another search
or another machine are not gone on from.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final, cast

from bench.machine import describe_machine
from bench.roadef.model import UnreadableInstance, data_folder
from bench.roadef.report import Anchors, Rows, read_anchors, summary, table, with_scores
from godwit.core.planner import search

RESULTS: Final = Path(__file__).resolve().parents[1] / "results"
LIMITS_S: Final = (10, 60, 300)
SET_A: Final = tuple(f"a{kind}_{k}" for kind in (1, 2) for k in (1, 2, 3, 4, 5))
SET_B: Final = ("b_1", "b_2", "b_3", "b_4", "b_5", "b_6", "b_8", "b_9")
#: What a solver that missed its limit is left, before it is ended.
PATIENCE_S: Final = 60
#: How long a run is that has the kernels compiled, and how many there are at most.
_WARM_UP_S: Final = 5
_WARM_UPS_MOST: Final = 6


def warm_up(instances: Path) -> None:
    """Have the kernels compiled, which is done once for a machine and not within a limit."""
    folder = Path(search.__file__).parent
    newest = max(path.stat().st_mtime for path in folder.glob("*.py"))
    for kept in (folder / "__pycache__").glob("*.nb[ci]"):
        # Those of callers are not renewed when what they call changes.
        if kept.stat().st_mtime < newest:
            kept.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "assignment.txt"
        for _ in range(_WARM_UPS_MOST):
            # What it compiles is late for its limit, and then the rest is left out.
            run = solved(instances, SET_A[0], limit_s=_WARM_UP_S, seed=0, output=output, late=True)
            if run["wall_s"] <= _WARM_UP_S:
                return


def solved(
    folder: Path, name: str, *, limit_s: int, seed: int, output: Path, late: bool = False
) -> dict[str, Any]:
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
    if wall_s > limit_s and not late:
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


def fingerprint() -> str:
    """What tells whether a result is of this search: a digest of its files, and the machine."""
    digest = hashlib.sha256(describe_machine()["machine"].encode())
    # The planner's own search lies beside it; what is loaded here is what the solver loads.
    of_search = [name for name in sys.modules if name.startswith(search.__name__)]
    files = [Path(cast("str", sys.modules[name].__file__)) for name in sorted(of_search)]
    for path in [*files, Path(__file__).with_name("solve.py")]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def kept_rows(results: Path, *, of: str, seed: int) -> Rows:
    """The results of an earlier run that this one goes on from."""
    path = results / "roadef.json"
    written = json.loads(path.read_text()) if path.exists() else {}
    return [
        row for row in written.get("runs", []) if (row.get("search"), row.get("seed")) == (of, seed)
    ]


def write(results: Path, rows: Rows, anchors: dict[str, Anchors]) -> str:
    """Write both files with what there is; returns the page."""
    results.mkdir(exist_ok=True)
    rows.sort(key=lambda row: (row["limit_s"], row["instance"] not in anchors, row["instance"]))
    figures, about = summary(rows, anchors), describe_machine()
    page = table(rows, figures, about)
    text = json.dumps(figures | {"about": about, "runs": rows}, indent=1) + "\n"
    for name, content in (("roadef.json", text), ("roadef.md", page)):
        fresh = results / f".{name}"
        fresh.write_text(content)
        fresh.replace(results / name)
    return page


def main(words: Sequence[str] | None = None) -> None:
    """Run what was asked for and is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limits", type=int, nargs="+", default=LIMITS_S, metavar="SECONDS")
    parser.add_argument("--instances", nargs="+", default=SET_B + SET_A, metavar="NAME")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the files are kept")
    parser.add_argument("--anew", action="store_true", help="go on from nothing")
    asked = parser.parse_args(words)
    try:
        folder = data_folder()
        anchors = read_anchors(folder / "challenge_results_b.csv")
    except (UnreadableInstance, OSError) as error:
        sys.exit(f"error: {error}")
    mine = fingerprint()
    rows = [] if asked.anew else kept_rows(asked.results, of=mine, seed=asked.seed)
    done = {(row["instance"], row["limit_s"]) for row in rows}
    warm_up(folder)
    for name, limit_s in product(asked.instances, asked.limits):
        if (name, limit_s) in done:
            continue
        row = one(folder, name, limit_s=limit_s, seed=asked.seed, anchors=anchors)
        rows.append(row | {"search": mine})
        write(asked.results, rows, anchors)
        say(f"{limit_s} s {name}: {row['cost']:,} score {row.get('score', 0):.4f}")
    say(write(asked.results, rows, anchors))


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
