"""Levelling, as callers use it: the moves of the best assignment that was found, in their order.

Few moves win over many by their prices: a move is worth it only if it gains more. The same arrays,
steps and seed give the same moves to the byte; what is found can't be improved by any single move
or exchange of the bins that cost most, so that levelling it once more gives nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from godwit.core.planner.levelling.descending import EXCHANGE_BINS
from godwit.core.planner.levelling.levels import Flags, Indices, Levels, build_levels
from godwit.core.planner.levelling.workbench import Workbench

__all__ = ["LevelMove", "Levelled", "improve", "level", "prepare"]

#: The least that a move has to gain beside its price, in points: above the noise of sums.
_LEAST_GAIN: Final = 1e-7
_SAMPLES: Final = 50
#: Of the median rise of a random move.
_HOTTEST_FRACTION: Final = 0.05
_COLDEST_FRACTION: Final = 0.0005
#: Evaluations between two questions whether to go on, and of one descent at most.
_SLICE: Final = 500_000
_DESCENT_SLICE: Final = 5_000_000
_DESCENT_SLICES: Final = 100
#: In Python some tenths of a second.
_PLAIN_SLICE: Final = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelMove:
    """One item that goes from bin to bin, and what that gains there and then, less its price."""

    item: int
    source: int
    place: int
    gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Levelled:
    """The moves in an order in which each has room when it comes; ``late`` are those that had none.

    ``where`` is the assignment after all of them. Costs are in points, and have the prices in them.
    ``is_settled`` says that no move was left that gains; else the search was cut off.
    """

    moves: tuple[LevelMove, ...]
    late: tuple[LevelMove, ...]
    where: Indices
    cost_before: float
    cost_after: float
    evaluations: int
    is_settled: bool


def level(
    levels: Levels,
    *,
    steps: int,
    seed: int = 0,
    least_gain: float = _LEAST_GAIN,
    moves_most: int | None = None,
    exchange_bins: int = EXCHANGE_BINS,
    goes_on: Callable[[], bool] | None = None,
    plain: bool | None = None,
) -> Levelled:
    """Level the bins: descend, improve by ``steps`` random moves, and descend again.

    ``goes_on`` is asked between slices: a caller with a clock ends it so. Where the descent finds
    nothing that is worth its price, nothing is improved either.
    """
    bench = Workbench(levels, seed=seed, moves_most=moves_most, plain=plain)
    before = bench.cost()
    is_settled = improve(
        bench,
        steps=steps,
        least_gain=least_gain,
        exchange_bins=exchange_bins,
        goes_on=goes_on,
        stays_plain=plain is True,
    )
    where = bench.where
    after = bench.cost()
    found, in_turn, _, _ = Workbench(levels, plain=plain).order(where, 0)
    moves = tuple(
        LevelMove(item=item, source=int(levels.origin[item]), place=place, gain=gain)
        for item, place, gain in found
    )
    return Levelled(
        moves=moves[:in_turn],
        late=moves[in_turn:],
        where=where,
        cost_before=before,
        cost_after=after,
        evaluations=bench.evaluations,
        is_settled=is_settled,
    )


def improve(
    bench: Workbench,
    *,
    steps: int,
    least_gain: float = _LEAST_GAIN,
    exchange_bins: int = EXCHANGE_BINS,
    goes_on: Callable[[], bool] | None = None,
    shaken: Flags | None = None,
    stays_plain: bool = False,
) -> bool:
    """Improve a standing; says whether it is settled, or else was cut off.

    Where ``shaken`` is given, chance moves only those items and what the descent has moved. What
    takes long in Python goes on compiled, unless it ``stays_plain``.
    """
    first = bench.where

    def down() -> bool:
        if bench.is_plain and not stays_plain:
            if bench.descend(least_gain, exchange_bins, _PLAIN_SLICE):
                return True
            bench.hasten()
        for _ in range(_DESCENT_SLICES):
            if bench.descend(least_gain, exchange_bins, _DESCENT_SLICE):
                return True
            if goes_on is not None and not goes_on():
                break
        return False

    is_settled = down()
    fixed, found = bench.levels.fixed, bench.where
    drawn = ~fixed if shaken is None else ~fixed & (shaken | (first != found))
    free = np.flatnonzero(drawn).astype(np.int32)
    if is_settled and steps > 0 and len(free) and not np.array_equal(first, found):
        bench.put(found)
        cost = bench.cost()
        _shake(bench, free, steps, goes_on)
        if np.array_equal(found, bench.where):
            return True
        is_settled = down()
        if bench.cost() >= cost - least_gain:
            bench.put(found)
            is_settled = True
    bench.put(bench.where)
    return is_settled


def _shake(bench: Workbench, free: Indices, steps: int, goes_on: Callable[[], bool] | None) -> None:
    """Anneal in slices that the caller may end, and go back to the best assignment of all."""
    bench.free(free)
    typical = bench.typical_rise(len(free), _SAMPLES)
    if typical <= 0.0:
        return
    hottest, coldest = _HOTTEST_FRACTION * typical, _COLDEST_FRACTION * typical
    slices = max(1, round(steps / _SLICE))
    overall, lowest = bench.where, bench.cost()
    for number in range(slices):
        if goes_on is not None and not goes_on():
            break
        warm = hottest * (coldest / hottest) ** (number / slices)
        cold = hottest * (coldest / hottest) ** ((number + 1) / slices)
        at_start = bench.cost()
        gained = bench.shake(len(free), steps // slices, warm, cold)
        if at_start - gained < lowest:
            lowest = at_start - gained
            overall = bench.best
        bench.put(bench.where)
    bench.put(overall)


def prepare() -> None:
    """Load all that is compiled, or compile it: the next large problem need not wait."""
    levels = build_levels(
        need=np.ones((4, 2)), scale=np.full((3, 2), 4.0), origin=[0, 0, 0, 1], spread=1.0
    )
    level(levels, steps=100, plain=False)
    Workbench(levels, plain=False).best_single()
