"""Goal: the search finds what is plainly best in small problems, and its inputs are checked."""

from itertools import product
from random import Random

import numpy as np
import pytest

from godwit.core.errors import BadValue
from godwit.core.planner.search import (
    Problem,
    State,
    best_cost,
    broken_rules,
    build_problem,
    descend,
    heat_for,
    improve,
    moving,
    start,
)
from godwit.core.planner.search.dice import below, fraction
from tests.unit.core.slow_search import made_up, slow_cost


def searched(problem: Problem, *, slices: int = 20, seed: int = 1) -> State:
    state = start(problem, seed=seed)
    descend(problem, state, evaluations=2_000)
    heat = heat_for(problem, state)
    for k in range(slices):
        improve(problem, state, heat, progress_fraction=k / slices, evaluations=5_000)
    return state


@pytest.mark.parametrize("seed", range(8))
def test_it_finds_the_best_of_all_assignments(seed: int) -> None:
    dice = Random(seed)
    problem = build_problem(
        need=[[dice.randint(1, 9), dice.randint(1, 9)] for _ in range(7)],
        origin=[dice.randrange(3) for _ in range(7)],
        capacity=[[99, 99]] * 3,
        safe=[[dice.randint(5, 20), dice.randint(5, 20)] for _ in range(3)],
        weight=[3, 2],
        balance=[[0, 1, 2, 1]],
        item_groups=[[k % 2] for k in range(7)],
        most_per_bin=[7, 7],
        move_cost=[dice.randint(0, 9) for _ in range(7)],
        group_move_cost=4,
    )
    least = min(slow_cost(problem, list(one)) for one in product(range(3), repeat=7))
    assert best_cost(searched(problem)) == least


def test_load_is_spread_and_what_helps_nothing_stays_at_home() -> None:
    problem = build_problem(
        need=[[10]] * 4,
        origin=[0, 0, 0, 0],
        capacity=[[100]] * 4,
        safe=[[10]] * 4,
        weight=[5],
        move_cost=[1, 2, 3, 4],
    )
    state = searched(problem)
    # The one that is dearest to move stays.
    assert state.best[3] == 0
    assert sorted(state.best) == [0, 1, 2, 3]
    assert best_cost(state) == 6


def test_where_a_move_costs_more_than_it_gains_nothing_moves() -> None:
    problem = build_problem(
        need=[[10]] * 4,
        origin=[0, 0, 0, 0],
        capacity=[[100]] * 4,
        safe=[[10]] * 4,
        weight=[5],
        move_cost=[51] * 4,
    )
    state = searched(problem)
    assert state.best.tolist() == [0, 0, 0, 0]
    assert best_cost(state) == 150


def test_a_moved_item_holds_what_is_transient_in_both_bins() -> None:
    """Two items would change places, but neither fits beside what the other leaves behind."""
    exchange = {
        "need": [[6], [6]],
        "origin": [0, 1],
        "capacity": [[10], [10]],
        "pair_cost": [[0, 0], [0, 0]],
        "item_groups": [[0], [1]],
        "most_per_bin": [1, 1],
        "allowed_class": [0, 1],
        "allowed": [[False, True], [True, False]],
    }
    assert broken_rules(searched(build_problem(**exchange))) == 0
    assert broken_rules(searched(build_problem(**exchange, transient=[True]))) == 2


def test_items_that_may_not_be_together_are_parted() -> None:
    problem = build_problem(
        need=[[1]] * 3,
        origin=[0, 0, 0],
        capacity=[[9]] * 3,
        item_groups=[[0], [0], [0]],
        most_per_bin=[1],
    )
    state = start(problem)
    assert broken_rules(state) == 2
    state = searched(problem)
    assert broken_rules(state) == 0
    assert sorted(state.best) == [0, 1, 2]


def test_a_group_follows_the_group_that_it_needs() -> None:
    problem = build_problem(
        need=[[1], [1]],
        origin=[0, 1],
        capacity=[[9]] * 2,
        neighbourhood=[0, 1],
        item_groups=[[0], [1]],
        most_per_bin=[9, 9],
        dependencies=[(0, 1)],
        allowed_class=[0, 1],
        allowed=[[True, False], [True, True]],
    )
    state = searched(problem)
    assert broken_rules(state) == 0
    assert state.best.tolist() == [0, 0]


def test_a_group_keeps_its_number_of_locations() -> None:
    problem = build_problem(
        need=[[1], [1]],
        origin=[0, 1],
        capacity=[[9]] * 3,
        location=[7, 7, 3],
        item_groups=[[0], [0]],
        most_per_bin=[9],
        fewest_locations=[2],
    )
    state = searched(problem)
    assert broken_rules(state) == 0
    assert 2 in state.best


def test_a_planted_wrong_count_is_caught() -> None:
    """The comparison that all the other tests rest on can fail."""
    problem = made_up(3)
    state = start(problem)
    state.bin_cost[0] += 1
    moving.move(problem, state, int(np.flatnonzero(state.where == 0)[0]), 1)
    assert int(state.sums[0]) != slow_cost(problem, state.where.tolist())


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"origin": [0, 9]}, "origin"),
        ({"need": [[-1], [1]]}, "need"),
        ({"need": [1, 2]}, "need"),
        ({"weight": [1, 2]}, "weight"),
        ({"weight": [1 << 60]}, "weight"),
        ({"item_groups": [[0], [5]], "most_per_bin": [1]}, "item_groups"),
        ({"item_groups": [[0]], "most_per_bin": [1]}, "item_groups"),
        ({"most_per_bin": [1], "dependencies": [(0, 3)]}, "dependencies"),
        ({"balance": [[0, 4, 1, 1]]}, "balance"),
        ({"allowed": [[True]]}, "allowed"),
    ],
)
def test_a_wrong_problem_is_refused(wrong, named: str) -> None:
    right = {"need": [[1], [1]], "origin": [0, 0], "capacity": [[9], [9]]}
    with pytest.raises(BadValue, match=named):
        build_problem(**(right | wrong))


def test_an_assignment_of_another_problem_is_refused() -> None:
    with pytest.raises(BadValue, match="one bin for each item"):
        start(made_up(1), [0, 1])


def test_a_problem_without_items_is_solved() -> None:
    problem = build_problem(need=np.zeros((0, 2)), origin=[], capacity=[[1, 1]])
    assert best_cost(searched(problem)) == 0


def test_the_dice_are_fair_and_stay_in_their_range() -> None:
    dice = np.array([42], dtype=np.uint64)
    drawn = [below(dice, 6) for _ in range(6000)]
    assert set(drawn) == set(range(6))
    assert min(drawn.count(k) for k in range(6)) > 850
    assert all(0.0 < fraction(dice) <= 1.0 for _ in range(1000))
