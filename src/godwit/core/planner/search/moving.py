"""Moves an item and keeps every count and sum of the state right; a rule that breaks is counted.

``BROKEN`` counts, for the whole assignment: resources of bins above capacity, items of a group
too many in a bin, locations that a group lacks, neighbourhoods where a group has an item and one
that it needs has none, items in bins that are not allowed. A search may start with broken rules;
no step of it ever makes them more.
"""

from godwit.core.planner.search.compiled import compiled
from godwit.core.planner.search.problem import Problem
from godwit.core.planner.search.state import (
    BEST_BROKEN,
    BEST_COST,
    BROKEN,
    COST,
    DIRTY,
    MOST_MOVED,
    State,
)


@compiled
def cost_of_bin(problem: Problem, state: State, place: int) -> int:
    """Cost of what a bin is used for: load above what is safe, and what is out of balance."""
    cost = 0
    used = state.used[place]
    for r in range(used.shape[0]):
        over = used[r] - problem.safe[place, r]
        if over > 0:
            cost += problem.weight[r] * over
    for k in range(problem.balance.shape[0]):
        one, other = problem.balance[k, 0], problem.balance[k, 1]
        free = problem.capacity[place, one] - used[one]
        short = problem.balance[k, 2] * free - (problem.capacity[place, other] - used[other])
        if short > 0:
            cost += problem.balance[k, 3] * short
    return cost


@compiled
def overloads_of_bin(problem: Problem, state: State, place: int) -> int:
    """Count the resources of a bin that are above its capacity."""
    count = 0
    for r in range(state.held.shape[1]):
        if state.held[place, r] > problem.capacity[place, r]:
            count += 1
    return count


@compiled
def _load(problem: Problem, state: State, item: int, place: int, sign: int) -> None:
    """Add an item to the use of a bin, or take it away, with what that costs and breaks."""
    is_origin = problem.origin[item] == place
    broken = -overloads_of_bin(problem, state, place)
    for r in range(problem.need.shape[1]):
        need = sign * problem.need[item, r]
        state.used[place, r] += need
        # What is held in the origin stays there, whether the item does or not.
        if not (is_origin and problem.transient[r]):
            state.held[place, r] += need
    broken += overloads_of_bin(problem, state, place)
    if not problem.allowed[problem.allowed_class[item], place]:
        broken += sign
    cost = cost_of_bin(problem, state, place)
    state.sums[COST] += cost - state.bin_cost[place]
    state.sums[BROKEN] += broken
    state.bin_cost[place] = cost


@compiled
def _join(problem: Problem, state: State, group: int, place: int) -> int:
    """Count one more item of a group in a bin; returns the change in broken rules."""
    broken = 0
    state.in_bin[group, place] += 1
    if state.in_bin[group, place] > problem.most_per_bin[group]:
        broken += 1
    location = problem.location[place]
    state.in_location[group, location] += 1
    if state.in_location[group, location] == 1:
        if state.locations[group] < problem.fewest_locations[group]:
            broken -= 1
        state.locations[group] += 1
    near = problem.neighbourhood[place]
    state.in_neighbourhood[group, near] += 1
    if state.in_neighbourhood[group, near] == 1:
        for k in range(problem.needs_at[group], problem.needs_at[group + 1]):
            if state.in_neighbourhood[problem.needs[k], near] == 0:
                broken += 1
        for k in range(problem.needed_by_at[group], problem.needed_by_at[group + 1]):
            if state.in_neighbourhood[problem.needed_by[k], near] > 0:
                broken -= 1
    return broken


@compiled
def _leave(problem: Problem, state: State, group: int, place: int) -> int:
    """Count one item of a group less in a bin; returns the change in broken rules."""
    broken = 0
    if state.in_bin[group, place] > problem.most_per_bin[group]:
        broken -= 1
    state.in_bin[group, place] -= 1
    location = problem.location[place]
    state.in_location[group, location] -= 1
    if state.in_location[group, location] == 0:
        state.locations[group] -= 1
        if state.locations[group] < problem.fewest_locations[group]:
            broken += 1
    near = problem.neighbourhood[place]
    state.in_neighbourhood[group, near] -= 1
    if state.in_neighbourhood[group, near] == 0:
        for k in range(problem.needs_at[group], problem.needs_at[group + 1]):
            if state.in_neighbourhood[problem.needs[k], near] == 0:
                broken -= 1
        for k in range(problem.needed_by_at[group], problem.needed_by_at[group + 1]):
            if state.in_neighbourhood[problem.needed_by[k], near] > 0:
                broken += 1
    return broken


