"""What an assignment costs, term by term; ``moving_on`` and ``exchanging`` have the increments."""

import math

from godwit.core.planner.search.compiled import compiled, tight
from godwit.core.planner.search.levels import Levels
from godwit.core.planner.search.standing import COUNTED, Standing


@tight
def spread_of(
    points: float, is_deviation: bool, total: float, squares: float, count: float
) -> float:
    """Points for how far the bins are apart in one load."""
    if is_deviation:
        mean = total / count
        return points * math.sqrt(max(0.0, squares / count - mean * mean))
    return points * max(0.0, squares - total * total / count)


@tight
def over_cost(used: float, scale: float, safe: float, hot: float, unmet: float) -> float:
    """Points for what one load of a bin has above what is safe, and above all there is."""
    return hot * max(0.0, used / scale - safe) + unmet * max(0.0, used - scale)


@tight
def lacking_cost(points: float, held: int, room: int) -> float:
    """Points for what a bin holds above its room: for being so, and for how much."""
    return points * (0.1 + (held - room) / held) if held > room and held > 0 else 0.0


@compiled
def cost_of(levels: Levels, standing: Standing) -> float:
    """All points of the assignment as it is."""
    return (
        _loads(levels, standing)
        + _rooms(levels, standing)
        + _groups(levels, standing)
        + _items(levels, standing)
    )


@compiled
def _loads(levels: Levels, standing: Standing) -> float:
    cost = 0.0
    count = float(standing.counts[COUNTED])
    if count == 0:
        return cost
    for r in range(levels.scale.shape[1]):
        cost += spread_of(
            levels.spread[r], levels.is_deviation, standing.sums[r], standing.squares[r], count
        )
        for place in range(levels.scale.shape[0]):
            if levels.counted[place]:
                cost += over_cost(
                    standing.used[place, r],
                    levels.scale[place, r],
                    levels.safe[place, r],
                    levels.hot[r],
                    levels.unmet[r],
                )
    return cost


@compiled
def _rooms(levels: Levels, standing: Standing) -> float:
    cost = 0.0
    for place in range(levels.room.shape[0]):
        for k in range(levels.room.shape[1]):
            cost += lacking_cost(levels.broken_cost, standing.held[place, k], levels.room[place, k])
    return cost


@compiled
def _groups(levels: Levels, standing: Standing) -> float:
    cost = 0.0
    for group in range(levels.most.shape[0]):
        points = levels.group_cost[group]
        if math.isinf(points):
            points = levels.broken_cost
        for place in range(standing.inside.shape[1]):
            cost += points * max(0, standing.inside[group, place] - levels.most[group])
    return cost


@compiled
def _items(levels: Levels, standing: Standing) -> float:
    cost = 0.0
    for item in range(levels.origin.shape[0]):
        cost += levels.place_cost[levels.kind[item], standing.where[item]]
        if standing.where[item] != levels.origin[item]:
            cost += levels.price[item]
    return cost
