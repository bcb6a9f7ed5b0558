"""Forecasts beside facts: the errors, the coverage of the ranges, and what to do about it."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from godwit.core.model import Calibration, Forecast, Range, Score
from godwit.core.precopy.learning import MoveFacts
from godwit.core.precopy.scenarios import normal_quantile, quantile

__all__ = ["Accuracy", "accuracy", "calibrate", "score"]

#: As many imagined scores that were right, so that a few real ones change little.
_IMAGINED: Final = 20
#: Older scores say less of the model as it is now.
_REGARDED: Final = 200
_FACTOR_MIN: Final = 0.5
_FACTOR_MAX: Final = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How right a number of forecasts were. None: nothing of the kind was measured.

    Errors of time and bytes are relative, of pause and outage in seconds; coverage is the share of
    facts within their ranges. The last three judge "it will converge", said from a chance of half.
    """

    count: int
    total_error_median_fraction: float | None = None
    total_error_p90_fraction: float | None = None
    sent_error_median_fraction: float | None = None
    sent_error_p90_fraction: float | None = None
    pause_error_median_s: float | None = None
    pause_error_p90_s: float | None = None
    outage_error_median_s: float | None = None
    outage_error_p90_s: float | None = None
    coverage_fraction: float | None = None
    total_coverage_fraction: float | None = None
    pause_coverage_fraction: float | None = None
    outage_coverage_fraction: float | None = None
    sent_coverage_fraction: float | None = None
    converge_right_fraction: float | None = None
    converge_precision_fraction: float | None = None
    converge_recall_fraction: float | None = None


def score(forecast: Forecast, facts: MoveFacts, now_s: float) -> Score:
    """Put a forecast beside what came of the migration."""
    return Score(
        forecast=forecast,
        scored_at_s=now_s,
        completed=facts.completed,
        total_s=facts.total_s,
        pause_s=facts.pause_s,
        outage_s=facts.outage_s,
        sent_bytes=facts.sent_bytes,
        rounds=len(facts.rounds) or None,
    )


def _pairs(
    scores: Iterable[Score],
    said: Callable[[Forecast], Range],
    was: Callable[[Score], float | None],
) -> list[tuple[Range, float]]:
    """Ranges and facts of the migrations that came to their end."""
    found = []
    for one in scores:
        fact = was(one)
        if one.completed and fact is not None:
            found.append((said(one.forecast), fact))
    return found


def _total(scores: Iterable[Score]) -> list[tuple[Range, float]]:
    return _pairs(scores, lambda one: one.total_s, lambda one: one.total_s)


def _pause(scores: Iterable[Score]) -> list[tuple[Range, float]]:
    return _pairs(scores, lambda one: one.pause_s, lambda one: one.pause_s)


def _outage(scores: Iterable[Score]) -> list[tuple[Range, float]]:
    return _pairs(scores, lambda one: one.outage_s, lambda one: one.outage_s)


def _sent(scores: Iterable[Score]) -> list[tuple[Range, float]]:
    return _pairs(scores, lambda one: one.sent_bytes, lambda one: one.sent_bytes)


def accuracy(scores: Sequence[Score]) -> Accuracy:
    """Judge a number of forecasts."""
    total, pause, outage, sent = (read(scores) for read in (_total, _pause, _outage, _sent))
    relative = [
        [abs(said.likely - fact) / fact for said, fact in pairs if fact > 0]
        for pairs in (total, sent)
    ]
    absolute = [[abs(said.likely - fact) for said, fact in pairs] for pairs in (pause, outage)]
    said_yes = [one for one in scores if one.forecast.converges >= 0.5]
    came = [one for one in scores if one.completed]
    both = sum(one.completed for one in said_yes)
    right = sum((one.forecast.converges >= 0.5) == one.completed for one in scores)
    return Accuracy(
        count=len(scores),
        total_error_median_fraction=_at(relative[0], 0.5),
        total_error_p90_fraction=_at(relative[0], 0.9),
        sent_error_median_fraction=_at(relative[1], 0.5),
        sent_error_p90_fraction=_at(relative[1], 0.9),
        pause_error_median_s=_at(absolute[0], 0.5),
        pause_error_p90_s=_at(absolute[0], 0.9),
        outage_error_median_s=_at(absolute[1], 0.5),
        outage_error_p90_s=_at(absolute[1], 0.9),
        coverage_fraction=_coverage([*total, *pause, *outage, *sent]),
        total_coverage_fraction=_coverage(total),
        pause_coverage_fraction=_coverage(pause),
        outage_coverage_fraction=_coverage(outage),
        sent_coverage_fraction=_coverage(sent),
        converge_right_fraction=right / len(scores) if scores else None,
        converge_precision_fraction=both / len(said_yes) if said_yes else None,
        converge_recall_fraction=both / len(came) if came else None,
    )


def _at(values: list[float], fraction: float) -> float | None:
    return quantile(values, fraction) if values else None


def _coverage(pairs: list[tuple[Range, float]]) -> float | None:
    return sum(said.covers(fact) for said, fact in pairs) / len(pairs) if pairs else None


def calibrate(scores: Sequence[Score]) -> Calibration:
    """How much wider or narrower the ranges must be for nine of ten facts to lie within."""
    regarded = sorted(scores, key=lambda one: one.scored_at_s)[-_REGARDED:]
    return Calibration(
        total_factor=_factor(regarded, _total, lambda one: one.total_factor),
        pause_factor=_factor(regarded, _pause, lambda one: one.pause_factor),
        outage_factor=_factor(regarded, _outage, lambda one: one.outage_factor),
        sent_factor=_factor(regarded, _sent, lambda one: one.sent_factor),
        count=len(regarded),
    )


def _factor(
    scores: Sequence[Score],
    read: Callable[[Iterable[Score]], list[tuple[Range, float]]],
    applied: Callable[[Calibration], float],
) -> float:
    """The factor at which 90 % are covered: the quantile of how many half-widths facts were off."""
    off = []
    for one in scores:
        for said, fact in read((one,)):
            distance = _half_widths(said, fact)
            if distance is not None:
                off.append(distance * applied(one.forecast.calibration))
    if not off:
        return 1.0
    edge = normal_quantile(0.95)
    ideal = [
        abs(normal_quantile(0.5 + (at + 0.5) / _IMAGINED / 2)) / edge for at in range(_IMAGINED)
    ]
    return max(_FACTOR_MIN, min(_FACTOR_MAX, quantile([*off, *ideal], 0.9)))


def _half_widths(said: Range, fact: float) -> float | None:
    if fact <= 0 or said.likely <= 0 or said.low <= 0:
        return None
    off = math.log(fact / said.likely)
    half = math.log(said.high / said.likely) if off > 0 else math.log(said.likely / said.low)
    return abs(off) / max(half, 1e-6)
