"""A guest on huge pages needs so many of them on its host, beside those that others have.

What counts is what the host has set up, less what its other guests of that page size may use. A
host that does not say how many it has is unknown: that is a warning, not a refusal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from godwit.core.model import Host, HostName, Vm, VmId
from godwit.core.plan import Refusal
from godwit.core.rules.assignment import Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.capacity import holders_of
from godwit.core.rules.placement import HostRule, Placement
from godwit.core.rules.rule import ClusterRule
from godwit.core.rules.tally import LoadTally, Tally
from godwit.core.units import format_bytes

__all__ = ["RULE", "HugePages"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class HugePages(ClusterRule):
    """No host is asked for more huge pages of a size than it has set up.

    A VM that leaves the size to a host without any counts by itself, under the size 0.
    """

    KIND: ClassVar[str] = "huge-pages"
    SAYS: ClassVar[str] = "hosts have the huge pages that their VMs use"
    BY_PLACE: ClassVar[bool] = True
    OF_HOSTS: ClassVar[bool] = True

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield a breach for each size of each host. The amount is a fraction of what it has."""
        frame = assignment.frame
        asking = (vm for vm, one in frame.vms.items() if one.huge_page_bytes is not None)
        for host, vms in sorted(holders_of(assignment, asking).items()):
            by_size: dict[int, list[VmId]] = {}
            for vm in vms:
                if (part := self._part(frame, vm, host)) is not None:
                    by_size.setdefault(part[0][1], []).append(vm)
            for page_bytes, using in sorted(by_size.items()):
                asked = sum(frame.vms[vm].memory_bytes for vm in using)
                amount = _excess(frame.hosts[host], page_bytes, asked, len(using))
                if amount > 0:
                    yield self._breach(frame, host, page_bytes, using, amount)

    def tally(self, frame: Frame, places: Mapping[VmId, HostName]) -> Tally | None:
        """Add up what is asked for of each size of each host."""

        def excess(place: tuple[HostName, int], asked_bytes: int, count: int) -> float:
            host, page_bytes = place
            return _excess(frame.hosts[host], page_bytes, asked_bytes, count)

        return LoadTally(lambda vm, host: self._part(frame, vm, host), excess, places)

    def _part(
        self, frame: Frame, vm_id: VmId, name: HostName
    ) -> tuple[tuple[HostName, int], int] | None:
        vm, host = frame.vms[vm_id], frame.hosts.get(name)
        if vm.huge_page_bytes is None or host is None or name not in self.hosts:
            return None
        if host.observed is None or host.observed.numa is None:
            return None
        return (name, _size_bytes(vm, host) or 0), vm.memory_bytes

    def _breach(
        self, frame: Frame, name: HostName, page_bytes: int, vms: list[VmId], amount: float
    ) -> Breach:
        asked = sum(frame.vms[vm].memory_bytes for vm in vms)
        has = _has_bytes(frame.hosts[name], page_bytes)
        of_size = f"huge pages of {format_bytes(page_bytes)}" if page_bytes else "huge pages"
        return self.breach(
            amount=amount,
            why=f"{name} has {format_bytes(has)} in {of_size}, and {frame.names(vms)} need"
            f" {format_bytes(asked)} there",
            remedy=f"Set up {format_bytes(asked - has)} more of them on {name}"
            " (`virsh allocpages`), or move some of these VMs.",
            hosts=[name],
            vms=vms,
            asked_bytes=asked,
            has_bytes=has,
        )


def _excess(host: Host, page_bytes: int, asked_bytes: int, count: int) -> float:
    has = _has_bytes(host, page_bytes)
    if asked_bytes <= has:
        return 0.0
    return asked_bytes / has - 1 if has else float(count)
