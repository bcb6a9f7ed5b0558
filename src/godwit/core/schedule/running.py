"""Runs moves against the model of the links, from event to event, and notes who waited for whom.

A list scheduler: whenever something ends, the moves that wait are asked in their order, and each
that has room, slots and no one to meet starts. No start is allowed that could leave the others
without a way to end (the rule of the careful banker): a *witness*, an order in which the rest can
be carried out one by one, is known at every instant. So it never comes to a standstill.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from godwit.core.schedule.links import Copying, in_turn
from godwit.core.schedule.pools import Pool
from godwit.core.schedule.scene import Layout, Leg, Scene

__all__ = ["Timing", "bits_of", "run"]

#: Events as near to each other as this are one.
_INSTANT_S: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When each leg started and ended, and whose end it waited for, as bits; by number of leg.

    ``needs`` are those of them all, also of those that others wait for, whose leaving makes its
    room, or that bring the VM to where it starts.
    """

    starts_s: tuple[float, ...]
    ends_s: tuple[float, ...]
    after: tuple[int, ...]
    needs: tuple[int, ...]
    slices: tuple[tuple[tuple[float, float, float], ...], ...]

    @property
    def makespan_s(self) -> float:
        """When the last one ends."""
        return max(self.ends_s, default=0.0)


def run(
    scene: Scene,
    legs: Sequence[Leg],
    keys: Sequence[tuple[float, ...]],
    *,
    at_once: int | None = None,
    share: Callable[[Sequence[Copying], Sequence[float]], None] = in_turn,
) -> Timing:
    """Time all legs. They are given in an order in which they can be carried out one by one.

    ``keys`` say who is asked first, the lowest first. ``at_once`` is how many may be in flight on
    one way of a link, within the limits of the scene.
    """
    return _Run(scene, legs, keys, at_once, share).all()


