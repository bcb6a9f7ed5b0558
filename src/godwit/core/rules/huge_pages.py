"""A guest on huge pages needs so many of them on its host, beside those that others have.

What counts is what the host has set up, less what its other guests of that page size may use. A
host that does not say how many it has is unknown: that is a warning, not a refusal.
"""

from typing import Final

from godwit.core.model import Host, Vm
from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement
from godwit.core.units import format_bytes

__all__ = ["RULE"]


def _size_bytes(vm: Vm, host: Host) -> int | None:
    """The page size that is meant; the smallest huge one where the VM leaves it to the host."""
    if vm.huge_page_bytes:
        return vm.huge_page_bytes
    assert host.observed is not None, "the availability rule comes first"
    sizes = [one.page_bytes for cell in host.observed.numa or () for one in cell.pages]
    return min((one for one in sizes if one > 65536), default=None)


def _has_bytes(host: Host, page_bytes: int) -> int:
    assert host.observed is not None, "the availability rule comes first"
    return sum(
        one.page_bytes * one.count
        for cell in host.observed.numa or ()
        for one in cell.pages
        if one.page_bytes == page_bytes
    )


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
