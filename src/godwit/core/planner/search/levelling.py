"""Levelling, as callers use it: the moves of the best assignment that was found, in their order.

Few moves win over many by their prices: a move is worth it only if it gains more. The same arrays,
steps and seed give the same moves to the byte; what is found can't be improved by any single move
or exchange of the bins that cost most, so that levelling it once more gives nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from godwit.core.planner.search.costing import cost_of
from godwit.core.planner.search.descending import EXCHANGE_BINS, descend_fully
from godwit.core.planner.search.levels import Levels
from godwit.core.planner.search.ordering import order_moves
from godwit.core.planner.search.problem import Indices
from godwit.core.planner.search.shaking import shake, typical_rise
from godwit.core.planner.search.standing import EVALUATIONS, Standing, settle, stand

__all__ = ["LevelMove", "Levelled", "improve_level", "level"]

#: The least that a move has to gain beside its price, in points: above the noise of sums.
_LEAST_GAIN: Final = 1e-7
_SAMPLES: Final = 50
#: Of the median rise of a random move.
_HOTTEST_FRACTION: Final = 0.05
_COLDEST_FRACTION: Final = 0.0005
_SLICE: Final = 500_000
_DESCENT_EVALUATIONS: Final = 400_000_000


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
) -> Levelled:
    """Level the bins: descend, improve by ``steps`` random moves, and descend again.

    ``goes_on`` is asked between slices of the improvement: a caller with a clock ends it so. Where
    the descent finds nothing that is worth its price, nothing is improved either.
    """
    start = stand(levels, seed=seed, moves_most=moves_most)
    before = cost_of(levels, start)
    where, is_settled, evaluations = improve_level(
        levels,
        start,
        steps=steps,
        least_gain=least_gain,
        exchange_bins=exchange_bins,
        goes_on=goes_on,
    )
    after = stand(levels, where)
    found, in_turn, _, _ = order_moves(levels, where)
    moves = tuple(_move(levels, *one) for one in found)
    return Levelled(
        moves=moves[:in_turn],
        late=moves[in_turn:],
        where=where,
        cost_before=before,
        cost_after=cost_of(levels, after),
        evaluations=evaluations,
        is_settled=is_settled,
    )


def _move(levels: Levels, item: int, place: int, gain: float) -> LevelMove:
    return LevelMove(item=item, source=int(levels.origin[item]), place=place, gain=gain)


def improve_level(
    levels: Levels,
    standing: Standing,
    *,
    steps: int,
    least_gain: float = _LEAST_GAIN,
    exchange_bins: int = EXCHANGE_BINS,
    goes_on: Callable[[], bool] | None = None,
) -> tuple[Indices, bool, int]:
    """Improve a standing; returns the assignment, whether it is settled, and the evaluations."""
    # Those that must find room look for it by their size, the largest first.
    order = np.lexsort((np.arange(len(levels.need)), -levels.need.sum(axis=1)))
    first = standing.where.copy()

    def down() -> bool:
        return descend_fully(
            levels, standing, least_gain, exchange_bins, _DESCENT_EVALUATIONS, order
        )

    is_settled = down()
    free = np.flatnonzero(~levels.fixed).astype(np.int32)
    if steps > 0 and len(free) and not np.array_equal(first, standing.where):
        found, cost = standing.where.copy(), cost_of(levels, standing)
        was_settled = is_settled
        _improve(levels, standing, free, steps, goes_on)
        is_settled = down()
        if cost_of(levels, standing) >= cost - least_gain:
            standing.where[:] = found
            settle(levels, standing)
            is_settled = was_settled
    return standing.where.copy(), is_settled, int(standing.counts[EVALUATIONS])


def _improve(
    levels: Levels,
    standing: Standing,
    free: Indices,
    steps: int,
    goes_on: Callable[[], bool] | None,
) -> None:
    """Anneal in slices that the caller may end, and go back to the best assignment of all."""
    typical = typical_rise(levels, standing, free, _SAMPLES)
    if typical <= 0.0:
        return
    hottest, coldest = _HOTTEST_FRACTION * typical, _COLDEST_FRACTION * typical
    slices = max(1, round(steps / _SLICE))
    best, overall = standing.where.copy(), standing.where.copy()
    lowest = cost_of(levels, standing)
    for number in range(slices):
        if goes_on is not None and not goes_on():
            break
        warm = hottest * (coldest / hottest) ** (number / slices)
        cold = hottest * (coldest / hottest) ** ((number + 1) / slices)
        at_start = cost_of(levels, standing)
        gained = shake(levels, standing, free, steps // slices, warm, cold, best)
        if at_start - gained < lowest:
            lowest = at_start - gained
            overall[:] = best
        settle(levels, standing)
    standing.where[:] = overall
    settle(levels, standing)
