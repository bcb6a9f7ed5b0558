"""What an assignment costs, term by term, and the sums behind it, counted anew or by one move."""

import math

from godwit.core.planner.levelling.board import (
    COUNTED,
    MOVED,
    NONE,
    Board,
    Standing,
)
from godwit.core.planner.levelling.twice import kernel, small

__all__ = ["cost_of", "lacking_cost", "over_cost", "settle", "shift", "spread_of"]


@small
def spread_of(
    points: float, is_deviation: bool, total: float, squares: float, count: float
) -> float:
    """Points for how far the bins are apart in one load."""
    if is_deviation:
        mean = total / count
        return points * math.sqrt(max(0.0, squares / count - mean * mean))
    return points * (squares - total * total / count)


@small
def over_cost(used: float, scale: float, safe: float, hot: float, unmet: float) -> float:
    """Points for what one load of a bin has above what is safe, and above all there is."""
    return hot * max(0.0, used / scale - safe) + unmet * max(0.0, used - scale)


@small
def lacking_cost(points: float, held: int, room: int) -> float:
    """Points for what a bin holds above its room: for being so, and for how much."""
    return points * (0.1 + (held - room) / held) if held > room and held > 0 else 0.0


@kernel
def settle(board: Board, standing: Standing) -> None:
    """Count everything anew, in the order of the items.

    After it, sums depend on the assignment alone and not on the way that led to it: two searches
    that meet there agree to the bit.
    """
    items, bins, loads = len(board.origin), len(board.counted), len(board.need)
    counts, first = standing.counts, standing.first
    counts[MOVED] = 0
    for place in range(bins):
        first[place] = NONE
    # From the last to the first, so that the list of a bin begins with its first item.
    for back in range(items):
        item = items - 1 - back
        _link(standing, item, standing.where[item])
        if standing.where[item] != board.origin[item]:
            counts[MOVED] += 1
    for k in range(len(board.size)):
        _settle_room(board, standing, k)
    _settle_groups(board, standing)
    counts[COUNTED] = 0
    for place in range(bins):
        if board.counted[place]:
            counts[COUNTED] += 1
    for load in range(loads):
        _settle_load(board, standing, load)


@kernel
def _settle_room(board: Board, standing: Standing, k: int) -> None:
    held, sizes = standing.held[k], board.size[k]
    for place in range(len(held)):
        held[place] = 0
    for item in range(len(sizes)):
        held[standing.where[item]] += sizes[item]


@kernel
def _settle_groups(board: Board, standing: Standing) -> None:
    for group in range(len(board.most)):
        inside, base = standing.inside[group], board.base_count[group]
        for place in range(len(inside)):
            inside[place] = base[place]
    for item in range(len(board.origin)):
        for at in range(board.groups_at[item], board.groups_at[item + 1]):
            group = board.groups[at]
            standing.inside[group][board.place_of[group][standing.where[item]]] += 1


@kernel
def _settle_load(board: Board, standing: Standing, load: int) -> None:
    used, base, per, needs = (
        standing.used[load],
        board.base[load],
        board.per[load],
        board.need[load],
    )
    for place in range(len(used)):
        used[place] = base[place]
    for item in range(len(needs)):
        used[standing.where[item]] += needs[item]
    total = squares = 0.0
    for place in range(len(used)):
        if board.counted[place]:
            fraction = used[place] * per[place]
            total += fraction
            squares += fraction * fraction
    standing.sums[load] = total
    standing.squares[load] = squares


@small
def _link(standing: Standing, item: int, place: int) -> None:
    other = standing.first[place]
    standing.first[place] = item
    standing.next[item] = other
    standing.before[item] = NONE
    if other != NONE:
        standing.before[other] = item


@small
def _unlink(standing: Standing, item: int, place: int) -> None:
    after, before = standing.next[item], standing.before[item]
    if before == NONE:
        standing.first[place] = after
    else:
        standing.next[before] = after
    if after != NONE:
        standing.before[after] = before


@kernel
def shift(board: Board, standing: Standing, item: int, place: int) -> None:
    """Move an item to another bin, whatever that breaks."""
    source = standing.where[item]
    for k in range(len(board.size)):
        standing.held[k][source] -= board.size[k][item]
        standing.held[k][place] += board.size[k][item]
    for load in range(len(board.need)):
        _load(board, standing, load, -board.need[load][item], source)
        _load(board, standing, load, board.need[load][item], place)
    for at in range(board.groups_at[item], board.groups_at[item + 1]):
        group = board.groups[at]
        standing.inside[group][board.place_of[group][source]] -= 1
        standing.inside[group][board.place_of[group][place]] += 1
    _unlink(standing, item, source)
    _link(standing, item, place)
    standing.where[item] = place
    if source == board.origin[item]:
        standing.counts[MOVED] += 1
    elif place == board.origin[item]:
        standing.counts[MOVED] -= 1


@small
def _load(board: Board, standing: Standing, load: int, more: float, place: int) -> None:
    used, per = standing.used[load], board.per[load][place]
    before = used[place] * per
    used[place] += more
    after = used[place] * per
    if board.counted[place]:
        standing.sums[load] += after - before
        standing.squares[load] += after * after - before * before


@kernel
def cost_of(board: Board, standing: Standing) -> float:
    """All points of the assignment as it is."""
    return (
        _loads(board, standing)
        + _rooms(board, standing)
        + _groups(board, standing)
        + _items(board, standing)
    )


@kernel
def _loads(board: Board, standing: Standing) -> float:
    cost = 0.0
    count = float(standing.counts[COUNTED])
    if count == 0.0:
        return cost
    for load in range(len(board.need)):
        cost += spread_of(
            board.spread[load],
            board.is_deviation,
            standing.sums[load],
            standing.squares[load],
            count,
        )
        for place in range(len(board.counted)):
            if board.counted[place]:
                cost += over_cost(
                    standing.used[load][place],
                    board.scale[load][place],
                    board.safe[load][place],
                    board.hot[load],
                    board.unmet[load],
                )
    return cost


@kernel
def _rooms(board: Board, standing: Standing) -> float:
    cost = 0.0
    for k in range(len(board.size)):
        for place in range(len(board.counted)):
            held, room = standing.held[k][place], board.room[k][place]
            cost += lacking_cost(board.broken_cost, held, room)
    return cost


@kernel
def _groups(board: Board, standing: Standing) -> float:
    cost = 0.0
    for group in range(len(board.most)):
        points = board.group_cost[group]
        if math.isinf(points):
            points = board.broken_cost
        inside = standing.inside[group]
        for place in range(len(inside)):
            cost += points * max(0, inside[place] - board.most[group])
    return cost


@kernel
def _items(board: Board, standing: Standing) -> float:
    cost = 0.0
    for item in range(len(board.origin)):
        cost += board.place_cost[board.kind[item]][standing.where[item]]
        if standing.where[item] != board.origin[item]:
            cost += board.price[item]
    return cost
