"""A levelling problem as plain arrays: items whose bins shall be loaded alike, at few moves.

It knows no VM and no host. *Loads* are what counts in the cost, as a fraction of a bin's scale;
*rooms* are what must fit, in whole numbers. The cost of an assignment, in points:

- for each load, how far the bins are apart: the sum of the squares of their distances from the
  mean, or their standard deviation (which is what Ganeti's hbal adds up);
- for each load of each bin, what is above what is safe, and what is above the scale itself;
- what a bin holds above its room; a rule of a group that is broken; an item where it should not be;
- the price of each item that is not where it came from.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from godwit.core.errors import BadValue

__all__ = [
    "BROKEN_COST",
    "HARD",
    "Flags",
    "Indices",
    "Levels",
    "Numbers",
    "Reals",
    "build_levels",
]

Reals = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

#: The price of a rule that no move may break further, though one may be broken to begin with.
HARD: Final = float("inf")
#: What a broken hard rule counts unless told otherwise: more than loads ever do.
BROKEN_COST: Final = 1e6


class Levels(NamedTuple):
    """What doesn't change during a search."""

    #: [item, load] and [bin, load]: what items add, what is there anyway, what counts as one.
    need: Reals
    base: Reals
    scale: Reals
    #: [bin] whether its loads count at all.
    counted: Flags
    #: [load] points for the distance of bins; whether that is a standard deviation.
    spread: Reals
    is_deviation: bool
    #: [bin, load] the fraction that is safe; [load] points for a bin's fraction above it, and for
    #: each unit of a load above the scale.
    safe: Reals
    hot: Reals
    unmet: Reals
    #: [item, room] and [bin, room].
    size: Numbers
    room: Numbers
    #: [item] where it came from; the price of being elsewhere; whether it stays whatever happens.
    origin: Indices
    price: Reals
    fixed: Flags
    #: [item] a row of ``allowed``, and [row, bin] where it may come to.
    row: Indices
    allowed: Flags
    #: [item] a row of ``place_cost``, and [row, bin] what it costs to be there.
    kind: Indices
    place_cost: Reals
    #: The groups of an item: ``groups[groups_at[item] : groups_at[item + 1]]``.
    groups_at: Indices
    groups: Indices
    #: What a broken hard rule counts, so that a search cures it before all else; 0 leaves it.
    broken_cost: float
    #: [group] items that one place may have; points for each beyond, or ``HARD``.
    most: Indices
    group_cost: Reals
    #: [group, bin] the place that a bin is for a group; [group, place] members there anyway.
    place_of: Indices
    base_count: Indices


def _reals(values: object | None, shape: tuple[int, ...], name: str, default: float = 0.0) -> Reals:
    if values is None:
        return np.full(shape, default, dtype=np.float64)
    table = np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype=np.float64), shape))
    if not np.isfinite(table).all():
        raise BadValue(f"{name} has a number that is not finite")
    return table


def _whole(values: object | None, shape: tuple[int, ...], name: str) -> Numbers:
    if values is None:
        return np.zeros(shape, dtype=np.int64)
    table = np.ascontiguousarray(values, dtype=np.int64)
    if table.shape != shape:
        raise BadValue(f"{name} has the wrong shape", evidence=f"{table.shape}, not {shape}")
    return table


def _indices(values: object, shape: tuple[int, ...], limit: int, name: str) -> Indices:
    table = np.ascontiguousarray(values, dtype=np.int32)
    if table.shape != shape:
        raise BadValue(f"{name} has the wrong shape", evidence=f"{table.shape}, not {shape}")
    if table.size and not 0 <= int(table.min()) <= int(table.max()) < limit:
        raise BadValue(f"{name} has an index out of range", evidence=f"not in 0..{limit - 1}")
    return table


def _flags(values: object | None, shape: tuple[int, ...], *, default: bool) -> Flags:
    if values is None:
        return np.full(shape, default, dtype=np.bool_)
    return np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype=np.bool_), shape))


