"""A timed plan laid beside its cluster: who stays where, from which move until which.

Everything is read anew from the cluster and the plan. It knows nothing of how a plan is made.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from godwit.core.audit.widths import heaviest
from godwit.core.model import Cluster, Host, HostName, Vm, VmId
from godwit.core.timed import MoveId, TimedMove, TimedPlan

__all__ = ["Replay", "Stay", "replayed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A VM that holds room on a host, from the start of a move until the end of another.

    ``since`` None: it was there before the plan. ``until`` None: it stays.
    """

    vm: VmId
    host: HostName
    memory_bytes: int
    vcpus: int
    since: MoveId | None
    until: MoveId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The plan with its order worked out. ``ancestors`` holds all that a move waits for, at last.

    ``is_ordered`` is False when moves wait for each other: then nothing can be said of states.
    """

    cluster: Cluster
    plan: TimedPlan
    hosts: Mapping[HostName, Host]
    vms: Mapping[VmId, tuple[Vm, ...]]
    moves: Mapping[MoveId, TimedMove]
    ancestors: Mapping[MoveId, frozenset[MoveId]]
    is_ordered: bool
    by_vm: Mapping[VmId, tuple[TimedMove, ...]]
    stays: tuple[Stay, ...]

    def of_vm(self, vm: VmId) -> tuple[TimedMove, ...]:
        """The moves of one VM, the first first as the order has it."""
        return self.by_vm.get(vm, ())

    def is_before(self, first: Stay, second: Stay) -> bool:
        """Whether the second can begin only when the first has ended."""
        if first.until is None or second.since is None:
            return False
        return first.until in self.ancestors[second.since]

    def most(self, stays: Sequence[Stay], size: Callable[[Stay], int]) -> int:
        """The most that these can hold at once, in any course that the order allows."""
        before = [
            [at for at, other in enumerate(stays) if self.is_before(one, other)] for one in stays
        ]
        return heaviest([size(one) for one in stays], before)

    def beside(self, stay: Stay, stays: Iterable[Stay]) -> list[Stay]:
        """Those of the stays that may be held while this one is."""
        return [
            one
            for one in stays
            if one is not stay and not self.is_before(one, stay) and not self.is_before(stay, one)
        ]

    def begins_s(self, stay: Stay) -> float:
        """When it is expected to begin."""
        return 0.0 if stay.since is None else self.moves[stay.since].starts_s.likely

    def ends_s(self, stay: Stay) -> float:
        """When it is expected to end; inf for one that stays."""
        return float("inf") if stay.until is None else self.moves[stay.until].ends_s.likely

    def held_at(self, at_s: float, stays: Iterable[Stay]) -> list[Stay]:
        """Those that are held at an instant; what ends there has ended."""
        return [one for one in stays if self.begins_s(one) <= at_s < self.ends_s(one)]


def replayed(cluster: Cluster, plan: TimedPlan) -> Replay:
    """Lay the plan beside the cluster. Nothing is judged here; what has no sense is left out."""
    vms: dict[VmId, tuple[Vm, ...]] = {}
    for vm in cluster.vms:
        vms[vm.id] = (*vms.get(vm.id, ()), vm)
    moves = {one.id: one for one in plan.moves}
    ancestors, is_ordered = _ancestors(moves)
    by_vm: dict[VmId, tuple[TimedMove, ...]] = {}
    for move in sorted(plan.moves, key=lambda one: (len(ancestors[one.id]), one.id)):
        by_vm[move.vm] = (*by_vm.get(move.vm, ()), move)
    return Replay(
        cluster=cluster,
        plan=plan,
        hosts={one.name: one for one in cluster.hosts},
        vms=vms,
        moves=moves,
        ancestors=ancestors,
        is_ordered=is_ordered,
        by_vm=by_vm,
        stays=tuple(_stays(cluster, vms, by_vm)),
    )


def _ancestors(
    moves: Mapping[MoveId, TimedMove],
) -> tuple[dict[MoveId, frozenset[MoveId]], bool]:
    """All that each move waits for, directly or not; and whether that is an order at all."""
    found: dict[MoveId, frozenset[MoveId]] = {}
    left = sorted(moves)
    while left:
        ready = [
            one
            for one in left
            if all(other in found or other not in moves for other in moves[one].after)
        ]
        if not ready:
            break
        for one in ready:
            known = {other for other in moves[one].after if other in moves}
            found[one] = frozenset(known).union(*(found[other] for other in known))
        left = [one for one in left if one not in found]
    for one in left:
        found[one] = frozenset()
    return found, not left


def _stays(
    cluster: Cluster,
    vms: Mapping[VmId, tuple[Vm, ...]],
    by_vm: Mapping[VmId, tuple[TimedMove, ...]],
) -> Iterable[Stay]:
    """Who holds what: every VM where it is and where it goes, and what is promised already."""
    for vm in cluster.vms:
        if not vm.is_active:
            continue
        own = by_vm.get(vm.id, ())
        # It holds its room until it has left for good.
        leaves = next((one for one in own if one.source == vm.host), None)
        yield _stay(vm, vm.host, None, leaves.id if leaves is not None else None)
    for vm_id, own in by_vm.items():
        sightings = vms.get(vm_id, ())
        if not sightings:
            continue
        for at, move in enumerate(own):
            onward = own[at + 1].id if at + 1 < len(own) else None
            yield _stay(sightings[0], move.destination, move.id, onward)
    there = {(vm.id, vm.host) for vm in cluster.vms if vm.is_active}
    for promise in cluster.reservations:
        if (promise.vm, promise.host) not in there:
            yield Stay(
                vm=promise.vm,
                host=promise.host,
                memory_bytes=promise.memory_bytes,
                vcpus=promise.vcpus,
                since=None,
                until=None,
            )


def _stay(vm: Vm, host: HostName, since: MoveId | None, until: MoveId | None) -> Stay:
    # The sizes are those of the cluster: what a plan says of them is not believed.
    return Stay(
        vm=vm.id,
        host=host,
        memory_bytes=vm.memory_bytes,
        vcpus=vm.vcpus,
        since=since,
        until=until,
    )
