"""Goal: levelling leaves nothing that gains, may be interrupted, and says what is wrong with input.

Method: problems whose answer is seen by eye; for the rest the brute force of all moves.
"""

import numpy as np
import pytest

from godwit.core.errors import BadValue
from godwit.core.planner.levelling import Levels, Workbench, build_levels, level
from godwit.core.planner.levelling.costing import settle
from godwit.core.planner.levelling.twice import compiled
from godwit.core.planner.limit import TimeLimit


def two_hosts_and(*sizes: float, price: float = 0.0) -> Levels:
    """All on the first of two bins."""
    return build_levels(
        need=[[one] for one in sizes],
        scale=[[10.0], [10.0]],
        origin=[0] * len(sizes),
        spread=[1.0],
        price=price,
    )


class TestLevelling:
    def test_the_larger_of_two_goes_and_the_bins_are_alike(self) -> None:
        found = level(two_hosts_and(2.0, 2.0), steps=0, plain=True)
        assert [(one.item, one.place) for one in found.moves] == [(0, 1)]
        assert found.cost_after == pytest.approx(0.0)
        assert found.is_settled

    def test_a_move_that_costs_more_than_it_gains_is_not_made(self) -> None:
        # Both on one bin: 2 * 0.2**2; apart: nothing.
        assert level(two_hosts_and(2.0, 2.0, price=0.079), steps=0, plain=True).moves
        assert not level(two_hosts_and(2.0, 2.0, price=0.081), steps=0, plain=True).moves

    def test_two_that_have_no_room_beside_each_other_change_places(self) -> None:
        levels = build_levels(
            need=[[6.0], [1.0]],
            scale=[[10.0], [10.0]],
            base=[[3.0], [0.0]],
            origin=[0, 1],
            spread=[1.0],
            size=[[6], [5]],
            room=[[6], [6]],
        )
        found = level(levels, steps=0, plain=True)
        assert sorted((one.item, one.place) for one in found.moves + found.late) == [(0, 1), (1, 0)]

    def test_a_need_below_zero_is_refused(self) -> None:
        with pytest.raises(BadValue, match="need"):
            two_hosts_and(-1.0)

    def test_an_assignment_must_name_bins_that_there_are(self) -> None:
        with pytest.raises(BadValue, match="assignment"):
            Workbench(two_hosts_and(1.0), [2], plain=True)


class TestInterrupted:
    def test_a_descent_in_slices_is_the_descent_at_once(self) -> None:
        chance = np.random.default_rng(5)
        levels = build_levels(
            need=chance.random((60, 2)),
            scale=np.full((6, 2), 9.0),
            origin=chance.integers(0, 3, 60),
            spread=[5.0, 3.0],
            price=0.01,
        )
        whole, sliced = Workbench(levels, plain=True), Workbench(levels, plain=True)
        assert whole.descend(1e-7, 8, 10**9)
        calls = 1
        while not sliced.descend(1e-7, 8, 20):
            calls += 1
        assert calls > 10
        assert sliced.where.tolist() == whole.where.tolist()
        assert sliced.cost() == whole.cost()

    def test_who_says_no_at_once_gets_what_there_is(self) -> None:
        levels = two_hosts_and(*[1.0] * 30)
        found = level(levels, steps=10**7, goes_on=lambda: False, plain=True)
        # The first slice of the descent is longer than this problem; nothing is shaken.
        assert found.evaluations < 10**6
        assert found.cost_after == pytest.approx(0.0)


def test_compiled_kernels_are_kept_by_what_all_of_them_say() -> None:
    # A name without it would find machine code from before another kernel changed.
    name = compiled(settle).__qualname__
    assert name.startswith("settle_")
    assert len(name) == len("settle_") + 12


class TestChains:
    """Bin 0 is to be emptied; everything is full but for what a chain of three leaves."""

    @staticmethod
    def levels(free: int, **more: object) -> Levels:
        # 4 leaves bin 0 for bin 1, whose 3 goes to bin 2, whose 2 goes to bin 3.
        return build_levels(
            need=[[0.0]] * 4,
            scale=[[1.0]] * 4,
            origin=[0, 1, 2, 3],
            spread=[0.0],
            size=[[4], [3], [2], [1]],
            room=[[4], [4], [3], [1 + free]],
            price=2e3,
            kind=[1, 0, 0, 0],
            place_cost=[[0.0] * 4, [1e6, 0.0, 0.0, 0.0]],
            allowed=[[False, True, True, True]],
            **more,
        )

    def test_each_takes_the_place_of_the_next(self) -> None:
        found = level(self.levels(2), steps=0, plain=True)
        assert found.where.tolist() == [1, 2, 3, 3]
        # The last one goes first: so each has room in its turn.
        assert [one.item for one in found.moves] == [2, 1, 0]
        assert not found.late

    def test_without_room_at_its_end_nobody_moves(self) -> None:
        found = level(self.levels(1), steps=0, plain=True)
        assert found.where.tolist() == [0, 1, 2, 3]

    def test_no_more_are_pushed_than_may_be_moved(self) -> None:
        found = level(self.levels(2), steps=0, moves_most=2, plain=True)
        assert found.where.tolist() == [0, 1, 2, 3]

    def test_nobody_is_pushed_to_whom_it_must_not_meet(self) -> None:
        # As in a drain, what is broken costs nothing: only the chain itself can mind.
        groups = {"item_groups": [[], [0], [], []], "most": [1], "base_count": [[0, 0, 1, 0]]}
        apart = self.levels(2, **groups, broken_cost=0.0)
        # Two change places instead: the first has room for it, and bin 2 for the last.
        assert level(apart, steps=0, plain=True).where.tolist() == [1, 3, 2, 2]


class TestTimeLimit:
    def test_without_a_clock_it_always_goes_on(self) -> None:
        limit = TimeLimit(None, 0.0)
        assert limit()
        assert not limit.was_reached

    def test_what_went_by_before_the_search_is_kept_for_after_it(self) -> None:
        now = iter([100.0, 101.0, 103.9, 104.1])
        limit = TimeLimit(lambda: next(now), 5.0)
        assert limit(), "one second was spent on reading"
        assert limit()
        assert not limit.was_reached
        assert not limit(), "0.9 s are left, less than reading took"
        assert limit.was_reached


def test_a_search_without_groups_goes_on_compiled_where_it_stands() -> None:
    bench = Workbench(two_hosts_and(0.5, 0.3, 0.2), [1, 0, 0], plain=True)
    cost, where = bench.cost(), bench.where.tolist()
    bench.hasten()
    assert not bench.is_plain
    assert bench.where.tolist() == where
    assert bench.cost() == cost
