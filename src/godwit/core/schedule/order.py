"""Finds an order in which all moves can be carried out one by one, over transit hosts if need be.

If moves can be carried out at all, in whatever overlap, then also one by one in the order of their
starts: fewer hold room on two hosts. So this order decides what is possible, and times can come
later. Simple orders are tried first. Then a search over arrangements of the VMs: the fewest detours
first, and at last, if all arrangements were seen, the proof that there is no order.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from godwit.core.schedule.running import completed
from godwit.core.schedule.scene import Layout, Leg, Mover, Scene

__all__ = ["Order", "find_order"]

#: A detour counts like so many moves that are not done: one that brings two VMs home is worth it.
_DETOUR = 1.5

#: Transit hosts that are tried for one VM, unless a proof needs all of them.
_TRANSITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Legs that can be carried out one by one, and the movers that they leave where they are.

    ``is_proven``: every arrangement was looked at, so that no order moves all of them. ``layout``
    is what it looks like in the end.
    """

    legs: tuple[Leg, ...]
    left: tuple[int, ...]
    is_proven: bool
    layout: Layout


@dataclass(slots=True)
class _Node:
    at: tuple[int, ...]
    layout: Layout
    parent: "_Node | None"
    leg: Leg | None
    detours: int


@dataclass(slots=True)
class _Sought:
    """How a search ended: where it arrived, the best it came to, whether nothing was left."""

    found: _Node | None
    best: _Node
    is_exhausted: bool
    looked: int = field(default=0)


def find_order(scene: Scene, movers: Sequence[int], states: int) -> Order:
    """Order the moves of these movers, all others staying where they are."""
    direct = [Leg(one, scene.movers[one].source, scene.movers[one].destination) for one in movers]
    for legs in _simple(scene, direct):
        layout = scene.start.copy()
        order = completed(scene, layout, legs, range(len(legs)))
        if order is not None:
            return Order(
                legs=tuple(legs[at] for at in order), left=(), is_proven=False, layout=layout
            )
    sought = _search(scene, movers, states, is_proof=False)
    proven = False
    if sought.found is None and sought.is_exhausted:
        # The quick search leaves out what hardly ever helps. Only a full one proves anything.
        full = _search(scene, movers, states, is_proof=True)
        proven = full.found is None and full.is_exhausted
        sought = full if full.found is not None else sought
    end = sought.found or sought.best
    legs = _without_detours(scene, _path(end))
    layout = scene.start.copy()
    for leg in legs:
        layout.move(scene, leg)
    moved = {leg.mover for leg in legs}
    left = tuple(one for one in movers if one not in moved)
    return Order(legs=tuple(legs), left=left, is_proven=proven, layout=layout)


def _simple(scene: Scene, direct: Sequence[Leg]) -> Iterator[list[Leg]]:
    """Orders that suffice where room is not too tight."""

    def room(leg: Leg) -> int:
        return scene.start.free_bytes[leg.destination]

    def size(leg: Leg) -> int:
        return scene.movers[leg.mover].vm.memory_bytes

    yield sorted(direct, key=lambda leg: (-scene.movers[leg.mover].priority, leg.mover))
    yield sorted(direct, key=lambda leg: (-size(leg), leg.mover))
    yield sorted(direct, key=lambda leg: (size(leg), leg.mover))
    yield sorted(direct, key=lambda leg: (-room(leg), -size(leg), leg.mover))
    yield sorted(direct, key=lambda leg: (room(leg), size(leg), leg.mover))


def _search(scene: Scene, movers: Sequence[int], states: int, *, is_proof: bool) -> _Sought:
    """Look at arrangements, the most promising first."""
    start = _Node(
        tuple(scene.movers[one].source for one in movers), scene.start.copy(), None, None, 0
    )
    ends = tuple(scene.movers[one].destination for one in movers)
    sought = _Sought(None, start, is_exhausted=False)
    best_rank = _rank(scene, movers, start)
    seen = {start.at}
    count = 0
    heap: list[tuple[float, int, int, _Node]] = [(0.0, 0, 0, start)]
    while heap:
        node = heapq.heappop(heap)[3]
        if node.at == ends:
            sought.found = node
            return sought
        if (rank := _rank(scene, movers, node)) > best_rank:
            best_rank, sought.best = rank, node
        if sought.looked >= states:
            return sought
        sought.looked += 1
        for leg, layout, detours in _next(scene, movers, node, is_proof=is_proof):
            at = list(node.at)
            at[movers.index(leg.mover)] = leg.destination
            child = _Node(tuple(at), layout, node, leg, detours)
            if child.at in seen:
                continue
            seen.add(child.at)
            count += 1
            open_ = sum(one != end for one, end in zip(child.at, ends, strict=True))
            heapq.heappush(heap, (open_ + _DETOUR * detours, detours, count, child))
    sought.is_exhausted = True
    return sought