class _Run:
    def __init__(
        self,
        scene: Scene,
        legs: Sequence[Leg],
        keys: Sequence[tuple[float, ...]],
        at_once: int | None,
        share: Callable[[Sequence[Copying], Sequence[float]], None],
    ) -> None:
        self.scene, self.legs, self.share = scene, legs, share
        self.now_s = 0.0
        count = len(legs)
        self.pending = sorted(range(count), key=lambda leg: (keys[leg], leg))
        self.before = previous_legs(legs)
        #: An order of all that has not started, and the layout when all that started has ended.
        self.witness = list(range(count))
        self.later = scene.start.copy()
        self.refused: set[int] = set()
        self.holders = scene.start.copy()
        self.departed: dict[tuple[int, int], int] = {}
        self.memory = [Pool(amount) for amount in scene.start.free_bytes]
        self.vcpus = [Pool(amount) for amount in scene.start.free_vcpus]
        pools = _slots(scene, at_once)
        #: By leg: the slots that it takes.
        self.slots = [_slots_of(scene, leg, pools) for leg in legs]
        #: By host: what of the witness comes to it, and how often something has ended there.
        self.coming = [(0, 0)] * len(scene.hosts)
        self.freed = [0] * len(scene.hosts)
        #: Legs that were told no by their own hosts, and what had ended at those by then.
        self.asleep: dict[int, tuple[int, int]] = {}
        for leg in legs:
            self.expect(leg, 1)
        self.ended = 0
        self.ancestors = [0] * count
        self.after = [0] * count
        self.needs = [0] * count
        self.starts_s, self.ends_s = [0.0] * count, [0.0] * count
        self.slices: list[tuple[tuple[float, float, float], ...]] = [()] * count
        self.copies: list[Copying] = []
        self.started = self.copied = self.nears = 0
        #: (when, what happens then, the how-manieth start, leg): of copies that begin at the same
        #: instant the one that was asked first goes first. Copies end by the rates in between.
        self.events: list[tuple[float, str, int, int]] = []
        self.links = [one for speed in scene.speeds for one in (speed, speed)]

    def expect(self, leg: Leg, sign: int) -> None:
        """A leg is still to come to its destination, or no longer."""
        memory_bytes, vcpus = self.coming[leg.destination]
        vm = self.scene.movers[leg.mover].vm
        more = sign * vm.memory_bytes, sign * vm.vcpus
        self.coming[leg.destination] = (memory_bytes + more[0], vcpus + more[1])

    def all(self) -> Timing:
        self.start_all()
        while self.events or self.copies:
            self.share(self.copies, self.links)
            step_s = min((one.next_s() for one in self.copies), default=float("inf"))
            next_s = self.now_s + step_s
            if self.events:
                next_s = min(next_s, self.events[0][0])
            assert next_s < float("inf"), "some copy always goes on"
            self.advance(next_s)
            ended = False
            while self.events and self.events[0][0] <= self.now_s + _INSTANT_S:
                _, what, _, leg = heapq.heappop(self.events)
                if what == "copy":
                    self.begin_copy(leg)
                else:
                    self.end(leg)
                    ended = True
            if ended:
                self.start_all()
        assert not self.pending, "the witness always finds a way"
        return Timing(
            starts_s=tuple(self.starts_s),
            ends_s=tuple(self.ends_s),
            after=tuple(self.after),
            needs=tuple(self.needs),
            slices=tuple(self.slices),
        )

    def advance(self, next_s: float) -> None:
        """Let all copies go on until then, and end those that are through."""
        step_s = max(0.0, next_s - self.now_s)
        through = []
        for one in self.copies:
            arrives = one.next_s() <= step_s + _INSTANT_S
            one.run(self.now_s, step_s)
            if not arrives:
                continue
            if one.near:
                through.append(one)
            else:
                one.near, one.left_bytes = True, one.near_bytes
                # The first to come near stays first: nothing is taken away so short before the end.
                self.nears += 1
                one.rank = self.nears
        self.now_s = next_s
        for one in through:
            self.copies.remove(one)
            self.slices[one.move] = tuple(one.slices)
            ending_s = self.scene.movers[self.legs[one.move].mover].effort.ending_s
            heapq.heappush(self.events, (self.now_s + ending_s, "end", 0, one.move))

    def begin_copy(self, number: int) -> None:
        leg = self.legs[number]
        effort, link = self.scene.movers[leg.mover].effort, self.scene.link_bytes_per_s(leg)
        copy = Copying(
            move=number,
            rank=self.copied,
            links=(2 * leg.source, 2 * leg.destination + 1),
            full_bytes_per_s=effort.full_bytes_per_s(link),
            written_bytes_per_s=effort.written_bytes_per_s(link),
            whole_bytes=effort.first_bytes,
            left_bytes=effort.first_bytes,
        )
        copy.near = copy.near_bytes >= copy.whole_bytes
        self.copied += 1
        self.copies.append(copy)

    def end(self, number: int) -> None:
        """The VM has left its source; what it held there is free."""
        leg, bit = self.legs[number], 1 << number
        mover = self.scene.movers[leg.mover]
        self.ended |= bit
        self.ends_s[number] = self.now_s
        self.holders.end(self.scene, mover, leg.source)
        self.memory[leg.source].give(mover.vm.memory_bytes, bit)
        self.vcpus[leg.source].give(mover.vm.vcpus, bit)
        for rule in mover.rules:
            key = (rule, self.scene.places[rule][leg.source])
            self.departed[key] = self.departed.get(key, 0) | bit
        for pool in self.slots[number]:
            pool.give(1, bit)
        self.freed[leg.source] += 1
        self.freed[leg.destination] += 1

    def start_all(self) -> None:
        """Start all that can start now, in their order."""
        self.pending = [one for one in self.pending if not self.has_started(one)]

    def has_started(self, number: int) -> bool:
        """Start it if it can start; says whether it did."""
        leg, before = self.legs[number], self.before[number]
        if number in self.refused:
            return False
        freed = (self.freed[leg.source], self.freed[leg.destination])
        if self.asleep.get(number) == freed:
            return False
        if before is not None and not self.ended >> before & 1:
            return False
        mover = self.scene.movers[leg.mover]
        if any(not pool.free for pool in self.slots[number]) or not self.holders.fits(
            self.scene, mover, leg.destination
        ):
            # What its hosts refuse they refuse until something ends there; rules of groups and the
            # limit of the whole may change their answer at any end.
            if not (mover.rules or mover.flights or self.scene.limits.whole):
                self.asleep[number] = freed
            return False
        witness = self.witness_without(number)
        if witness is None:
            self.refused.add(number)
            return False
        self.witness = witness
        self.expect(leg, -1)
        self.later.move(self.scene, leg)
        self.refused.clear()
        self.start(number)
        return True

    def start(self, number: int) -> None:
        leg, before = self.legs[number], self.before[number]
        mover = self.scene.movers[leg.mover]
        needed = 1 << before if before is not None else 0
        for rule in mover.rules:
            needed |= self.departed.get((rule, self.scene.places[rule][leg.destination]), 0)
        for pool, amount in (
            (self.memory[leg.destination], mover.vm.memory_bytes),
            (self.vcpus[leg.destination], mover.vm.vcpus),
        ):
            needed |= pool.take(amount, needed | self.known(needed))
        self.needs[number] = needed
        for pool in self.slots[number]:
            needed |= pool.take(1, needed | self.known(needed))
        self.after[number] = self.reduced(needed)
        self.ancestors[number] = needed | self.known(needed)
        self.holders.begin(self.scene, mover, leg.destination)
        self.starts_s[number] = self.now_s
        copies_at_s = self.now_s + mover.effort.setup_s
        heapq.heappush(self.events, (copies_at_s, "copy", self.started, number))
        self.started += 1

    def known(self, needed: int) -> int:
        """All that those wait for."""
        found = 0
        for one in bits_of(needed):
            found |= self.ancestors[one]
        return found

    def reduced(self, needed: int) -> int:
        """The same wait without those that others of them wait for anyway."""
        return needed & ~self.known(needed)

    def witness_without(self, number: int) -> list[int] | None:
        """An order for all others when this one starts now; None when none is found."""
        rest = [one for one in self.witness if one != number]
        if self.witness[0] == number or self.is_harmless(number):
            return rest
        layout = self.later.copy()
        layout.move(self.scene, self.legs[number])
        return completed(self.scene, layout, self.legs, rest)

    def is_harmless(self, number: int) -> bool:
        """Whether its destination has room for all that shall still come, whoever goes first."""
        leg = self.legs[number]
        memory_bytes, vcpus = self.coming[leg.destination]
        return (
            not self.scene.movers[leg.mover].rules
            and memory_bytes <= self.later.free_bytes[leg.destination]
            and vcpus <= self.later.free_vcpus[leg.destination]
        )


