"""Puts a reading and a brief into arrays, has them searched, and checks what was permitted.

The search is loaded when it is first asked for, not with this package, and its compiled code by the
first large problem: commands that don't plan start without either.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from godwit.core.planner.brief import HELPER_POINTS, Brief, PlaceCosts, place_costs
from godwit.core.planner.objective import BROKEN_POINTS, broken_rules, counted_hosts
from godwit.core.planner.permits import Permits
from godwit.core.planner.reading import Reading
from godwit.core.planner.weights import PlanSettings

if TYPE_CHECKING:
    from godwit.core.planner.levelling import Levels

__all__ = ["Found", "Ordered", "Solver"]

#: Rounds in which pairs that turned out to be refused are taken out.
_ROUNDS: Final = 25
#: Random evaluations of the improvement, for each pair of bundle and host, and at most.
_STEPS_PER_PAIR: Final = 10
_STEPS_MOST: Final = 5_000_000

Where = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """An assignment of bundles to hosts; ``is_settled`` unless the search was cut off."""

    where: Where
    is_settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """One move of a bundle in its turn: what it gains then, and would gain on the next best hosts.

    One that is not ``in_turn`` has room only when another of those has moved too.
    """

    bundle: int
    host: int
    gain_points: float
    instead: tuple[tuple[int, float], ...]
    in_turn: bool


class Solver:
    """One cluster and one brief; may be asked several times."""

    def __init__(
        self,
        reading: Reading,
        brief: Brief,
        settings: PlanSettings,
        seed: int,
        *,
        permits: Permits | None = None,
    ) -> None:
        self.reading, self.brief, self.settings, self.seed = reading, brief, settings, seed
        self.permits = permits or Permits(reading.cluster, reading.bundles, settings.bounds)
        self._stays = np.array([bool(one.stays) for one in reading.bundles], dtype=np.bool_)
        self.counted = counted_hosts(reading, brief.leaving)
        self.costs: PlaceCosts = place_costs(reading, brief)
        for number, place in self.costs.only.items():
            self.permits.bind(number, place)
        self.levels_price = self._prices()
        self._lone = not brief.makes_room

    def solve(self, goes_on: Callable[[], bool]) -> Found:
        """Search until no pair of what was found is refused."""
        from godwit.core.planner.levelling import Workbench, improve  # noqa: PLC0415 - late

        goes_on()  # the clock learns that the search begins
        steps, shaken = self._steps(), self._forced()
        if self.brief.is_free:
            shaken = np.ones_like(shaken)
        elif not shaken.any() and not self._is_broken():
            return Found(where=self.reading.at.astype(np.int32), is_settled=True)
        elif self.brief.makes_room and not self.brief.repairs and not self._lone:
            # Mostly nobody has to make room: those that must go are soon placed alone.
            self._lone = True
            found = self.solve(goes_on)
            if not self.left(found.where):
                return found
            self._lone = False
        for _ in range(_ROUNDS):
            bench = Workbench(self.levels(), seed=self.seed, moves_most=self._moves_most())
            is_settled = improve(bench, steps=steps, goes_on=goes_on, shaken=shaken)
            where = bench.where
            if not self.permits.refuses(self.moved(where)):
                return Found(where=where, is_settled=is_settled)
        kept = self.reading.at.astype(np.int32)
        return Found(where=kept, is_settled=False)

    def moved(self, where: Where) -> list[tuple[int, int]]:
        """The bundles that are elsewhere than before, and where."""
        return [(int(one), int(where[one])) for one in np.flatnonzero(where != self.reading.at)]

    def order(self, where: Where, alternatives: int) -> list[Ordered]:
        """Put the moves to an assignment in order, each with the next best hosts."""
        from godwit.core.planner.levelling import Workbench  # noqa: PLC0415 - late

        moves, in_turn, places, gains = Workbench(self.levels()).order(where, alternatives)
        return [
            Ordered(
                bundle=item,
                host=place,
                gain_points=gain,
                instead=tuple(
                    (int(one), float(points))
                    for one, points in zip(places[at], gains[at], strict=True)
                    if one >= 0
                ),
                in_turn=at < in_turn,
            )
            for at, (item, place, gain) in enumerate(moves)
        ]

    def best_single(self) -> tuple[int, int, float] | None:
        """The single move that gains most, though it may gain less than its price."""
        from godwit.core.planner.levelling import Workbench  # noqa: PLC0415 - late

        return Workbench(self.levels()).best_single()

    def levels(self) -> "Levels":
        """The problem in arrays, with all that is known by now of what is permitted."""
        from godwit.core.planner.levelling import build_levels  # noqa: PLC0415 - late

        reading, weights = self.reading, self.settings.weights
        held = np.zeros_like(reading.room)
        np.add.at(held, reading.at, reading.size)
        room = reading.room if self.brief.repairs else np.maximum(reading.room, held)
        return build_levels(
            need=reading.need,
            base=reading.base,
            scale=reading.scale,
            counted=self.counted,
            origin=reading.at,
            spread=(weights.imbalance_cpu, weights.imbalance_memory),
            safe=(weights.cpu_safe_fraction, weights.memory_safe_fraction),
            hot=(weights.hot_cpu, weights.hot_memory),
            unmet=(weights.unmet, 0.0),
            size=reading.size,
            room=room,
            price=self.levels_price,
            fixed=self.fixed(),
            row=self.permits.row,
            allowed=self._allowed(),
            kind=self.costs.kind,
            place_cost=self.costs.table,
            item_groups=reading.bundle_groups,
            most=np.ones(len(reading.group_names), dtype=np.int64),
            place_of=reading.place_of,
            base_count=reading.group_base,
            broken_cost=BROKEN_POINTS if self.brief.repairs else 0.0,
        )

    def fixed(self) -> npt.NDArray[np.bool_]:
        """Who stays whatever happens."""
        if self.brief.is_free or not self._lone:
            return self._stays
        return self._stays | ~self._forced()

    def left(self, where: Where) -> list[int]:
        """The bundles that are still where they must not be."""
        table, kind = self.costs.table, self.costs.kind
        return [one for one in self.costs.must_go if table[kind[one], where[one]] > 0]

    def _forced(self) -> npt.NDArray[np.bool_]:
        forced = np.zeros(len(self.reading.bundles), dtype=np.bool_)
        forced[list(self.costs.must_go)] = True
        return forced

    def _is_broken(self) -> bool:
        return self.brief.repairs and broken_rules(self.reading, self.reading.at) > 0

    def _allowed(self) -> npt.NDArray[np.bool_]:
        allowed = self.permits.allowed.copy()
        for name in self.brief.leaving:
            allowed[:, self.reading.number[name]] = False
        return allowed

    def _prices(self) -> npt.NDArray[np.float64]:
        points = self.reading.prices.points
        return points if self.brief.is_free else points + HELPER_POINTS

    def _moves_most(self) -> int | None:
        return self.settings.moves_most

    def _steps(self) -> int:
        if self.settings.steps is not None:
            return self.settings.steps
        pairs = len(self.reading.bundles) * len(self.reading.hosts)
        return min(_STEPS_MOST, _STEPS_PER_PAIR * pairs)
