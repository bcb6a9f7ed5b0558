"""N+1: the loss of any one host (or rack, or feed) can be absorbed by those that are left.

What would have to start again is placed on the hosts that are left, the largest first, each where
most memory is free. That is a witness: where it finds room there is room. Where it finds none, the
breach says whether that is proven by the sums, or whether only no room was found. Groups are not
looked at: in such an hour a VM that runs beside its twin is better than one that does not run.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from godwit.core.model import HostName, Vm, VmId, When
from godwit.core.rules import huge_pages, machine_type, networks, numa, storage
from godwit.core.rules.assignment import HOST, Assignment, Frame
from godwit.core.rules.breach import Breach
from godwit.core.rules.placement import Placement
from godwit.core.rules.rule import ClusterRule
from godwit.core.units import format_bytes

__all__ = ["Absorb"]

#: What a VM needs of a host to start there again; its running CPU is not one of it.
_NEEDED = (machine_type.RULE, storage.RULE, networks.RULE, huge_pages.RULE, numa.RULE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Absorb(ClusterRule):
    """Whatever value of ``by`` is lost, its ``vms`` find room on the other ``hosts``."""

    KIND: ClassVar[str] = "n+1"
    SAYS: ClassVar[str] = "the loss of any one host can be absorbed"

    by: str = HOST
    when: When = When.END

    def check(self, assignment: Assignment) -> Iterator[Breach]:
        """Yield a breach for each value whose loss is too much. It counts VMs without room."""
        frame = assignment.frame
        usable = frame.usable(self.hosts)
        room = _room(assignment, usable)
        lost: dict[str, list[HostName]] = {}
        for host in sorted(self.hosts & frame.hosts.keys()):
            lost.setdefault(frame.value(host, self.by), []).append(host)
        there: dict[HostName, list[VmId]] = {}
        for vm, place in assignment.placed(self.vms & frame.vms.keys()).items():
            there.setdefault(place, []).append(vm)
        for value, hosts in lost.items():
            homeless = [frame.vms[vm] for host in hosts for vm in there.get(host, ())]
            left = {host: room[host] for host in usable if host not in hosts}
            without = _without_room(frame, homeless, left)
            if not without:
                continue
            needed = sum(one.memory_bytes for one in homeless)
            free = round(sum(memory for memory, _ in left.values()))
            names = frame.names(one.id for one in without)
            yield self.breach(
                amount=float(len(without)),
                why=f"the loss of {self.by} {value} would leave {len(without)} of {len(homeless)}"
                f" VMs without room ({names}): {_shortage(needed, free)}",
                remedy=f"Free {format_bytes(max(needed - free, without[0].memory_bytes))} of memory"
                " on the others, add a host, or move some of these VMs.",
                hosts=hosts,
                vms=(one.id for one in without),
                vms_without_room=len(without),
                needed_bytes=needed,
                free_bytes=free,
            )


def _shortage(needed_bytes: int, free_bytes: int) -> str:
    needed, free = format_bytes(needed_bytes), format_bytes(free_bytes)
    if needed_bytes > free_bytes:
        return f"they need {needed} of memory, and {free} is free elsewhere"
    return (
        f"{free} of memory is free elsewhere for {needed}, but in pieces, without the cores, or on"
        " hosts that can't run them (looked for, not proven missing)"
    )


def _room(assignment: Assignment, hosts: Iterable[HostName]) -> dict[HostName, tuple[float, float]]:
    """Memory and cores that each host has left, less what migrations hold."""
    frame = assignment.frame
    room = {
        host: [float(frame.hosts[host].memory_for_vms_bytes), frame.hosts[host].cores_for_vms]
        for host in hosts
    }
    for vm_id, vm in frame.vms.items():
        for host in assignment.hosts_of(vm_id):
            if host in room:
                room[host][0] -= vm.memory_bytes
                room[host][1] -= vm.vcpus
    return {host: (memory, cores) for host, (memory, cores) in room.items()}


def _without_room(
    frame: Frame, homeless: list[Vm], left: dict[HostName, tuple[float, float]]
) -> list[Vm]:
    """Place the largest first, each where most memory is free; return those that find no place."""
    free = [(-memory, host, cores) for host, (memory, cores) in left.items()]
    heapq.heapify(free)
    without: list[Vm] = []
    for vm in sorted(homeless, key=lambda one: (-one.memory_bytes, -one.vcpus, one.id)):
        tried: list[tuple[float, HostName, float]] = []
        found = False
        while free and not found and -free[0][0] >= vm.memory_bytes:
            memory, host, cores = heapq.heappop(free)
            found = cores >= vm.vcpus and _can_start(frame, vm, host)
            if found:
                tried.append((memory + vm.memory_bytes, host, cores - vm.vcpus))
            else:
                tried.append((memory, host, cores))
        for one in tried:
            heapq.heappush(free, one)
        if not found:
            without.append(vm)
    return without


def _can_start(frame: Frame, vm: Vm, host: HostName) -> bool:
    if host == vm.host:
        return True
    placement = Placement(cluster=frame.cluster, vm=vm, host=frame.hosts[host])
    return all(one.check(placement) is None for one in _NEEDED)
