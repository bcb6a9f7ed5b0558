"""Chains that make room: an item takes another's place, that one a third's, until one has room.

A search in depth, with a few next links at each: those that push the smallest aside. It is asked
only for items that must leave their bin and have found no room in any simpler way.
"""

from typing import Final

from godwit.core.planner.levelling.board import (
    LINKS,
    MOST_MOVED,
    MOVED,
    NONE,
    WIDTH,
    Board,
    Memory,
    Standing,
)
from godwit.core.planner.levelling.costing import cost_of, shift
from godwit.core.planner.levelling.moving import FORBIDDEN, lowest, moves_of
from godwit.core.planner.levelling.twice import kernel, small

__all__ = ["chain"]

#: Links that are tried for one item.
_TRIES: Final = 300


@kernel
def chain(board: Board, standing: Standing, memory: Memory, item: int, least_gain: float) -> int:
    """Find a chain that lets an item leave, and make its moves where all of them gain together.

    Returns how many items moved: ``memory.link_item`` has them, with where they were.
    """
    items, homes, tried, counts = (
        memory.link_item,
        memory.link_home,
        memory.link_tried,
        memory.link_count,
    )
    before, moves = cost_of(board, standing), memory.moves
    items[0], homes[0], tried[0] = item, standing.where[item], 0
    counts[0] = _find_links(board, standing, memory, 0)
    depth = 0
    for _ in range(_TRIES):
        # Where no link leads on, who was pushed goes back, and the one before tries another.
        while depth > 0 and tried[depth] == counts[depth]:
            depth -= 1
            shift(board, standing, items[depth], homes[depth])
        if tried[depth] == counts[depth]:
            return 0
        other = memory.link_next[depth][tried[depth]]
        tried[depth] += 1
        home = standing.where[other]
        shift(board, standing, items[depth], home)
        depth += 1
        items[depth], homes[depth], tried[depth], counts[depth] = other, home, 0, 0
        moves_of(board, standing, other, moves, 0, len(moves))
        place = lowest(moves)
        if moves[place] < FORBIDDEN:
            shift(board, standing, other, place)
            is_allowed = standing.counts[MOVED] <= standing.counts[MOST_MOVED]
            if is_allowed and cost_of(board, standing) < before - least_gain:
                return depth + 1
            shift(board, standing, other, home)
        elif depth < LINKS:
            counts[depth] = _find_links(board, standing, memory, depth)
    while depth > 0:
        depth -= 1
        shift(board, standing, items[depth], homes[depth])
    return 0


@kernel
def _find_links(board: Board, standing: Standing, memory: Memory, depth: int) -> int:
    """Note the items whose places the last of a chain could take, the smallest of them first."""
    item, count = memory.link_item[depth], 0
    found, sizes = memory.link_next[depth], memory.link_size
    for place in range(len(board.counted)):
        if place == standing.where[item] or not board.allowed[board.row[item]][place]:
            continue
        other = standing.first[place]
        while other != NONE:
            if _may_follow(board, standing, memory, depth, other):
                size = 0.0
                for load in range(len(board.need)):
                    size += board.need[load][other] * board.per[load][place]
                at = min(count, WIDTH - 1)
                if count < WIDTH or size < sizes[at]:
                    while at > 0 and sizes[at - 1] > size:
                        sizes[at], found[at] = sizes[at - 1], found[at - 1]
                        at -= 1
                    sizes[at], found[at] = size, other
                    count = min(WIDTH, count + 1)
            other = standing.next[other]
    return count


@small
def _may_follow(board: Board, standing: Standing, memory: Memory, depth: int, other: int) -> bool:
    """Whether the last of a chain could be where another is, if that one were not there."""
    item, place = memory.link_item[depth], standing.where[other]
    fits = not board.fixed[other]
    for k in range(len(board.size)):
        size = board.size[k][item]
        held = standing.held[k][place] - board.size[k][other] + size
        fits = fits and (size == 0 or held <= board.room[k][place])
    for at in range(depth + 1):
        fits = fits and memory.link_item[at] != other
    for at in range(board.groups_at[item], board.groups_at[item + 1]):
        group = board.groups[at]
        there = board.place_of[group][place]
        inside = standing.inside[group][there]
        if board.place_of[group][standing.where[item]] == there:
            inside -= 1
        for one in range(board.groups_at[other], board.groups_at[other + 1]):
            if board.groups[one] == group:
                inside -= 1
        fits = fits and (board.group_cost[group] < FORBIDDEN or inside < board.most[group])
    return fits
