"""Solves one instance within a wall-clock limit, on two cores: started by ``run.py``.

Two processes anneal with seeds of their own. At a few instants they compare, and the one that is
worse goes on from where the other is.
"""

import argparse
import json
import multiprocessing
import sys
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import BrokenBarrierError
from typing import Final

import numpy as np

from bench.roadef.model import Instance, UnreadableInstance, read_instance
from godwit.core.planner.search import (
    Indices,
    Numbers,
    State,
    best_cost,
    descend,
    evaluations_of,
    heat_for,
    improve,
    start,
)

#: Kept back for writing the result and for ending the processes.
RESERVE_S: Final = 0.5
DESCENT_FRACTION: Final = 0.03
#: Evaluations between two looks at the clock.
SLICE: Final = 20_000
#: How much of the time is gone when the two compare.
EXCHANGES: Final = (0.5, 0.6, 0.7, 0.8, 0.9)
WAIT_S: Final = 5.0
WORKERS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the two processes share: each writes its own, and reads the other's at an exchange."""

    costs: Numbers
    evaluations: Numbers
    assignments: Indices
    meeting: Barrier


def _work(instance: Instance, shared: Shared, me: int, seed: int, ends_s: float) -> None:
    problem, began_s = instance.problem, time.monotonic()
    state = start(problem, seed=seed)
    while time.monotonic() - began_s < DESCENT_FRACTION * (ends_s - began_s):
        descend(problem, state, evaluations=SLICE)
    heat, exchanges = heat_for(problem, state), list(EXCHANGES)
    done = 0
    while (now_s := time.monotonic()) < ends_s:
        progress = (now_s - began_s) / (ends_s - began_s)
        if exchanges and progress >= exchanges[0]:
            exchanges.pop(0)
            done += evaluations_of(state)
            state = _exchange(instance, shared, state, me)
            done -= evaluations_of(state)
        improve(problem, state, heat, progress_fraction=progress, evaluations=SLICE)
    _write(shared, state, me)
    shared.evaluations[me] = done + evaluations_of(state)


def _write(shared: Shared, state: State, me: int) -> None:
    shared.assignments[me] = state.best
    shared.costs[me] = best_cost(state)


def _exchange(instance: Instance, shared: Shared, state: State, me: int) -> State:
    """Show the other what was found, and take over from it if that is better."""
    _write(shared, state, me)
    try:
        shared.meeting.wait(WAIT_S)
        better = int(np.argmin(shared.costs))
        found = shared.assignments[better].copy()
        shared.meeting.wait(WAIT_S)
    except BrokenBarrierError:
        # The other is late; from here on each goes its own way.
        return state
    if better == me:
        return state
    taken = start(instance.problem, found)
    taken.dice[0] = state.dice[0]
    return taken


def solve(instance: Instance, *, seed: int, ends_s: float) -> tuple[list[int], int]:
    """Search until that instant of the monotonic clock; the assignment, and evaluations of all."""
    fork = multiprocessing.get_context("fork")
    items = len(instance.problem.need)
    places = np.frombuffer(fork.RawArray("i", WORKERS * max(1, items)), dtype=np.int32)
    shared = Shared(
        costs=np.frombuffer(fork.RawArray("q", WORKERS), dtype=np.int64),
        evaluations=np.frombuffer(fork.RawArray("q", WORKERS), dtype=np.int64),
        assignments=places.reshape(WORKERS, -1)[:, :items],
        meeting=fork.Barrier(WORKERS),
    )
    workers = [
        fork.Process(target=_work, args=(instance, shared, me, WORKERS * seed + me, ends_s))
        for me in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        sys.exit(f"{instance.name}: a process of the search failed")
    best = int(np.argmin(shared.costs))
    return shared.assignments[best].tolist(), int(shared.evaluations.sum())


def main() -> None:
    """Read, solve, write the assignment, and print the figures that only the solver knows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("--ends", type=float, required=True, metavar="INSTANT_S")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True)
    asked = parser.parse_args()
    try:
        instance = read_instance(asked.folder, asked.name)
    except UnreadableInstance as error:
        sys.exit(f"error: {error}")
    ends_s = asked.ends - RESERVE_S
    assignment, evaluations = solve(instance, seed=asked.seed, ends_s=ends_s)
    asked.output.write_text(" ".join(map(str, assignment)) + "\n")
    print(json.dumps({"evaluations": evaluations}))


if __name__ == "__main__":
    main()