def _rank(scene: Scene, movers: Sequence[int], node: _Node) -> tuple[int, int, int]:
    """How good it would be to stop here: nobody in transit, then urgent and many moves done.

    Who stepped aside and came back would have moved for others, and not to where it is wanted: no
    plan has such moves.
    """
    done = urgent = 0
    moved = {leg.mover for leg in _path(node)} if node.detours else set[int]()
    for one, host in zip(movers, node.at, strict=True):
        mover = scene.movers[one]
        if host == mover.destination:
            done += 1
            urgent += max(0, mover.priority)
        elif host != mover.source or one in moved:
            return (-1, 0, 0)
    return (urgent, done, -node.detours)


def _next(
    scene: Scene, movers: Sequence[int], node: _Node, *, is_proof: bool
) -> Iterator[tuple[Leg, Layout, int]]:
    """The moves that are possible now, with what it looks like after each."""
    all_ = [(scene.movers[one], host) for one, host in zip(movers, node.at, strict=True)]
    away = [(mover, host) for mover, host in all_ if host != mover.destination]
    direct = [pair for pair in away if node.layout.fits(scene, pair[0], pair[0].destination)]
    for mover, host in direct:
        if _is_always_right(node.layout, mover, all_ if is_proof else away, is_proof=is_proof):
            # Whatever else is done, this can be done first: no other branch is needed.
            yield _stepped(scene, node, Leg(mover.number, host, mover.destination))
            return
    for mover, host in direct:
        yield _stepped(scene, node, Leg(mover.number, host, mover.destination))
    # In a proof, one that has arrived may step aside again.
    for mover, host in all_ if is_proof else away:
        for transit in _transits(scene, node.layout, mover, host, away, is_proof=is_proof):
            yield _stepped(scene, node, Leg(mover.number, host, transit))


def _stepped(scene: Scene, node: _Node, leg: Leg) -> tuple[Leg, Layout, int]:
    layout = node.layout.copy()
    layout.move(scene, leg)
    is_detour = leg.destination != scene.movers[leg.mover].destination
    return leg, layout, node.detours + is_detour


def _is_always_right(
    layout: Layout,
    mover: Mover,
    others: Sequence[tuple[Mover, int]],
    *,
    is_proof: bool,
) -> bool:
    """Whether its arrival takes nothing that another could need.

    Its destination has room for all that shall still come there; in a proof, for all that are not
    there, because each of them may step aside to it.
    """
    if mover.rules:
        return False
    coming = [
        one.vm
        for one, host in others
        if host != mover.destination and (is_proof or one.destination == mover.destination)
    ]
    return (
        sum(one.memory_bytes for one in coming) <= layout.free_bytes[mover.destination]
        and sum(one.vcpus for one in coming) <= layout.free_vcpus[mover.destination]
    )


def _transits(
    scene: Scene,
    layout: Layout,
    mover: Mover,
    host: int,
    away: Sequence[tuple[Mover, int]],
    *,
    is_proof: bool,
) -> list[int]:
    """Hosts where it could step aside, the roomiest first."""
    if not is_proof:
        if layout.fits(scene, mover, mover.destination):
            return []
        # Stepping aside helps only whom wants to come to where it stands, or may not meet it.
        if not any(
            one.number != mover.number
            and (
                one.destination == host or mover.number in layout.meets(scene, one, one.destination)
            )
            and not layout.fits(scene, one, one.destination)
            for one, _ in away
        ):
            return []
    found = [
        transit
        for transit in range(len(scene.hosts))
        if transit not in {host, mover.destination}
        and layout.fits(scene, mover, transit)
        and scene.may(mover.number, transit)
    ]
    found.sort(key=lambda one: (-layout.free_bytes[one], one))
    return found if is_proof else found[:_TRANSITS]


def _path(node: _Node) -> list[Leg]:
    legs: list[Leg] = []
    step: _Node | None = node
    while step is not None:
        if step.leg is not None:
            legs.append(step.leg)
        step = step.parent
    return legs[::-1]


def _without_detours(scene: Scene, legs: list[Leg]) -> list[Leg]:
    """Leave out each detour that turns out not to be needed."""
    for mover in sorted({leg.mover for leg in legs}):
        own = [at for at, leg in enumerate(legs) if leg.mover == mover]
        if len(own) < 2:
            continue
        whole = Leg(mover, legs[own[0]].source, legs[own[-1]].destination)
        shorter = [
            whole if at == own[-1] else leg for at, leg in enumerate(legs) if at not in own[:-1]
        ]
        order = completed(scene, scene.start.copy(), shorter, range(len(shorter)))
        if order is not None:
            legs = [shorter[at] for at in order]
    return legs
