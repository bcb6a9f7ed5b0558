"""What can't be in the end, whatever the order; and what stays put when others do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from godwit.core.model import VmGroup
from godwit.core.schedule.scene import Layout, Mover, Scene
from godwit.core.units import format_bytes

__all__ = ["Dropped", "drop_overfull", "drop_split", "end_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A mover that is left out before any order is looked for."""

    mover: int
    why: str
    remedy: str


def end_of(scene: Scene, movers: Iterable[int]) -> Layout:
    """Return the layout when these have moved, which may hold more than there is room for."""
    layout = scene.start.copy()
    moving = [scene.movers[one] for one in movers]
    for mover in moving:
        layout.end(scene, mover, mover.source)
    for mover in moving:
        layout.begin(scene, mover, mover.destination)
    return layout


def drop_overfull(scene: Scene) -> tuple[list[int], list[Dropped]]:
    """Leave moves out until what is left could stand in the end.

    Of those that can't all be there, the least urgent goes first, then the largest.
    """
    kept = [one.number for one in scene.movers]
    dropped: list[Dropped] = []
    while (found := _too_much(scene, kept)) is not None or (found := drop_split(scene, kept, kept)):
        for one in found:
            kept.remove(one.mover)
        dropped += found
    return kept, dropped


def _too_much(scene: Scene, kept: Sequence[int]) -> list[Dropped] | None:
    layout = end_of(scene, kept)
    for host, name in enumerate(scene.hosts):
        coming = [scene.movers[one] for one in kept if scene.movers[one].destination == host]
        if not coming:
            continue
        coming.sort(key=lambda one: (one.priority, -one.vm.memory_bytes, one.number))
        if (short := -layout.free_bytes[host]) > 0:
            what = f"{format_bytes(short)} of memory"
        elif (lacking := -layout.free_vcpus[host]) > 0:
            what = f"{lacking} vCPUs"
        else:
            found = _meeting(scene, layout, coming)
            if found is not None:
                return [found]
            continue
        one = coming[0]
        why = f"with all that shall be there in the end, {name} would lack {what}"
        remedy = f"Free {what} on {name}, or send {one.vm.name} elsewhere."
        return [Dropped(mover=one.number, why=why, remedy=remedy)]
    return None


def _meeting(scene: Scene, layout: Layout, coming: Sequence[Mover]) -> Dropped | None:
    for mover in coming:
        if met := layout.meets(scene, mover, mover.destination):
            others = ", ".join(sorted(named(scene, one) for one in met))
            return Dropped(
                mover=mover.number,
                why=f"in the end it would be beside {others}, which a rule keeps apart",
                remedy=f"Send {mover.vm.name} or {others} elsewhere.",
            )
    return None


def named(scene: Scene, number: int) -> str:
    """The name of a mover; one that does not move has a number below zero, and no name here."""
    return scene.movers[number].vm.name if number >= 0 else "a VM that stays"


def drop_split(scene: Scene, moved: Sequence[int], kept: Sequence[int]) -> list[Dropped]:
    """Leave out all of a group that would be split when only ``moved`` move."""
    for group in scene.cluster.groups:
        members = [one for one in kept if scene.movers[one].vm.id in group.members]
        if not group.together or not members:
            continue
        before, after = _hosts_of(scene, group, ()), _hosts_of(scene, group, moved)
        if len(after) > max(1, len(before)):
            return [
                Dropped(
                    mover=one,
                    why=f"the affinity group {group.name!r} would be split:"
                    f" its VMs would be on {', '.join(sorted(after))}",
                    remedy=f"Move the group {group.name!r} as a whole.",
                )
                for one in members
            ]
    return []


def _hosts_of(scene: Scene, group: VmGroup, moved: Sequence[int]) -> set[str]:
    ends = {scene.movers[one].vm.id: scene.hosts[scene.movers[one].destination] for one in moved}
    return {
        ends.get(one.id, one.host)
        for one in scene.cluster.vms
        if one.id in group.members and one.is_active
    }
