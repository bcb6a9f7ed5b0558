"""Godwit's own search on hbal's score: the same kernels that level hosts in the planner.

A move has a price, as it has in the planner; hbal's have none but its least gain at the end.
"""

from typing import Final

import numpy as np

from bench.hbal.cases import Case, Reals
from bench.hbal.metric import WEIGHTS, scales_of, vm_quantities
from godwit.core.planner.search.levelling import level
from godwit.core.planner.search.levels import Levels, build_levels

__all__ = ["PRICE", "STEPS_PER_VM", "levels_of", "solve"]

#: In points of hbal's score. Chosen on clusters made up with other seeds than those of ``run.py``.
PRICE: Final = 0.1
STEPS_PER_VM: Final = 200
_WEIGHTS: Final = np.array(list(WEIGHTS.values())[:-1])


def solve(
    case: Case, *, price: float = PRICE, steps_per_vm: int = STEPS_PER_VM, seed: int = 0
) -> list[tuple[int, int]]:
    """Return moves (VM, host) in an order in which each has room."""
    found = level(levels_of(case, price=price), steps=steps_per_vm * case.vms, seed=seed)
    # Those that have no room in any order are left out: nothing here makes room for them.
    return [(move.item, move.place) for move in found.moves]


def levels_of(case: Case, *, price: float) -> Levels:
    """Put hbal's score and its limits into the arrays of the search."""
    needs, scales = vm_quantities(case), scales_of(case)
    base = np.zeros_like(scales)
    base[:, 0] = case.memory_fixed_mib
    base[:, 1] = case.cpus_fixed
    needs, scales, base, weights = _without_doubles(needs, scales, base)
    # Some memory must stay free, and no core carries more vCPUs than its policy allows.
    memory = case.memory_total_mib - case.memory_fixed_mib - 1
    vcpus = np.floor(case.vcpus_per_cpu * case.cpus).astype(np.int64) - case.cpus_fixed
    return build_levels(
        need=needs,
        base=base,
        scale=scales,
        origin=case.origin,
        spread=weights,
        is_deviation=True,
        size=np.column_stack((case.memory_mib, case.vcpus)),
        room=np.column_stack((memory, vcpus)),
        price=price,
    )


def _without_doubles(needs: Reals, scales: Reals, base: Reals) -> tuple[Reals, Reals, Reals, Reals]:
    """Add up the weights of loads that are the same: without a utilisation file four are."""
    kept: list[int] = []
    weights: list[float] = []
    for load, weight in enumerate(_WEIGHTS):
        for at, one in enumerate(kept):
            if all(
                np.array_equal(table[:, load], table[:, one]) for table in (needs, scales, base)
            ):
                weights[at] += weight
                break
        else:
            kept.append(load)
            weights.append(float(weight))
    return needs[:, kept], scales[:, kept], base[:, kept], np.array(weights)
