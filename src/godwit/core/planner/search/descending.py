"""Steepest descent of a levelling problem: the move that gains most, until none gains enough.

Of each bin the best move of one of its items is remembered. A remembered move is looked for again
when a bin of it has changed; before the end every bin is looked at once more. Then come exchanges
from the bins that cost most, and for items that must go but have no room, moves that make room by
sending another one on.
"""

from typing import Final

import numpy as np

from godwit.core.planner.search.compiled import compiled, tight
from godwit.core.planner.search.costing import lacking_cost, over_cost
from godwit.core.planner.search.exchanging import exchanges_of
from godwit.core.planner.search.levels import BROKEN_COST, Levels, Reals
from godwit.core.planner.search.moving_on import FORBIDDEN, moves_of
from godwit.core.planner.search.problem import Indices, Numbers
from godwit.core.planner.search.standing import (
    COUNTED,
    EVALUATIONS,
    NONE,
    Standing,
    settle,
    shift,
)

#: The items of so many bins are weighed against all others.
EXCHANGE_BINS: Final = 8
#: From so many points on, a place is one that an item must leave.
_MUST_LEAVE: Final = BROKEN_COST / 2


@tight
def lowest(changes: Reals) -> int:
    """The place of the lowest number, the first of equal ones."""
    best = 0
    for at in range(1, changes.shape[0]):
        if changes[at] < changes[best]:
            best = at
    return best


@compiled
def best_of_bin(
    levels: Levels,
    standing: Standing,
    source: int,
    bests: Reals,
    items: Indices,
    places: Indices,
    changes: Reals,
) -> None:
    """Find the best move of any item of a bin; equal ones go by the numbers of item and bin."""
    bests[source] = FORBIDDEN
    items[source] = places[source] = NONE
    item = standing.first[source]
    while item != NONE:
        if not levels.fixed[item]:
            standing.counts[EVALUATIONS] += changes.shape[0]
            moves_of(levels, standing, item, changes)
            place = lowest(changes)
            change = changes[place]
            if change < bests[source] or (
                change == bests[source] and change < FORBIDDEN and item < items[source]
            ):
                bests[source] = change
                items[source] = item
                places[source] = place
        item = standing.next[item]


@compiled
def descend(levels: Levels, standing: Standing, least_gain: float, evaluations: int) -> int:
    """Make single moves until none gains more than this; returns how many were made."""
    bins = levels.scale.shape[0]
    bests, changes = np.empty(bins, dtype=np.float64), np.empty(bins, dtype=np.float64)
    items = np.full(bins, NONE, dtype=np.int32)
    places = np.full(bins, NONE, dtype=np.int32)
    # The moves made when a bin was looked at, and when it last changed.
    seen_at, changed_at = np.zeros(bins, dtype=np.int64), np.zeros(bins, dtype=np.int64)
    for one in range(bins):
        best_of_bin(levels, standing, one, bests, items, places, changes)
    until = standing.counts[EVALUATIONS] + evaluations
    made, all_seen_at = 0, 0
    while standing.counts[EVALUATIONS] < until:
        source = lowest(bests)
        if bests[source] >= -least_gain:
            if all_seen_at == made:
                break
            for one in range(bins):
                if seen_at[one] < made:
                    best_of_bin(levels, standing, one, bests, items, places, changes)
                    seen_at[one] = made
            all_seen_at = made
            continue
        item, place = items[source], places[source]
        # The mean of all bins shifts with every move, but hardly: so only that is weighed again.
        is_old = max(changed_at[source], changed_at[place]) > seen_at[source]
        if is_old:
            best_of_bin(levels, standing, source, bests, items, places, changes)
            seen_at[source] = made
            continue
        moves_of(levels, standing, item, changes)
        bests[source] = changes[place]
        if changes[place] >= -least_gain:
            continue
        shift(levels, standing, item, place)
        made += 1
        changed_at[source] = changed_at[place] = made
        best_of_bin(levels, standing, source, bests, items, places, changes)
        best_of_bin(levels, standing, place, bests, items, places, changes)
        seen_at[source] = seen_at[place] = made
    return made


@compiled
def _heat_of_bin(levels: Levels, standing: Standing, place: int) -> float:
    """What a bin costs by itself, and by its distance from the mean."""
    heat = 0.0
    for k in range(levels.size.shape[1]):
        heat += lacking_cost(levels.broken_cost, standing.held[place, k], levels.room[place, k])
    if not levels.counted[place]:
        return heat
    for r in range(levels.need.shape[1]):
        used, scale = standing.used[place, r], levels.scale[place, r]
        away = used / scale - standing.sums[r] / standing.counts[COUNTED]
        heat += levels.spread[r] * away * away
        heat += over_cost(used, scale, levels.safe[place, r], levels.hot[r], levels.unmet[r])
    return heat


