"""How a guest dirties its memory: distinct bytes written within a window, as a curve.

``u(t) = sum(w * min(t / tau, 1))`` with ``w >= 0``: every growing, concave, piecewise straight
curve through the origin is of this form. A writer that goes round a working set is one part; one
that writes at random is a few.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final

from godwit.core.model import DirtyObservation, DirtySource
from godwit.core.precopy.priors import (
    BACKGROUND_BYTES,
    BACKGROUND_SPAN_S,
    SET_SHARE,
    SET_SPAN_S,
    drift,
)
from godwit.core.precopy.scenarios import normal_quantile, unit_points

__all__ = ["DirtyCurve", "DirtyPart", "Writing", "fit_curve", "fit_curves"]

#: Windows that differ by less than this factor are one.
_SAME_WINDOW: Final = 1.12
_SWEEPS: Final = 60
_VARIANTS: Final = 8
#: How much worse a fit may be, in squares of errors, for a start of the curve half as steep.
_PLAINNESS: Final = 1.5
#: Relative errors of the two sources beside what their resolution explains.
_SAMPLED_ERROR: Final = 0.06
_COPIED_ERROR: Final = 0.04
#: How a guest's behaviour wanders: spread of the logarithm for one hour, and at most.
_DRIFT_PER_HOUR: Final = 0.25
_DRIFT_MOST: Final = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyPart:
    """Memory of ``set_bytes`` that the guest writes over evenly, once within ``span_s``."""

    set_bytes: float
    span_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyCurve:
    """Distinct bytes written within a window, and how well that is known.

    Windows between ``shortest_s`` and ``longest_s`` were observed; both are 0 when none was.
    ``spread_fraction`` is that of the logarithm of the whole curve.
    """

    parts: tuple[DirtyPart, ...]
    shortest_s: float = 0.0
    longest_s: float = 0.0
    spread_fraction: float = SET_SHARE.spread_fraction

    def written_bytes(self, window_s: float) -> float:
        """Distinct bytes written within a window."""
        return sum(one.set_bytes * min(window_s / one.span_s, 1.0) for one in self.parts)

    @property
    def set_bytes(self) -> float:
        """All that is ever written."""
        return sum(one.set_bytes for one in self.parts)

    @property
    def is_observed(self) -> bool:
        """Whether any window was observed."""
        return self.longest_s > 0

    def varied(
        self,
        *,
        scale: float,
        hot_span: float,
        tail_span: float,
        most_bytes: float,
        fastest_bytes_per_s: float,
    ) -> "Writing":
        """One guest that the observations allow.

        ``scale`` multiplies the curve. What saturates below the shortest window did so at an
        unknown one, what has not within the longest will at an unknown one: ``hot_span`` and
        ``tail_span``, from 0 to 1, choose. No guest writes faster than ``fastest_bytes_per_s``.
        """
        parts = []
        for one in self.parts:
            span_s, size = one.span_s, one.set_bytes * scale
            if span_s <= self.shortest_s:
                least_s = max(size / fastest_bytes_per_s, self.shortest_s * 0.02)
                span_s = min(least_s, self.shortest_s) ** (1 - hot_span) * (
                    self.shortest_s**hot_span
                )
            elif span_s > self.longest_s > 0:
                longer_s = self.longest_s * (span_s / self.longest_s) ** tail_span
                size, span_s = size * longer_s / span_s, longer_s
            parts.append((span_s, size))
        return Writing.of(parts, most_bytes)


class Writing:
    """A curve made ready to be read often: knots, and the curve's own slope between them."""

    __slots__ = ("_slopes", "_spans", "_sums", "most_bytes")

    def __init__(
        self, spans: list[float], sums: list[float], slopes: list[float], most_bytes: float
    ) -> None:
        self._spans, self._sums, self._slopes = spans, sums, slopes
        self.most_bytes = most_bytes

    @classmethod
    def of(cls, parts: Sequence[tuple[float, float]], most_bytes: float) -> "Writing":
        """Make it from pairs of span and size; nothing is ever written beyond ``most_bytes``."""
        slope = sum(size / span_s for span_s, size in parts)
        spans, sums, slopes = [0.0], [0.0], [slope]
        for span_s, size in sorted(parts):
            sums.append(sums[-1] + slopes[-1] * (span_s - spans[-1]))
            spans.append(span_s)
            slopes.append(max(0.0, slopes[-1] - size / span_s))
        slopes[-1] = 0.0
        return cls(spans, sums, slopes, most_bytes)

    def written_bytes(self, window_s: float) -> float:
        """Distinct bytes written within a window."""
        at = bisect_right(self._spans, window_s) - 1
        grown = self._sums[at] + self._slopes[at] * (window_s - self._spans[at])
        return min(grown, self.most_bytes)

    def window_s(self, written_bytes: float) -> float | None:
        """The window within which so much is written; None when it never is."""
        if written_bytes > self.most_bytes:
            return None
        at = bisect_right(self._sums, written_bytes) - 1
        slope = self._slopes[at]
        if slope <= 0:
            return None if written_bytes > self._sums[at] else self._spans[at]
        return self._spans[at] + (written_bytes - self._sums[at]) / slope

    def dirty_bytes(self, left_bytes: float, window_s: float, meeting: float = 2.0) -> float:
        """What is dirty after a pass that left some unsent and let the guest write meanwhile.

        Pages that were left were written within an earlier window, as long as the curve takes for
        as many; both windows together are one longer window. And of the pages written anew the
        share ``(left / all) ** meeting`` is among those left: 1 for a guest that writes at random,
        more for one that goes round.
        """
        written = self.written_bytes(window_s)
        if left_bytes <= 0:
            return written
        before_s = self.window_s(left_bytes)
        if before_s is None:
            return max(left_bytes, written)
        share = left_bytes / min(self._sums[-1], self.most_bytes)
        met = left_bytes + written * (1 - math.pow(min(1.0, share), meeting))
        return max(left_bytes, written, min(met, self.written_bytes(before_s + window_s)))


