"""What it would change in the cost to move an item on, to each of the bins: O(loads + groups).

One term after the other is added up in a row of answers, one for each bin. ``FORBIDDEN`` stands
where a hard rule does not let the item, or more would be moved than may be.
"""

import math
from typing import Final

from godwit.core.planner.search.compiled import compiled, tight
from godwit.core.planner.search.costing import lacking_cost, over_cost, spread_of
from godwit.core.planner.search.levels import Levels, Reals
from godwit.core.planner.search.standing import COUNTED, MOST_MOVED, MOVED, Standing

FORBIDDEN: Final = math.inf


@compiled
def moves_of(levels: Levels, standing: Standing, item: int, changes: Reals) -> None:
    """Weigh the moves of an item to all bins; to stay is no move."""
    _permit(levels, standing, item, changes)
    _regroup(levels, standing, item, changes)
    if standing.counts[COUNTED]:
        for load in range(levels.need.shape[1]):
            if levels.need[item, load] != 0.0:
                _reload(levels, standing, item, load, changes)


@tight
def price_change(price: float, origin: int, source: int, place: int) -> float:
    """What leaving its origin costs an item, or coming back to it gives back."""
    if place == origin:
        return -price
    return price if source == origin else 0.0


@tight
def _permit(levels: Levels, standing: Standing, item: int, changes: Reals) -> None:
    """Begin with where it may go and has room, and what that place and the move itself cost."""
    source, origin = standing.where[item], levels.origin[item]
    may, costs = levels.allowed[levels.row[item]], levels.place_cost[levels.kind[item]]
    price = levels.price[item]
    size, held, room = levels.size[item], standing.held, levels.room
    relief = -costs[source]
    for k in range(size.shape[0]):
        relief += lacking_cost(levels.broken_cost, held[source, k] - size[k], room[source, k])
        relief -= lacking_cost(levels.broken_cost, held[source, k], room[source, k])
    is_last = source == origin and standing.counts[MOVED] >= standing.counts[MOST_MOVED]
    for place in range(changes.shape[0]):
        fits = may[place] and place != source and not is_last
        for k in range(size.shape[0]):
            fits = fits and (size[k] == 0 or held[place, k] + size[k] <= room[place, k])
        if fits:
            back = price_change(price, origin, source, place)
            changes[place] = (relief + costs[place]) + back
        else:
            changes[place] = FORBIDDEN


@tight
def _regroup(levels: Levels, standing: Standing, item: int, changes: Reals) -> None:
    """Add what the groups of the item gain where it leaves, and cost where it comes to."""
    source = standing.where[item]
    for at in range(levels.groups_at[item], levels.groups_at[item + 1]):
        group = levels.groups[at]
        places, inside = levels.place_of[group], standing.inside[group]
        most, points = levels.most[group], levels.group_cost[group]
        relief = levels.broken_cost if math.isinf(points) else points
        if inside[places[source]] <= most:
            relief = 0.0
        for place in range(changes.shape[0]):
            if places[place] != places[source]:
                changes[place] -= relief
                if inside[places[place]] >= most:
                    changes[place] += points


@tight
def _reload(levels: Levels, standing: Standing, item: int, load: int, changes: Reals) -> None:
    """Add what one load changes: in its bin, in the other, and in how far all are apart."""
    source, need = standing.where[item], levels.need[item, load]
    used, scale, safe = standing.used, levels.scale, levels.safe
    counted, hot, unmet = levels.counted, levels.hot[load], levels.unmet[load]
    points, count = levels.spread[load], float(standing.counts[COUNTED])
    is_deviation = levels.is_deviation
    total, squares = standing.sums[load], standing.squares[load]
    relief = -spread_of(points, is_deviation, total, squares, count)
    if counted[source]:
        now, size = used[source, load], scale[source, load]
        before, after = now / size, (now - need) / size
        total += after - before
        squares += after * after - before * before
        relief += over_cost(now - need, size, safe[source, load], hot, unmet)
        relief -= over_cost(now, size, safe[source, load], hot, unmet)
    alone = spread_of(points, is_deviation, total, squares, count)
    for place in range(changes.shape[0]):
        if not counted[place]:
            changes[place] += relief + alone
            continue
        now, size = used[place, load], scale[place, load]
        before, after = now / size, (now + need) / size
        change = spread_of(
            points,
            is_deviation,
            total + (after - before),
            squares + (after * after - before * before),
            count,
        )
        change += over_cost(now + need, size, safe[place, load], hot, unmet)
        change -= over_cost(now, size, safe[place, load], hot, unmet)
        changes[place] += relief + change
