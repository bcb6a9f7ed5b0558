"""Compiles the planner's search, which is kept beside its source: the first plan need not wait."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.planner.clusters import make_cluster
from godwit.core.planner import Balance, Drain, Repair, plan_request


def main() -> None:
    """Plan one of each kind of request on a small cluster."""
    started_s = time.perf_counter()
    print("compiling the planner's search: half a minute to two, once", flush=True)
    cluster = make_cluster(4, 40, seed=1)
    for request in (Balance(), Drain(hosts=(cluster.hosts[0].name,)), Repair()):
        plan_request(cluster, request)
    print(f"compiled in {time.perf_counter() - started_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
