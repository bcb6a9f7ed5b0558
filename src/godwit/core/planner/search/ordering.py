"""An order of moves in which each has room when it comes: what gains most goes first."""

import numpy as np
import numpy.typing as npt

from godwit.core.planner.search.compiled import compiled
from godwit.core.planner.search.levels import Levels, Reals
from godwit.core.planner.search.moving_on import FORBIDDEN, moves_of
from godwit.core.planner.search.problem import Indices, Numbers
from godwit.core.planner.search.standing import MOST_MOVED, NONE, Standing, shift, stand

__all__ = ["order_moves"]


def order_moves(
    levels: Levels, where: npt.NDArray[np.int32], *, alternatives: int = 0
) -> tuple[list[tuple[int, int, float]], int, npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Put the moves from the origins to an assignment in order, as (item, bin, gain).

    Returns them, how many of them have room in their turn, and for each the next best bins with
    what it would gain there. The rest wait for each other, and have room only all at once.
    """
    standing = stand(levels)
    moved = np.flatnonzero(where != levels.origin).astype(np.int64)
    gains = np.zeros(len(moved))
    places = np.full((len(moved), alternatives), NONE, dtype=np.int32)
    instead = np.full((len(moved), alternatives), -FORBIDDEN)
    taken = _order(levels, standing, moved, where, gains, places, instead)
    found = [
        (int(item), int(where[item]), float(gain)) for item, gain in zip(moved, gains, strict=True)
    ]
    return found, taken, places, instead


@compiled
def _order(
    levels: Levels,
    standing: Standing,
    moved: Numbers,
    where: Indices,
    gains: Reals,
    places: Indices,
    instead: Reals,
) -> int:
    """Put the moves in order; returns how many have room in their turn."""
    standing.counts[MOST_MOVED] = moved.shape[0]
    changes = np.empty(levels.scale.shape[0], dtype=np.float64)
    costs = np.empty(moved.shape[0], dtype=np.float64)
    waiting = moved.copy()
    for k in range(waiting.shape[0]):
        moves_of(levels, standing, waiting[k], changes)
        costs[k] = changes[where[waiting[k]]]
    in_turn = 0
    for done in range(waiting.shape[0]):
        best = NONE
        for k in range(waiting.shape[0]):
            if waiting[k] != NONE and (best == NONE or costs[k] < costs[best]):
                best = k
        item = waiting[best]
        source, place = standing.where[item], where[item]
        # Once none has room any more, the others go on all the same, as if it were there.
        if costs[best] < FORBIDDEN and in_turn == done:
            in_turn += 1
        moves_of(levels, standing, item, changes)
        moved[done], gains[done] = item, -changes[place]
        _next_best(changes, place, places[done], instead[done])
        shift(levels, standing, item, place)
        waiting[best] = NONE
        for k in range(waiting.shape[0]):
            other = waiting[k]
            if other == NONE:
                continue
            home, goal = standing.where[other], where[other]
            if home in (source, place) or goal in (source, place):
                moves_of(levels, standing, other, changes)
                costs[k] = changes[goal]
    return in_turn


@compiled
def _next_best(changes: Reals, place: int, places: Indices, instead: Reals) -> None:
    """Note the best bins beside the one that is taken, the best of them first."""
    for at in range(places.shape[0]):
        best = NONE
        for one in range(changes.shape[0]):
            is_noted = one == place or changes[one] == FORBIDDEN
            for k in range(at):
                is_noted = is_noted or places[k] == one
            if not is_noted and (best == NONE or changes[one] < changes[best]):
                best = one
        if best == NONE:
            return
        places[at] = best
        instead[at] = -changes[best]
