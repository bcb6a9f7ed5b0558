"""How a levelling problem stands: an assignment, with every sum that weighing a move reads.

``settle`` counts everything anew, in the order of the items: after it, sums depend on the
assignment alone and not on the way that led to it. Two searches that meet there agree to the bit.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from godwit.core.errors import BadValue
from godwit.core.planner.search.compiled import compiled
from godwit.core.planner.search.dice import Dice
from godwit.core.planner.search.levels import Levels, Reals
from godwit.core.planner.search.problem import Indices, Numbers

#: Where the counts stand in ``Standing.counts``.
MOVED: Final = 0
EVALUATIONS: Final = 1
#: Bins whose loads count.
COUNTED: Final = 2
MOST_MOVED: Final = 3
COUNTS: Final = 4
#: In the place of an item or of a bin: there is none.
NONE: Final = -1


class Standing(NamedTuple):
    """Changed in place by the kernels, and always consistent between two of their calls."""

    #: [item] its bin; the items of a bin as a ring-free list: first of a bin, next, one before.
    where: Indices
    first: Indices
    next: Indices
    before: Indices
    #: [bin, load], [bin, room] and [group, place].
    used: Reals
    held: Numbers
    inside: Indices
    #: [load] sum of the fractions of all bins that count, and of their squares.
    sums: Reals
    squares: Reals
    counts: Numbers
    dice: Dice


def stand(
    levels: Levels,
    assignment: npt.ArrayLike | None = None,
    *,
    seed: int = 0,
    moves_most: int | None = None,
) -> Standing:
    """Make the standing of an assignment; without one, of that where each item came from."""
    items, bins = len(levels.need), len(levels.scale)
    where = np.array(levels.origin if assignment is None else assignment, dtype=np.int32)
    if where.shape != (items,) or (items and not 0 <= where.min() <= where.max() < bins):
        raise BadValue("the assignment has not one bin for each item", evidence=f"{where.shape}")
    standing = Standing(
        where=where,
        first=np.full(bins, NONE, dtype=np.int32),
        next=np.full(items, NONE, dtype=np.int32),
        before=np.full(items, NONE, dtype=np.int32),
        used=np.zeros_like(levels.base),
        held=np.zeros((bins, levels.size.shape[1]), dtype=np.int64),
        inside=np.zeros_like(levels.base_count),
        sums=np.zeros(levels.need.shape[1]),
        squares=np.zeros(levels.need.shape[1]),
        counts=np.zeros(COUNTS, dtype=np.int64),
        dice=np.array([seed], dtype=np.uint64),
    )
    standing.counts[MOST_MOVED] = items if moves_most is None else moves_most
    settle(levels, standing)
    return standing


@compiled
def settle(levels: Levels, standing: Standing) -> None:
    """Count everything anew from the assignment alone."""
    bins, loads = levels.scale.shape
    standing.first[:] = NONE
    standing.used[:] = levels.base
    standing.held[:] = 0
    standing.inside[:] = levels.base_count
    standing.counts[MOVED] = 0
    # From the last to the first, so that the list of a bin begins with its first item.
    for back in range(levels.need.shape[0]):
        item = levels.need.shape[0] - 1 - back
        _link(standing, item, standing.where[item])
        if standing.where[item] != levels.origin[item]:
            standing.counts[MOVED] += 1
    for item in range(levels.need.shape[0]):
        place = standing.where[item]
        for r in range(loads):
            standing.used[place, r] += levels.need[item, r]
        for k in range(levels.size.shape[1]):
            standing.held[place, k] += levels.size[item, k]
        for at in range(levels.groups_at[item], levels.groups_at[item + 1]):
            group = levels.groups[at]
            standing.inside[group, levels.place_of[group, place]] += 1
    standing.sums[:] = 0.0
    standing.squares[:] = 0.0
    standing.counts[COUNTED] = 0
    for place in range(bins):
        if levels.counted[place]:
            standing.counts[COUNTED] += 1
            for r in range(loads):
                fraction = standing.used[place, r] / levels.scale[place, r]
                standing.sums[r] += fraction
                standing.squares[r] += fraction * fraction


@compiled
def _link(standing: Standing, item: int, place: int) -> None:
    other = standing.first[place]
    standing.first[place] = item
    standing.next[item] = other
    standing.before[item] = NONE
    if other != NONE:
        standing.before[other] = item


@compiled
def _unlink(standing: Standing, item: int, place: int) -> None:
    after, before = standing.next[item], standing.before[item]
    if before == NONE:
        standing.first[place] = after
    else:
        standing.next[before] = after
    if after != NONE:
        standing.before[after] = before


@compiled
def shift(levels: Levels, standing: Standing, item: int, place: int) -> None:
    """Move an item to another bin, whatever that breaks."""
    source = standing.where[item]
    _load(levels, standing, item, source, -1)
    _load(levels, standing, item, place, 1)
    for at in range(levels.groups_at[item], levels.groups_at[item + 1]):
        group = levels.groups[at]
        standing.inside[group, levels.place_of[group, source]] -= 1
        standing.inside[group, levels.place_of[group, place]] += 1
    _unlink(standing, item, source)
    _link(standing, item, place)
    standing.where[item] = place
    if source == levels.origin[item]:
        standing.counts[MOVED] += 1
    elif place == levels.origin[item]:
        standing.counts[MOVED] -= 1


@compiled
def _load(levels: Levels, standing: Standing, item: int, place: int, sign: int) -> None:
    for k in range(levels.size.shape[1]):
        standing.held[place, k] += sign * levels.size[item, k]
    for r in range(levels.need.shape[1]):
        before = standing.used[place, r] / levels.scale[place, r]
        standing.used[place, r] += sign * levels.need[item, r]
        after = standing.used[place, r] / levels.scale[place, r]
        if levels.counted[place]:
            standing.sums[r] += after - before
            standing.squares[r] += after * after - before * before
