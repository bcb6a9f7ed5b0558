"""What a move would cost, without making it: O(resources), and given up as soon as it is too much.

A move is one item to another bin, or two items of two bins in each other's place.
"""

from typing import Final

from godwit.core.planner.search.compiled import compiled
from godwit.core.planner.search.moving import keep_if_best, move
from godwit.core.planner.search.problem import Problem
from godwit.core.planner.search.state import ACCEPTED, BROKEN, COST, State

#: More than any cost: the move is against a rule, or above the limit that was given.
TOO_MUCH: Final = 1 << 62
#: In the place of the second item: there is none.
NONE: Final = -1


@compiled
def may_lie(problem: Problem, state: State, item: int, instead_of: int, place: int) -> bool:
    """Judge whether a bin is allowed and has not too many of the item's groups."""
    if not problem.allowed[problem.allowed_class[item], place]:
        return False
    for k in range(problem.groups_at[item], problem.groups_at[item + 1]):
        group = problem.groups[k]
        if state.in_bin[group, place] < problem.most_per_bin[group]:
            continue
        leaves = False
        if instead_of != NONE:
            for j in range(problem.groups_at[instead_of], problem.groups_at[instead_of + 1]):
                leaves = leaves or problem.groups[j] == group
        if not leaves:
            return False
    return True


@compiled
def _distance(problem: Problem, item: int, source: int, destination: int) -> int:
    """Change in what it costs that an item is away from its origin."""
    home = problem.origin[item]
    cost = problem.pair_cost[home, destination] - problem.pair_cost[home, source]
    if source == home:
        cost += problem.move_cost[item]
    elif destination == home:
        cost -= problem.move_cost[item]
    return cost


@compiled
def _need(problem: Problem, item: int, resource: int) -> int:
    return problem.need[item, resource] if item != NONE else 0


@compiled
def _has_room(
    problem: Problem, state: State, place: int, comes: int, goes: int, resource: int
) -> bool:
    """Judge one resource of a bin after an exchange: within its capacity, or no fuller than now."""
    before = after = state.held[place, resource]
    if problem.transient[resource]:
        # What is held in the origin stays there, whether the item does or not.
        if comes != NONE and problem.origin[comes] != place:
            after += problem.need[comes, resource]
        if goes != NONE and problem.origin[goes] != place:
            after -= problem.need[goes, resource]
    else:
        after += _need(problem, comes, resource) - _need(problem, goes, resource)
    return after <= problem.capacity[place, resource] or after <= before


@compiled
def _cost_after(
    problem: Problem, state: State, place: int, comes: int, goes: int, limit: int
) -> int:
    """Cost of a bin after one item came and another went; ``TOO_MUCH`` above the limit."""
    cost = 0
    for r in range(problem.need.shape[1]):
        if not _has_room(problem, state, place, comes, goes, r):
            return TOO_MUCH
        used = state.used[place, r] + _need(problem, comes, r) - _need(problem, goes, r)
        cost += problem.weight[r] * max(0, used - problem.safe[place, r])
        # What is still to be added is not negative.
        if cost > limit:
            return TOO_MUCH
    for k in range(problem.balance.shape[0]):
        one, two = problem.balance[k, 0], problem.balance[k, 1]
        free_one = problem.capacity[place, one] - state.used[place, one]
        free_one += _need(problem, goes, one) - _need(problem, comes, one)
        free_two = problem.capacity[place, two] - state.used[place, two]
        free_two += _need(problem, goes, two) - _need(problem, comes, two)
        cost += problem.balance[k, 3] * max(0, problem.balance[k, 2] * free_one - free_two)
    return cost if cost <= limit else TOO_MUCH


@compiled
def weigh(problem: Problem, state: State, item: int, other: int, place: int, limit: int) -> int:
    """Change in cost of an item's move to a bin, and of another's from there to where that was.

    Returns ``TOO_MUCH`` when it is above the limit, or there is no room. Not weighed are what
    depends on groups: the most moved group, locations and neighbourhoods.
    """
    source = state.where[item]
    change = _distance(problem, item, source, place)
    if other != NONE:
        change += _distance(problem, other, place, source)
    change -= state.bin_cost[source] + state.bin_cost[place]
    there = _cost_after(problem, state, place, item, other, limit - change)
    if there == TOO_MUCH:
        return TOO_MUCH
    here = _cost_after(problem, state, source, other, item, limit - change - there)
    if here == TOO_MUCH:
        return TOO_MUCH
    return change + there + here


@compiled
def attempt(problem: Problem, state: State, item: int, other: int, place: int, limit: int) -> bool:
    """Make a move if it costs no more than the limit and breaks no further rule."""
    source = state.where[item]
    if not may_lie(problem, state, item, other, place):
        return False
    if other != NONE and not may_lie(problem, state, other, item, source):
        return False
    broken, cost = state.sums[BROKEN], state.sums[COST]
    # A repair may cost what it likes.
    allowed = limit if broken == 0 else TOO_MUCH - 1
    if weigh(problem, state, item, other, place, allowed) == TOO_MUCH:
        return False
    move(problem, state, item, place)
    if other != NONE:
        move(problem, state, other, source)
    after = state.sums[BROKEN]
    if after > broken or (after == broken and state.sums[COST] - cost > limit):
        if other != NONE:
            move(problem, state, other, place)
        move(problem, state, item, source)
        return False
    state.sums[ACCEPTED] += 1
    keep_if_best(state)
    return True
