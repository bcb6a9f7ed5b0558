"""Says why moves can't be ordered, and what would make it possible."""

from collections.abc import Sequence

from godwit.core.schedule.ends import Dropped, named
from godwit.core.schedule.order import Order
from godwit.core.schedule.scene import Layout, Mover, Scene
from godwit.core.timed import Stuck, StuckKind
from godwit.core.units import format_bytes

__all__ = ["stuck_of_drop", "stuck_of_order"]


def stuck_of_drop(scene: Scene, one: Dropped) -> Stuck:
    """A move that can't stand in the end: that needs no search to be proven."""
    return _stuck(scene, scene.movers[one.mover], StuckKind.IMPOSSIBLE, one.why, one.remedy)


def stuck_of_order(scene: Scene, order: Order) -> tuple[Stuck, ...]:
    """The moves that an order leaves out, each with what it waits for in vain."""
    kind = StuckKind.IMPOSSIBLE if order.is_proven else StuckKind.NOT_FOUND
    left = [scene.movers[one] for one in order.left]
    ring = _ring(scene, order.layout, left)
    remedy = _remedy(scene, order.layout, left)
    found = []
    for mover in left:
        why = _why(scene, order.layout, mover, left)
        if mover.number in ring:
            names = " -> ".join(scene.movers[one].vm.name for one in (*ring, ring[0]))
            why += f"; they wait for each other: {names}"
        why += (
            "; no order of these moves exists, with any detour of them"
            if order.is_proven
            else "; no order was found among those that were looked at"
        )
        found.append(_stuck(scene, mover, kind, why, remedy))
    return tuple(found)


def _why(scene: Scene, layout: Layout, mover: Mover, left: Sequence[Mover]) -> str:
    name = scene.hosts[mover.destination]
    blockers = ", ".join(one.vm.name for one in left if one.source == mover.destination)
    until = f" until {blockers} has left it" if blockers else ""
    lacking = mover.vm.memory_bytes - layout.free_bytes[mover.destination]
    if lacking > 0:
        room = format_bytes(max(0, layout.free_bytes[mover.destination]))
        return (
            f"{name} has room for {room} and it needs {format_bytes(mover.vm.memory_bytes)}{until}"
        )
    if mover.vm.vcpus > layout.free_vcpus[mover.destination]:
        room = f"{max(0, layout.free_vcpus[mover.destination])} vCPUs"
        return f"{name} has room for {room} and it needs {mover.vm.vcpus}{until}"
    if met := layout.meets(scene, mover, mover.destination):
        others = ", ".join(sorted(named(scene, one) for one in met))
        return f"a rule keeps it apart from {others} on {name}{until}"
    return f"its arrival on {name} would leave no way for the others"


def _ring(scene: Scene, layout: Layout, left: Sequence[Mover]) -> tuple[int, ...]:
    """The movers that wait for each other in a ring of hosts; empty when there is none."""
    waits: dict[int, int] = {}
    for mover in left:
        if layout.fits(scene, mover, mover.destination):
            continue
        blocking = [one.number for one in left if one.source == mover.destination]
        if blocking:
            waits[mover.number] = blocking[0]
    for first in sorted(waits):
        walk = [first]
        while (onward := waits.get(walk[-1])) is not None and onward not in walk:
            walk.append(onward)
        if onward is not None:
            return tuple(walk[walk.index(onward) :])
    return ()


def _remedy(scene: Scene, layout: Layout, left: Sequence[Mover]) -> str:
    """The least room that would let one of them step aside or arrive."""
    best: tuple[int, int, int] | None = None
    for mover in left:
        for host in range(len(scene.hosts)):
            if host == mover.source or layout.meets(scene, mover, host):
                continue
            if mover.vm.vcpus > layout.free_vcpus[host] or not scene.may(mover.number, host):
                continue
            lacking = mover.vm.memory_bytes - layout.free_bytes[host]
            if lacking > 0 and (best is None or (lacking, host, mover.number) < best):
                best = (lacking, host, mover.number)
    names = ", ".join(one.vm.name for one in left)
    if best is None:
        return f"Add a host that may run one of {names}, or leave one of these moves out."
    lacking, host, number = best
    mover, name = scene.movers[number], scene.hosts[host]
    aside = "arrive" if host == mover.destination else "step aside there"
    return (
        f"Free {format_bytes(lacking)} on {name}, so that {mover.vm.name} can {aside};"
        f" or add a host that may run one of {names}."
    )


def _stuck(scene: Scene, mover: Mover, kind: StuckKind, why: str, remedy: str) -> Stuck:
    return Stuck(
        vm=mover.vm.id,
        vm_name=mover.vm.name,
        source=scene.hosts[mover.source],
        destination=scene.hosts[mover.destination],
        kind=kind,
        why=why,
        remedy=remedy,
    )
