"""Goal: what the search counts by increments is what a count from scratch gives, always.

Method: made-up problems with every kind of rule and cost, some of which begin with broken rules;
random moves, exchanges and slices of the search; after them cost and broken rules are compared with
an evaluator in plain Python that shares no code with the kernels.
"""

import hypothesis.strategies as st
import numpy as np
from hypothesis import example, given, settings

from godwit.core.planner.search import (
    State,
    best_cost,
    broken_rules,
    descend,
    heat_for,
    improve,
    start,
)
from godwit.core.planner.search.moving import back_to_best, keep_if_best, move
from godwit.core.planner.search.state import BEST_BROKEN, COST
from godwit.core.planner.search.weighing import NONE, TOO_MUCH, weigh
from tests.unit.core.slow_search import made_up, slow_broken, slow_cost

SEEDS = st.integers(0, 2**32 - 1)
#: Pairs of numbers that are cut to an item and a bin.
MOVES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=30)


def assert_counts_are_right(problem, state: State) -> None:
    assignment = state.where.tolist()
    assert int(state.sums[COST]) == slow_cost(problem, assignment)
    assert broken_rules(state) == slow_broken(problem, assignment)
    fresh = start(problem, assignment)
    for name in ("above", "room", "short", "bin_cost", "in_bin", "in_location", "in_neighbourhood"):
        np.testing.assert_array_equal(getattr(state, name), getattr(fresh, name), err_msg=name)
    for name in ("locations", "moved", "groups_with_moved", "items_in"):
        np.testing.assert_array_equal(getattr(state, name), getattr(fresh, name), err_msg=name)
    for item, place in enumerate(assignment):
        assert state.items_of[place, state.place[item]] == item


@settings(max_examples=150)
@given(seed=SEEDS, moves=MOVES)
def test_any_moves_keep_every_count(seed: int, moves) -> None:
    problem = made_up(seed)
    state = start(problem)
    for one, other in moves:
        item, place = one % len(state.where), other % len(state.items_in)
        if place != state.where[item]:
            move(problem, state, item, place)
            keep_if_best(state)
    assert_counts_are_right(problem, state)
    back_to_best(problem, state)
    assert_counts_are_right(problem, state)
    assert state.where.tolist() == state.best.tolist()
    assert int(state.sums[COST]) == best_cost(state)


@settings(max_examples=150)
@given(seed=SEEDS, moves=MOVES)
def test_what_is_weighed_is_what_it_costs(seed: int, moves) -> None:
    """But for the most moved group, which is known once the move is made."""
    problem = made_up(seed)._replace(group_move_cost=0)
    state = start(problem)
    for one, other in moves:
        item, second = one % len(state.where), other % len(state.where)
        place = int(state.where[second])
        source = int(state.where[item])
        if place == source:
            continue
        pair = second if one % 3 else NONE
        before = start(problem, state.where)
        change = weigh(problem, state, item, pair, place, TOO_MUCH - 1)
        move(problem, state, item, place)
        if pair != NONE:
            move(problem, state, pair, source)
        if change != TOO_MUCH:
            assert change == slow_cost(problem, state.where.tolist()) - int(before.sums[COST])
        # There is no room exactly where a bin would be fuller than before, and above capacity.
        fuller = (state.room < 0) & (state.room < before.room)
        assert (change == TOO_MUCH) == bool(fuller.any())


@settings(max_examples=100)
@given(seed=SEEDS, moves=MOVES, limit=st.integers(-500, 500))
def test_a_limit_gives_up_what_is_above_it_and_nothing_else(seed: int, moves, limit: int) -> None:
    problem = made_up(seed)
    state = start(problem)
    for one, other in moves:
        item, place = one % len(state.where), other % len(state.items_in)
        if place != state.where[item]:
            change = weigh(problem, state, item, NONE, place, TOO_MUCH - 1)
            expected = change if change <= limit else TOO_MUCH
            assert weigh(problem, state, item, NONE, place, limit) == expected


@settings(max_examples=60)
@given(seed=SEEDS, tight=st.sampled_from([1.1, 1.6, 3.0]))
@example(seed=0, tight=1.6)
def test_no_slice_raises_the_cost_or_breaks_a_rule(seed: int, tight: float) -> None:
    problem = made_up(seed, tight=tight)
    state = start(problem, seed=seed)
    broken, cost = slow_broken(problem, state.best.tolist()), best_cost(state)
    descend(problem, state, evaluations=300)
    heat = heat_for(problem, state)
    for k in range(6):
        improve(problem, state, heat, progress_fraction=k / 6, evaluations=300)
        assert_counts_are_right(problem, state)
        best = state.best.tolist()
        assert slow_broken(problem, best) == int(state.sums[BEST_BROKEN]) <= broken
        assert slow_cost(problem, best) == best_cost(state)
        if int(state.sums[BEST_BROKEN]) == broken:
            assert best_cost(state) <= cost
        broken, cost = int(state.sums[BEST_BROKEN]), best_cost(state)


@settings(max_examples=30)
@given(seed=SEEDS)
def test_the_same_seed_gives_the_same_assignment(seed: int) -> None:
    def run() -> bytes:
        problem = made_up(7)
        state = start(problem, seed=seed)
        descend(problem, state, evaluations=200)
        heat = heat_for(problem, state)
        for k in range(4):
            improve(problem, state, heat, progress_fraction=k / 4, evaluations=500)
        return state.where.tobytes() + state.best.tobytes()

    assert run() == run()
