"""A move for which room is made: what lies in the destination is pushed out of it, one by one.

Large items are moved by this alone once bins are full: no single other item is their equal.
"""

from typing import Final

from godwit.core.planner.search.compiled import compiled, inlined
from godwit.core.planner.search.dice import below
from godwit.core.planner.search.moving import keep_if_best, move
from godwit.core.planner.search.problem import Problem
from godwit.core.planner.search.state import ACCEPTED, BROKEN, COST, State
from godwit.core.planner.search.weighing import NONE, TOO_MUCH, may_go, may_lie, weigh

#: Of 100 items that are pushed out, how many go to where the first one comes from.
_BACK: Final = 80


@inlined
def _push_out(problem: Problem, state: State, place: int, source: int, but: int) -> int:
    """Move one item out of a bin if that breaks less or costs less; returns it, or ``NONE``."""
    item = state.items_of[place, below(state.dice, state.items_in[place])]
    to = source
    if below(state.dice, 100) >= _BACK:
        to = below(state.dice, problem.capacity.shape[0])
    if item == but or to == place:
        return NONE
    broken = state.sums[BROKEN]
    allowed = TOO_MUCH - 1 if broken > 0 else -1
    if weigh(problem, state, item, NONE, to, allowed) == TOO_MUCH:
        return NONE
    if not (may_lie(problem, state, item, NONE, to) and may_go(problem, state, item, to)):
        return NONE
    cost = state.sums[COST]
    move(problem, state, item, to)
    after = state.sums[BROKEN]
    if after < broken or (after == broken and state.sums[COST] < cost):
        return item
    move(problem, state, item, place)
    return NONE


@compiled
def push_in(problem: Problem, state: State, item: int, place: int, limit: int, tries: int) -> bool:
    """Move an item to a bin, and push out of that what is too much; undone if it costs too much.

    For a search without broken rules.
    """
    if not (may_lie(problem, state, item, NONE, place) and may_go(problem, state, item, place)):
        return False
    source, cost = state.where[item], state.sums[COST]
    move(problem, state, item, place)
    pushed = 0
    for _ in range(tries):
        if state.sums[BROKEN] == 0 and state.sums[COST] - cost <= limit:
            break
        if pushed == state.trail.shape[0]:
            break
        other = _push_out(problem, state, place, source, item)
        if other != NONE:
            state.trail[pushed] = other
            pushed += 1
    if state.sums[BROKEN] == 0 and state.sums[COST] - cost <= limit:
        state.sums[ACCEPTED] += 1
        keep_if_best(state)
        return True
    for k in range(pushed):
        move(problem, state, state.trail[pushed - 1 - k], place)
    move(problem, state, item, source)
    return False
