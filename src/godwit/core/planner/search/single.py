"""The single move that gains most, whether or not it is worth its price."""

import numpy as np

from godwit.core.planner.search.compiled import compiled
from godwit.core.planner.search.descending import best_of_bin, lowest
from godwit.core.planner.search.levels import Levels
from godwit.core.planner.search.moving_on import FORBIDDEN
from godwit.core.planner.search.standing import NONE, Standing, stand

__all__ = ["best_single"]


def best_single(levels: Levels) -> tuple[int, int, float] | None:
    """Return item, bin and gain with the price taken off; None when nothing may move anywhere."""
    item, place, change = _best_single(levels, stand(levels))
    return None if change == FORBIDDEN else (int(item), int(place), -float(change))


@compiled
def _best_single(levels: Levels, standing: Standing) -> tuple[int, int, float]:
    bins = levels.scale.shape[0]
    bests, changes = np.full(bins, FORBIDDEN), np.empty(bins, dtype=np.float64)
    items = np.full(bins, NONE, dtype=np.int32)
    places = np.full(bins, NONE, dtype=np.int32)
    for source in range(bins):
        best_of_bin(levels, standing, source, bests, items, places, changes)
    source = lowest(bests)
    return items[source], places[source], bests[source]
