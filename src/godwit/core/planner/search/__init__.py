"""Search for a good assignment of items to bins: local search in compiled code over plain arrays.

``problem.py`` says what can be asked; ``moving.py`` keeps the counts, ``weighing.py`` judges a
move before it is made, ``annealing.py`` draws the moves, ``improving.py`` is what callers use.
Without clock and without chance of its own: the caller gives the seed, and stops between slices.
"""

from godwit.core.planner.search.improving import (
    Heat,
    best_cost,
    broken_rules,
    descend,
    evaluations_of,
    heat_for,
    improve,
)
from godwit.core.planner.search.problem import (
    NO_LIMIT,
    Indices,
    Numbers,
    Problem,
    build_problem,
)
from godwit.core.planner.search.starting import start
from godwit.core.planner.search.state import State

__all__ = [
    "NO_LIMIT",
    "Heat",
    "Indices",
    "Numbers",
    "Problem",
    "State",
    "best_cost",
    "broken_rules",
    "build_problem",
    "descend",
    "evaluations_of",
    "heat_for",
    "improve",
    "start",
]