def unknown_curve(used_bytes: float) -> DirtyCurve:
    """The wide guess for a guest that nobody has looked at."""
    return DirtyCurve(
        parts=(
            DirtyPart(set_bytes=BACKGROUND_BYTES, span_s=BACKGROUND_SPAN_S),
            DirtyPart(set_bytes=SET_SHARE.value * used_bytes, span_s=SET_SPAN_S.value),
        )
    )


def fit_curve(
    observations: tuple[DirtyObservation, ...], used_bytes: float, now_s: float
) -> DirtyCurve:
    """The curve that explains the observations best: least squares in units of their errors."""
    seen = tuple(one for one in observations if one.window_s > 0)
    return _fit(seen, round(now_s)) if seen else unknown_curve(used_bytes)


@lru_cache(maxsize=128)
def fit_curves(
    observations: tuple[DirtyObservation, ...], used_bytes: float, now_s: float
) -> tuple[DirtyCurve, ...]:
    """Curves that the observations allow alike.

    Rounds of migrations are exact, and one curve is enough. Samples are few: then what they showed
    is varied within their errors, evenly and without chance, and each variant has its own curve.
    """
    best = fit_curve(observations, used_bytes, now_s)
    seen = [one for one in observations if one.window_s > 0]
    if not seen or _shows_short(seen):
        return (best,)
    points = unit_points(_VARIANTS, len(seen))
    found = []
    for point in points:
        varied = tuple(
            replace(one, written_bytes=max(0.0, one.written_bytes + _error(one, best) * wide))
            for one, wide in zip(seen, map(normal_quantile, point), strict=True)
        )
        curve = _fit(varied, round(now_s))
        found.append(replace(curve, spread_fraction=_wandered(seen, now_s)))
    return tuple(found)


def _shows_short(seen: Sequence[DirtyObservation]) -> bool:
    return any(one.source is DirtySource.COPIED and one.window_s < 0.3 for one in seen)


def _error(one: DirtyObservation, curve: DirtyCurve) -> float:
    return math.sqrt(_statistical2(one, curve.written_bytes(one.window_s)))


@lru_cache(maxsize=512)
def _fit(seen: tuple[DirtyObservation, ...], now_s: float) -> DirtyCurve:
    windows = _windows(seen)
    spans = _spans(windows)
    levels = [one.written_bytes for one in seen]
    sizes: list[float] = []
    for _ in range(2):
        errors = [_error_bytes(one, at, now_s) for one, at in zip(seen, levels, strict=True)]
        rows = [
            [min(one.window_s / span_s, 1.0) / error for span_s in spans]
            for one, error in zip(seen, errors, strict=True)
        ]
        goals = [one.written_bytes / error for one, error in zip(seen, errors, strict=True)]
        sizes = _not_negative(rows, goals, _steepness(seen, spans), sizes or [0.0] * len(spans))
        levels = [
            sum(w * min(one.window_s / s, 1.0) for w, s in zip(sizes, spans, strict=True))
            for one in seen
        ]
    parts = [
        DirtyPart(set_bytes=size, span_s=span_s)
        for size, span_s in zip(sizes, spans, strict=True)
        if size > 0
    ]
    if not _shows_short(seen):
        parts.append(DirtyPart(set_bytes=BACKGROUND_BYTES, span_s=BACKGROUND_SPAN_S))
    return DirtyCurve(
        parts=tuple(parts),
        shortest_s=windows[0],
        longest_s=windows[-1],
        spread_fraction=_spread(seen, levels, now_s),
    )


