"""A guest on huge pages needs so many of them on its host, beside those that others have.

What counts is what the host has set up, less what its other guests of that page size may use. A
host that does not say how many it has is unknown: that is a warning, not a refusal.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Final

from godwit.core.model import Host, Vm
from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement
from godwit.core.rules.pool import PoolRule
from godwit.core.units import format_bytes

__all__ = ["RULE", "HugePages"]


def _size_bytes(vm: Vm, host: Host) -> int | None:
    """The page size that is meant; the smallest huge one where the VM leaves it to the host."""
    if vm.huge_page_bytes:
        return vm.huge_page_bytes
    return min((size for size, _ in _pages(host) if size > 65536), default=None)


def _pages(host: Host) -> list[tuple[int, int]]:
    assert host.observed is not None, "the availability rule comes first"
    cells = host.observed.numa or ()
    return [(one.page_bytes, one.count) for cell in cells for one in cell.pages]


def _has_bytes(host: Host, page_bytes: int) -> int:
    return sum(size * count for size, count in _pages(host) if size == page_bytes)


def _check(placement: Placement) -> Refusal | None:
    host, vm = placement.host, placement.vm
    assert host.observed is not None, "the availability rule comes first"
    if vm.huge_page_bytes is None or host.observed.numa is None:
        return None
    page_bytes = _size_bytes(vm, host)
    if page_bytes is None:
        return _refuse(placement, f"{host.name} has no huge pages", vm.memory_bytes)
    there = [one for one in placement.cluster.vms_on(host.name) if one.is_active]
    others = {one.id: one for one in (*there, *placement.arriving)}
    others.pop(vm.id, None)
    taken = sum(
        one.memory_bytes
        for one in others.values()
        if one.huge_page_bytes is not None and _size_bytes(one, host) == page_bytes
    )
    has = _has_bytes(host, page_bytes)
    if vm.memory_bytes <= has - taken:
        return None
    return _refuse(
        placement,
        f"{host.name} has {format_bytes(has)} in huge pages of {format_bytes(page_bytes)}, others"
        f" use {format_bytes(taken)} of it, and {vm.name} needs {format_bytes(vm.memory_bytes)}",
        vm.memory_bytes - (has - taken),
    )


def _refuse(placement: Placement, why: str, missing_bytes: int) -> Refusal:
    return placement.refuse(
        "huge_pages",
        why,
        f"Set up {format_bytes(missing_bytes)} more of them on {placement.host.name}"
        " (`virsh allocpages`), or free some.",
    )


def _unknown(placement: Placement) -> str | None:
    host, vm = placement.host, placement.vm
    if vm.huge_page_bytes is None or host.observed is None or host.observed.numa is not None:
        return None
    return f"{vm.name} runs on huge pages, and whether {host.name} has enough is not known"


RULE: Final = HostRule(
    name="huge_pages", says="the host has the huge pages", check=_check, unknown=_unknown
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HugePages(PoolRule):
    """No host is asked for more huge pages of a size than it has set up.

    Where a VM leaves the size to a host that has none at all, the pool is 0, and empty.
    """

    KIND: ClassVar[str] = "huge-pages"
    SAYS: ClassVar[str] = "hosts have the huge pages that their VMs use"

    def pool(self, vm: Vm, host: Host) -> Hashable | None:
        """The page size."""
        if vm.huge_page_bytes is None or host.observed is None or host.observed.numa is None:
            return None
        return _size_bytes(vm, host) or 0

    def has_bytes(self, host: Host, pool: Hashable) -> int:
        """What is set up of that size."""
        return _has_bytes(host, pool) if isinstance(pool, int) else 0

    def words(self, pool: Hashable) -> tuple[str, str]:
        """Name the size."""
        size = f" of {format_bytes(pool)}" if isinstance(pool, int) and pool else ""
        return f"in huge pages{size}", "set up more of them (`virsh allocpages`)"
