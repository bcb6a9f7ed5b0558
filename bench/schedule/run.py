"""Schedules for generated clusters: how many are found, how long they take, what the audit says.

Needs no lab and no root. Written: ``bench/results/schedule.md`` and ``schedule.json``.
"""

import argparse
import json
import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.schedule.baseline import two_at_a_time
from bench.schedule.clusters import FAMILIES, make_case
from bench.schedule.report import figures_of, outcome_of, table
from bench.trials import RESULTS, say
from godwit.core.audit import audit
from godwit.core.schedule import Search, make_schedule

#: Seeds below this one were looked at while the schedule was written; the figures are of others.
FIRST_SEED: Final = 1000


def one_case(family: str, seed: int, tries: int) -> dict[str, Any]:
    """Plan one case, have it judged, and time the fixed policy beside it."""
    case = make_case(family, seed)
    search = Search(bounds=case.bounds, tries=tries, seed=seed)
    started_s = time.perf_counter()
    plan = make_schedule(case.cluster, case.wanted, search)
    took_s = time.perf_counter() - started_s
    violations = audit(case.cluster, plan, case.bounds)
    for one in violations:
        say(f"{family} {seed}: {one}")
    return {
        "family": family,
        "seed": seed,
        "hosts": len(case.cluster.hosts),
        "vms": len(case.cluster.vms),
        "wanted": len(case.wanted),
        "stuck": len(plan.stuck),
        "outcome": outcome_of([one.kind.value for one in plan.stuck]),
        "transits": sum(one.is_transit for one in plan.moves),
        "makespan_s": round(plan.makespan_s.likely, 3),
        "lower_bound_s": round(plan.lower_bound_s, 3),
        "bound_by": plan.bound_by,
        "two_at_a_time_s": _rounded(two_at_a_time(case)),
        "violations": len(violations),
        "planning_s": round(took_s, 4),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def main() -> None:
    """Run all families and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100, help="of each family")
    parser.add_argument("--tries", type=int, default=60, help="orders timed for each plan")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for family in FAMILIES:
        for seed in range(asked.first_seed, asked.first_seed + asked.cases):
            row = one_case(family, seed, asked.tries)
            if row["wanted"]:
                rows.append(row)
        say(f"{family}: {figures_of([one for one in rows if one['family'] == family])}")
    results = {
        "about": {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "machine": f"{os.cpu_count()} cores, one used",
            "python": platform.python_version(),
            "seeds": f"{asked.first_seed} to {asked.first_seed + asked.cases - 1} of each family",
            "tries": asked.tries,
        },
        "all": figures_of(rows),
        "families": {
            family: figures_of([one for one in rows if one["family"] == family])
            for family in FAMILIES
        },
        "rows": rows,
    }
    asked.results.mkdir(parents=True, exist_ok=True)
    (asked.results / "schedule.json").write_text(json.dumps(results, indent=1) + "\n")
    (asked.results / "schedule.md").write_text(table(results))


if __name__ == "__main__":
    main()
