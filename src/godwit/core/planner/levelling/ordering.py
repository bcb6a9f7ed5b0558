"""An order of moves in which each has room when it comes: what gains most goes first."""

from godwit.core.planner.levelling.board import (
    MOST_MOVED,
    NONE,
    Board,
    Memory,
    Standing,
)
from godwit.core.planner.levelling.costing import shift
from godwit.core.planner.levelling.levels import Indices, Reals
from godwit.core.planner.levelling.moving import FORBIDDEN, moves_of
from godwit.core.planner.levelling.twice import kernel, small

__all__ = ["order"]


@kernel
def order(
    board: Board,
    standing: Standing,
    memory: Memory,
    moved: Indices,
    where: Indices,
    gains: Reals,
    places: Indices,
    instead: Reals,
) -> int:
    """Put the moves in order; returns how many have room in their turn.

    ``moved`` are the items that are elsewhere in ``where``, and come out in their order, each with
    what it gains, and the next best bins with what it would gain there. What has no room in any
    order comes last.
    """
    waits, costs, moves = memory.few, memory.exchanges, memory.moves
    count = len(moved)
    standing.counts[MOST_MOVED] = count
    for k in range(count):
        waits[k] = moved[k]
        costs[k] = _cost(board, standing, memory, moved[k], where[moved[k]])
    in_turn = 0
    for done in range(count):
        best = NONE
        for k in range(count):
            if waits[k] != NONE and (best == NONE or costs[k] < costs[best]):
                best = k
        item = waits[best]
        source, place = standing.where[item], where[item]
        # Once none has room any more, the others go on all the same, as if it were there.
        if costs[best] < FORBIDDEN and in_turn == done:
            in_turn += 1
        moved[done], gains[done] = item, -_cost(board, standing, memory, item, place)
        if len(places[done]):
            moves_of(board, standing, item, moves, 0, len(moves))
            _next_best(moves, place, places[done], instead[done])
        shift(board, standing, item, place)
        waits[best] = NONE
        for k in range(count):
            one = waits[k]
            if one == NONE:
                continue
            home, goal = standing.where[one], where[one]
            is_left = source in (home, goal)
            if is_left or place in (home, goal):
                costs[k] = _cost(board, standing, memory, one, goal)
    return in_turn


@small
def _cost(board: Board, standing: Standing, memory: Memory, item: int, place: int) -> float:
    moves_of(board, standing, item, memory.moves, place, place + 1)
    return memory.moves[place]


@small
def _next_best(changes: Reals, place: int, places: Indices, instead: Reals) -> None:
    """Note the best bins beside the one that is taken, the best of them first."""
    for at in range(len(places)):
        best = NONE
        for one in range(len(changes)):
            is_noted = one == place or changes[one] == FORBIDDEN
            for k in range(at):
                is_noted = is_noted or places[k] == one
            if not is_noted and (best == NONE or changes[one] < changes[best]):
                best = one
        if best == NONE:
            return
        places[at] = best
        instead[at] = -changes[best]
