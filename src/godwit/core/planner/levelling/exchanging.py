"""What it would change in the cost to let two items take each other's place, and the best of that.

Of a bin only those other bins are looked at whose loads could gain more than two moves cost.
"""

import math

from godwit.core.planner.levelling.board import (
    COUNTED,
    EVALUATIONS,
    MOST_MOVED,
    MOVED,
    NONE,
    Board,
    Memory,
    Standing,
)
from godwit.core.planner.levelling.costing import lacking_cost, over_cost, shift, spread_of
from godwit.core.planner.levelling.levels import Reals
from godwit.core.planner.levelling.moving import (
    FORBIDDEN,
    away_of,
    largest_of,
    least_between,
    price_change,
    relief_of,
)
from godwit.core.planner.levelling.twice import kernel, small

__all__ = ["exchange_best", "exchanges_of"]


@kernel
def exchanges_of(board: Board, standing: Standing, item: int, changes: Reals) -> None:
    """Weigh the exchanges of an item with all others."""
    standing.counts[EVALUATIONS] += len(changes)
    for other in range(len(changes)):
        changes[other] = _exchange(board, standing, item, other)


@small
def _exchange(board: Board, standing: Standing, item: int, other: int) -> float:
    """Weigh one exchange; FORBIDDEN where one of both is fixed or may not go there."""
    source, place = standing.where[item], standing.where[other]
    if (
        place == source
        or board.fixed[other]
        or not board.allowed[board.row[item]][place]
        or not board.allowed[board.row[other]][source]
    ):
        return FORBIDDEN
    change = _rooms(board, standing, item, other)
    if change == FORBIDDEN:
        return FORBIDDEN
    home, far = board.origin[item], board.origin[other]
    more = int(source == home) - int(place == home) + int(place == far) - int(source == far)
    if more > max(0, standing.counts[MOST_MOVED] - standing.counts[MOVED]):
        return FORBIDDEN
    own, theirs = board.place_cost[board.kind[item]], board.place_cost[board.kind[other]]
    change += (own[place] - own[source]) + (theirs[source] - theirs[place])
    change += price_change(board.price[other], far, place, source)
    change += price_change(board.price[item], home, source, place)
    change += _groups(board, standing, item, other, place)
    change += _groups(board, standing, other, item, source)
    if standing.counts[COUNTED]:
        for load in range(len(board.need)):
            change += _loads(board, standing, load, item, other)
    return change


@small
def _rooms(board: Board, standing: Standing, item: int, other: int) -> float:
    """Forbid what makes a bin lack more than now, and count what a bin lacks less."""
    source, place, points = standing.where[item], standing.where[other], board.broken_cost
    change = 0.0
    for k in range(len(board.size)):
        net = board.size[k][item] - board.size[k][other]
        here, there = standing.held[k][source], standing.held[k][place]
        room, rooms = board.room[k][source], board.room[k][place]
        if (net > 0 and there + net > rooms) or (net < 0 and here - net > room):
            return FORBIDDEN
        if here > room:
            change += lacking_cost(points, here - net, room) - lacking_cost(points, here, room)
        if there > rooms:
            change += lacking_cost(points, there + net, rooms) - lacking_cost(points, there, rooms)
    return change


@small
def _groups(board: Board, standing: Standing, item: int, other: int, place: int) -> float:
    """What the groups of an item gain and cost where it goes; one of both stays as it is."""
    change, source = 0.0, standing.where[item]
    for at in range(board.groups_at[item], board.groups_at[item + 1]):
        group = board.groups[at]
        near, far = board.place_of[group][source], board.place_of[group][place]
        is_both = near == far
        for one in range(board.groups_at[other], board.groups_at[other + 1]):
            is_both = is_both or board.groups[one] == group
        if is_both:
            continue
        points, inside = board.group_cost[group], standing.inside[group]
        if inside[far] >= board.most[group]:
            change += points
        if inside[near] > board.most[group]:
            change -= board.broken_cost if math.isinf(points) else points
    return change


