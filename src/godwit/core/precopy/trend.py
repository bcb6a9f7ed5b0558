"""What the rounds of a running pre-copy say together: whether the rest comes down, and how far.

Only arithmetic over rounds; what is done about it is decided in ``steering``. Rests are exact
counts right after a sync; bandwidth is an average of the last 100 ms and is never taken alone.
"""

import itertools
import math
import statistics
from collections.abc import Callable
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

#: Halvings of an interval: far below what rounds can tell.
_BISECTIONS: Final = 24

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
    judged = tuple(
        one
        for one in rounds
        if one.number > 1 and (changed_at_s is None or one.ended_at_s > changed_at_s)
    )
    seen = [one.bandwidth_bytes_per_s for one in judged if one.bandwidth_bytes_per_s > 0]
    if not seen or judged[-1].bandwidth_bytes_per_s <= 0:
        return None
    most_bytes_per_s = recipe.link_bytes_per_s or math.inf
    # The last measurement, unless it stands out above the two before it.
    now_bytes_per_s = min(seen[-1], statistics.median(seen[-3:]), most_bytes_per_s)
    carried_bytes_per_s = min(statistics.median(seen[-_RECENT_ROUNDS:]), most_bytes_per_s)
    return Trend(
        rounds=judged,
        stalled=_rounds_since_progress(judged),
        bandwidth_bytes_per_s=now_bytes_per_s,
        carried_bytes_per_s=carried_bytes_per_s,
        windows=_windows(rounds, judged, carried_bytes_per_s),
    )


def _windows(
    rounds: tuple[Round, ...], judged: tuple[Round, ...], bandwidth_bytes_per_s: float
) -> tuple[tuple[float, float], ...]:
    """Pairs of pass and rest; what the limit left unsent was not written in that pass."""
    judged_from = judged[0].number
    return tuple(
        (
            now.ended_at_s - before.ended_at_s,
            now.remaining_bytes - bandwidth_bytes_per_s * now.pause_limit_s,
        )
        for before, now in itertools.pairwise(rounds)
        if now.number >= judged_from
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
    filled = _bisect(lambda x: math.expm1(-x * times) / math.expm1(-x) - grows, 1e-9, 50.0)
    set_bytes = last_bytes / -math.expm1(-filled)
    hotter = set_bytes * filled / last_s / bandwidth_bytes_per_s
    others = 1 - limit_bytes / set_bytes
    if hotter * others <= 1:
        return limit_bytes
    above = _bisect(lambda y: -others * math.expm1(-hotter * y) - y, 1e-9, 1.0)
    return limit_bytes + set_bytes * above


def _bisect(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that is first above and then below zero crosses it."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if falling(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _rounds_since_progress(rounds: tuple[Round, ...]) -> tuple[Round, ...]:
    best_bytes = rounds[0].remaining_bytes
    since = 1
    for at, one in enumerate(rounds[1:], start=1):
        if one.remaining_bytes <= best_bytes * _PROGRESS:
            best_bytes, since = one.remaining_bytes, at + 1
    return rounds[since:]


def _slope(values: list[float]) -> tuple[float, float]:
    """The slope of a straight line through values a step apart, and its standard error."""
    middle = (len(values) - 1) / 2
    mean = statistics.fmean(values)
    spread = sum((at - middle) ** 2 for at in range(len(values)))
    slope = sum((at - middle) * (one - mean) for at, one in enumerate(values)) / spread
    off = sum((one - mean - slope * (at - middle)) ** 2 for at, one in enumerate(values))
    return slope, math.sqrt(off / max(1, len(values) - 2) / spread)