@compiled
def _count_moved(problem: Problem, state: State, group: int, change: int) -> None:
    """Count an item of a group that left its origin, or came back; keep the most of all groups."""
    before = state.moved[group]
    after = before + change
    state.moved[group] = after
    state.groups_with_moved[before] -= 1
    state.groups_with_moved[after] += 1
    most = state.sums[MOST_MOVED]
    if after > most:
        state.sums[MOST_MOVED] = after
        state.sums[COST] += problem.group_move_cost
    elif before == most and state.groups_with_moved[before] == 0:
        state.sums[MOST_MOVED] = after
        state.sums[COST] -= problem.group_move_cost


@compiled
def _list(state: State, item: int, place: int) -> None:
    state.place[item] = state.items_in[place]
    state.items_of[place, state.items_in[place]] = item
    state.items_in[place] += 1


@compiled
def _unlist(state: State, item: int, place: int) -> None:
    state.items_in[place] -= 1
    last = state.items_of[place, state.items_in[place]]
    state.items_of[place, state.place[item]] = last
    state.place[last] = state.place[item]


@compiled
def move(problem: Problem, state: State, item: int, destination: int) -> None:
    """Move an item to another bin, whatever that breaks."""
    source, home = state.where[item], problem.origin[item]
    _load(problem, state, item, source, -1)
    _load(problem, state, item, destination, 1)
    cost = problem.pair_cost[home, destination] - problem.pair_cost[home, source]
    away = 0
    if source == home:
        cost += problem.move_cost[item]
        away = 1
    elif destination == home:
        cost -= problem.move_cost[item]
        away = -1
    state.sums[COST] += cost
    for k in range(problem.groups_at[item], problem.groups_at[item + 1]):
        group = problem.groups[k]
        state.sums[BROKEN] += _leave(problem, state, group, source)
        state.sums[BROKEN] += _join(problem, state, group, destination)
        if away != 0:
            _count_moved(problem, state, group, away)
    _unlist(state, item, source)
    _list(state, item, destination)
    state.where[item] = destination
    if not state.is_dirty[item]:
        state.is_dirty[item] = True
        state.dirty[state.sums[DIRTY]] = item
        state.sums[DIRTY] += 1


@compiled
def keep_if_best(state: State) -> bool:
    """Keep the assignment as it is if it is the best so far: fewer broken rules, then less cost."""
    sums = state.sums
    if sums[BROKEN] > sums[BEST_BROKEN]:
        return False
    if sums[BROKEN] == sums[BEST_BROKEN] and sums[COST] >= sums[BEST_COST]:
        return False
    for k in range(sums[DIRTY]):
        item = state.dirty[k]
        state.best[item] = state.where[item]
        state.is_dirty[item] = False
    sums[DIRTY] = 0
    sums[BEST_COST] = sums[COST]
    sums[BEST_BROKEN] = sums[BROKEN]
    return True


@compiled
def back_to_best(problem: Problem, state: State) -> None:
    """Make the best assignment so far the present one."""
    for k in range(state.sums[DIRTY]):
        item = state.dirty[k]
        state.is_dirty[item] = False
        if state.where[item] != state.best[item]:
            # Not dirty again: from here on it lies where the best has it.
            state.is_dirty[item] = True
            move(problem, state, item, state.best[item])
            state.is_dirty[item] = False
    state.sums[DIRTY] = 0


@compiled
def settle(problem: Problem, state: State) -> None:
    """Count everything anew; all counts are zero before."""
    for item in range(problem.need.shape[0]):
        for r in range(problem.need.shape[1]):
            if problem.transient[r]:
                state.held[problem.origin[item], r] += problem.need[item, r]
    state.groups_with_moved[0] = problem.most_per_bin.shape[0]
    for place in range(problem.capacity.shape[0]):
        state.bin_cost[place] = cost_of_bin(problem, state, place)
        state.sums[COST] += state.bin_cost[place]
        state.sums[BROKEN] += overloads_of_bin(problem, state, place)
    for group in range(problem.fewest_locations.shape[0]):
        state.sums[BROKEN] += problem.fewest_locations[group]
    for item in range(problem.need.shape[0]):
        place, home = state.where[item], problem.origin[item]
        _load(problem, state, item, place, 1)
        state.sums[COST] += problem.pair_cost[home, place]
        if place != home:
            state.sums[COST] += problem.move_cost[item]
        for k in range(problem.groups_at[item], problem.groups_at[item + 1]):
            state.sums[BROKEN] += _join(problem, state, problem.groups[k], place)
            if place != home:
                _count_moved(problem, state, problem.groups[k], 1)
        _list(state, item, place)
    state.sums[BEST_COST] = state.sums[COST]
    state.sums[BEST_BROKEN] = state.sums[BROKEN]