@small
def _loads(board: Board, standing: Standing, load: int, item: int, other: int) -> float:
    """What one load changes: in both bins, and in how far all are apart."""
    net = board.need[load][item] - board.need[load][other]
    if net == 0.0:
        return 0.0
    source, place = standing.where[item], standing.where[other]
    used, hot, unmet = standing.used[load], board.hot[load], board.unmet[load]
    total, squares, count = (
        standing.sums[load],
        standing.squares[load],
        float(standing.counts[COUNTED]),
    )
    points, change = board.spread[load], 0.0
    change -= spread_of(points, board.is_deviation, total, squares, count)
    if board.counted[source]:
        now, per = used[source], board.per[load][source]
        before, after = now * per, (now - net) * per
        total += after - before
        squares += after * after - before * before
        size, safe = board.scale[load][source], board.safe[load][source]
        change += over_cost(now - net, size, safe, hot, unmet)
        change -= over_cost(now, size, safe, hot, unmet)
    if board.counted[place]:
        now, per = used[place], board.per[load][place]
        before, after = now * per, (now + net) * per
        total += after - before
        squares += after * after - before * before
        size, safe = board.scale[load][place], board.safe[load][place]
        change += over_cost(now + net, size, safe, hot, unmet)
        change -= over_cost(now, size, safe, hot, unmet)
    return change + spread_of(points, board.is_deviation, total, squares, count)


@kernel
def exchange_best(
    board: Board, standing: Standing, memory: Memory, source: int, least_gain: float
) -> int:
    """Make the best exchange of a bin's items with those of any other.

    Returns the item that left, the other is the first of ``memory.few``; NONE when none gains.
    Equal ones go by the numbers of both items.
    """
    best, best_item, best_other = -least_gain, NONE, NONE
    own = _best_to_leave(board, standing, source, NONE)
    for load in range(len(board.need)):
        memory.largest[load] = largest_of(board, standing, load, source)
    for place in range(len(board.counted)):
        if place == source:
            continue
        spread = _least_of_both(board, standing, memory, source, place)
        theirs = _best_to_leave(board, standing, place, source)
        item = standing.first[source] if _may_gain(spread + own + theirs, least_gain) else NONE
        while item != NONE:
            if not board.fixed[item]:
                leaves = away_of(board, standing, item, place) - relief_of(board, standing, item)
                other = NONE
                if _may_gain(spread + leaves + theirs, least_gain):
                    other = _best_other(board, standing, memory, item, place)
                change = memory.exchanges[other] if other != NONE else FORBIDDEN
                is_first = item < best_item or (item == best_item and other < best_other)
                if change < best or (change == best and best_item != NONE and is_first):
                    best, best_item, best_other = change, item, other
            item = standing.next[item]
    if best_item != NONE:
        place = standing.where[best_other]
        shift(board, standing, best_item, place)
        shift(board, standing, best_other, source)
        memory.few[0] = best_other
    return best_item


@small
def _may_gain(least: float, least_gain: float) -> bool:
    """Whether what changes by so much at least may gain enough, for all noise of last digits."""
    return least < -0.5 * least_gain


@kernel
def _best_other(board: Board, standing: Standing, memory: Memory, item: int, place: int) -> int:
    """The item of a bin with which an exchange changes least, the first of equal ones."""
    best, best_other = FORBIDDEN, NONE
    other = standing.first[place]
    while other != NONE:
        standing.counts[EVALUATIONS] += 1
        change = _exchange(board, standing, item, other)
        if change < best or (change == best and best_other != NONE and other < best_other):
            best, best_other = change, other
        other = standing.next[other]
    if best_other != NONE:
        memory.exchanges[best_other] = best
    return best_other


@kernel
def _best_to_leave(board: Board, standing: Standing, source: int, place: int) -> float:
    """The least that it changes, beside what loads do, that an item leaves a bin for another.

    Without that other, for any.
    """
    least = FORBIDDEN
    item = standing.first[source]
    while item != NONE:
        if not board.fixed[item]:
            to = board.origin[item] if place == NONE else place
            change = away_of(board, standing, item, to) - relief_of(board, standing, item)
            least = min(least, change)
        item = standing.next[item]
    return least


@kernel
def _least_of_both(
    board: Board, standing: Standing, memory: Memory, source: int, place: int
) -> float:
    """The least that loads change, however much of an item goes from one bin to the other."""
    change = 0.0
    if standing.counts[COUNTED]:
        for load in range(len(board.need)):
            most = memory.largest[load]
            back = -largest_of(board, standing, load, place)
            change += least_between(board, standing, load, source, place, most, back)
    return change
