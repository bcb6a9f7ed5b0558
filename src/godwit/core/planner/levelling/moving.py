"""What it would change in the cost to move an item on, to each bin of a range: O(loads + groups).

One term after the other is added up in a row of answers, one for each bin. ``FORBIDDEN`` stands
where a hard rule does not let the item, or more would be moved than may be. And the least that any
move out of a bin could change, from its loads alone: most bins need no closer look.
"""

import math
from typing import Final

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
from godwit.core.planner.levelling.costing import lacking_cost, over_cost, spread_of
from godwit.core.planner.levelling.levels import Reals
from godwit.core.planner.levelling.twice import kernel, small

__all__ = [
    "FORBIDDEN",
    "away_of",
    "largest_of",
    "least_between",
    "least_out_of",
    "lowest",
    "moves_of",
    "price_change",
    "relief_of",
]

FORBIDDEN: Final = math.inf


@kernel
def moves_of(
    board: Board, standing: Standing, item: int, changes: Reals, begin: int, end: int
) -> None:
    """Weigh the moves of an item to the bins of a range; to stay is no move."""
    standing.counts[EVALUATIONS] += end - begin
    if not _permit(board, standing, item, changes, begin, end):
        return
    for at in range(board.groups_at[item], board.groups_at[item + 1]):
        _regroup(board, standing, item, board.groups[at], changes, begin, end)
    if standing.counts[COUNTED]:
        for load in range(len(board.need)):
            if board.need[load][item] != 0.0:
                _reload(board, standing, item, load, changes, begin, end)


@small
def price_change(price: float, origin: int, source: int, place: int) -> float:
    """What leaving its origin costs an item, or coming back to it gives back."""
    if place == origin:
        return -price
    return price if source == origin else 0.0


@small
def _permit(
    board: Board, standing: Standing, item: int, changes: Reals, begin: int, end: int
) -> bool:
    """Begin with where it may go and has room, and what that place and the move itself cost."""
    source, origin = standing.where[item], board.origin[item]
    if source == origin and standing.counts[MOVED] >= standing.counts[MOST_MOVED]:
        for place in range(begin, end):
            changes[place] = FORBIDDEN
        return False
    may, costs = board.allowed[board.row[item]], board.place_cost[board.kind[item]]
    relief = -costs[source]
    for k in range(len(board.size)):
        held, room = standing.held[k][source], board.room[k][source]
        relief += lacking_cost(board.broken_cost, held - board.size[k][item], room)
        relief -= lacking_cost(board.broken_cost, held, room)
    if source == origin:
        relief += board.price[item]
    for place in range(begin, end):
        changes[place] = relief + costs[place] if may[place] else FORBIDDEN
    for k in range(len(board.size)):
        _fit(board, standing, item, k, changes, begin, end)
    if begin <= source < end:
        changes[source] = FORBIDDEN
    if source != origin and begin <= origin < end:
        changes[origin] -= board.price[item]
    return True


@small
def _fit(
    board: Board, standing: Standing, item: int, k: int, changes: Reals, begin: int, end: int
) -> None:
    """Forbid where it has no room."""
    size, held, room = board.size[k][item], standing.held[k], board.room[k]
    if size:
        for place in range(begin, end):
            if held[place] + size > room[place]:
                changes[place] = FORBIDDEN


@small
def _regroup(
    board: Board,
    standing: Standing,
    item: int,
    group: int,
    changes: Reals,
    begin: int,
    end: int,
) -> None:
    """Add what a group of the item gains where it leaves, and costs where it comes to."""
    places, inside = board.place_of[group], standing.inside[group]
    most, points = board.most[group], board.group_cost[group]
    here = places[standing.where[item]]
    relief = board.broken_cost if math.isinf(points) else points
    if inside[here] <= most:
        relief = 0.0
    for place in range(begin, end):
        if places[place] != here:
            changes[place] -= relief
            if inside[places[place]] >= most:
                changes[place] += points


@small
def _reload(
    board: Board,
    standing: Standing,
    item: int,
    load: int,
    changes: Reals,
    begin: int,
    end: int,
) -> None:
    """Add what one load changes: in its bin, in the other, and in how far all are apart."""
    source, need = standing.where[item], board.need[load][item]
    used, scales, pers, safes = (
        standing.used[load],
        board.scale[load],
        board.per[load],
        board.safe[load],
    )
    counted, hot, unmet = board.counted, board.hot[load], board.unmet[load]
    points, count = board.spread[load], float(standing.counts[COUNTED])
    total, squares = standing.sums[load], standing.squares[load]
    relief = -spread_of(points, board.is_deviation, total, squares, count)
    if counted[source]:
        now, size, safe = used[source], scales[source], safes[source]
        before, after = now * pers[source], (now - need) * pers[source]
        total += after - before
        squares += after * after - before * before
        relief += over_cost(now - need, size, safe, hot, unmet)
        relief -= over_cost(now, size, safe, hot, unmet)
    alone = relief + spread_of(points, board.is_deviation, total, squares, count)
    is_deviation = board.is_deviation
    for place in range(begin, end):
        now, size, limit = used[place], scales[place], safes[place]
        before, after = now * pers[place], (now + need) * pers[place]
        then = total + (after - before)
        spread = squares + (after * after - before * before)
        if is_deviation:
            mean = then / count
            change = points * math.sqrt(max(0.0, spread / count - mean * mean))
        else:
            change = points * (spread - then * then / count)
        change += hot * (max(0.0, after - limit) - max(0.0, before - limit))
        change += unmet * (max(0.0, now + need - size) - max(0.0, now - size))
        changes[place] += relief + change if counted[place] else alone


