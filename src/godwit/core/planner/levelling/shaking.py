"""Annealing of a levelling problem: items are drawn, and go where chance and cost take them.

Of an item that was drawn all moves, or all exchanges, are weighed at once. A worse one is taken
with a chance that falls with how much worse it is and with the temperature.
"""

import math

from godwit.core.planner.levelling.board import (
    EVALUATIONS,
    NONE,
    SEEN,
    Board,
    Memory,
    Standing,
)
from godwit.core.planner.levelling.chance import Dice, below, fraction
from godwit.core.planner.levelling.costing import shift
from godwit.core.planner.levelling.exchanging import exchanges_of
from godwit.core.planner.levelling.levels import Indices, Reals
from godwit.core.planner.levelling.moving import FORBIDDEN, moves_of
from godwit.core.planner.levelling.twice import kernel, small

__all__ = ["rises_of", "shake"]


@kernel
def rises_of(
    board: Board, standing: Standing, memory: Memory, free: int, samples: int, rises: Reals
) -> int:
    """Weigh moves of random items; notes those that cost something, and returns how many."""
    moves, found = memory.moves, 0
    for _ in range(samples):
        item = memory.free[below(standing.dice, free)]
        moves_of(board, standing, item, moves, 0, len(moves))
        for place in range(len(moves)):
            if 0.0 < moves[place] < FORBIDDEN:
                rises[found] = moves[place]
                found += 1
    return found


@small
def _draw(changes: Reals, temperature: float, dice: Dice) -> int:
    """Draw one of the changes, the lower ones rather, or none of them: as heat would.

    One of no change stands for staying. Those that are hopeless are not asked at all.
    """
    drawn = NONE
    lowest = -temperature * math.log(-math.log(0.5 * fraction(dice)) + 1e-300)
    hopeless = lowest + 12.0 * temperature
    for at in range(len(changes)):
        if changes[at] < hopeless:
            luck = -math.log(-math.log(0.999999999 * fraction(dice)))
            if changes[at] - temperature * luck < lowest:
                lowest = changes[at] - temperature * luck
                drawn = at
    return drawn


@kernel
def shake(
    board: Board,
    standing: Standing,
    memory: Memory,
    free: int,
    evaluations: int,
    hottest: float,
    coldest: float,
) -> float:
    """Anneal for so many evaluations; the memory gets the best assignment on the way.

    Only the first ``free`` items of ``memory.free`` are drawn. Returns how much less the best costs
    than the assignment at the start.
    """
    cost = lowest = 0.0
    moves, exchanges, best, where = memory.moves, memory.exchanges, memory.best, standing.where
    counts, is_noted = standing.counts, False
    counts[SEEN] = 0
    begin = counts[EVALUATIONS]
    done = 0
    while done < evaluations:
        temperature = hottest * (coldest / hottest) ** (done / evaluations)
        item = memory.free[below(standing.dice, free)]
        source, other, place, change = where[item], NONE, NONE, 0.0
        if below(standing.dice, 4) == 0:
            exchanges_of(board, standing, item, exchanges)
            other = _draw(exchanges, temperature, standing.dice)
            if other != NONE:
                place, change = where[other], exchanges[other]
        else:
            moves_of(board, standing, item, moves, 0, len(moves))
            place = _draw(moves, temperature, standing.dice)
            if place != NONE:
                change = moves[place]
        done = counts[EVALUATIONS] - begin
        if place == NONE:
            continue
        if change > 0.0 and not is_noted:
            _keep(where, best)
            is_noted = True
        shift(board, standing, item, place)
        if other != NONE:
            shift(board, standing, other, source)
        cost += change
        if cost < lowest - 1e-12:
            lowest = cost
            is_noted = False
    if not is_noted:
        _keep(where, best)
    return -lowest


@small
def _keep(where: Indices, best: Indices) -> None:
    for item in range(len(where)):
        best[item] = where[item]