def build_levels(
    *,
    need: object,
    scale: object,
    origin: object,
    spread: object,
    base: object | None = None,
    counted: object | None = None,
    is_deviation: bool = False,
    safe: object | None = None,
    hot: object | None = None,
    unmet: object | None = None,
    size: object | None = None,
    room: object | None = None,
    price: object | None = None,
    fixed: object | None = None,
    row: object | None = None,
    allowed: object | None = None,
    kind: object | None = None,
    place_cost: object | None = None,
    item_groups: Sequence[Sequence[int]] | None = None,
    most: object = (),
    group_cost: object | None = None,
    place_of: object | None = None,
    base_count: object | None = None,
    broken_cost: float = BROKEN_COST,
) -> Levels:
    """Check and pack the arrays of a problem; what is left out costs and forbids nothing."""
    needs = np.ascontiguousarray(need, dtype=np.float64)
    scales = np.ascontiguousarray(scale, dtype=np.float64)
    if needs.ndim != 2 or scales.ndim != 2 or needs.shape[1] != scales.shape[1]:
        raise BadValue(
            "need and scale are no tables with the same loads",
            evidence=f"{needs.shape} and {scales.shape}",
        )
    if scales.size and float(scales.min()) <= 0:
        raise BadValue("a scale is not above zero", evidence=str(float(scales.min())))
    if needs.size and float(needs.min()) < 0:
        raise BadValue("a need is below zero", evidence=str(float(needs.min())))
    (items, loads), bins = needs.shape, scales.shape[0]
    sizes = np.zeros((items, 0), np.int64) if size is None else np.asarray(size)
    rooms = sizes.shape[1] if sizes.ndim == 2 else 0
    row_count = 1 if allowed is None else np.asarray(allowed).shape[0]
    kinds = 1 if place_cost is None else np.asarray(place_cost).shape[0]
    groups_at, groups, group_count = _packed(item_groups, items, most)
    return Levels(
        need=_reals(needs, (items, loads), "need"),
        base=_reals(base, (bins, loads), "base"),
        scale=_reals(scales, (bins, loads), "scale"),
        counted=_flags(counted, (bins,), default=True),
        spread=_reals(spread, (loads,), "spread"),
        is_deviation=is_deviation,
        safe=_reals(safe, (bins, loads), "safe", 1.0),
        hot=_reals(hot, (loads,), "hot"),
        unmet=_reals(unmet, (loads,), "unmet"),
        size=_whole(sizes, (items, rooms), "size"),
        room=_whole(room, (bins, rooms), "room"),
        origin=_indices(origin, (items,), bins, "origin"),
        price=_reals(price, (items,), "price"),
        fixed=_flags(fixed, (items,), default=False),
        row=_indices(np.zeros(items) if row is None else row, (items,), row_count, "row"),
        allowed=_flags(allowed, (row_count, bins), default=True),
        kind=_indices(np.zeros(items) if kind is None else kind, (items,), kinds, "kind"),
        place_cost=_reals(place_cost, (kinds, bins), "place_cost"),
        groups_at=groups_at,
        groups=groups,
        broken_cost=float(broken_cost),
        **_places(most, group_cost, place_of, base_count, group_count, bins),
    )


def _packed(
    item_groups: Sequence[Sequence[int]] | None, items: int, most: object
) -> tuple[Indices, Indices, int]:
    count = int(np.asarray(most).shape[0])
    own = [sorted(set(one)) for one in item_groups] if item_groups is not None else [[]] * items
    if len(own) != items:
        raise BadValue("item_groups needs an entry for each item", evidence=f"{len(own)}")
    at = np.concatenate(([0], np.cumsum([len(one) for one in own]))).astype(np.int32)
    flat = np.array([group for one in own for group in one], dtype=np.int32)
    return at, _indices(flat, flat.shape, count, "item_groups"), count


def _places(
    most: object,
    group_cost: object | None,
    place_of: object | None,
    base_count: object | None,
    groups: int,
    bins: int,
) -> dict[str, Any]:
    places = np.tile(np.arange(bins), (groups, 1)) if place_of is None else place_of
    counts = np.zeros((groups, bins)) if base_count is None else base_count
    costs = (
        np.full(groups, HARD) if group_cost is None else np.asarray(group_cost, dtype=np.float64)
    )
    return {
        "most": _indices(most, (groups,), np.iinfo(np.int32).max, "most"),
        "group_cost": np.ascontiguousarray(costs),
        "place_of": _indices(places, (groups, bins), max(1, bins), "place_of"),
        "base_count": _indices(counts, (groups, bins), np.iinfo(np.int32).max, "base_count"),
    }
