"""What it would change in the cost to let one item and another take each other's place.

Weighed for one item against all others at once, as in ``moving_on``.
"""

import math

from godwit.core.planner.search.compiled import compiled, tight
from godwit.core.planner.search.costing import lacking_cost, over_cost, spread_of
from godwit.core.planner.search.levels import Levels, Reals
from godwit.core.planner.search.moving_on import FORBIDDEN, price_change
from godwit.core.planner.search.standing import COUNTED, MOST_MOVED, MOVED, Standing


@compiled
def exchanges_of(levels: Levels, standing: Standing, item: int, changes: Reals) -> None:
    """Weigh the exchanges of an item with all others that are not fixed."""
    _permit(levels, standing, item, changes)
    _make_room(levels, standing, item, changes)
    _regroup(levels, standing, item, changes)
    if standing.counts[COUNTED]:
        for load in range(levels.need.shape[1]):
            _reload(levels, standing, item, load, changes)


@tight
def _permit(levels: Levels, standing: Standing, item: int, changes: Reals) -> None:
    """Begin with whether both may go, and with what their places and the moves themselves cost."""
    where, origin, price = standing.where, levels.origin, levels.price
    row, kind, fixed = levels.row, levels.kind, levels.fixed
    allowed, costs = levels.allowed, levels.place_cost
    source, own, home = where[item], levels.kind[item], levels.origin[item]
    may = allowed[row[item]]
    left = standing.counts[MOST_MOVED] - standing.counts[MOVED]
    for other in range(changes.shape[0]):
        place = where[other]
        more = int(source == home) - int(place == home)
        more += int(place == origin[other]) - int(source == origin[other])
        if (
            fixed[other]
            or place == source
            or not may[place]
            or not allowed[row[other], source]
            or more > max(0, left)
        ):
            changes[other] = FORBIDDEN
            continue
        change = (costs[own, place] - costs[own, source]) + (
            costs[kind[other], source] - costs[kind[other], place]
        )
        change += price_change(price[other], origin[other], place, source)
        changes[other] = change + price_change(price[item], home, source, place)


@tight
def _make_room(levels: Levels, standing: Standing, item: int, changes: Reals) -> None:
    """Forbid what makes a bin lack more than now, and add what a bin lacks less."""
    where, sizes, held, rooms = standing.where, levels.size, standing.held, levels.room
    source, points = where[item], levels.broken_cost
    for k in range(sizes.shape[1]):
        size, here, room = sizes[item, k], held[source, k], rooms[source, k]
        for other in range(changes.shape[0]):
            net, place = size - sizes[other, k], where[other]
            there = held[place, k]
            if (net > 0 and there + net > rooms[place, k]) or (net < 0 and here - net > room):
                changes[other] = FORBIDDEN
            if here > room:
                changes[other] += lacking_cost(points, here - net, room)
                changes[other] -= lacking_cost(points, here, room)
            if there > rooms[place, k]:
                changes[other] += lacking_cost(points, there + net, rooms[place, k])
                changes[other] -= lacking_cost(points, there, rooms[place, k])


@tight
def _regroup(levels: Levels, standing: Standing, item: int, changes: Reals) -> None:
    """Add what the groups of both cost and gain; one that they share stays as it is."""
    at, groups, where = levels.groups_at, levels.groups, standing.where
    place_of, inside = levels.place_of, standing.inside
    most, costs = levels.most, levels.group_cost
    source = where[item]
    own = groups[at[item] : at[item + 1]]
    for other in range(changes.shape[0]):
        theirs = groups[at[other] : at[other + 1]]
        if own.shape[0] + theirs.shape[0] == 0 or changes[other] == FORBIDDEN:
            continue
        place = where[other]
        for first, second, here, there in (
            (own, theirs, source, place),
            (theirs, own, place, source),
        ):
            for group in first:
                near, far = place_of[group, here], place_of[group, there]
                if near == far or (second == group).any():
                    continue
                if inside[group, far] >= most[group]:
                    changes[other] += costs[group]
                if inside[group, near] > most[group] and changes[other] != FORBIDDEN:
                    is_hard = math.isinf(costs[group])
                    changes[other] -= levels.broken_cost if is_hard else costs[group]


@tight
def _reload(levels: Levels, standing: Standing, item: int, load: int, changes: Reals) -> None:
    """Add what one load changes: in both bins, and in how far all are apart."""
    where, needs, used, scale = standing.where, levels.need, standing.used, levels.scale
    safe, counted, hot, unmet = levels.safe, levels.counted, levels.hot[load], levels.unmet[load]
    points, count = levels.spread[load], float(standing.counts[COUNTED])
    is_deviation = levels.is_deviation
    now_total, now_squares = standing.sums[load], standing.squares[load]
    now_apart = spread_of(points, is_deviation, now_total, now_squares, count)
    source, need = where[item], needs[item, load]
    for other in range(changes.shape[0]):
        net = need - needs[other, load]
        if net == 0.0 or changes[other] == FORBIDDEN:
            continue
        total, squares, change = now_total, now_squares, 0.0
        for place, more in ((source, -net), (where[other], net)):
            if counted[place]:
                now, size = used[place, load], scale[place, load]
                before, after = now / size, (now + more) / size
                total += after - before
                squares += after * after - before * before
                change += over_cost(now + more, size, safe[place, load], hot, unmet)
                change -= over_cost(now, size, safe[place, load], hot, unmet)
        change += spread_of(points, is_deviation, total, squares, count) - now_apart
        changes[other] += change
