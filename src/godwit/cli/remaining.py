"""How long a migration still takes: a range, from its forecast and from the rounds seen so far.

Each round starts anew with what the guest wrote meanwhile, so the end is never a single figure, and
has no upper bound while the rounds do not shrink. Pure: readings in, ranges out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from godwit import wire
from godwit.core.units import format_duration

__all__ = ["Gauge", "Left", "converging_words", "left_words", "time_left"]

#: A round counts as progress when it leaves this much less than the best one before.
_BETTER: Final = 0.95
#: Shares of one round to the next that a sum is taken over; nearer to 1 there is no end in sight.
_RATIO_MIN: Final = 0.05
_RATIO_MAX: Final = 0.9
#: Rounds differ from each other: the upper end of what follows is so much longer.
_MARGIN: Final = 1.5
#: The bar is full when the migration is over, and not before.
_NOT_YET: Final = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The time left. ``high_s`` is None while no end is in sight, ``converging`` while unknown."""

    low_s: float
    high_s: float | None
    converging: bool | None


def time_left(
    migration: wire.Migration, progress: wire.Progress, rounds: Sequence[wire.Round]
) -> Left | None:
    """Estimate the time left; None while nothing is known of the speed. ``rounds`` in order."""
    if progress.bandwidth_bytes_per_s <= 0:
        return None
    rest_s = progress.remaining_bytes / progress.bandwidth_bytes_per_s
    if migration.phase == "postcopy":
        # Every page is sent once from here on: there are no more rounds.
        return Left(low_s=rest_s, high_s=_MARGIN * rest_s, converging=True)
    seen = [one for one in rounds if one.number > 1 or one.took_s is not None]
    converging = _is_converging(migration, seen)
    forecast = migration.forecast
    if not seen:
        if forecast is None:
            return Left(low_s=rest_s, high_s=None, converging=None)
        low_s = max(rest_s, forecast.total_s.low - progress.elapsed_s)
        high_s = max(low_s, forecast.total_s.high - progress.elapsed_s)
        return Left(low_s=low_s, high_s=high_s, converging=None)
    if not converging:
        return Left(low_s=rest_s, high_s=None, converging=converging)
    high_s = rest_s + _MARGIN * _further_s(migration, rest_s, seen)
    if forecast is not None:
        high_s = max(high_s, forecast.total_s.high - progress.elapsed_s)
    return Left(low_s=rest_s, high_s=high_s, converging=True)


def _is_converging(migration: wire.Migration, seen: Sequence[wire.Round]) -> bool | None:
    """Judge by the best round, not by the last: a burst of the guest is no trend."""
    if not seen:
        return None
    last = seen[-1]
    if last.implied_pause_s is not None and last.implied_pause_s <= migration.pause_limit_s:
        return True
    if len(seen) > 1:
        return last.remaining_bytes < _BETTER * min(one.remaining_bytes for one in seen[:-1])
    if 0 < last.dirty_bytes_per_s < _RATIO_MAX * last.bandwidth_bytes_per_s:
        return True
    return None


def _further_s(migration: wire.Migration, rest_s: float, seen: Sequence[wire.Round]) -> float:
    """Add up the rounds that follow the present one, until one is short enough to stop at."""
    last = seen[-1]
    ratio = last.dirty_bytes_per_s / max(last.bandwidth_bytes_per_s, 1.0)
    if len(seen) > 1 and seen[-2].remaining_bytes > 0:
        ratio = last.remaining_bytes / seen[-2].remaining_bytes
    ratio = min(max(ratio, _RATIO_MIN), _RATIO_MAX)
    sum_s, round_s = 0.0, max(rest_s, last.implied_pause_s or 0.0) * ratio
    while round_s > migration.pause_limit_s > 0:
        sum_s += round_s
        round_s *= ratio
    return sum_s + round_s


def left_words(left: Left | None) -> str:
    """Write the time left; nothing where nothing is known."""
    if left is None:
        return ""
    low = format_duration(left.low_s)
    if left.high_s is None:
        return f"at least {low} left" + (", no end in sight" if left.converging is False else "")
    high = format_duration(left.high_s)
    if low == high:
        return f"{low} left"
    (number, _, unit), (_, _, other) = low.partition(" "), high.partition(" ")
    return f"{number if unit == other else low} to {high} left"


def converging_words(left: Left | None) -> str:
    """Say whether the rounds shrink."""
    if left is None or left.converging is None:
        return "converging: not known yet"
    return f"converging: {'yes' if left.converging else 'no'}"


@dataclass(slots=True)
class Gauge:
    """How much of a whole migration is done. It stands still at times, and never runs back."""

    share: float = 0.0
    left: Left | None = None

    def update(
        self, migration: wire.Migration, progress: wire.Progress, rounds: Sequence[wire.Round]
    ) -> None:
        """Take a reading."""
        self.left = time_left(migration, progress, rounds)
        if self.left is None:
            return
        # Without an end in sight nothing is nearer to it than before.
        if self.left.high_s is None and self.left.converging is not None:
            return
        left_s = (self.left.low_s + (self.left.high_s or self.left.low_s)) / 2
        whole_s = progress.elapsed_s + left_s
        if whole_s > 0:
            self.share = max(self.share, min(_NOT_YET, progress.elapsed_s / whole_s))
