"""The state of a search: an assignment, and every count and sum that an evaluation reads."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from godwit.core.planner.search.dice import Dice
from godwit.core.planner.search.problem import Indices, Numbers

#: Where the sums stand in ``State.sums``: of the assignment as it is, and of the best one.
COST: Final = 0
BROKEN: Final = 1
BEST_COST: Final = 2
BEST_BROKEN: Final = 3
#: Items of the most moved group away from their origin.
MOST_MOVED: Final = 4
#: Items in the list ``State.dirty``.
DIRTY: Final = 5
EVALUATIONS: Final = 6
ACCEPTED: Final = 7
SUMS: Final = 8


class State(NamedTuple):
    """Changed in place by the kernels, and always consistent between two of their calls."""

    #: [item] its bin, and its position among the items of that bin.
    where: Indices
    place: Indices
    #: [bin, position] and [bin]: the items of a bin.
    items_of: Indices
    items_in: Indices
    #: [bin, resource] how far what is used is above what is safe, and what room is left: less
    #: than none where the capacity is broken.
    above: Numbers
    room: Numbers
    #: [bin, balance] how much the second resource lacks to be in balance; below zero, nothing.
    short: Numbers
    bin_cost: Numbers
    #: [group, bin], [group, location], [group, neighbourhood]: items of a group there.
    in_bin: npt.NDArray[np.int16]
    in_location: Indices
    in_neighbourhood: Indices
    #: [group] locations with an item of it; items of it away from their origin.
    locations: Indices
    moved: Indices
    #: [number] groups with that many items away from their origin.
    groups_with_moved: Indices
    #: The best assignment so far; the items that may lie elsewhere now, as flags and as a list.
    best: Indices
    is_dirty: npt.NDArray[np.bool_]
    dirty: Indices
    sums: Numbers
    dice: Dice
