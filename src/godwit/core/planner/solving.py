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
from godwit.core.planner.objective import counted_hosts
from godwit.core.planner.permits import Permits
from godwit.core.planner.reading import Reading
from godwit.core.planner.rulebook import Rulebook, ends_of
from godwit.core.planner.site import Site, site_of
from godwit.core.planner.siting import arrays_of
from godwit.core.planner.weights import BROKEN_POINTS, PlanSettings
from godwit.core.rules import Absorb, Breach

if TYPE_CHECKING:
    from godwit.core.planner.levelling import Levels

__all__ = ["Found", "Ordered", "Solver"]

#: Rounds in which pairs that turned out to be refused are taken out.
_ROUNDS: Final = 25
#: And in which places are taken out where hard rules about several VMs would be broken.
_VETOES: Final = 4
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
        self.book = Rulebook(reading.cluster)
        self.costs: PlaceCosts = place_costs(reading, brief, self.book)
        for number, place in self.costs.only.items():
            self.permits.bind(number, place)
        self.site: Site = site_of(reading, brief, self.costs, self.book)
        for number, hosts in self.site.narrowed.items():
            self.permits.narrow(number, hosts)
        self.levels_price = self._prices()
        #: What stays although the search would have moved it, and the rule that is against it.
        self.held_back: dict[int, Breach] = {}
        #: Whether rules were ever against what the search found.
        self.has_vetoed = False
        self._lone = not brief.makes_room

    def solve(self, goes_on: Callable[[], bool]) -> Found:
        """Search until no pair of what was found is refused; whom that leaves, try to pack."""
        found = self._levelled(goes_on)
        left = self.left(found.where)
        if not left or self.settings.steps == 0 or not goes_on():
            return found
        packed = self._packed(left, goes_on)
        return packed if packed is not None and self._fewer(packed, found) else found

    def _packed(self, left: list[int], goes_on: Callable[[], bool]) -> Found | None:
        from godwit.core.planner.levelling import Workbench, improve  # noqa: PLC0415 - late
        from godwit.core.planner.packing import may_help, packed  # noqa: PLC0415 - late

        for _ in range(_VETOES):
            levels = self.levels()
            if not may_help(levels, self.costs, left):
                return None
            where = packed(levels, self.costs, seed=self.seed, goes_on=goes_on)
            if where is None:
                return None
            if self.permits.refuses(self.moved(where)):
                continue
            # Who made room for nothing goes home again.
            bench = Workbench(levels, where, seed=self.seed)
            is_settled = improve(bench, steps=0, goes_on=goes_on)
            if not self.permits.refuses(self.moved(bench.where)):
                return Found(where=self.kept(bench.where), is_settled=is_settled)
        return None

    def _fewer(self, one: Found, other: Found) -> bool:
        """Whether fewer are left by the first, the more urgent and the larger counted more."""
        table, kind = self.costs.table, self.costs.kind

        def missed(where: Where) -> float:
            return float(sum(table[kind[at], where[at]] for at in self.left(where)))

        return missed(one.where) < missed(other.where)

    def _levelled(self, goes_on: Callable[[], bool]) -> Found:
        from godwit.core.planner.levelling import Workbench, improve  # noqa: PLC0415 - late

        goes_on()  # the clock learns that the search begins
        steps, shaken = self._steps(), self._forced()
        if self.brief.is_free:
            shaken = np.ones_like(shaken)
        elif not shaken.any() and not self._is_broken():
            return Found(where=self.reading.at.astype(np.int32), is_settled=True)
        elif self.brief.makes_room and not self.brief.repairs and not self._lone:
            # Mostly nobody has to make room: those that must go are soon placed alone.
            self._lone, row = True, self.permits.row.copy()
            found = self._levelled(goes_on)
            if not self.left(found.where):
                return found
            self._lone, self.permits.row = False, row
        rounds = _VETOES
        for _ in range(_ROUNDS):
            bench = Workbench(self.levels(), seed=self.seed, moves_most=self._moves_most())
            is_settled = improve(bench, steps=steps, goes_on=goes_on, shaken=shaken)
            where = bench.where
            if self.permits.refuses(self.moved(where)):
                continue
            if rounds == 0 or not self.forbid(where):
                return Found(where=self.kept(where), is_settled=is_settled)
            rounds -= 1
        kept = self.reading.at.astype(np.int32)
        return Found(where=kept, is_settled=False)

    def forbid(self, where: Where) -> bool:
        """Take out the places where hard rules would be broken; whether there were any."""
        found = False
        for number, breach in self._against(where).items():
            if breach.kind == Absorb.KIND:
                continue  # it is about all hosts, not about this one
            here = self.site.like(int(where[number]), breach.rule)
            here[self.reading.at[number]] = False
            self.permits.narrow(number, ~here)
            self.has_vetoed = True
            found = True
        return found

    def kept(self, where: Where) -> Where:
        """Leave those where they are whose moves would break a hard rule, and remember why."""
        where = where.copy()
        for number, breach in self._against(where).items():
            self.has_vetoed = True
            self.held_back[number] = breach
            where[number] = self.reading.at[number]
        return where

    def _against(self, where: Where) -> dict[int, Breach]:
        """The bundles that hard rules are against, when those that gain least give way."""
        found = self.book.taken_back(ends_of(self.reading, where))
        return {
            number: found[vm.id]
            for number, _ in (self.moved(where) if found else ())
            for vm in self.reading.bundles[number].vms
            if vm.id in found
        }

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

        reading = self.reading
        return build_levels(
            counted=self.counted,
            origin=reading.at,
            price=self.levels_price,
            fixed=self.fixed(),
            row=self.permits.row,
            allowed=self._allowed(),
            broken_cost=BROKEN_POINTS if self.brief.repairs else 0.0,
            **arrays_of(reading, self.site, self.costs, self.settings.weights),
        )

    def fixed(self) -> npt.NDArray[np.bool_]:
        """Who stays whatever happens."""
        if self.brief.is_free or not self._lone:
            return self._stays
        return self._stays | ~self._forced()

    def left(self, where: Where) -> list[int]:
        """The bundles that are still where they must not be."""
        table, kind = self.costs.table, self.costs.kind
        return [
            one
            for one in self.costs.must_go
            if table[kind[one], where[one]] > 0
            # A group may join elsewhere than where most of it was.
            and not (one in self.costs.joining and where[one] != self.reading.at[one])
        ]

    def _forced(self) -> npt.NDArray[np.bool_]:
        forced = np.zeros(len(self.reading.bundles), dtype=np.bool_)
        forced[list(self.costs.must_go)] = True
        return forced

    def _is_broken(self) -> bool:
        return self.site.is_broken

    def _allowed(self) -> npt.NDArray[np.bool_]:
        allowed = self.permits.allowed.copy()
        for name in self.brief.leaving:
            allowed[:, self.reading.number[name]] = False
        return allowed

    def _prices(self) -> npt.NDArray[np.float64]:
        points = self.reading.prices.points
        if self.brief.is_free:
            return points
        scale = self.site.load_scale
        return scale * points + (1.0 if self.brief.repairs else HELPER_POINTS)

    def _moves_most(self) -> int | None:
        return self.settings.moves_most

    def _steps(self) -> int:
        if self.settings.steps is not None:
            return self.settings.steps
        pairs = len(self.reading.bundles) * len(self.reading.hosts)
        return min(_STEPS_MOST, _STEPS_PER_PAIR * pairs)
