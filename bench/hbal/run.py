"""Godwit's search and Ganeti's hbal on the same clusters, judged by hbal's own score.

The environment variable GODWIT_BENCH_DATA names the folder that holds ``hbal/``. Needs hbal (on
Debian and Ubuntu: ``apt install ganeti-htools``), no lab and no root. hbal takes minutes for the
largest of its cases; beyond 40 hosts its way is carried out by ``descent.py``, and on the largest
cluster Godwit is alone. Written: ``bench/results/hbal.md`` and ``hbal.json``.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.hbal.cases import Case, UnfitCase, data_folder, read_case
from bench.hbal.descent import descend
from bench.hbal.levelled import STEPS_PER_VM, solve
from bench.hbal.making import make_case
from bench.hbal.measuring import Peer, measure, summary_of, table_of
from bench.hbal.metric import apply_moves, score_of
from bench.hbal.peer import Answer, HbalMissing, find_hbal, hbal_moves, hbal_score, hbal_version
from bench.machine import describe_machine
from godwit.core.planner.levelling import prepare

RESULTS: Final = Path(__file__).resolve().parents[1] / "results"
#: Cases of hbal itself: of the folder, and made up with hosts of three sizes.
_FILES: Final = (("h10", False), ("h10", True), ("h20", False), ("h20", True), ("h40", False))
_MADE: Final = ((10, 200, 101, False), (10, 200, 102, True), (20, 400, 103, False))
_LARGE_MADE: Final = ((40, 800, 104, False),)
ITS_WAY: Final = "hbal's way"


def cases(folder: Path, *, quick: bool) -> Iterator[tuple[Case, Peer | None, str]]:
    """Every case with its peer and the peer's name, the smallest first."""
    for name, loaded in _FILES[:2] if quick else _FILES:
        yield read_case(folder, name, loaded=loaded), hbal_moves, "hbal"
    for hosts, vms, seed, loaded in _MADE[:2] if quick else (*_MADE, *_LARGE_MADE):
        yield (
            make_case(hosts, vms, seed=seed, mixed=True, loaded=loaded),
            hbal_moves,
            "hbal",
        )
    if quick:
        return
    for loaded in (False, True):
        yield read_case(folder, "h100", loaded=loaded), in_its_way, ITS_WAY
    yield make_case(100, 2000, seed=106, mixed=True), in_its_way, ITS_WAY
    yield make_case(1000, 20000, seed=107, mixed=True), None, ""


def in_its_way(case: Case) -> Answer:
    """Do what hbal would do, where hbal itself would take hours."""
    began_s, cpu_began_s = time.perf_counter(), time.process_time()
    moves = descend(case)
    return Answer(
        score_before=score_of(case, case.origin),
        score_after=score_of(case, apply_moves(case, moves)),
        moves=moves,
        cpu_s=time.process_time() - cpu_began_s,
        wall_s=time.perf_counter() - began_s,
    )


def main() -> None:
    """Run all cases and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only 10 hosts; seconds")
    parser.add_argument("--steps", type=int, default=STEPS_PER_VM, help="of the search, for a VM")
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    try:
        folder = data_folder()
        find_hbal()
    except (UnfitCase, HbalMissing) as error:
        sys.exit(str(error))

    def solved(case: Case) -> list[tuple[int, int]]:
        return solve(case, steps_per_vm=asked.steps)

    # Kernels are compiled once for a machine, and not within a measurement.
    prepare()
    about = describe_machine() | {"hbal": hbal_version(), "steps_per_vm": str(asked.steps)}
    rows: list[dict[str, Any]] = []
    for case, peer, name in cases(folder, quick=asked.quick):
        row = measure(case, solved, peer, peer_name=name, judge=hbal_score)
        rows.append(row)
        print(table_of([row]).splitlines()[-1], flush=True)
        # After each case: who ends it before the last, which take minutes, has the others.
        write(asked.results, rows, about)
    print(json.dumps(summary_of(rows), indent=1))


def write(folder: Path, rows: list[dict[str, Any]], about: dict[str, str]) -> None:
    """Write what was measured so far."""
    results = {"about": about, **summary_of(rows), "rows": rows}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hbal.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "hbal.md").write_text(page(results))


def page(results: dict[str, Any]) -> str:
    """The results for people."""
    about = results["about"]
    return f"""\
# Godwit and Ganeti's hbal on the same clusters

By hbal's own score (lower is better), which hbal itself gave to what came out of both. All VMs are
on shared storage, so that a move is a live migration in both. *Godwit* is the search that the
planner uses, on hbal's score, with at most as many moves as a plain descent of its own makes. The
prices and fractions in `bench/hbal/levelled.py` are the same for all cases. They were chosen on the
files `h...`, which are in-sample so, and on made clusters of other seeds; those of seeds 103, 104,
106 and 107 were held out. CPU
seconds of the search alone, compiled beforehand; of hbal, those of the whole command.

{table_of(results["rows"])}
`*`: not hbal itself, which would take hours, but its way carried out by `bench/hbal/descent.py`
(the same moves, tested); so its seconds are not hbal's.

| against hbal itself | |
|---|--:|
| score, worst ratio | {_shown(results["score_ratio_worst"])} |
| moves, worst ratio | {_shown(results["moves_ratio_worst"])} |
| times faster, 40 x 800, worst | {_shown(results["speedup_40x800"])} |

{about["date"]}, {about["machine"]}, Python {about["python"]}, {about["hbal"]}.
`python -m bench.hbal.run`
"""


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main()
