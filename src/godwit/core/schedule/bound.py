"""How soon the last move could possibly end, in the model of ``effort`` and for any order at all.

Three kinds of bound, the largest counts. A *link* must carry all bytes that leave or enter its
host, one after the other, each no sooner than its destination can have room. A *chain* is one move
that must wait until others have left. A *limit* on moves in flight divides the time of all of them.
Detours are allowed: so a VM may leave as soon as any host has room for it.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from godwit.core.schedule.effort import Effort
from godwit.core.schedule.scene import Mover, Scene

__all__ = ["Bound", "lower_bound"]

#: Sums of floats differ in their last digits: so much is taken off, that the bound stays below.
_SURE: Final = 1 - 1e-9

#: Rounds in which the waits of one move sharpen those of the next.
_ROUNDS: Final = 8

#: Seconds, and what they come from.
Bound = tuple[float, str]


def lower_bound(scene: Scene, movers: Sequence[int]) -> Bound:
    """Return the bound and what it is set by; 0 when nothing moves."""
    moving = [scene.movers[one] for one in movers]
    waits = _Waits(scene, moving)
    found: list[Bound] = [(0.0, "nothing moves")]
    for mover in moving:
        effort = mover.effort
        link = min(scene.speeds[mover.source], scene.speeds[mover.destination])
        alone_s = effort.total_s(link)
        found.append((alone_s, f"the move of {mover.vm.name} alone"))
        enters_s = waits.enters_s[mover.number]
        if enters_s > 0:
            last_s = effort.total_s(scene.speeds[mover.destination])
            chain = f"the move of {mover.vm.name}, for which others must leave first"
            found.append((enters_s + last_s, chain))
    found += _link_bounds(scene, moving, waits)
    found += _limit_bounds(scene, moving, waits)
    seconds, what = max((one for one in found if one[0] < math.inf), key=lambda one: one[0])
    return seconds * _SURE, what


class _Waits:
    """How soon each may leave its source, and enter its destination: never later than it can."""

    def __init__(self, scene: Scene, moving: Sequence[Mover]) -> None:
        self.scene, self.moving = scene, moving
        self.leaving: dict[int, list[Mover]] = {}
        for one in moving:
            self.leaving.setdefault(one.source, []).append(one)
        self.moves = {one.number for one in moving}
        self.starts_s = {one.number: 0.0 for one in moving}
        self.enters_s = {one.number: 0.0 for one in moving}
        for _ in range(_ROUNDS):
            before = (dict(self.starts_s), dict(self.enters_s))
            for one in moving:
                self.enters_s[one.number] = self.room_s(one, one.destination)
                self.starts_s[one.number] = self.start_s(one)
            if (self.starts_s, self.enters_s) == before:
                break

    def gone_s(self, mover: Mover) -> float:
        """When it can have left its source."""
        return self.starts_s[mover.number] + mover.effort.total_s(self.scene.speeds[mover.source])

    def start_s(self, mover: Mover) -> float:
        """When any host at all can have room for it."""
        soonest_s = self.enters_s[mover.number]
        for host in range(len(self.scene.hosts)):
            if soonest_s <= 0:
                break
            if host not in {mover.source, mover.destination}:
                room_s = self.room_s(mover, host)
                if room_s < soonest_s and self.scene.may(mover.number, host):
                    soonest_s = room_s
        return soonest_s

    def room_s(self, mover: Mover, host: int) -> float:
        """When a host can have room for it, and nobody there whom it must not meet."""
        layout, vm = self.scene.start, mover.vm
        soonest_s = 0.0
        for lacking, size in (
            (vm.memory_bytes - layout.free_bytes[host], lambda one: one.vm.memory_bytes),
            (vm.vcpus - layout.free_vcpus[host], lambda one: one.vm.vcpus),
        ):
            if lacking > 0:
                soonest_s = max(soonest_s, self.freed_s(mover, host, lacking, size))
        for other in layout.meets(self.scene, mover, host):
            if other not in self.moves:
                return math.inf
            soonest_s = max(soonest_s, self.gone_s(self.scene.movers[other]))
        return soonest_s

    def freed_s(self, mover: Mover, host: int, lacking: int, size: Callable[[Mover], int]) -> float:
        """When enough can have left a host: by the ends of the first, and by the link out."""
        leaving = [one for one in self.leaving.get(host, ()) if one.number != mover.number]
        if sum(size(one) for one in leaving) < lacking:
            return math.inf
        freed, by_ends_s = 0, 0.0
        for one in sorted(leaving, key=lambda other: (self.gone_s(other), other.number)):
            freed += size(one)
            by_ends_s = self.gone_s(one)
            if freed >= lacking:
                break
        speed = self.scene.speeds[host]
        left, by_link_s = float(lacking), 0.0
        for one in sorted(
            leaving,
            key=lambda other: (_link_s(other.effort, speed) / max(1, size(other)), other.number),
        ):
            part = min(1.0, left / max(1, size(one)))
            by_link_s += part * _link_s(one.effort, speed)
            left -= part * size(one)
            if left <= 0:
                break
        fixed_s = min(one.effort.setup_s for one in leaving)
        fixed_s += min(one.effort.ending_s for one in leaving)
        return max(by_ends_s, fixed_s + by_link_s)


def _link_s(effort: Effort, link_bytes_per_s: float) -> float:
    """The time of a link that it needs at least."""
    return effort.sent_bytes(link_bytes_per_s) / link_bytes_per_s


def _link_bounds(scene: Scene, moving: Sequence[Mover], waits: _Waits) -> Iterable[Bound]:
    for host, name in enumerate(scene.hosts):
        for way, users, starts_s in (
            ("out of", [one for one in moving if one.source == host], waits.starts_s),
            ("into", [one for one in moving if one.destination == host], waits.enters_s),
        ):
            jobs = [
                (
                    starts_s[one.number] + one.effort.setup_s,
                    _link_s(one.effort, scene.speeds[host]),
                    one.effort.ending_s,
                )
                for one in users
                if starts_s[one.number] < math.inf
            ]
            if jobs:
                yield _one_by_one_s(jobs), f"the bytes {way} {name}, {len(jobs)} moves"


def _one_by_one_s(jobs: Sequence[tuple[float, float, float]]) -> float:
    """When all are done at the soonest, one at a time, each (ready at, lasting, then still).

    Exact where a job may be interrupted, which no real order can beat: the longest rest goes first.
    """
    waiting = sorted(jobs)
    ready: list[tuple[float, float]] = []
    now_s = end_s = 0.0
    at = 0
    while at < len(waiting) or ready:
        if not ready:
            now_s = max(now_s, waiting[at][0])
        while at < len(waiting) and waiting[at][0] <= now_s:
            heapq.heappush(ready, (-waiting[at][2], waiting[at][1]))
            at += 1
        rest, left_s = heapq.heappop(ready)
        until_s = waiting[at][0] if at < len(waiting) else math.inf
        if now_s + left_s <= until_s:
            now_s += left_s
            end_s = max(end_s, now_s - rest)
        else:
            heapq.heappush(ready, (rest, left_s - (until_s - now_s)))
            now_s = until_s
    return end_s


def _limit_bounds(scene: Scene, moving: Sequence[Mover], waits: _Waits) -> Iterable[Bound]:
    """All moves that a limit speaks of, laid end to end in as many rows as it allows."""
    limits = scene.limits
    groups: list[tuple[str, int | None, list[tuple[Mover, float]]]] = []
    whole = [(one, min(scene.speeds[one.source], scene.speeds[one.destination])) for one in moving]
    groups.append(("the limit of moves in flight", limits.whole, whole))
    for number, one in enumerate(limits.groups):
        rows = [(mover, speed) for mover, speed in whole if number in mover.flights]
        groups.append((f"the limit of the group {one.name}", one.most, rows))
    for host, name in enumerate(scene.hosts):
        out = [(one, scene.speeds[host]) for one in moving if one.source == host]
        into = [(one, scene.speeds[host]) for one in moving if one.destination == host]
        groups.append((f"the limit of moves of {name}", limits.per_host, out + into))
        groups.append((f"the limit of moves out of {name}", limits.per_link, out))
        groups.append((f"the limit of moves into {name}", limits.per_link, into))
    for what, most, rows in groups:
        if most is not None and rows:
            total_s = sum(mover.effort.total_s(speed) for mover, speed in rows)
            yield min(waits.starts_s[one.number] for one, _ in rows) + total_s / most, what
