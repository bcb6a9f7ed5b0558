"""hbal's own way, exactly: each step the single move that leaves the lowest score, until done.

It stands in for hbal where hbal itself would take hours, and in tests. Each step weighs every VM on
every host by what the move adds to the sums behind the standard deviations; hbal computes those
anew each time.
"""

from typing import Final

import numpy as np

from bench.hbal.cases import Case, Indices, Reals
from bench.hbal.metric import WEIGHTS, quantities_of, scales_of, score_of, vm_quantities

__all__ = ["descend"]

#: hbal's defaults: below this score each step must gain so much.
_LIMIT: Final = 0.1
_LEAST_GAIN: Final = 0.01
_WEIGHTS: Final = np.array(list(WEIGHTS.values())[:-1])


def descend(case: Case) -> list[tuple[int, int]]:
    """Return hbal's moves."""
    where = case.origin.copy()
    moves: list[tuple[int, int]] = []
    score = score_of(case, where)
    shares = _shares(case)
    while case.hosts > 1 and case.vms:
        change = _changes(case, where, shares)
        best = int(np.argmin(change))
        if not np.isfinite(change.flat[best]):
            break
        vm, to = divmod(best, case.hosts)
        after = where.copy()
        after[vm] = to
        found = score_of(case, after)
        if not found < score or (score <= _LIMIT and score - found < _LEAST_GAIN):
            break
        moves.append((vm, to))
        where, score = after, found
    return moves


def _shares(case: Case) -> Reals:
    """[part, vm, host] what a VM is of a host."""
    return vm_quantities(case).T[:, :, None] / scales_of(case).T[:, None, :]


def _changes(case: Case, where: Indices, shares: Reals) -> Reals:
    """[vm, host] the score after the move; infinite where it may not be made."""
    loads = quantities_of(case, where)
    vms = np.arange(case.vms)
    after = np.zeros((case.vms, case.hosts))
    for part, weight in enumerate(_WEIGHTS):
        share, load = shares[part], loads[:, part]
        from_here = share[vms, where][:, None]
        here = load[where][:, None]
        total = load.sum() - from_here + share
        squares = (
            (load**2).sum()
            + (here - from_here) ** 2
            - here**2
            + (load[None, :] + share) ** 2
            - (load**2)[None, :]
        )
        variance = squares / case.hosts - (total / case.hosts) ** 2
        after += weight * np.sqrt(np.maximum(variance, 0.0))
    return np.where(_may(case, where), after, np.inf)


def _may(case: Case, where: Indices) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    used = np.bincount(where, weights=case.memory_mib, minlength=case.hosts) + case.memory_fixed_mib
    vcpus = np.bincount(where, weights=case.vcpus, minlength=case.hosts) + case.cpus_fixed
    most = case.vcpus_per_cpu * case.cpus
    may = case.memory_mib[:, None] + used[None, :] < case.memory_total_mib[None, :]
    may &= case.vcpus[:, None] + vcpus[None, :] <= most[None, :]
    may[np.arange(case.vms), where] = False
    return np.asarray(may)
