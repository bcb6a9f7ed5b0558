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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from godwit.core.planner.search.annealing import anneal, sample_rises
from godwit.core.planner.search.problem import Problem
from godwit.core.planner.search.state import BEST_COST, BROKEN, COST, EVALUATIONS, State

Costs = npt.NDArray[np.float64]

#: So cold that nothing worse is ever taken.
_FROZEN: Final = 1e-6
_SAMPLES: Final = 2000
#: The hottest of the median rise of a random move; the coldest of a small one.
_HOTTEST_FRACTION: Final = 6.0
_COLDEST_FRACTION: Final = 0.05
_SMALL: Final = 0.05
#: Steps of a schedule, and how much of its time is shared out evenly among them.
_STEPS: Final = 32
_FEWEST_STEPS: Final = 8
_EVEN_SHARE: Final = 0.5
_MIX: Final = np.array([500, 400, 800, 3, 300], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """Temperatures over the time of a search, in the unit of the problem's cost.

    Each falls evenly, as a logarithm, from the one before it: ``temperatures[k]`` is that of when
    ``progress_fractions[k]`` of the time is gone.
    """

    temperatures: tuple[float, ...]
    progress_fractions: tuple[float, ...] = (0.0, 1.0)

    def at(self, progress_fraction: float) -> float:
        """The temperature when so much of the time is gone."""
        logs = np.log(self.temperatures)
        return float(np.exp(np.interp(progress_fraction, self.progress_fractions, logs)))

    def focused(self, costs: Sequence[float], *, begins_at: float) -> "Heat":
        """Spend the time where it pays, from what a rehearsal at evenly falling heat cost.

        It begins at the temperature that a cost of ``begins_at`` belongs to: anything hotter
        would first undo what has been reached.
        """
        hottest, coldest = np.log(self.temperatures[0]), np.log(self.temperatures[-1])
        seen = np.linspace(hottest, coldest, len(costs))
        steps = np.linspace(hottest, coldest, _STEPS + 1)
        mean = np.interp(-steps, -seen, _smooth(np.asarray(costs, dtype=np.float64)))
        worse = np.flatnonzero(mean > begins_at)
        first = min(int(worse[-1]), _STEPS - _FEWEST_STEPS) if len(worse) else 0
        falls = np.maximum(0.0, mean[first:-1] - mean[first + 1 :])
        shares = np.sqrt(falls / max(1.0, falls.sum()))
        shares = shares / max(1e-9, shares.sum()) + _EVEN_SHARE / len(shares)
        gone = np.concatenate(([0.0], np.cumsum(shares) / shares.sum()))
        return Heat(
            temperatures=tuple(np.exp(steps[first:]).tolist()),
            progress_fractions=tuple(gone.tolist()),
        )


def _smooth(costs: Costs) -> Costs:
    width = max(1, len(costs) // (2 * _STEPS))
    padded = np.pad(costs, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.full(width, 1.0 / width), mode="valid")


def descend(problem: Problem, state: State, *, evaluations: int) -> None:
    """Take whatever is no worse, and nothing else; only good at the start of a search."""
    if len(problem.need):
        anneal(problem, state, evaluations, _FROZEN, _MIX)


def heat_for(problem: Problem, state: State) -> Heat:
    """Choose temperatures by what random moves away from this assignment would cost."""
    rises = np.zeros(_SAMPLES, dtype=np.int64)
    found = sample_rises(problem, state, rises) if len(problem.need) else 0
    small, typical = np.quantile(rises[:found], (_SMALL, 0.5)) if found else (1.0, 1.0)
    hottest = _HOTTEST_FRACTION * float(typical)
    return Heat(temperatures=(hottest, min(hottest, _COLDEST_FRACTION * float(small))))


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


def present_cost(state: State) -> int:
    """The cost of the assignment as it is now."""
    return int(state.sums[COST])


def broken_rules(state: State) -> int:
    """How many hard rules the assignment breaks, as it is now."""
    return int(state.sums[BROKEN])


def evaluations_of(state: State) -> int:
    """How many moves were tried so far."""
    return int(state.sums[EVALUATIONS])
