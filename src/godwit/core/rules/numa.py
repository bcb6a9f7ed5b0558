"""A guest that is bound to NUMA cells of its host needs the same, large enough, where it goes.

libvirt carries the binding over as it is: cell 1 here becomes cell 1 there. A host that does not
tell its cells is unknown: that is a warning, not a refusal.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Final

from godwit.core.model import Host, Vm
from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement
from godwit.core.rules.pool import PoolRule
from godwit.core.units import format_bytes

__all__ = ["RULE", "NumaCells"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaCells(PoolRule):
    """VMs that are bound to the same cells of a host do not ask for more than these have.

    That a host has no such cells is a reason against each VM alone, and told there.
    """

    KIND: ClassVar[str] = "numa-cells"
    SAYS: ClassVar[str] = "NUMA cells have the memory of the VMs that are bound to them"

    def pool(self, vm: Vm, host: Host) -> Hashable | None:
        """The cells, as a set."""
        if not vm.numa_cells or host.observed is None or host.observed.numa is None:
            return None
        there = {one.number for one in host.observed.numa}
        return vm.numa_cells if vm.numa_cells <= there else None

    def has_bytes(self, host: Host, pool: Hashable) -> int:
        """The memory of all of them."""
        assert host.observed is not None, "a host that was not read has no pool"
        assert isinstance(pool, frozenset), "as it was made"
        return sum(one.memory_bytes for one in host.observed.numa or () if one.number in pool)

    def words(self, pool: Hashable) -> tuple[str, str]:
        """Name the cells."""
        assert isinstance(pool, frozenset), "as it was made"
        return f"in NUMA cells {_cells(pool)}", "bind a VM to more cells"
