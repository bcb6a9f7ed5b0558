"""Copies that run at the same time, and what each has of its links from moment to moment.

Godwit gives a link to one copy at a time as far as one can fill it (``core/precopy/sharing.py``);
the model here does the same, without the trickle of those that wait. The one that is about to
switch over goes first, so that its pause is that of a move alone. The other way, all at once and
alike, is what hypervisors do when nobody arranges them: plans are compared with it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Copying", "alike", "in_turn"]

#: A copy that is as near to its switch-over as this has its links before all others.
NEAR_S: Final = 2.0


@dataclass(slots=True, kw_only=True)
class Copying:
    """A copy under way. Lower ``rank`` goes first. ``links`` are two numbers of links.

    ``full_bytes_per_s`` is what its stream takes of links that it has to itself, and
    ``written_bytes_per_s`` what its guest writes meanwhile; ``left_bytes`` is what is still to be
    sent, of ``whole_bytes`` at first.
    """

    move: int
    rank: int
    links: tuple[int, int]
    full_bytes_per_s: float
    written_bytes_per_s: float
    whole_bytes: float
    left_bytes: float
    near: bool = False
    rate_bytes_per_s: float = 0.0
    slices: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def near_bytes(self) -> float:
        """What is left when it comes near to its switch-over."""
        return min(self.whole_bytes, NEAR_S * (self.full_bytes_per_s - self.written_bytes_per_s))

    def next_s(self) -> float:
        """When it ends or comes near, at the present rate; inf when it does neither."""
        net = self.rate_bytes_per_s - self.written_bytes_per_s
        if net <= 0:
            return math.inf
        until = 0.0 if self.near else self.near_bytes
        return max(0.0, self.left_bytes - until) / net

    def run(self, now_s: float, step_s: float) -> None:
        """Go on for a while at the present rate."""
        if step_s <= 0:
            return
        if self.rate_bytes_per_s > 0:
            last = self.slices[-1] if self.slices else None
            if last is not None and last[1] == now_s and last[2] == self.rate_bytes_per_s:
                self.slices[-1] = (last[0], now_s + step_s, self.rate_bytes_per_s)
            else:
                self.slices.append((now_s, now_s + step_s, self.rate_bytes_per_s))
        if self.rate_bytes_per_s > 0 or self.left_bytes < self.whole_bytes:
            self.left_bytes = min(
                self.whole_bytes,
                self.left_bytes - (self.rate_bytes_per_s - self.written_bytes_per_s) * step_s,
            )


def in_turn(copies: Sequence[Copying], speeds: Sequence[float]) -> None:
    """Give the links to the copies in their order, each as much as it can use."""
    free = list(speeds)
    for one in sorted(copies, key=lambda copy: (not copy.near, copy.rank)):
        out, into = one.links
        one.rate_bytes_per_s = min(one.full_bytes_per_s, free[out], free[into])
        free[out] -= one.rate_bytes_per_s
        free[into] -= one.rate_bytes_per_s


def alike(copies: Sequence[Copying], speeds: Sequence[float]) -> None:
    """Give every copy as much as can be given to all: max-min fair over all links."""
    free = list(speeds)
    open_ = sorted(copies, key=lambda copy: copy.full_bytes_per_s)
    for one in open_:
        one.rate_bytes_per_s = 0.0
    while open_:
        users: dict[int, int] = {}
        for one in open_:
            for link in one.links:
                users[link] = users.get(link, 0) + 1
        by_link = min(free[link] / count for link, count in users.items())
        step = min(by_link, *(one.full_bytes_per_s - one.rate_bytes_per_s for one in open_))
        for one in open_:
            one.rate_bytes_per_s += step
            for link in one.links:
                free[link] -= step
        tight = {link for link in users if free[link] <= speeds[link] * 1e-12}
        open_ = [
            one
            for one in open_
            if one.rate_bytes_per_s < one.full_bytes_per_s * (1 - 1e-12)
            and not tight.intersection(one.links)
        ]