@small
def lowest(changes: Reals) -> int:
    """The place of the lowest number, the first of equal ones."""
    best = 0
    for at in range(1, len(changes)):
        if changes[at] < changes[best]:
            best = at
    return best


@small
def away_of(board: Board, standing: Standing, item: int, place: int) -> float:
    """The least that a move costs an item; to a place where it came from, it gives back."""
    origin = board.origin[item]
    if standing.where[item] == origin:
        return board.price[item]
    return -board.price[item] if place == origin else 0.0


@kernel
def relief_of(board: Board, standing: Standing, item: int) -> float:
    """The most that an item could gain by leaving, beside what it gains by loads."""
    source, kind = standing.where[item], board.kind[item]
    relief = board.place_cost[kind][source] - board.least_cost[kind]
    for k in range(len(board.size)):
        relief += lacking_cost(board.broken_cost, standing.held[k][source], board.room[k][source])
    for at in range(board.groups_at[item], board.groups_at[item + 1]):
        group = board.groups[at]
        place = board.place_of[group][source]
        if standing.inside[group][place] > board.most[group]:
            points = board.group_cost[group]
            relief += board.broken_cost if math.isinf(points) else points
    return relief


@small
def least_between(
    board: Board, standing: Standing, load: int, source: int, place: int, most: float, back: float
) -> float:
    """The least that a load changes if any amount of it goes from bin to bin, up to this much.

    And down to ``back`` the other way, which is not above zero. How far the bins are apart is a
    parabola of the amount; a deviation is a root of it, and lowest where that is. What is above
    safe is lowest at one of its corners.
    """
    total, count = standing.sums[load], float(standing.counts[COUNTED])
    slope = bend = leaves = enters = 0.0
    if board.counted[source]:
        leaves = board.per[load][source]
        slope -= 2.0 * standing.used[load][source] * leaves * leaves
        bend += leaves * leaves
    if board.counted[place]:
        enters = board.per[load][place]
        slope += 2.0 * standing.used[load][place] * enters * enters
        bend += enters * enters
    slope -= 2.0 * total * (enters - leaves) / count
    bend -= (enters - leaves) * (enters - leaves) / count
    amount = most if slope < 0.0 else back
    if bend > 0.0:
        amount = min(most, max(back, -slope / (2.0 * bend)))
    change = amount * (slope + amount * bend)
    if board.is_deviation:
        now = max(0.0, standing.squares[load] - total * total / count)
        then = max(0.0, now + change)
        change = math.sqrt(then / count) - math.sqrt(now / count)
    return board.spread[load] * change + _least_over(
        board, standing, load, source, place, most, back
    )


@small
def _least_over(
    board: Board, standing: Standing, load: int, source: int, place: int, most: float, back: float
) -> float:
    """The least that what is above safe in two bins changes, if any amount goes from one to one."""
    now = _over(board, standing, load, source, 0.0) + _over(board, standing, load, place, 0.0)
    if now == 0.0:
        return 0.0
    least = 0.0
    here, there = standing.used[load][source], standing.used[load][place]
    scale, scales = board.scale[load][source], board.scale[load][place]
    for corner in range(6):
        if corner == 0:
            amount = most
        elif corner == 1:
            amount = back
        elif corner == 2:
            amount = here - board.safe[load][source] * scale
        elif corner == 3:
            amount = board.safe[load][place] * scales - there
        elif corner == 4:
            amount = here - scale
        else:
            amount = scales - there
        amount = min(most, max(back, amount))
        over = _over(board, standing, load, source, -amount)
        over += _over(board, standing, load, place, amount)
        least = min(least, over - now)
    return least


@small
def _over(board: Board, standing: Standing, load: int, place: int, more: float) -> float:
    if not board.counted[place]:
        return 0.0
    used, scale = standing.used[load][place] + more, board.scale[load][place]
    return over_cost(used, scale, board.safe[load][place], board.hot[load], board.unmet[load])


@kernel
def largest_of(board: Board, standing: Standing, load: int, place: int) -> float:
    """The largest need of an item of a bin that may move."""
    largest = 0.0
    item = standing.first[place]
    while item != NONE:
        if not board.fixed[item]:
            largest = max(largest, board.need[load][item])
        item = standing.next[item]
    return largest


@kernel
def least_out_of(board: Board, standing: Standing, memory: Memory, source: int) -> float:
    """The least that loads change by a move of any item of a bin to any other bin."""
    if not standing.counts[COUNTED]:
        return 0.0
    loads, whole = len(board.need), 0.0
    for load in range(loads):
        memory.largest[load] = largest_of(board, standing, load, source)
        whole += memory.largest[load]
    least = 0.0
    if whole == 0.0:
        return least
    for place in range(len(board.counted)):
        if place != source:
            change = 0.0
            for load in range(loads):
                most = memory.largest[load]
                change += least_between(board, standing, load, source, place, most, 0.0)
            least = min(least, change)
    return least
