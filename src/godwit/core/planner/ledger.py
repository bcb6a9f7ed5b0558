"""Who holds what while the moves of a plan are explained one after the other."""

from collections.abc import Sequence

import numpy as np

from godwit.core.planner.objective import has_of
from godwit.core.planner.reading import CPU, MEMORY, Reading
from godwit.core.planner.weights import Weights
from godwit.core.units import format_fraction

__all__ = ["Ledger"]


class Ledger:
    """The loads of all hosts, and what one more move changes in the terms that read them."""

    def __init__(self, reading: Reading, counted: np.ndarray, weights: Weights) -> None:
        used = reading.base.copy()
        np.add.at(used, reading.at, reading.need)
        self._used = used.tolist()
        self._scale = reading.scale.tolist()
        self._need = reading.need.tolist()
        self._counted = counted.tolist()
        self._count = int(counted.sum())
        shares = used / reading.scale
        self._sums = shares[counted].sum(axis=0).tolist()
        self._weights = weights
        self._size, self._room = reading.size.tolist(), reading.room.tolist()
        self._has: list[list[float]] = has_of(reading).tolist()
        held = np.zeros_like(reading.room)
        np.add.at(held, reading.at, reading.size)
        self._held = held.tolist()
        self._group_names = reading.group_names
        self._groups, self._place_of = reading.bundle_groups, reading.place_of
        self._inside = reading.group_base.copy()
        for number, groups in enumerate(reading.bundle_groups):
            for group in groups:
                self._inside[group, reading.place_of[group, reading.at[number]]] += 1
        self.where: list[int] = reading.at.tolist()

    def share(self, host: int, load: int, *, beside: int | None = None) -> float:
        """The share of a host's cores or memory that is used, with one more bundle there."""
        more = self._need[beside][load] if beside is not None else 0.0
        return float((self._used[host][load] + more) / self._scale[host][load])

    def move(self, bundle: int, host: int) -> None:
        """Let a bundle move."""
        for place, sign in ((self.where[bundle], -1.0), (host, 1.0)):
            for load in (CPU, MEMORY):
                change = sign * self._need[bundle][load]
                self._used[place][load] += change
                if self._counted[place]:
                    self._sums[load] += change / self._scale[place][load]
            for column, size in enumerate(self._size[bundle]):
                self._held[place][column] += int(sign) * size
            for group in self._groups[bundle]:
                self._inside[group, self._place_of[group, place]] += int(sign)
        self.where[bundle] = host

    def has_room(self, bundle: int, host: int, room: Sequence[int]) -> bool:
        """Whether a bundle fits into what a host may hold, and meets nobody there."""
        held, size = self._held[host], self._size[bundle]
        if any(
            more and have + more > most for have, more, most in zip(held, size, room, strict=True)
        ):
            return False
        source = self.where[bundle]
        for group in self._groups[bundle]:
            near, far = self._place_of[group, source], self._place_of[group, host]
            if near != far and self._inside[group, far] >= 1:
                return False
        return True

    def trouble(self, bundle: int) -> str:
        """For people: what is wrong where a bundle is, that its move mends."""
        here = self.where[bundle]
        for group in self._groups[bundle]:
            if self._inside[group, self._place_of[group, here]] > 1:
                return f"VMs that {self._group_names[group]!r} keeps apart"
        return "promised more than it has room for"

    def mended(self, bundle: int, host: int) -> float:
        """By how much less rooms are overfull, and VMs meet that are kept apart, after a move."""
        found, source = 0.0, self.where[bundle]
        for place, sign in ((source, -1), (host, 1)):
            for column, size in enumerate(self._size[bundle]):
                now, room = self._held[place][column], self._room[place][column]
                over = max(0, now - room) if now > 0 else 0
                then = now + sign * size
                over -= max(0, then - room) if then > 0 else 0
                found += over / self._has[place][column]
        for group in self._groups[bundle]:
            near, far = self._place_of[group, source], self._place_of[group, host]
            if near != far:
                found += int(self._inside[group, near] > 1) - int(self._inside[group, far] > 0)
        return found

    def gains(self, bundle: int, host: int) -> list[tuple[str, float]]:
        """The points by which each term gains when a bundle moves; below zero what it costs."""
        weights = self._weights
        found: dict[str, float] = {}
        for load, word, safe, hot, apart in (
            (CPU, "cpu", weights.cpu_safe_fraction, weights.hot_cpu, weights.imbalance_cpu),
            (
                MEMORY,
                "memory",
                weights.memory_safe_fraction,
                weights.hot_memory,
                weights.imbalance_memory,
            ),
        ):
            total, squares = 0.0, 0.0
            for place, sign in ((self.where[bundle], -1.0), (host, 1.0)):
                if not self._counted[place]:
                    continue
                scale, now = self._scale[place][load], self._used[place][load]
                then = now + sign * self._need[bundle][load]
                total += (then - now) / scale
                squares += (then / scale) ** 2 - (now / scale) ** 2
                cooler = max(0.0, now / scale - safe) - max(0.0, then / scale - safe)
                found[f"hot {word}"] = found.get(f"hot {word}", 0.0) + hot * cooler
                if load == CPU:
                    met = max(0.0, now - scale) - max(0.0, then - scale)
                    found["unmet cores"] = found.get("unmet cores", 0.0) + weights.unmet * met
            if self._count:
                mean = ((self._sums[load] + total) ** 2 - self._sums[load] ** 2) / self._count
                found[f"imbalance {word}"] = -apart * (squares - mean)
        return [(name, points) for name, points in found.items() if abs(points) > 1e-9]

    def text(self, host: int, *, beside: int | None = None) -> str:
        """For people: how full a host is, or would be with one more bundle."""
        return (
            f"{format_fraction(self.share(host, MEMORY, beside=beside))} of its memory promised"
            f" and {format_fraction(self.share(host, CPU, beside=beside))} of its cores busy"
        )
