"""Annealing of a levelling problem: items are drawn, and go where chance and cost take them.

Of an item that was drawn all moves, or all exchanges, are weighed at once. A worse one is taken
with a chance that falls with how much worse it is and with the temperature.
"""

import math

import numpy as np

from godwit.core.planner.search.compiled import compiled, tight
from godwit.core.planner.search.dice import Dice, below, fraction
from godwit.core.planner.search.exchanging import exchanges_of
from godwit.core.planner.search.levels import Levels, Reals
from godwit.core.planner.search.moving_on import FORBIDDEN, moves_of
from godwit.core.planner.search.problem import Indices
from godwit.core.planner.search.standing import EVALUATIONS, NONE, Standing, shift


@compiled
def typical_rise(levels: Levels, standing: Standing, free: Indices, samples: int) -> float:
    """Weigh moves of random items; returns the median of what those cost that cost something."""
    changes = np.empty(levels.scale.shape[0], dtype=np.float64)
    rises = np.empty(samples * changes.shape[0], dtype=np.float64)
    found = 0
    for _ in range(samples):
        moves_of(levels, standing, free[below(standing.dice, free.shape[0])], changes)
        for change in changes:
            if 0.0 < change < FORBIDDEN:
                rises[found] = change
                found += 1
    return float(np.median(rises[:found])) if found else 0.0


@tight
def draw(changes: Reals, temperature: float, dice: Dice) -> int:
    """Draw one of the changes, the lower ones rather, or none of them: as heat would.

    One of no change stands for staying. Those that are hopeless are not asked at all.
    """
    drawn = NONE
    lowest = -temperature * math.log(-math.log(0.5 * fraction(dice)) + 1e-300)
    hopeless = lowest + 12.0 * temperature
    for at in range(changes.shape[0]):
        if changes[at] < hopeless:
            luck = -math.log(-math.log(0.999999999 * fraction(dice)))
            if changes[at] - temperature * luck < lowest:
                lowest = changes[at] - temperature * luck
                drawn = at
    return drawn


@compiled
def shake(
    levels: Levels,
    standing: Standing,
    free: Indices,
    evaluations: int,
    hottest: float,
    coldest: float,
    best: Indices,
) -> float:
    """Anneal for so many evaluations; ``best`` gets the best assignment on the way.

    Returns how much less that costs than the assignment at the start.
    """
    cost = lowest = 0.0
    is_noted = True
    best[:] = standing.where
    moves = np.empty(levels.scale.shape[0], dtype=np.float64)
    exchanges = np.empty(levels.need.shape[0], dtype=np.float64)
    begin, done = standing.counts[EVALUATIONS], 0
    while done < evaluations:
        temperature = hottest * (coldest / hottest) ** (done / evaluations)
        item = free[below(standing.dice, free.shape[0])]
        source, other = standing.where[item], NONE
        if below(standing.dice, 4) == 0:
            exchanges_of(levels, standing, item, exchanges)
            other = draw(exchanges, temperature, standing.dice)
            done += exchanges.shape[0]
            place = standing.where[other] if other != NONE else NONE
            change = exchanges[other] if other != NONE else 0.0
        else:
            moves_of(levels, standing, item, moves)
            place = draw(moves, temperature, standing.dice)
            done += moves.shape[0]
            change = moves[place] if place != NONE else 0.0
        if place == NONE:
            continue
        if change > 0.0 and not is_noted:
            best[:] = standing.where
            is_noted = True
        shift(levels, standing, item, place)
        if other != NONE:
            shift(levels, standing, other, source)
        cost += change
        if cost < lowest - 1e-12:
            lowest = cost
            is_noted = False
    if not is_noted:
        best[:] = standing.where
    standing.counts[EVALUATIONS] = begin + done
    return -lowest
