"""A search in slices: the caller owns the clock, and says how far it is.

Each slice is a bounded number of evaluations, so the same seed and the same slices give the same
assignment to the byte. The best assignment so far is at hand between any two of them::

    state = start(problem, seed=1)
    descend(problem, state, evaluations=100_000)
    heat = heat_for(problem, state)
    for k in range(slices):
        improve(problem, state, heat, progress_fraction=k / slices, evaluations=100_000)
    state.best, best_cost(state)
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from godwit.core.planner.search.annealing import anneal, sample_rises
from godwit.core.planner.search.problem import Problem
from godwit.core.planner.search.state import BEST_COST, BROKEN, EVALUATIONS, State

#: So cold that nothing worse is ever taken.
_FROZEN: Final = 1e-6
_SAMPLES: Final = 2000
#: Of the median rise of a random move.
_HOTTEST_FRACTION: Final = 0.3
_COLDEST_FRACTION: Final = 0.001
_MIX: Final = np.array([500, 50, 300, 3], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """Temperatures of a search, in the unit of the problem's cost."""

    hottest: float
    coldest: float

    def at(self, progress_fraction: float) -> float:
        """The temperature when so much of the time is gone."""
        fraction = min(1.0, max(0.0, progress_fraction))
        return float(self.hottest * (self.coldest / self.hottest) ** fraction)


def descend(problem: Problem, state: State, *, evaluations: int) -> None:
    """Take whatever is no worse, and nothing else; only good at the start of a search."""
    if len(problem.need):
        anneal(problem, state, evaluations, _FROZEN, _MIX)


def heat_for(problem: Problem, state: State) -> Heat:
    """Choose temperatures by what random moves away from this assignment would cost."""
    rises = np.zeros(_SAMPLES, dtype=np.int64)
    found = sample_rises(problem, state, rises) if len(problem.need) else 0
    typical = max(1.0, float(np.median(rises[:found]))) if found else 1.0
    return Heat(hottest=_HOTTEST_FRACTION * typical, coldest=_COLDEST_FRACTION * typical)


def improve(
    problem: Problem, state: State, heat: Heat, *, progress_fraction: float, evaluations: int
) -> int:
    """Search on for so many evaluations; returns the cost of the best assignment so far."""
    if len(problem.need):
        anneal(problem, state, evaluations, heat.at(progress_fraction), _MIX)
    return best_cost(state)


def best_cost(state: State) -> int:
    """The cost of the best assignment so far."""
    return int(state.sums[BEST_COST])


def broken_rules(state: State) -> int:
    """How many hard rules the assignment breaks, as it is now."""
    return int(state.sums[BROKEN])


def evaluations_of(state: State) -> int:
    """How many moves were tried so far."""
    return int(state.sums[EVALUATIONS])
