"""Godwit's own search on hbal's score: the same kernels that level hosts in the planner.

hbal's moves have no price, so that its last ones gain next to nothing. Here a plain descent, in
which a move has a small price, says how many moves there shall be at most; the search then does
better with so many or fewer. A few less are tried first, and taken where that is clearly better
than the descent.
"""

from typing import Final

import numpy as np

from bench.hbal.cases import Case, Reals
from bench.hbal.metric import WEIGHTS, apply_moves, scales_of, score_of, vm_quantities
from godwit.core.planner.levelling import Levelled, Levels, build_levels, level

__all__ = ["STEPS_PER_VM", "levels_of", "solve"]

#: Prices of a move in points of hbal's score, to be divided by the hosts: a deviation over many
#: hosts is changed less by a single move. Chosen on clusters of other seeds, and on the files.
_PRICE_OF_DESCENT: Final = 0.2
_PRICE: Final = 1.0
_FEWER_FRACTION: Final = 0.985
#: Of the score that the descent reached.
_CLEARLY_FRACTION: Final = 0.9
STEPS_PER_VM: Final = 1000
_WEIGHTS: Final = np.array(list(WEIGHTS.values())[:-1])

Moves = list[tuple[int, int]]


def solve(case: Case, *, steps_per_vm: int = STEPS_PER_VM, seed: int = 0) -> Moves:
    """Return moves (VM, host) in an order in which each has room."""
    descent = level(levels_of(case, price=_PRICE_OF_DESCENT / case.hosts), steps=0, exchange_bins=0)
    plain = _moves(descent)
    levels, steps = levels_of(case, price=_PRICE / case.hosts), steps_per_vm * case.vms
    reached = score_of(case, apply_moves(case, plain))
    fewer = int(_FEWER_FRACTION * len(plain))
    for most, enough in ((fewer, _CLEARLY_FRACTION * reached), (len(plain), reached)):
        found = _moves(level(levels, steps=steps, seed=seed, moves_most=most))
        if score_of(case, apply_moves(case, found)) <= enough:
            return found
    return plain


def _moves(found: Levelled) -> Moves:
    """Those that have no room in any order are left out: nothing here makes room for them."""
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
