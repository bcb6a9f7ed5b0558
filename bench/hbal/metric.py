"""hbal's score of a placement, part by part and with its weights, as hbal 3.0 computes it.

Standard deviations over the hosts (of all of them, not of a sample). Its parts for mirrored disks,
tags and locations are nothing where there are none of those, and stand out here. What hbal calls
``_forth`` counts instances that are yet to be made, too: without such, each is the same again.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from bench.hbal.cases import LOADS, Case, Indices, Reals

__all__ = ["WEIGHTS", "apply_moves", "parts_of", "quantities_of", "score_of", "vm_quantities"]

#: Parts by name, with their weights; those that are there twice are added up.
WEIGHTS: Final = {
    "free_mem_cv": 0.5 + 0.5,
    "vcpu_ratio_cv": 0.5 + 0.5,
    "cpu_load_cv": 1.0,
    "mem_load_cv": 1.0,
    "disk_load_cv": 1.0,
    "net_load_cv": 1.0,
    "free_disk_cv": 0.5 + 0.5,
}


def vm_quantities(case: Case) -> Reals:
    """[vm, part] what each VM adds, in the order of ``WEIGHTS`` without the disk."""
    return np.column_stack((case.memory_mib, case.vcpus, case.loads)).astype(np.float64)


def scales_of(case: Case) -> Reals:
    """[host, part] what counts as one there."""
    ones = np.ones((case.hosts, LOADS))
    return np.column_stack((case.memory_total_mib, case.cpus * case.cpu_speed, ones))


def quantities_of(case: Case, where: Indices) -> Reals:
    """[host, part] what is used, as a fraction of the host's scale."""
    used = np.zeros((case.hosts, 2 + LOADS))
    np.add.at(used, where, vm_quantities(case))
    used[:, 0] += case.memory_fixed_mib
    used[:, 1] += case.cpus_fixed
    return used / scales_of(case)


def parts_of(case: Case, where: Indices) -> dict[str, float]:
    """The parts of the score, before their weights."""
    parts = np.column_stack((quantities_of(case, where), case.disk_free_fraction))
    return dict(zip(WEIGHTS, (float(one) for one in parts.std(axis=0)), strict=True))


def score_of(case: Case, where: Indices) -> float:
    """The score of a placement; lower is better."""
    return sum(WEIGHTS[name] * value for name, value in parts_of(case, where).items())


def apply_moves(case: Case, moves: Sequence[tuple[int, int]]) -> Indices:
    """Make moves one after the other, and return where the VMs are then.

    Raises: ValueError at the first one that goes nowhere, or to a host without the room that hbal
    asks for: some memory must stay free, and no core may carry more vCPUs than its policy allows.
    """
    where = case.origin.copy()
    used = np.bincount(where, weights=case.memory_mib, minlength=case.hosts) + case.memory_fixed_mib
    vcpus = np.bincount(where, weights=case.vcpus, minlength=case.hosts) + case.cpus_fixed
    for number, (vm, to) in enumerate(moves, 1):
        start = int(where[vm])
        if start == to:
            raise ValueError(f"move {number}: VM {vm} is on host {to} already")
        for host, sign in ((start, -1), (to, 1)):
            used[host] += sign * case.memory_mib[vm]
            vcpus[host] += sign * case.vcpus[vm]
        if used[to] >= case.memory_total_mib[to]:
            raise ValueError(f"move {number}: no memory for VM {vm} on host {to}")
        if vcpus[to] > case.vcpus_per_cpu[to] * case.cpus[to]:
            raise ValueError(f"move {number}: too many vCPUs for VM {vm} on host {to}")
        where[vm] = to
    return where
