"""A pre-copy, calculated: QEMU's passes and syncs under a recipe, with steering in the loop.

Rules as in QEMU (``migration/migration.c``, ``ram.c`` of 10.0): it sends for at most 50 ms at a
time; when what it knows to remain is below ``bandwidth x limit`` it counts anew what is dirty, and
switches over when that is below the same threshold; else the next pass begins.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from godwit.core.model import Round
from godwit.core.plan import Compression, Recipe
from godwit.core.precopy.dirtying import Writing
from godwit.core.precopy.orders import (
    GiveUp,
    Order,
    RaiseBandwidth,
    RaisePause,
    RaiseThrottle,
    Situation,
    StartPostcopy,
)
from godwit.core.precopy.priors import ZERO_PAGE_S, ZERO_WIRE_FRACTION, sync_s
from godwit.core.precopy.scenarios import normal_quantile
from godwit.core.precopy.steering import steer

__all__ = ["Course", "CourseEnd", "Steering", "Way", "simulate"]

Steering: TypeAlias = Callable[[Recipe, tuple[Round, ...], Situation], Order]

#: QEMU sends for 50 ms before it looks at what remains; in the lab it came to so much.
_TURN_S: Final = 0.058
#: A limited stream sends the allowance of this window at once and waits for the next window.
_LIMITED_TURN_S: Final = 0.1
_ROUNDS_MAX: Final = 400
_COPYING_S_MAX: Final = 48 * 3600.0
_PAGE_BYTES: Final = 4096
#: The bandwidth that QEMU measures, and where the guest happens to write, vary from sync to sync:
#: by sequences that fill the interval evenly.
_NORMALS: Final = tuple(normal_quantile((at + 0.5) / 64) for at in range(64))
_GOLDEN: Final = 0.6180339887
_SILVER: Final = 0.4142135624
#: How pages written anew meet those left unsent: see ``Writing.dirty_bytes``.
_MEETING: Final = 2.0
_MEETING_SPREAD: Final = 0.8
#: QEMU measures bandwidth, and makes its threshold of it and the limit, this often.
_COUNTED_S: Final = 0.1
#: QEMU judges its throttle at syncs at least this far apart.
_JUDGED_S: Final = 1.0


class CourseEnd(Enum):
    """How a simulated pre-copy ended."""

    SWITCHED = "switched"
    POSTCOPY = "post-copy"
    GAVE_UP = "gave up"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What carries the memory: bytes on the wire a second, in the first pass and later ones.

    ``wire_fraction`` is what a byte of memory takes on the wire, ``again_fraction`` what it does
    when it was sent before. ``busy_fraction`` is the part of their time that the vCPUs run: a
    throttle is felt only beyond what they leave idle. ``unrest_fraction`` is the spread of what the
    hypervisor measures as bandwidth; 0 also makes the guest's writing even. ``phase_fraction``
    chooses where that sequence begins.
    """

    bandwidth_bytes_per_s: float
    first_bytes_per_s: float
    wire_fraction: float = 1.0
    again_fraction: float = 1.0
    busy_fraction: float = 1.0
    unrest_fraction: float = 0.0
    phase_fraction: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One simulated migration.

    ``rest_s`` is what sending the rest takes while the guest stands still; post-copy sends it
    while the guest runs, within ``after_s``.
    """

    end: CourseEnd
    rounds: int
    copying_s: float
    rest_bytes: float
    rest_s: float
    after_s: float
    sent_bytes: float
    trace: tuple[Round, ...] = ()

    @property
    def moved(self) -> bool:
        """Whether the guest ended up at the destination."""
        return self.end in (CourseEnd.SWITCHED, CourseEnd.POSTCOPY)


class _Copy:
    """The state of one simulated pre-copy between two syncs."""

    def __init__(self, writing: Writing, way: Way, recipe: Recipe, pause_fixed_s: float) -> None:
        self.writing, self.way, self.recipe = writing, way, recipe
        self.pause_fixed_s = pause_fixed_s
        self.at_s = self.sent = self.throttle = self.increment = 0.0
        self.limit_s = self.counted_limit_s = recipe.pause_start_s
        self.counted_at_s = 0.0
        self.cap = recipe.bandwidth_bytes_per_s
        self.changed_at_s: float | None = None
        self.rounds: list[Round] = []
        self.hot_syncs = 0
        self.sync_s = sync_s(0.0)
        self.judged_at_s = self.judged_sent = self.judged_dirty = 0.0

    def wire(self, *, first: bool) -> tuple[float, float]:
        """Bytes on the wire a second, and bytes on the wire for a byte of memory.

        QEMU begins to fill the cache of xbzrle after the first pass, so that the second one still
        sends pages whole.
        """
        way = self.way
        speed = way.first_bytes_per_s if first else way.bandwidth_bytes_per_s
        filling = self.recipe.compression is Compression.XBZRLE and len(self.rounds) <= 2
        return (
            speed if self.cap is None else min(speed, self.cap),
            way.wire_fraction if first or filling else way.again_fraction,
        )

    def threshold_bytes(self, speed: float) -> float:
        known = self.recipe.switchover_bytes_per_s
        if known is None:
            known = speed * (1 + self.way.unrest_fraction * self._unrest(_GOLDEN))
        return known * self.counted_limit_s

    def _unrest(self, step: float) -> float:
        """A standard normal for this round: the same for the same scenario, without chance."""
        at = (self.way.phase_fraction + step * len(self.rounds)) % 1.0
        return _NORMALS[int(at * len(_NORMALS))]

    def pass_over(self, pending: float, zero: float, *, first: bool) -> float:
        """Send until less than the threshold is known to remain; return what is dirty then."""
        speed, wire = self.wire(first=first)
        limited = self.cap is not None and self.cap <= speed
        turn = speed / wire * (_LIMITED_TURN_S if limited else _TURN_S)
        sent = min(pending, self._turns(pending, speed, turn, wire) * turn)
        took_s = sent * wire / speed + zero / _PAGE_BYTES * ZERO_PAGE_S + self.sync_s
        sent_wire = sent * wire + zero * ZERO_WIRE_FRACTION
        runs = min(1.0, (1 - self.throttle) / self.way.busy_fraction)
        left = max(0.0, pending - sent)
        meeting = _MEETING
        if self.way.unrest_fraction:
            meeting *= math.exp(_MEETING_SPREAD * self._unrest(_SILVER))
        dirty = self.writing.dirty_bytes(left, took_s * runs, meeting)
        self.at_s += took_s
        self.sent += sent_wire
        self._note(dirty, speed, took_s, dirty - left)
        self._judge_throttle(sent_wire, dirty - left)
        return dirty

    def _turns(self, pending: float, speed: float, turn: float, wire: float) -> int:
        """How often it sends before it finds that the rest is below the threshold.

        A raised limit counts from the next time that bandwidth is measured.
        """

        def needed() -> int:
            return max(1, math.floor((pending - self.threshold_bytes(speed)) / turn) + 1)

        turns = needed()
        due_s = max(0.0, self.counted_at_s + _COUNTED_S - self.at_s)
        turn_s = turn * wire / speed
        if min(turns * turn, pending) * wire / speed < due_s:
            return turns
        self.counted_at_s, self.counted_limit_s = self.at_s + due_s, self.limit_s
        return min(turns, max(needed(), math.ceil(due_s / turn_s)))

    def _note(self, dirty: float, speed: float, took_s: float | None, written: float) -> None:
        self.rounds.append(
            Round(
                number=len(self.rounds) + 1,
                ended_at_s=self.at_s,
                remaining_bytes=round(dirty),
                transferred_bytes=round(self.sent),
                dirty_bytes_per_s=written / took_s if took_s else 0.0,
                bandwidth_bytes_per_s=speed if took_s else 0.0,
                pause_limit_s=self.limit_s,
                took_s=took_s,
                throttle_fraction=self.throttle,
            )
        )

    def _judge_throttle(self, sent: float, dirty: float) -> None:
        """As auto-converge does: twice more dirtied than half of what was sent."""
        self.judged_sent += sent
        self.judged_dirty += dirty
        throttle = self.recipe.throttle
        if throttle is None or self.at_s - self.judged_at_s < _JUDGED_S:
            return
        if self.judged_dirty > 0.5 * self.judged_sent:
            self.hot_syncs += 1
        if self.hot_syncs >= 2:
            self.hot_syncs = 0
            more = self.increment if self.throttle else throttle.initial_fraction
            self.throttle = min(throttle.most_fraction, self.throttle + more)
        self.judged_at_s, self.judged_sent, self.judged_dirty = self.at_s, 0.0, 0.0

    def start(self, memory_bytes: float) -> None:
        self.sync_s = sync_s(memory_bytes)
        self._note(memory_bytes, 0.0, None, 0.0)

    def situation(self) -> Situation:
        return Situation(
            pause_limit_s=self.limit_s,
            copying_s=self.at_s,
            bandwidth_bytes_per_s=self.cap,
            throttle_increment_fraction=self.increment,
            changed_at_s=self.changed_at_s,
            pause_fixed_s=self.pause_fixed_s,
        )

    def obey(self, order: Order) -> None:
        match order:
            case RaisePause(limit_s=limit_s):
                self.limit_s = min(max(limit_s, self.limit_s), self.recipe.pause_ceiling_s)
            case RaiseBandwidth(bytes_per_s=speed):
                self.cap, self.changed_at_s = speed, self.at_s
            case RaiseThrottle(increment_fraction=fraction):
                self.increment, self.changed_at_s = fraction, self.at_s
            case _:
                pass

    def ended(self, end: CourseEnd, rest: float) -> Course:
        speed, wire = self.wire(first=False)
        # The limit of the stream is lifted for the rest.
        rest_s = rest * wire / (self.way.bandwidth_bytes_per_s if self.cap else speed)
        gone = rest * wire if end in (CourseEnd.SWITCHED, CourseEnd.POSTCOPY) else 0.0
        return Course(
            end=end,
            # The sync of a switch-over comes after the stop, and is no round of a record either.
            rounds=len(self.rounds),
            copying_s=self.at_s,
            rest_bytes=rest,
            rest_s=0.0 if end is CourseEnd.POSTCOPY else rest_s,
            after_s=rest_s if end is CourseEnd.POSTCOPY else 0.0,
            sent_bytes=self.sent + gone,
            trace=tuple(self.rounds),
        )


def simulate(
    writing: Writing,
    way: Way,
    recipe: Recipe,
    *,
    used_bytes: float,
    zero_bytes: float = 0.0,
    steering: Steering = steer,
    copying_s_max: float | None = None,
    pause_fixed_s: float = 0.0,
) -> Course:
    """Copy a guest that uses ``used_bytes`` of memory, beside pages of zeroes.

    ``copying_s_max`` is when the copy is late: what the deadline leaves. ``pause_fixed_s`` is what
    steering leaves room for beside the rest.
    """
    late_s = _COPYING_S_MAX if copying_s_max is None else copying_s_max
    copy = _Copy(writing, way, recipe, pause_fixed_s)
    copy.start(used_bytes + zero_bytes)
    pending, zero = used_bytes, zero_bytes
    while copy.at_s <= late_s and len(copy.rounds) < _ROUNDS_MAX:
        first = len(copy.rounds) == 1
        pending = copy.pass_over(pending, zero, first=first)
        zero = 0.0
        if pending < copy.threshold_bytes(copy.wire(first=first)[0]):
            return copy.ended(CourseEnd.SWITCHED, pending)
        order = steering(recipe, tuple(copy.rounds), copy.situation())
        if isinstance(order, GiveUp):
            return copy.ended(CourseEnd.GAVE_UP, pending)
        if isinstance(order, StartPostcopy):
            return copy.ended(CourseEnd.POSTCOPY, pending)
        copy.obey(order)
    return copy.ended(CourseEnd.LATE, pending)
