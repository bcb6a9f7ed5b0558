"""A guest that is bound to NUMA cells of its host needs the same, large enough, where it goes.

libvirt carries the binding over as it is: cell 1 here becomes cell 1 there. A host that does not
tell its cells is unknown: that is a warning, not a refusal.
"""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement
from godwit.core.units import format_bytes

__all__ = ["RULE"]


def _cells(numbers: frozenset[int]) -> str:
    return ", ".join(str(one) for one in sorted(numbers)) or "none"


def _check(placement: Placement) -> Refusal | None:
    host, vm = placement.host, placement.vm
    assert host.observed is not None, "the availability rule comes first"
    if not vm.numa_cells or host.observed.numa is None:
        return None
    there = {one.number: one for one in host.observed.numa}
    if missing := vm.numa_cells - there.keys():
        return placement.refuse(
            "numa",
            f"{vm.name} is bound to NUMA cells {_cells(vm.numa_cells)}, and {host.name} has no"
            f" {_cells(missing)} (it has: {_cells(frozenset(there))})",
            "Choose a host with the same cells, or take the binding out of <numatune>.",
        )
    has = sum(there[one].memory_bytes for one in vm.numa_cells)
    if vm.memory_bytes <= has:
        return None
    return placement.refuse(
        "numa",
        f"NUMA cells {_cells(vm.numa_cells)} of {host.name} have {format_bytes(has)} of memory, and"
        f" {vm.name}, bound to them, needs {format_bytes(vm.memory_bytes)}",
        "Choose a host with larger cells, or bind the VM to more of them.",
    )


def _unknown(placement: Placement) -> str | None:
    host, vm = placement.host, placement.vm
    if not vm.numa_cells or host.observed is None or host.observed.numa is not None:
        return None
    return (
        f"{vm.name} is bound to NUMA cells {_cells(vm.numa_cells)}, and whether {host.name} has"
        " them is not known"
    )


RULE: Final = HostRule(
    name="numa", says="the host has the NUMA cells", check=_check, unknown=_unknown
)
