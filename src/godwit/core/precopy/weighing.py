"""Which of the recipes that were forecast is the best, and why.

First counts the chance of keeping the promise, in classes and not in tenths of a percent; then the
pause that is aimed at; then what is done to the guest (slowed vCPUs, post-copy); then outage, time
and bytes, and these only where the difference is clear.
"""

from collections.abc import Iterator
from typing import Final

from godwit.core.model import Forecast, Range
from godwit.core.plan import Alternative, Recipe
from godwit.core.units import format_bytes, format_duration, format_fraction

__all__ = ["best", "costs_nothing", "keeps", "why_better"]

#: The lower ends of the classes of a chance: as good as sure, likely, even, unlikely; else hardly.
_CLASSES: Final = (0.95, 0.8, 0.5, 0.2)

_LIKELY: Final = _CLASSES[1]

#: Two chances on either side of such a line that are nearer than this are one class.
_CHANCE_APART: Final = 0.1

#: What is clearly better: less than this share, by at least so much, and surely so: a stream that
#: was never measured on a path has a wide range, and does not win by a guess. An outage differs by
#: 30 ms between two migrations of the same guest in the lab (bench/results/outage.md), a time by
#: 2 %.
_OUTAGE_SHARE: Final = 0.75
_OUTAGE_S: Final = 0.05
_TIME_SHARE: Final = 0.8
_TIME_S: Final = 1.0
_BYTES_SHARE: Final = 0.7
_BYTES: Final = 256.0 * 1024**2

#: A pause so many times the one that is aimed at is clearly above it: by more than two forecasts of
#: the same guest differ.
_ABOVE_TARGET: Final = 1.25


def _class(chance: float) -> int:
    return next((at for at, line in enumerate(_CLASSES) if chance >= line), len(_CLASSES))


def _disruption(recipe: Recipe) -> int:
    return 2 if recipe.postcopy else 1 if recipe.throttle else 0


def _surer(chance: float, than: float) -> bool:
    return _class(chance) < _class(than) and chance - than >= _CHANCE_APART


def _clearly_less(value: Range, than: Range, share: float, least: float) -> bool:
    """By far, and its bad cases are still no worse than the usual one of the other."""
    by_far = value.likely <= than.likely * share and than.likely - value.likely >= least
    return by_far and value.high <= than.likely


def best(usable: list[Alternative], *, can_recover: bool = True) -> Alternative:
    """The first of those that are as sure as the surest and disturb the least, if none is better.

    Each step looks at all that are left at once, so that small differences never add up. A
    post-copy that could not be taken up again stands back behind all that is likely without one.
    """
    left = usable
    without = [one for one in usable if not one.recipe.postcopy]
    if not can_recover and max((keeps(one) for one in without), default=0.0) >= _LIKELY:
        left = without
    for chance in (keeps, _converges):
        most = max(chance(one) for one in left)
        left = [one for one in left if not _surer(most, chance(one))]
    left = [one for one in left if not _is_above_target(one)] or left
    least = min(_disruption(one.recipe) for one in left)
    left = [one for one in left if _disruption(one.recipe) == least]
    chosen = left[0]
    for one in left[1:]:
        if _is_better_by_figures(one, chosen):
            chosen = one
    return chosen


def keeps(one: Alternative) -> float:
    """The chance of the promise."""
    return 0.0 if one.forecast is None else one.forecast.keeps_promise


def _converges(one: Alternative) -> float:
    return 0.0 if one.forecast is None else one.forecast.converges


def _is_better_by_figures(one: Alternative, other: Alternative) -> bool:
    if one.forecast is None or other.forecast is None:
        return False
    said = (better for better, _ in _by_figures(one.forecast, other.forecast))
    return next((better for better in said if better), 0) > 0


def costs_nothing(one: Alternative, other: Alternative) -> bool:
    """Whether a recipe is in nothing clearly worse than another, by its forecast."""
    if one.forecast is None or other.forecast is None or keeps(one) < keeps(other):
        return False
    aimed = _is_above_target(one) <= _is_above_target(other)
    return aimed and all(better >= 0 for better, _ in _by_figures(one.forecast, other.forecast))


def _is_above_target(one: Alternative) -> bool:
    aimed_s = one.recipe.pause_target_s
    if aimed_s is None or one.forecast is None:
        return False
    return one.forecast.pause_s.likely > aimed_s * _ABOVE_TARGET


def why_better(one: Alternative, other: Alternative) -> str:
    """Why one recipe is better than another, in words; empty when it is not clearly so."""
    if one.forecast is None or other.forecast is None:
        return ""
    gentler = _disruption(other.recipe) - _disruption(one.recipe)
    said = (
        _by_chance("the promise", one.forecast.keeps_promise, other.forecast.keeps_promise),
        _by_chance("getting there", one.forecast.converges, other.forecast.converges),
        _by_target(one, other),
        (gentler, "as good a chance with less done to the guest"),
        *_by_figures(one.forecast, other.forecast),
    )
    better, why = next((each for each in said if each[0]), (0, ""))
    return why if better > 0 else ""


def _by_chance(of: str, ours: float, theirs: float) -> tuple[int, str]:
    """Positive where the first is the surer by a class, negative where the other is."""
    better = _surer(ours, theirs) - _surer(theirs, ours)
    return better, (
        f"a chance of {of} of {format_fraction(ours)} instead of {format_fraction(theirs)}"
    )


def _by_target(one: Alternative, other: Alternative) -> tuple[int, str]:
    aimed_s = one.recipe.pause_target_s
    if aimed_s is None or one.forecast is None or other.forecast is None:
        return 0, ""
    ours_s, theirs_s = one.forecast.pause_s.likely, other.forecast.pause_s.likely
    return _is_above_target(other) - _is_above_target(one), (
        f"a pause of {format_duration(ours_s)}, where {format_duration(aimed_s)} is aimed at,"
        f" instead of {format_duration(theirs_s)}"
    )


def _by_figures(ours: Forecast, theirs: Forecast) -> Iterator[tuple[int, str]]:
    """Outage, time, traffic: positive where the first is clearly the better one."""
    duration, size = format_duration, format_bytes
    for what, value, than, share, least, show in (
        ("outage", ours.outage_s, theirs.outage_s, _OUTAGE_SHARE, _OUTAGE_S, duration),
        ("time", ours.total_s, theirs.total_s, _TIME_SHARE, _TIME_S, duration),
        ("traffic", ours.sent_bytes, theirs.sent_bytes, _BYTES_SHARE, _BYTES, size),
    ):
        better = _clearly_less(value, than, share, least) - _clearly_less(than, value, share, least)
        yield better, f"{what} of {show(value.likely)} instead of {show(than.likely)}"
