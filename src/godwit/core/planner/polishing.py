"""What the search follows only nearly, seen to with the rules themselves: a short local descent.

Each move is weighed by all terms at once, in the search's own points, and by every rule that it
touches. Only VMs move here that such a rule speaks of and that it wants elsewhere, that were moved
in spite of it, or that must go and found no place.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import numpy as np

from godwit.core.planner.ledger import Ledger
from godwit.core.planner.reading import CPU
from godwit.core.planner.rulebook import ends_of
from godwit.core.planner.solving import Solver, Where
from godwit.core.planner.weights import BROKEN_POINTS
from godwit.core.rules import Absorb, Standing

__all__ = ["polished"]

#: So many moves are weighed at most.
_WEIGHED_MOST: Final = 10_000
_PASSES_MOST: Final = 4
#: Above so many hosts only the emptiest are looked at, and so many of each value of a label.
_HOSTS_MOST: Final = 64
_OF_VALUE: Final = 3
#: The least that a move has to gain, in points.
_LEAST_GAIN: Final = 1e-6


def polished(solver: Solver, where: Where) -> Where:
    """Return the assignment after a descent by the rules; itself, where nothing is left to do."""
    standing = solver.book.standing(ends_of(solver.reading, where))
    if standing is None or (solver.site.is_exact and not solver.held_back):
        return where
    descent = _Descent(solver, standing, where)
    for _ in range(_PASSES_MOST):
        if not descent.go_over(descent.wanted()):
            break
    return descent.where


class _Descent:
    def __init__(self, solver: Solver, standing: Standing, where: Where) -> None:
        self._solver, self._standing, self.where = solver, standing, where.copy()
        reading = solver.reading
        self._ledger = Ledger(reading, solver.counted, solver.settings.weights)
        for number, place in solver.moved(where):
            self._ledger.move(number, place)
        self._fixed = solver.fixed()
        self._left = _WEIGHED_MOST
        self._hosts: list[int] = []
        self._bundle = {
            vm.id: number for number, one in enumerate(reading.bundles) for vm in one.vms
        }
        self._room = solver.site.rooms.room[:, :2].tolist()

    def wanted(self) -> list[int]:
        """The bundles to look at, in their order."""
        solver, book = self._solver, self._solver.book
        ends = ends_of(solver.reading, self.where)
        found = set(solver.left(self.where))
        for number, rule in enumerate(book.weighed):
            if isinstance(rule, Absorb) or not (ends.keys() & rule.vms or solver.brief.repairs):
                continue
            if self._standing.amount(number):
                ours = rule.vms if solver.brief.repairs else rule.vms & ends.keys()
                found |= {self._bundle[vm] for vm in ours if vm in self._bundle}
        return sorted(one for one in found if not self._fixed[one])

    def go_over(self, bundles: Iterable[int]) -> bool:
        """Make for each bundle the move that gains most; whether any was made."""
        made, self._hosts = False, self._promising()
        for bundle in bundles:
            best, best_place = -_LEAST_GAIN, None
            for place in self._places(bundle):
                change = self._change(bundle, place)
                if change is not None and change < best and self._may(bundle, place):
                    best, best_place = change, place
            if best_place is not None:
                self._move(bundle, best_place)
                made = True
        return made

    def _places(self, bundle: int) -> list[int]:
        """The hosts that may be better; back where it came from first of all."""
        home, here = int(self._solver.reading.at[bundle]), int(self.where[bundle])
        return [one for one in dict.fromkeys((home, *self._hosts)) if one != here]

    def _promising(self) -> list[int]:
        """All hosts that count, or of very many the emptiest of each value of a rule's label."""
        solver = self._solver
        hosts = np.flatnonzero(solver.counted).tolist()
        if len(hosts) <= _HOSTS_MOST:
            return hosts
        hosts.sort(key=lambda one: (self._ledger.share(one, CPU), one))
        found = set(hosts[:_HOSTS_MOST])
        for values in {id(one): one for one in solver.site.values.values()}.values():
            count: Counter[str] = Counter()
            for one in hosts:
                count[values[one]] += 1
                if count[values[one]] <= _OF_VALUE and len(found) < 2 * _HOSTS_MOST:
                    found.add(one)
        return sorted(found)

    def _may(self, bundle: int, place: int) -> bool:
        """Whether it may go there at all: to where it came from it may always go back."""
        solver = self._solver
        home, most = int(solver.reading.at[bundle]), solver.settings.moves_most
        if place == home:
            return True
        is_new = int(self.where[bundle]) == home
        if is_new and most is not None and len(solver.moved(self.where)) >= most:
            return False
        return solver.permits.may(bundle, place)

    def _change(self, bundle: int, place: int) -> float | None:
        """By how much the cost would rise; None where the bundle may not go."""
        solver, reading = self._solver, self._solver.reading
        if self._left <= 0 or not self._ledger.has_room(bundle, place, self._room[place]):
            return None
        home = int(reading.at[bundle])
        is_back = place == home
        self._left -= 1
        host = reading.name(place)
        effect = self._standing.weigh_all({vm.id: host for vm in reading.bundles[bundle].vms})
        if effect.is_refused and not is_back:
            return None
        gains = effect.price < 0 or effect.hard_amount < 0
        if not gains and not is_back and bundle not in solver.costs.must_go:
            return None  # what only the loads gain by is the search's business
        table, kind = solver.costs.table, solver.costs.kind[bundle]
        here = int(self.where[bundle])
        change = float(table[kind, place] - table[kind, here])
        if here == home:
            change += float(solver.levels_price[bundle])
        elif is_back:
            change -= float(solver.levels_price[bundle])
        change -= solver.site.load_scale * sum(
            points for _, points in self._ledger.gains(bundle, place)
        )
        change += solver.site.soft_scale * effect.price
        hard = effect.hard_amount - self._ledger.mended(bundle, place)
        if hard > 0 or solver.brief.repairs:
            change += BROKEN_POINTS * hard
        return change

    def _move(self, bundle: int, place: int) -> None:
        host = self._solver.reading.name(place)
        self._ledger.move(bundle, place)
        for vm in self._solver.reading.bundles[bundle].vms:
            self._standing.move(vm.id, host)
        self.where[bundle] = place
