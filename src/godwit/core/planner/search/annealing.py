"""Simulated annealing over moves and exchanges.

A worse assignment is taken too, with a chance that falls with how much worse it is and with the
temperature.
"""

import math

from godwit.core.planner.search.compiled import compiled, inlined
from godwit.core.planner.search.dice import below, fraction
from godwit.core.planner.search.problem import Numbers, Problem
from godwit.core.planner.search.state import EVALUATIONS, State
from godwit.core.planner.search.weighing import NONE, TOO_MUCH, attempt, may_lie, weigh


@inlined
def costly_bin(state: State, rounds: int) -> int:
    """Draw some bins, and take the one of them that costs most."""
    bins = state.bin_cost.shape[0]
    best = below(state.dice, bins)
    for _ in range(rounds - 1):
        other = below(state.dice, bins)
        if state.bin_cost[other] > state.bin_cost[best]:
            best = other
    return best


@inlined
def draw_item(state: State, rounds: int) -> int:
    """Draw an item: any, or one of a bin that costs much; -1 if that bin is empty."""
    if rounds == 0:
        return below(state.dice, state.where.shape[0])
    place = costly_bin(state, rounds)
    if state.items_in[place] == 0:
        return NONE
    return state.items_of[place, below(state.dice, state.items_in[place])]


@inlined
def _like(problem: Problem, state: State, item: int) -> int:
    """Draw an item that is about as large: near in the order by size more often than far."""
    items = problem.by_size.shape[0]
    span, times = items, below(state.dice, 20)
    while times > 0 and span > 1:
        span >>= 1
        times -= 1
    step = 1 + below(state.dice, span)
    if below(state.dice, 2) == 0:
        step = items - step
    return problem.by_size[(problem.size_rank[item] + step) % items]


@inlined
def _other_in(state: State, place: int) -> int:
    """Draw an item of a bin; ``NONE`` if it is empty."""
    if state.items_in[place] == 0:
        return NONE
    return state.items_of[place, below(state.dice, state.items_in[place])]


@compiled
def anneal(
    problem: Problem, state: State, evaluations: int, temperature: float, mix: Numbers
) -> None:
    """Try so many moves at one temperature.

    ``mix``: of 1,000 moves, how many are exchanges, how many go home, how many begin in a bin
    that costs much; of how many bins that is the one which costs most; and of 1,000 exchanges,
    how many are with an item of about the same size.
    """
    bins, items = problem.capacity.shape[0], problem.need.shape[0]
    for _ in range(evaluations):
        limit = int(-temperature * math.log(fraction(state.dice)))
        rounds = mix[3] if below(state.dice, 1000) < mix[2] else 0
        item = draw_item(state, rounds)
        if item == NONE:
            continue
        exchanges = below(state.dice, 1000) < mix[0]
        other = NONE
        if below(state.dice, 1000) < mix[1]:
            place = problem.origin[item]
            if exchanges:
                other = _other_in(state, place)
        elif exchanges:
            alike = below(state.dice, 1000) < mix[4]
            other = _like(problem, state, item) if alike else below(state.dice, items)
            place = state.where[other]
        else:
            place = below(state.dice, bins)
        if place != state.where[item]:
            attempt(problem, state, item, other, place, limit)
    state.sums[EVALUATIONS] += evaluations


@compiled
def sample_rises(problem: Problem, state: State, rises: Numbers) -> int:
    """Weigh random moves of one item; returns how many that cost something were written."""
    found = 0
    for _ in range(20 * rises.shape[0]):
        item = below(state.dice, problem.need.shape[0])
        place = below(state.dice, problem.capacity.shape[0])
        if place == state.where[item] or not may_lie(problem, state, item, NONE, place):
            continue
        change = weigh(problem, state, item, NONE, place, TOO_MUCH - 1)
        if 0 < change < TOO_MUCH:
            rises[found] = change
            found += 1
            if found == rises.shape[0]:
                break
    return found
