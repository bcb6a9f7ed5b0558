"""A pre-copy small enough to be read: QEMU's loop of passes and syncs, and guests that write.

Not QEMU: time is continuous. What it does keep is what steering works against: a pass ends when the
known rest is below ``bandwidth x limit``, only then is counted what the guest wrote meanwhile, and
it switches over only when that count is below the same threshold (FIELD_GUIDE 4.1). The bandwidth
may change, and what is measured of it may be wrong; the pause is what the rest really takes.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from godwit.core.model import Round
from godwit.core.plan import Recipe
from godwit.core.precopy import (
    GiveUp,
    Keep,
    Order,
    RaiseBandwidth,
    RaisePause,
    RaiseThrottle,
    Situation,
    StartPostcopy,
    steer,
)

__all__ = ["Dirtying", "Ended", "Guest", "Steering", "Stream", "run"]

#: As many rounds as a migration keeps.
ROUNDS_KEPT = 200

#: QEMU sends for about this long before it counts again, however little is left.
SHORTEST_PASS_S = 0.05

#: QEMU looks at the throttle at syncs this far apart, and acts at every second of them.
THROTTLE_EVERY_S = 2.0

Steering = Callable[[Recipe, tuple[Round, ...], Situation], Order]


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

    def dirty_after(
        self, left_bytes: float, start_s: float, end_s: float, *, slowed: float = 0.0
    ) -> float:
        """What is dirty after a pass that left so much unsent: pages written twice count once."""
        written_bytes = self.dirtied(start_s, end_s, slowed=slowed)
        again = left_bytes / self.hot_bytes
        fresh_bytes = written_bytes * (1 - again) if again < 1 else written_bytes
        return min(float(self.memory_bytes), left_bytes + fresh_bytes)

    def dirtied(self, start_s: float, end_s: float, *, slowed: float = 0.0) -> float:
        """Distinct bytes written between two instants, with its vCPUs slowed by a fraction."""
        dirty_bytes = 0.0
        at_s = 0.0
        for turn in itertools.count():
            for phase in self.phases:
                until_s = at_s + phase.lasts_s
                inside_s = min(until_s, end_s) - max(at_s, start_s)
                if inside_s > 0:
                    hotter = self.growth**turn * inside_s * (1 - slowed)
                    dirty_bytes = phase.add(dirty_bytes, hotter)
                if until_s >= end_s:
                    return min(dirty_bytes, float(self.memory_bytes))
                at_s = until_s
        raise AssertionError


def _as_it_is(_: int) -> float:
    return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What the path carries at each instant, and how far off each round's measurement is."""

    bytes_per_s: Callable[[float], float]
    measured: Callable[[int], float] = _as_it_is
    is_healthy: bool = True


@dataclass(slots=True, kw_only=True)
class Ended:
    """What came of a simulated migration: ``residual_s`` is None when it never switched over."""

    residual_s: float | None = None
    gave_up: GiveUp | None = None
    postcopy: StartPostcopy | None = None
    limit_s: float
    throttle_fraction: float = 0.0
    rounds: list[Round] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def raises(self) -> list[RaisePause]:
        """Every raise that was ordered."""
        return [order for order in self.orders if isinstance(order, RaisePause)]


@dataclass(slots=True, kw_only=True)
class _Copy:
    """A copy under way: the orders that are in force."""

    recipe: Recipe
    stream: Stream
    ended: Ended
    cap_bytes_per_s: float | None
    step_fraction: float = 0.0
    changed_at_s: float | None = None
    throttled_at_s: float = 0.0

    @property
    def path_bytes_per_s(self) -> float:
        return self.stream.bytes_per_s(self.ended.took_s)

    @property
    def bytes_per_s(self) -> float:
        return min(self.path_bytes_per_s, self.cap_bytes_per_s or math.inf)

    def situation(self) -> Situation:
        return Situation(
            pause_limit_s=self.ended.limit_s,
            copying_s=self.ended.took_s,
            bandwidth_bytes_per_s=self.cap_bytes_per_s,
            throttle_increment_fraction=self.step_fraction,
            changed_at_s=self.changed_at_s,
            path_is_healthy=self.stream.is_healthy,
        )

    def obey(self, order: Order) -> bool:
        """Carry an order out; whether the copy goes on."""
        match order:
            case GiveUp():
                self.ended.gave_up = order
            case StartPostcopy():
                self.ended.postcopy = order
            case RaisePause():
                self.ended.limit_s = order.limit_s
            case RaiseBandwidth():
                self.cap_bytes_per_s = order.bytes_per_s
                self.changed_at_s = self.ended.took_s
            case RaiseThrottle():
                self.step_fraction = order.increment_fraction
                self.changed_at_s = self.ended.took_s
            case Keep():
                pass
        return not isinstance(order, GiveUp | StartPostcopy)

    def throttle(self) -> None:
        """Slow the guest by one more step, as QEMU does at a sync."""
        ended = self.ended
        if self.step_fraction and ended.took_s - self.throttled_at_s >= THROTTLE_EVERY_S:
            ended.throttle_fraction = min(0.99, ended.throttle_fraction + self.step_fraction)
            self.throttled_at_s = ended.took_s


def run(
    guest: Guest,
    recipe: Recipe,
    stream: float | Stream,
    *,
    rounds_max: int,
    steering: Steering = steer,
) -> Ended:
    """Copy until it switches over, is given up, or ``rounds_max`` rounds have passed."""
    if not isinstance(stream, Stream):
        steady = float(stream)
        stream = Stream(bytes_per_s=lambda _: steady)
    ended = Ended(limit_s=recipe.pause_start_s)
    copy = _Copy(
        recipe=recipe, stream=stream, ended=ended, cap_bytes_per_s=recipe.bandwidth_bytes_per_s
    )
    remaining = float(guest.memory_bytes)
    sent = 0.0
    pass_s: float | None = None
    for number in range(1, rounds_max + 1):
        copy.throttle()
        measured = copy.bytes_per_s * stream.measured(number)
        ended.rounds.append(
            Round(
                number=number,
                ended_at_s=ended.took_s,
                remaining_bytes=round(remaining),
                transferred_bytes=round(sent),
                dirty_bytes_per_s=0.0 if number == 1 else remaining / max(pass_s or 1.0, 0.001),
                bandwidth_bytes_per_s=measured if number > 1 else 0.0,
                pause_limit_s=ended.limit_s,
                took_s=pass_s,
                throttle_fraction=ended.throttle_fraction,
            )
        )
        if number > 1 and remaining < measured * ended.limit_s:
            # The switch-over lifts the limit of the stream.
            ended.residual_s = remaining / copy.path_bytes_per_s
            return ended
        ended.orders.append(steering(recipe, tuple(ended.rounds[-ROUNDS_KEPT:]), copy.situation()))
        if not copy.obey(ended.orders[-1]):
            return ended
        rate = copy.bytes_per_s
        left = min(remaining, rate * ended.limit_s)
        pass_s = max((remaining - left) / rate, SHORTEST_PASS_S)
        pass_s = min(pass_s, max(remaining / rate, 0.001))
        sent += rate * pass_s
        left = max(0.0, remaining - rate * pass_s)
        remaining = guest.dirty_after(
            left, ended.took_s, ended.took_s + pass_s, slowed=ended.throttle_fraction
        )
        ended.took_s += pass_s
    return ended