def previous_legs(legs: Sequence[Leg]) -> list[int | None]:
    """For each leg, the one before it of the same mover."""
    last: dict[int, int] = {}
    found: list[int | None] = []
    for number, leg in enumerate(legs):
        found.append(last.get(leg.mover))
        last[leg.mover] = number
    return found


def completed(
    scene: Scene, layout: Layout, legs: Sequence[Leg], order: Sequence[int]
) -> list[int] | None:
    """Carry legs out one by one: in this order, but one that does not fit waits for others.

    Returns the order in which they fitted; None when some never did. The layout is used up.
    """
    waiting, found = list(order), []
    # Each begins where the first of its legs that are left does.
    at = {legs[one].mover: legs[one].source for one in reversed(order)}
    progress = True
    while waiting and progress:
        progress, left = False, []
        for number in waiting:
            leg = legs[number]
            mover = scene.movers[leg.mover]
            if at[leg.mover] == leg.source and layout.fits(scene, mover, leg.destination):
                layout.move(scene, leg)
                at[leg.mover] = leg.destination
                found.append(number)
                progress = True
            else:
                left.append(number)
        waiting = left
    return None if waiting else found


def _slots(scene: Scene, at_once: int | None) -> dict[tuple[str, int], Pool]:
    limits = scene.limits
    pools: dict[tuple[str, int], Pool] = {}
    most = [one for one in (limits.per_link, at_once) if one is not None]
    for host in range(len(scene.hosts)):
        if limits.per_host is not None:
            pools["host", host] = Pool(limits.per_host)
        if most:
            pools["link", 2 * host] = Pool(min(most))
            pools["link", 2 * host + 1] = Pool(min(most))
    if limits.whole is not None:
        pools["whole", 0] = Pool(limits.whole)
    for number, one in enumerate(limits.groups):
        pools["group", number] = Pool(one.most)
    return pools


def _slots_of(scene: Scene, leg: Leg, pools: dict[tuple[str, int], Pool]) -> tuple[Pool, ...]:
    keys = [
        ("whole", 0),
        ("host", leg.source),
        ("host", leg.destination),
        ("link", 2 * leg.source),
        ("link", 2 * leg.destination + 1),
        *(("group", one) for one in scene.movers[leg.mover].flights),
    ]
    return tuple(pools[key] for key in keys if key in pools)


def bits_of(mask: int) -> list[int]:
    """The numbers whose bits are set, in their order."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found