def _steepness(seen: Sequence[DirtyObservation], spans: list[float]) -> list[float]:
    """What a byte of each part costs: of two explanations the less steep start is preferred."""
    shortest = min(seen, key=lambda one: one.window_s)
    level = max(shortest.written_bytes, shortest.resolution_bytes, 4096.0)
    return [_PLAINNESS * shortest.window_s / level / span_s for span_s in spans]


def _windows(seen: Sequence[DirtyObservation]) -> list[float]:
    found: list[float] = []
    for window_s in sorted(one.window_s for one in seen):
        if not found or window_s > found[-1] * _SAME_WINDOW:
            found.append(window_s)
    while len(found) > 14:
        ratios = [b / a for a, b in pairwise(found)]
        found.pop(ratios.index(min(ratios[1:-1] or ratios)) + 1)
    return found


def _spans(windows: list[float]) -> list[float]:
    spans: list[float] = []
    for at, window_s in enumerate(windows):
        if at and window_s > windows[at - 1] * 1.5:
            spans.append((window_s * windows[at - 1]) ** 0.5)
        spans.append(window_s)
    return [*spans, windows[-1] * 12]


def _error_bytes(one: DirtyObservation, level_bytes: float, now_s: float) -> float:
    error2 = _statistical2(one, level_bytes)
    walked = drift(now_s - one.taken_at_s, _DRIFT_PER_HOUR, _DRIFT_MOST)
    return max(1.0, math.sqrt(error2 + (walked * level_bytes) ** 2))


def _statistical2(one: DirtyObservation, level_bytes: float) -> float:
    floor = max(one.resolution_bytes, 4096.0)
    if one.source is DirtySource.SAMPLED:
        # Each changed sample stands for the resolution, and their number varies like a count.
        return floor * max(level_bytes, floor) + (_SAMPLED_ERROR * level_bytes) ** 2
    return floor**2 + (_COPIED_ERROR * level_bytes) ** 2


def _not_negative(
    rows: list[list[float]], goals: list[float], costs: list[float], start: list[float]
) -> list[float]:
    """Least squares with no negative part and a cost for each, by coordinate descent."""
    count = len(start)
    gram = [[sum(r[i] * r[j] for r in rows) for j in range(count)] for i in range(count)]
    sides = [sum(r[i] * g for r, g in zip(rows, goals, strict=True)) for i in range(count)]
    found = list(start)
    top = max(gram[i][i] for i in range(count)) * 1e-9
    for _ in range(_SWEEPS):
        moved = 0.0
        for i in range(count):
            row = gram[i]
            rest = sides[i] - costs[i] / 2 - sum(a * b for a, b in zip(row, found, strict=True))
            new = max(0.0, found[i] + rest / (row[i] + top))
            moved = max(moved, abs(new - found[i]) / (new + 4096.0))
            found[i] = new
        if moved < 1e-3:
            break
    return found


def _spread(seen: Sequence[DirtyObservation], levels: list[float], now_s: float) -> float:
    known = misfit = 0.0
    for one, level in zip(seen, levels, strict=True):
        own2 = _statistical2(one, level)
        known += level**2 / own2
        misfit += (one.written_bytes - level) ** 2 / own2
    burst = max(0.0, misfit / len(seen) - 1.0)
    statistical2 = min(1.0, (1.0 + burst) / known) if known > 0 else 1.0
    return math.sqrt(statistical2 + _wandered(seen, now_s) ** 2)


def _wandered(seen: Sequence[DirtyObservation], now_s: float) -> float:
    """What no number of observations takes away: their age, and what their source gets wrong."""
    newest_s = max(one.taken_at_s for one in seen)
    systematic = 0.04 if any(one.source is DirtySource.COPIED for one in seen) else 0.12
    return math.hypot(systematic, drift(now_s - newest_s, _DRIFT_PER_HOUR, _DRIFT_MOST))
