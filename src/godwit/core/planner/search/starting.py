"""Makes the state of an assignment."""

import numpy as np
import numpy.typing as npt

from godwit.core.errors import BadValue
from godwit.core.planner.search.moving import settle
from godwit.core.planner.search.problem import Numbers, Problem
from godwit.core.planner.search.state import SUMS, State


def start(problem: Problem, assignment: npt.ArrayLike | None = None, *, seed: int = 0) -> State:
    """Make the state of an assignment; without one, of that where each item is at its origin."""
    items, bins = len(problem.need), len(problem.capacity)
    where = np.array(problem.origin if assignment is None else assignment, dtype=np.int32)
    if where.shape != (items,) or (items and not 0 <= where.min() <= where.max() < bins):
        raise BadValue("the assignment has not one bin for each item", evidence=f"{where.shape}")
    groups = len(problem.most_per_bin)
    largest = int(np.bincount(problem.groups, minlength=1).max())
    if largest > np.iinfo(np.int16).max:
        raise BadValue("a group has too many items", evidence=str(largest))
    locations = int(problem.location.max(initial=0)) + 1
    neighbourhoods = int(problem.neighbourhood.max(initial=0)) + 1
    state = State(
        where=where,
        place=np.zeros(items, dtype=np.int32),
        # As wide as if all items lay in one bin; memory that is never touched is never taken.
        items_of=np.empty((bins, max(1, items)), dtype=np.int32),
        items_in=np.zeros(bins, dtype=np.int32),
        above=-problem.safe,
        room=problem.capacity.copy(),
        short=_short_when_empty(problem),
        bin_cost=np.zeros(bins, dtype=np.int64),
        in_bin=np.zeros((groups, bins), dtype=np.int16),
        in_location=np.zeros((groups, locations), dtype=np.int32),
        in_neighbourhood=np.zeros((groups, neighbourhoods), dtype=np.int32),
        locations=np.zeros(groups, dtype=np.int32),
        moved=np.zeros(groups, dtype=np.int32),
        groups_with_moved=np.zeros(largest + 2, dtype=np.int32),
        best=where.copy(),
        is_dirty=np.zeros(items, dtype=np.bool_),
        dirty=np.zeros(max(1, items), dtype=np.int32),
        sums=np.zeros(SUMS, dtype=np.int64),
        dice=np.array([seed], dtype=np.uint64),
    )
    settle(problem, state)
    return state


def _short_when_empty(problem: Problem) -> Numbers:
    first, second, target, _ = problem.balance.T
    return np.ascontiguousarray(target * problem.capacity[:, first] - problem.capacity[:, second])
