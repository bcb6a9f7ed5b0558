"""Scenarios without chance: points that fill a cube evenly, and what is read from their results.

The points are a Kronecker sequence of the generalised golden ratio, each coordinate replaced by
its rank: so every single coordinate is stratified exactly. The same input gives the same points.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

from godwit.core.model import Range

__all__ = ["normal_quantile", "quantile", "range_of", "unit_points", "widened"]


@lru_cache(maxsize=8)
def unit_points(count: int, dimensions: int) -> tuple[tuple[float, ...], ...]:
    """``count`` points inside the unit cube."""
    ratio = 2.0
    for _ in range(40):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    columns = []
    for axis in range(dimensions):
        step = ratio ** -(axis + 1)
        values = [(0.5 + step * (at + 1)) % 1.0 for at in range(count)]
        order = sorted(range(count), key=values.__getitem__)
        column = [0.0] * count
        for rank, at in enumerate(order):
            column[at] = (rank + 0.5) / count
        columns.append(column)
    return tuple(zip(*columns, strict=True))


@lru_cache(maxsize=4096)
def normal_quantile(chance: float) -> float:
    """The value below which a standard normal variable lies with this chance.

    By Newton's method on the error function; exact to 1e-9 within the chances used here.
    """
    value = 0.0
    for _ in range(50):
        density = math.exp(-value * value / 2) / math.sqrt(2 * math.pi)
        step = (0.5 * math.erfc(-value / math.sqrt(2)) - chance) / density
        value -= max(-0.5, min(0.5, step))
        if abs(step) < 1e-10:
            break
    return value


def quantile(values: Sequence[float], fraction: float) -> float:
    """The quantile of equally weighted values, between the two nearest of them."""
    ordered = sorted(values)
    at = fraction * len(ordered) - 0.5
    if at <= 0:
        return ordered[0]
    if at >= len(ordered) - 1:
        return ordered[-1]
    below = math.floor(at)
    return ordered[below] + (at - below) * (ordered[below + 1] - ordered[below])


def range_of(values: Sequence[float], factor: float = 1.0) -> Range:
    """The range from 5 to 95 %, its logarithmic width times ``factor``."""
    raw = Range(
        low=quantile(values, 0.05), likely=quantile(values, 0.5), high=quantile(values, 0.95)
    )
    return widened(raw, factor)


def widened(one: Range, factor: float) -> Range:
    """The same range with another logarithmic width."""
    if one.likely <= 0:
        return one
    low = one.likely * (one.low / one.likely) ** factor if one.low > 0 else 0.0
    high = one.likely * (one.high / one.likely) ** factor
    return Range(low=min(low, one.likely), likely=one.likely, high=max(high, one.likely))
