"""A pre-copy small enough to be read: QEMU's loop of passes and syncs, and guests that write.

Not QEMU: time is continuous, the bandwidth is constant and measured without error. What it does
keep is what steering works against: a pass ends when the known rest is below ``bandwidth x limit``,
only then is counted what the guest wrote meanwhile, and it switches over only when that count is
below the same threshold (FIELD_GUIDE 4.1).
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from godwit.core.model import Round
from godwit.core.plan import Recipe
from godwit.core.precopy import GiveUp, Keep, Order, RaisePause, Situation, steer

__all__ = ["Dirtying", "Ended", "Guest", "run"]

#: As many rounds as a migration keeps.
ROUNDS_KEPT = 200

#: QEMU sends for about this long before it counts again, however little is left.
SHORTEST_PASS_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Dirtying:
    """How a guest writes for a while: a rate, within a working set that it writes over and over."""

    lasts_s: float
    dirty_bytes_per_s: float
    working_set_bytes: float

    def add(self, dirty_bytes: float, duration_s: float) -> float:
        """Distinct bytes that are dirty after writing on for a while: saturates at the set."""
        room = self.working_set_bytes - dirty_bytes
        if room <= 0:
            return dirty_bytes
        written = self.dirty_bytes_per_s * duration_s / self.working_set_bytes
        return dirty_bytes + room * -math.expm1(-written)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A guest that goes through phases of writing, over and over; ``growth`` a round of them."""

    memory_bytes: int
    phases: tuple[Dirtying, ...]
    growth: float = 1.0

    @property
    def hot_bytes(self) -> float:
        """The largest of its working sets: the sets lie within one another."""
        return max(phase.working_set_bytes for phase in self.phases)

    def dirty_after(self, left_bytes: float, start_s: float, end_s: float) -> float:
        """What is dirty after a pass that left so much unsent: pages written twice count once."""
        written_bytes = self.dirtied(start_s, end_s)
        again = left_bytes / self.hot_bytes
        fresh_bytes = written_bytes * (1 - again) if again < 1 else written_bytes
        return min(float(self.memory_bytes), left_bytes + fresh_bytes)

    def dirtied(self, start_s: float, end_s: float) -> float:
        """Distinct bytes written between two instants."""
        dirty_bytes = 0.0
        at_s = 0.0
        for turn in itertools.count():
            for phase in self.phases:
                until_s = at_s + phase.lasts_s
                inside_s = min(until_s, end_s) - max(at_s, start_s)
                if inside_s > 0:
                    hotter = self.growth**turn * inside_s
                    dirty_bytes = phase.add(dirty_bytes, hotter)
                if until_s >= end_s:
                    return min(dirty_bytes, float(self.memory_bytes))
                at_s = until_s
        raise AssertionError


@dataclass(slots=True, kw_only=True)
class Ended:
    """What came of a simulated migration: ``residual_s`` is None when it never switched over."""

    residual_s: float | None = None
    gave_up: GiveUp | None = None
    limit_s: float
    rounds: list[Round] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def raises(self) -> list[RaisePause]:
        """Every raise that was ordered."""
        return [order for order in self.orders if isinstance(order, RaisePause)]


def run(
    guest: Guest,
    recipe: Recipe,
    bandwidth_bytes_per_s: float,
    *,
    rounds_max: int,
    steering: Callable[[Recipe, tuple[Round, ...], Situation], Order] = steer,
) -> Ended:
    """Copy until it switches over, is given up, or ``rounds_max`` rounds have passed."""
    ended = Ended(limit_s=recipe.pause_start_s)
    remaining = float(guest.memory_bytes)
    sent = 0.0
    for number in range(1, rounds_max + 1):
        ended.rounds.append(
            Round(
                number=number,
                ended_at_s=ended.took_s,
                remaining_bytes=round(remaining),
                transferred_bytes=round(sent),
                dirty_bytes_per_s=0.0,
                bandwidth_bytes_per_s=bandwidth_bytes_per_s if number > 1 else 0.0,
                pause_limit_s=ended.limit_s,
            )
        )
        if number > 1 and remaining < bandwidth_bytes_per_s * ended.limit_s:
            ended.residual_s = remaining / bandwidth_bytes_per_s
            return ended
        order = steering(
            recipe, tuple(ended.rounds[-ROUNDS_KEPT:]), Situation(pause_limit_s=ended.limit_s)
        )
        ended.orders.append(order)
        match order:
            case GiveUp():
                ended.gave_up = order
                return ended
            case RaisePause():
                ended.limit_s = order.limit_s
            case Keep():
                pass
        left = min(remaining, bandwidth_bytes_per_s * ended.limit_s)
        pass_s = max((remaining - left) / bandwidth_bytes_per_s, SHORTEST_PASS_S)
        pass_s = min(pass_s, max(remaining / bandwidth_bytes_per_s, 0.001))
        sent += bandwidth_bytes_per_s * pass_s
        left = max(0.0, remaining - bandwidth_bytes_per_s * pass_s)
        remaining = guest.dirty_after(left, ended.took_s, ended.took_s + pass_s)
        ended.took_s += pass_s
    return ended
