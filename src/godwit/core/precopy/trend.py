"""What the rounds of a running pre-copy say together: whether the rest comes down, and how far.

Only arithmetic over rounds; what is done about it is decided in ``steering``. Rests are exact
counts right after a sync; bandwidth is an average of the last 100 ms and is never taken alone.
"""

import itertools
import math
import statistics
from dataclasses import dataclass
from typing import Final

from godwit.core.model import Round
from godwit.core.plan import Recipe

__all__ = ["Trend", "read_trend"]

#: Progress is a round that leaves at most this share of what the last progress left. Slower
#: shrinking counts once it has added up to as much.
_PROGRESS: Final = 0.9

#: Rests within this factor of each other are one level. A guest in the lab that wrote the same
#: 128 MiB again and again left 128.9 to 130.3 MiB in twelve rounds; compressed ones varied by 3 %.
_LEVEL: Final = 1.06

#: A slope is looked for in so many rests, and must be steeper than this a round to be believed: a
#: third of the noise of a level, that is, below what rounds can tell in that many.
_SLOPE_ROUNDS: Final = 8
_SLOPE: Final = -0.003

#: Two windows this many times apart show whether the guest writes the same pages again.
_APART: Final = 1.15

#: The roots are sought in this interval, so exactly and in so many steps at most.
_LEAST: Final = 1e-9
_MOST: Final = 50.0
_NEAR_ENOUGH: Final = 1e-7
_STEPS: Final = 60

#: What may be planned with of a pause beside its fixed part. In the lab a limit of 1 s made pauses
#: of 1.035 to 1.117 s, of which 45 ms were not sending; and on a busy machine one of 859 ms made a
#: pause of more than a second, with 60 ms that were not sending.
_STEADY: Final = 0.93
_UNSTEADY: Final = 0.85

#: From this spread of what is measured as bandwidth, a share of its mean, it is unsteady. In 23 of
#: 25 plain migrations in the lab that had four rounds or more over a shaped link it was below this.
_UNREST: Final = 0.05

#: What was sent in so many seconds or more is a sustained average. In those 25 it was 0.93 times
#: the median measurement or more; where it is less than this, the measurement is not trusted.
_SUSTAINED_S: Final = 0.3
_SUSTAINED: Final = 0.92
_SURE_LEAST: Final = 0.5

