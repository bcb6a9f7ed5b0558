"""How long plans take: balance, drain and repair of generated clusters, warm and from the start.

Needs no lab and no root. Written: ``bench/results/planner.md`` and ``planner.json``, unless
``--dry-run``.
"""

import argparse
import json
import time
from typing import Any, Final

from bench.machine import describe_machine
from bench.planner.clusters import make_cluster
from bench.trials import RESULTS, say
from godwit.core.model import Cluster
from godwit.core.planner import Balance, Drain, PlanRequest, Repair, plan_request
from godwit.core.planner.levelling import prepare

SIZES: Final = ((10, 200), (100, 2_000), (1_000, 20_000))
_SEED: Final = 1


def _requests(cluster: Cluster) -> dict[str, PlanRequest]:
    return {
        "balance": Balance(),
        "drain": Drain(hosts=(cluster.hosts[0].name,)),
        "repair": Repair(),
    }


def one_plan(cluster: Cluster, request: PlanRequest, limit_s: float) -> dict[str, Any]:
    """Plan once, and count."""
    started_s = time.perf_counter()
    plan = plan_request(cluster, request, clock=time.perf_counter, limit_s=limit_s)
    took_s = time.perf_counter() - started_s
    return {
        "seconds": round(took_s, 3),
        "moves": len(plan.moves),
        "unplaced": len(plan.unplaced),
        "gain_points": round(plan.gain, 3),
        "terms": {one.name: [round(one.before, 4), round(one.after, 4)] for one in plan.terms},
        "was_cut_off": any("cut off" in one for one in plan.reasons),
    }


def table(rows: list[dict[str, Any]], about: dict[str, str]) -> str:
    """The page of a run."""
    lines = [
        "# How long plans take",
        "",
        "Made-up clusters in which a fifth of the hosts has twice the load of the others; one",
        "search each, on one core, compiled beforehand and loaded. Without the outlook of",
        "the moves and without times.",
        "",
        *(f"- {name}: {value}" for name, value in about.items()),
        "",
        "| request | hosts | VMs | s | moves | VMs that can't | cut off |",
        "|---|--:|--:|--:|--:|--:|---|",
        *(
            f"| {one['request']} | {one['hosts']:,} | {one['vms']:,} | {one['seconds']:.2f}"
            f" | {one['moves']:,} | {one['unplaced']} | {'yes' if one['was_cut_off'] else 'no'} |"
            for one in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all sizes and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit-s", type=float, default=30.0)
    parser.add_argument("--largest", type=int, default=SIZES[-1][0], help="hosts at most")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    asked = parser.parse_args()
    started_s = time.perf_counter()
    prepare()
    say(f"loading of what is compiled: {time.perf_counter() - started_s:.1f} s")
    results = []
    for hosts, vms in SIZES:
        if hosts > asked.largest:
            continue
        cluster = make_cluster(hosts, vms, _SEED)
        for name, request in _requests(cluster).items():
            row = {"request": name, "hosts": hosts, "vms": vms}
            row |= one_plan(cluster, request, asked.limit_s)
            results.append(row)
            say(f"{name} {hosts} x {vms}: {row['seconds']} s, {row['moves']} moves")
    if not asked.dry_run:
        about = describe_machine()
        text = json.dumps({"about": about, "limit_s": asked.limit_s, "runs": results}, indent=1)
        (RESULTS / "planner.json").write_text(text + "\n")
        (RESULTS / "planner.md").write_text(table(results, about))


if __name__ == "__main__":
    main()
