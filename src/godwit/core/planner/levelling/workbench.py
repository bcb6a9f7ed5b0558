"""A levelling problem on the bench: its tables, how it stands, and the kernels that work on it.

Small problems are worked on in plain Python, unless the compiler is there anyway or it takes long:
the answers are the same to the bit.
"""

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt

from godwit.core.errors import BadValue
from godwit.core.planner.levelling import costing, descending, exchanging, moving, ordering, shaking
from godwit.core.planner.levelling.board import (
    EVALUATIONS,
    NONE,
    SEEN,
    board_of,
    memory_for,
    standing_for,
)
from godwit.core.planner.levelling.levels import Indices, Levels, Reals
from godwit.core.planner.levelling.twice import compiled, is_loaded

__all__ = ["Workbench"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: Up to so many pairs of item and bin, Python is done before the compiler is loaded.
PLAIN_MOST: Final = 2500


class Workbench:
    """One problem, one standing of it."""

    def __init__(
        self,
        levels: Levels,
        where: npt.ArrayLike | None = None,
        *,
        seed: int = 0,
        moves_most: int | None = None,
        plain: bool | None = None,
    ) -> None:
        items, bins = len(levels.need), len(levels.scale)
        begin = np.array(levels.origin if where is None else where, dtype=np.int32)
        if begin.shape != (items,) or (items and not 0 <= begin.min() <= begin.max() < bins):
            raise BadValue(
                "the assignment has not one bin for each item", evidence=f"{begin.shape}"
            )
        if plain is None:
            plain = items * bins <= PLAIN_MOST and not is_loaded()
        self.levels, self.is_plain = levels, plain
        self._board = board_of(levels, plain=plain)
        most = items if moves_most is None else moves_most
        self._standing = standing_for(levels, begin, seed, most, plain=plain)
        self._memory = memory_for(levels, plain=plain)
        self._run(costing.settle)(self._board, self._standing)

    def hasten(self) -> None:
        """Go on compiled from here; that changes nothing but the time it takes."""
        if not self.is_plain:
            return
        arrays = standing_for(self.levels, self.where, 0, 0, plain=False)
        self._standing = _as(arrays, self._standing)
        self._memory = _as(memory_for(self.levels, plain=False), self._memory)
        self._board = board_of(self.levels, plain=False)
        self.is_plain = False

    def _run(self, kernel: Callable[P, R]) -> Callable[P, R]:
        return kernel if self.is_plain else compiled(kernel)

    @property
    def where(self) -> Indices:
        """The bin of each item."""
        return np.array(self._standing.where, dtype=np.int32)

    @property
    def evaluations(self) -> int:
        """How many moves and exchanges were weighed so far."""
        return int(self._standing.counts[EVALUATIONS])

    def put(self, where: Indices) -> None:
        """Put every item where this says, and count everything anew."""
        self._standing.where[:] = where.tolist() if self.is_plain else where
        self._standing.counts[SEEN] = descending.UNSEEN
        self._run(costing.settle)(self._board, self._standing)

    def cost(self) -> float:
        """All points of the assignment."""
        return float(self._run(costing.cost_of)(self._board, self._standing))

    def shift(self, item: int, place: int) -> None:
        """Move an item, whatever that breaks."""
        self._standing.counts[SEEN] = descending.UNSEEN
        self._run(costing.shift)(self._board, self._standing, item, place)

    def moves_of(self, item: int) -> Reals:
        """What it would change to move an item on, for each bin."""
        moves = self._memory.moves
        self._run(moving.moves_of)(self._board, self._standing, item, moves, 0, len(moves))
        return np.array(moves)

    def exchanges_of(self, item: int) -> Reals:
        """What it would change to let an item and another take each other's place."""
        exchanges = self._memory.exchanges
        self._run(exchanging.exchanges_of)(self._board, self._standing, item, exchanges)
        return np.array(exchanges)

    def descend(self, least_gain: float, most_bins: int, evaluations: int) -> bool:
        """Descend; says whether it came to its end within so many evaluations, or may go on."""
        run = self._run(descending.descend)
        return bool(
            run(self._board, self._standing, self._memory, least_gain, most_bins, evaluations)
        )

    def free(self, items: Indices) -> None:
        """Say which items chance may draw."""
        self._memory.free[: len(items)] = items.tolist() if self.is_plain else items

    def typical_rise(self, free: int, samples: int) -> float:
        """The median of what moves of random items cost, of those that cost something."""
        rises: Any = np.zeros(samples * len(self.levels.scale))
        rises = rises.tolist() if self.is_plain else rises
        run = self._run(shaking.rises_of)
        found = run(self._board, self._standing, self._memory, free, samples, rises)
        return float(np.median(rises[:found])) if found else 0.0

    def shake(self, free: int, evaluations: int, hottest: float, coldest: float) -> float:
        """Anneal; returns how much less the best on the way costs, which ``best`` has then."""
        run = self._run(shaking.shake)
        return float(
            run(self._board, self._standing, self._memory, free, evaluations, hottest, coldest)
        )

    @property
    def best(self) -> Indices:
        """The best assignment of the last annealing."""
        return np.array(self._memory.best, dtype=np.int32)

    def order(
        self, where: Indices, alternatives: int
    ) -> tuple[list[tuple[int, int, float]], int, Indices, Reals]:
        """Put the moves from here to an assignment in order, as (item, bin, gain).

        Returns them, how many of them have room in their turn, and for each the next best bins
        with what it would gain there. The rest wait for each other, and have room only all at once.
        Everything is there then.
        """
        where = np.array(where, dtype=np.int32)
        moved: Any = np.flatnonzero(where != self.where).astype(np.int32)
        gains: Any = np.zeros(len(moved))
        places: Any = np.full((len(moved), alternatives), NONE, dtype=np.int32)
        instead: Any = np.full((len(moved), alternatives), -np.inf)
        goals: Any = where
        if self.is_plain:
            moved, gains, places, instead, goals = (
                one.tolist() for one in (moved, gains, places, instead, goals)
            )
        run = self._run(ordering.order)
        in_turn = run(
            self._board, self._standing, self._memory, moved, goals, gains, places, instead
        )
        found = [
            (int(item), int(goals[item]), float(gain))
            for item, gain in zip(moved, gains, strict=True)
        ]
        return found, int(in_turn), np.array(places, dtype=np.int32), np.array(instead)

    def best_single(self) -> tuple[int, int, float] | None:
        """Item, bin and gain of the single move that gains most; None when none may be made."""
        item = int(self._run(descending.best_single)(self._board, self._standing, self._memory))
        self._standing.counts[SEEN] = descending.UNSEEN
        if item == NONE:
            return None
        memory = self._memory
        return item, int(memory.item_place[item]), -float(memory.item_change[item])


def _as(arrays: T, lists: T) -> T:
    """The numbers of lists in arrays like these."""
    for array, numbers in zip(cast("tuple[Any, ...]", arrays), cast("Any", lists), strict=True):
        # A table without rows is a list without a width.
        if array.size:
            array[...] = numbers
    return arrays