#: What a guest left longer ago than this says little of what it will leave next.
_RECENT_ROUNDS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The rounds past the first sync, as they bear on the next decision.

    ``rounds`` are those since the bandwidth or the throttle was changed, oldest first.
    ``stalled`` are the last of them, since one left clearly less than those before.
    ``bandwidth_bytes_per_s`` is what the stream is believed to carry now, rather too little than
    too much; ``carried_bytes_per_s`` what it did of late. ``windows`` are how long each pass took
    and how much the guest wrote in it at least, oldest first.
    """

    rounds: tuple[Round, ...]
    stalled: tuple[Round, ...]
    bandwidth_bytes_per_s: float
    carried_bytes_per_s: float
    windows: tuple[tuple[float, float], ...]

    @property
    def last_pause_s(self) -> float:
        """The pause of a switch-over right now."""
        return self.rounds[-1].remaining_bytes / self.bandwidth_bytes_per_s

    @property
    def best_pause_s(self) -> float:
        """The shortest pause that the stalled rounds offered, of late."""
        recent = (self.stalled or self.rounds)[-_RECENT_ROUNDS:]
        return min(one.remaining_bytes for one in recent) / self.bandwidth_bytes_per_s

    @property
    def stalled_s(self) -> float:
        """How long it has brought nothing: since the end of the last round that did."""
        if not self.stalled:
            return 0.0
        before = self.rounds[-len(self.stalled) - 1]
        return self.stalled[-1].ended_at_s - before.ended_at_s

    @property
    def sure_fraction(self) -> float:
        """How much of a pause may be planned with, by how the stream kept to what was measured.

        The hypervisor decides by its own measurement of 100 ms, and the rest is sent at what the
        link then carries.
        """
        seen = _measured(self.rounds)
        mean = sum(seen) / len(seen)
        spread = math.sqrt(sum((one - mean) ** 2 for one in seen) / len(seen))
        sure = _STEADY if spread <= _UNREST * mean else _UNSTEADY
        # The end of the first pass is where later ones, which may be faster, begin.
        since = self.rounds[-_RECENT_ROUNDS - 1 :]
        took_s = since[-1].ended_at_s - since[0].ended_at_s
        sent_bytes = since[-1].transferred_bytes - since[0].transferred_bytes
        if took_s < _SUSTAINED_S or sent_bytes <= 0:
            return sure
        carried = sent_bytes / took_s / statistics.median(seen)
        if carried >= _SUSTAINED:
            return sure
        # In steps, so that the limit does not follow each round.
        return min(sure, max(_SURE_LEAST, math.floor(carried * 20) / 20))

    @property
    def is_shrinking(self) -> bool:
        """Whether the rest comes down steadily, however slowly, since it last came down clearly."""
        since = self.rounds[-len(self.stalled) - 1 :]
        rests = [float(one.remaining_bytes) for one in since[-_SLOPE_ROUNDS:]]
        if len(rests) < 3 or min(rests) <= 0:
            return False
        slope, error = _slope([math.log(rest) for rest in rests])
        return slope <= _SLOPE and slope <= -2 * error

    @property
    def is_level(self) -> bool:
        """Whether three rounds left as good as the same: the guest writes that much in any pass."""
        rests = [one.remaining_bytes for one in self.rounds[-3:]]
        return len(rests) == 3 and max(rests) <= min(rests) * _LEVEL and not self.is_shrinking

    @property
    def is_growing(self) -> bool:
        """Whether the last three rounds each left more than the one before."""
        rests = [one.remaining_bytes for one in self.rounds[-3:]]
        return len(rests) == 3 and rests[0] < rests[1] < rests[2]

    def settles_bytes(self, limit_bytes: float = 0.0, *, before: int = 0) -> float | None:
        """Where the rest is going, so many rounds ago; None while the rounds don't tell.

        The fixed point V* = u(V*/B). Where a limit lets passes end with so much unsent, the pass is
        shorter, and the guest writes again some of what was not sent.
        """
        if self.is_level and not before and not limit_bytes:
            return float(self.rounds[-1].remaining_bytes)
        windows = self.windows[: len(self.windows) - before]
        return _fixed_point_bytes(windows, self.carried_bytes_per_s, limit_bytes)

    def left_s(self, goal_bytes: float) -> float:
        """How much longer until the rest is at most this, if it goes on as it did; inf: never."""
        rest_bytes = float(self.rounds[-1].remaining_bytes)
        if rest_bytes <= goal_bytes:
            return 0.0
        settles_bytes = self.settles_bytes(goal_bytes) or 0.0
        if settles_bytes > goal_bytes or len(self.rounds) < 2 or goal_bytes <= 0:
            return math.inf
        recent = self.rounds[-len(self.stalled) - 1 :] if self.stalled else self.rounds
        recent = recent[-4:]
        before_bytes = float(recent[0].remaining_bytes)
        if rest_bytes >= before_bytes:
            return math.inf
        shrinks: float = (rest_bytes / before_bytes) ** (1 / (len(recent) - 1))
        passes = math.ceil(math.log(goal_bytes / rest_bytes) / math.log(shrinks))
        return self.last_pause_s * (1 - shrinks**passes) / (1 - shrinks)


def read_trend(
    recipe: Recipe, rounds: tuple[Round, ...], changed_at_s: float | None = None
) -> Trend | None:
    """Read the rounds, oldest first; None while they hold no bandwidth or no pass.

    The first sync is the start of the copy: its rest is the whole memory and says nothing.
    """
    judged = _judged(rounds, changed_at_s)
    if not judged or judged[-1].bandwidth_bytes_per_s <= 0:
        return None
    seen = _measured(judged)
    most_bytes_per_s = recipe.link_bytes_per_s or math.inf
    # The last measurement, unless it stands out above the two before it.
    now_bytes_per_s = min(seen[-1], statistics.median(seen[-3:]), most_bytes_per_s)
    carried_bytes_per_s = min(statistics.median(seen), most_bytes_per_s)
    return Trend(
        rounds=judged,
        stalled=_rounds_since_progress(judged),
        bandwidth_bytes_per_s=now_bytes_per_s,
        carried_bytes_per_s=carried_bytes_per_s,
        windows=_windows(rounds, judged, carried_bytes_per_s),
    )


def _judged(rounds: tuple[Round, ...], changed_at_s: float | None) -> tuple[Round, ...]:
    """Those past the first sync and past the last change: the end of all rounds."""
    since = 0
    for at in range(len(rounds) - 1, -1, -1):
        one = rounds[at]
        if one.number <= 1 or (changed_at_s is not None and one.ended_at_s <= changed_at_s):
            since = at + 1
            break
    return rounds[since:]


def _measured(rounds: tuple[Round, ...]) -> list[float]:
    """The last measurements of the bandwidth, oldest first."""
    found: list[float] = []
    for one in reversed(rounds):
        if one.bandwidth_bytes_per_s > 0:
            found.append(one.bandwidth_bytes_per_s)
            if len(found) == _RECENT_ROUNDS:
                break
    found.reverse()
    return found


def _windows(
    rounds: tuple[Round, ...], judged: tuple[Round, ...], bandwidth_bytes_per_s: float
) -> tuple[tuple[float, float], ...]:
    """Pairs of pass and rest; what the limit left unsent was not written in that pass."""
    # With what came just before the first of them, where that is still kept.
    seen = rounds[-len(judged) - 1 :]
    return tuple(
        [
            (
                now.ended_at_s - before.ended_at_s,
                now.remaining_bytes - bandwidth_bytes_per_s * now.pause_limit_s,
            )
            for before, now in itertools.pairwise(seen)
        ]
    )


def _fixed_point_bytes(
    windows: tuple[tuple[float, float], ...], bandwidth_bytes_per_s: float, limit_bytes: float
) -> float | None:
    """Solve V = L + (1 - L/W) u((V - L) / B) for V at a limit of L bytes; at least L.

    With u(t) = W (1 - exp(-R t / W)) through the longest and the last window. Real guests write to
    sets of several sizes: within windows shorter than those seen they write more than this curve
    says, so that the true fixed point is not below this one. None where the windows are too alike,
    or what was written in them is no such curve.
    """
    if len(windows) < 2:
        return None
    (longest_s, most_bytes), (last_s, last_bytes) = max(windows), windows[-1]
    if last_bytes <= 0 or last_s <= 0 or longest_s < _APART * last_s:
        return None
    times, grows = longest_s / last_s, most_bytes / last_bytes
    if grows >= times:
        # As much in each second of either: no sign of a working set.
        return limit_bytes if last_bytes <= bandwidth_bytes_per_s * last_s else None
    if grows <= 1:
        return None
    filled = _filled(times, grows)
    set_bytes = last_bytes / -math.expm1(-filled)
    hotter = set_bytes * filled / last_s / bandwidth_bytes_per_s
    others = 1 - limit_bytes / set_bytes
    if hotter * others <= 1:
        return limit_bytes
    return limit_bytes + set_bytes * _level(hotter, others)


def _filled(times: float, grows: float) -> float:
    """Where (1 - exp(-times x)) / (1 - exp(-x)) has fallen from ``times`` to ``grows``.

    Newton's method within an interval that is halved where a step would leave it.
    """
    low, high = _LEAST, _MOST
    at = min(_MOST, max(_LEAST, 2 * (times - grows) / (times * max(times - 1, _LEAST))))
    for _ in range(_STEPS):
        short, long = -math.expm1(-at), -math.expm1(-at * times)
        above = long - grows * short
        if above > 0:
            low = at
        else:
            high = at
        slope = times * (1 - long) - grows * (1 - short)
        after = at - above / slope if slope else low
        if not low < after < high:
            after = (low + high) / 2
        if abs(after - at) <= _NEAR_ENOUGH * after:
            return after
        at = after
    return at


def _level(hotter: float, others: float) -> float:
    """The crossing of others (1 - exp(-hotter y)) with y above 0; it exists.

    The difference is concave and its slope at 1 is below zero: Newton's steps from there only fall,
    and stay right of the crossing.
    """
    at = 1.0
    for _ in range(_STEPS):
        past = math.exp(-hotter * at)
        after = at - (others * (1 - past) - at) / (others * hotter * past - 1)
        if at - after <= _NEAR_ENOUGH * at:
            return after
        at = after
    return at


def _rounds_since_progress(rounds: tuple[Round, ...]) -> tuple[Round, ...]:
    best_bytes = rounds[0].remaining_bytes
    since = 1
    for at, one in enumerate(rounds[1:], start=1):
        if one.remaining_bytes <= best_bytes * _PROGRESS:
            best_bytes, since = one.remaining_bytes, at + 1
    return rounds[since:]


def _slope(values: list[float]) -> tuple[float, float]:
    """The slope of a straight line through values a step apart, and its standard error."""
    count = len(values)
    middle = (count - 1) / 2
    spread = count * (count * count - 1) / 12
    mean = sum(values) / count
    across = around = 0.0
    for at, one in enumerate(values):
        off = one - mean
        across += (at - middle) * off
        around += off * off
    slope = across / spread
    # What the line does not explain of their squares.
    left = max(0.0, around - slope * across)
    return slope, math.sqrt(left / max(1, count - 2) / spread)