@compiled
def hottest_bins(levels: Levels, standing: Standing, most: int) -> Numbers:
    """Bins that cost most, the worst first; equal ones by their number."""
    heats = np.empty(levels.scale.shape[0], dtype=np.float64)
    for place in range(heats.shape[0]):
        heats[place] = -_heat_of_bin(levels, standing, place)
    return np.argsort(heats, kind="mergesort")[:most]


@compiled
def exchange(levels: Levels, standing: Standing, least_gain: float, most_bins: int) -> int:
    """Make the best exchange of each of the bins that cost most; returns how many were made."""
    made = 0
    changes = np.empty(levels.need.shape[0], dtype=np.float64)
    for source in hottest_bins(levels, standing, most_bins):
        best, best_item, best_other = -least_gain, NONE, NONE
        item = standing.first[source]
        while item != NONE:
            if not levels.fixed[item]:
                standing.counts[EVALUATIONS] += changes.shape[0]
                exchanges_of(levels, standing, item, changes)
                other = lowest(changes)
                if changes[other] < best or (
                    changes[other] == best and best_item != NONE and item < best_item
                ):
                    best, best_item, best_other = changes[other], item, other
            item = standing.next[item]
        if best_item != NONE:
            place = standing.where[best_other]
            shift(levels, standing, best_item, place)
            shift(levels, standing, best_other, source)
            made += 1
    return made


@compiled
def _others_in_the_way(levels: Levels, standing: Standing, item: int, place: int) -> Indices:
    """The items of a bin each of which, if it were not there, would leave room for another item."""
    found = np.empty(levels.need.shape[0], dtype=np.int32)
    count = 0
    other = standing.first[place]
    while other != NONE:
        fits = not levels.fixed[other]
        for k in range(levels.size.shape[1]):
            held = standing.held[place, k] - levels.size[other, k] + levels.size[item, k]
            fits = fits and held <= levels.room[place, k]
        if fits:
            found[count] = other
            count += 1
        other = standing.next[other]
    return np.sort(found[:count])


@compiled
def _make_room(levels: Levels, standing: Standing, item: int, least_gain: float) -> bool:
    """Send one on to a third bin, so that an item may come in its place, where that gains most."""
    best, best_other, best_place = -least_gain, NONE, NONE
    source = standing.where[item]
    changes = np.empty(levels.scale.shape[0], dtype=np.float64)
    for place in range(levels.scale.shape[0]):
        if place == source or not levels.allowed[levels.row[item], place]:
            continue
        for other in _others_in_the_way(levels, standing, item, place):
            standing.counts[EVALUATIONS] += 2 * changes.shape[0]
            moves_of(levels, standing, other, changes)
            third = lowest(changes)
            change = changes[third]
            if change == FORBIDDEN:
                continue
            shift(levels, standing, other, third)
            moves_of(levels, standing, item, changes)
            change += changes[place]
            shift(levels, standing, other, place)
            if change < best:
                best, best_other, best_place = change, other, third
    if best_other == NONE:
        return False
    place = standing.where[best_other]
    shift(levels, standing, best_other, best_place)
    shift(levels, standing, item, place)
    return True


@compiled
def make_room(levels: Levels, standing: Standing, least_gain: float, order: Numbers) -> int:
    """Find room for items that must leave their bin and could not yet; returns for how many."""
    made = 0
    for item in order:
        cost = levels.place_cost[levels.kind[item], standing.where[item]]
        if levels.fixed[item] or cost < _MUST_LEAVE:
            continue
        if _make_room(levels, standing, item, least_gain):
            made += 1
    return made


@compiled
def descend_fully(
    levels: Levels,
    standing: Standing,
    least_gain: float,
    most_bins: int,
    evaluations: int,
    order: Numbers,
) -> bool:
    """Descend until neither a move, nor an exchange, nor making room gains more than this.

    Returns whether it came to such an end within so many evaluations.
    """
    until = standing.counts[EVALUATIONS] + evaluations
    while True:
        settle(levels, standing)
        left = until - standing.counts[EVALUATIONS]
        if left <= 0:
            return False
        made = descend(levels, standing, least_gain, left)
        made += make_room(levels, standing, least_gain, order)
        made += exchange(levels, standing, least_gain, most_bins)
        if made == 0:
            return standing.counts[EVALUATIONS] < until
