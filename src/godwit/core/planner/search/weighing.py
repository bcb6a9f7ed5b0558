"""What a move would cost, without making it: O(resources), and given up as soon as it is too much.

A move is one item to another bin, or two items of two bins in each other's place.
"""

from typing import Final

from godwit.core.planner.search.compiled import inlined
from godwit.core.planner.search.moving import keep_if_best, lacks, move
from godwit.core.planner.search.problem import Problem
from godwit.core.planner.search.state import ACCEPTED, BROKEN, COST, State

#: More than any cost: the move is against a rule, or above the limit that was given.
TOO_MUCH: Final = 1 << 62
#: In the place of the second item: there is none.
NONE: Final = -1


@inlined
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


@inlined
def may_go(problem: Problem, state: State, item: int, place: int) -> bool:
    """Judge locations and neighbourhoods when an item moves and no other does.

    For a search without broken rules. An item in two groups that need each other is refused more
    than it has to be.
    """
    source = state.where[item]
    here, there = problem.location[source], problem.location[place]
    near, far = problem.neighbourhood[source], problem.neighbourhood[place]
    if here == there and near == far:
        return True
    for k in range(problem.groups_at[item], problem.groups_at[item + 1]):
        group = problem.groups[k]
        loses = state.in_location[group, here] == 1 and state.in_location[group, there] > 0
        enough = state.locations[group] > problem.fewest_locations[group]
        if here != there and loses and not enough:
            return False
        if near != far and not _near_is_kept(problem, state, group, near, far):
            return False
    return True


@inlined
def _near_is_kept(problem: Problem, state: State, group: int, near: int, far: int) -> bool:
    """Judge whether one item of a group may change its neighbourhood."""
    if state.in_neighbourhood[group, near] == 1:
        for k in range(problem.needed_by_at[group], problem.needed_by_at[group + 1]):
            if state.in_neighbourhood[problem.needed_by[k], near] > 0:
                return False
    if state.in_neighbourhood[group, far] == 0:
        for k in range(problem.needs_at[group], problem.needs_at[group + 1]):
            if state.in_neighbourhood[problem.needs[k], far] == 0:
                return False
    return True


@inlined
def _distance(problem: Problem, item: int, source: int, destination: int) -> int:
    """Change in what it costs that an item is away from its origin."""
    home = problem.origin[item]
    cost = problem.pair_cost[home, destination] - problem.pair_cost[home, source]
    if source == home:
        cost += problem.move_cost[item]
    elif destination == home:
        cost -= problem.move_cost[item]
    return cost


@inlined
def _weigh_one(problem: Problem, state: State, item: int, place: int, limit: int) -> int:
    """Change in cost of an item's move to a bin; ``TOO_MUCH`` above the limit or without room."""
    source = state.where[item]
    change = _distance(problem, item, source, place)
    for k in range(problem.balance.shape[0]):
        more = lacks(problem, item, k)
        here, there = state.short[source, k], state.short[place, k]
        change += problem.balance[k, 3] * (
            max(0, here - more) - max(0, here) + max(0, there + more) - max(0, there)
        )
    for r in range(problem.need.shape[1]):
        saved = min(max(0, state.above[source, r]), problem.need[item, r])
        change -= problem.weight[r] * saved
    # From here on it only rises.
    if change > limit:
        return TOO_MUCH
    at_home = problem.origin[item] == place
    for r in range(problem.need.shape[1]):
        need = problem.need[item, r]
        if need > max(0, state.room[place, r]) and not (at_home and problem.transient[r]):
            return TOO_MUCH
        above = state.above[place, r] + need
        if above > 0:
            change += problem.weight[r] * min(above, need)
            if change > limit:
                return TOO_MUCH
    return change


@inlined
def _balance_after(problem: Problem, state: State, item: int, other: int, place: int) -> int:
    """What is out of balance in both bins costs that once two items have changed places."""
    source, cost = state.where[item], 0
    for k in range(problem.balance.shape[0]):
        more = lacks(problem, item, k) - lacks(problem, other, k)
        after = max(0, state.short[source, k] - more) + max(0, state.short[place, k] + more)
        cost += problem.balance[k, 3] * after
    return cost


@inlined
def _weigh_two(
    problem: Problem, state: State, item: int, other: int, place: int, limit: int
) -> int:
    """Change in cost when two items change places; ``TOO_MUCH`` as for one."""
    source = state.where[item]
    home, other_home = problem.origin[item], problem.origin[other]
    change = _distance(problem, item, source, place) + _distance(problem, other, place, source)
    change -= state.bin_cost[source] + state.bin_cost[place]
    change += _balance_after(problem, state, item, other, place)
    # An item that lies at home or comes home holds there what is transient in any case.
    at_home = (home == source) | (home == place) | (other_home == source) | (other_home == place)
    for r in range(problem.need.shape[1]):
        need, other_need = problem.need[item, r], problem.need[other, r]
        more = need - other_need
        there, here = state.above[place, r] + more, state.above[source, r] - more
        change += problem.weight[r] * (max(0, there) + max(0, here))
        if change > limit:
            return TOO_MUCH
        to_place, to_source = more, -more
        if at_home and problem.transient[r]:
            to_place = need * (home != place) - other_need * (other_home != place)
            to_source = other_need * (other_home != source) - need * (home != source)
        if to_place > max(0, state.room[place, r]) or to_source > max(0, state.room[source, r]):
            return TOO_MUCH
    return change


@inlined
def weigh(problem: Problem, state: State, item: int, other: int, place: int, limit: int) -> int:
    """Change in cost of an item's move to a bin, and of another's from there to where that was.

    Returns ``TOO_MUCH`` when it is above the limit, or there is no room. Not weighed are what
    depends on groups: the most moved group, locations and neighbourhoods.
    """
    if other == NONE:
        return _weigh_one(problem, state, item, place, limit)
    return _weigh_two(problem, state, item, other, place, limit)


@inlined
def _is_in_vain(
    problem: Problem, state: State, item: int, other: int, place: int, limit: int
) -> bool:
    """Judge what can be judged of a move before it is made."""
    # A repair may cost what it likes.
    whole = state.sums[BROKEN] == 0
    if weigh(problem, state, item, other, place, limit if whole else TOO_MUCH - 1) == TOO_MUCH:
        return True
    if not may_lie(problem, state, item, other, place):
        return True
    if other != NONE and not may_lie(problem, state, other, item, state.where[item]):
        return True
    if not whole:
        return False
    if not may_go(problem, state, item, place):
        return True
    return other != NONE and not may_go(problem, state, other, state.where[item])


@inlined
def attempt(problem: Problem, state: State, item: int, other: int, place: int, limit: int) -> bool:
    """Make a move if it costs no more than the limit and breaks no further rule."""
    if _is_in_vain(problem, state, item, other, place, limit):
        return False
    source, broken, cost = state.where[item], state.sums[BROKEN], state.sums[COST]
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
