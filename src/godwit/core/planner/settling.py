"""The assignment of a plan: searched, mended by the rules themselves, weighed, and searched again.

Where the search knows all that the rules say, what it finds is settled: planned again, nothing
moves. Where it doesn't, the cluster is planned once more as it would be after the plan, and what
still gains belongs to the same plan.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from godwit.core.model import Cluster, HostName, VmId
from godwit.core.planner.brief import FORCED_POINTS, Brief
from godwit.core.planner.objective import measure, soft_name, terms_of, unspared
from godwit.core.planner.polishing import polished
from godwit.core.planner.reading import read_cluster
from godwit.core.planner.rulebook import ends_of
from godwit.core.planner.solving import Solver, Where
from godwit.core.planner.weights import PlanSettings
from godwit.core.rules import Absorb
from godwit.core.worth import Term

__all__ = ["Settled", "settled_plan"]

#: So many times what would be found after the plan is made a part of it.
_AGAIN_MOST: Final = 4
#: From so many pairs of VM and host on once is enough: each time takes seconds.
_LARGE: Final = 2_000_000
#: Of the moves that gain least, so many parts are left out to see whether the rest gains more.
_PARTS: Final = 4
#: In a plan of so many moves each is looked at once more, whether it is needed.
_LOOKED_AT_MOST: Final = 16
#: The least that has to be gained, in points.
_LEAST_GAIN: Final = 1e-6

_GoesOn = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """An assignment with its terms, and why it is none where nothing moves."""

    solver: Solver
    where: Where
    terms: tuple[Term, ...]
    reasons: tuple[str, ...] = ()
    #: Whether nothing was changed about what the search found.
    is_as_found: bool = True

    @property
    def judged(self) -> tuple[Term, ...]:
        """The terms that decide whether it is worth while: of a repair, those of the rules."""
        if self.solver.brief.is_free or not self.solver.brief.repairs:
            return self.terms
        loads = ("hot ", "imbalance ", "unmet ", "price")
        return tuple(one for one in self.terms if not one.name.startswith(loads))

    @property
    def gain(self) -> float:
        """The points that it gains by them."""
        return sum(one.gain for one in self.judged)


def settled_plan(
    cluster: Cluster, brief: Brief, settings: PlanSettings, seed: int, goes_on: _GoesOn
) -> Settled:
    """Find the assignment of a request."""
    first = _one_pass(cluster, brief, settings, seed, goes_on)
    wants_more = (brief.is_free or brief.repairs) and not brief.away
    is_settled = first.solver.site.is_exact and first.is_as_found
    is_settled = is_settled and not first.solver.has_vetoed
    if is_settled or not wants_more or settings.moves_most is not None:
        return first
    reading = first.solver.reading
    is_large = len(reading.bundles) * len(reading.hosts) > _LARGE
    for _ in range(1 if is_large else _AGAIN_MOST):
        ends = ends_of(first.solver.reading, first.where)
        if not ends or not goes_on():
            break
        again = _one_pass(_carried_out(cluster, ends), brief, settings, seed, goes_on)
        more = ends_of(again.solver.reading, again.where)
        both = _joined(first, {**ends, **more}) if more else None
        if both is None or both.gain <= first.gain + _LEAST_GAIN:
            break
        first = both
    return first


def _one_pass(
    cluster: Cluster, brief: Brief, settings: PlanSettings, seed: int, goes_on: _GoesOn
) -> Settled:
    reading = read_cluster(cluster, settings, leaving=brief.leaving, joins=brief.joins)
    solver = Solver(reading, brief, settings, seed)
    found = _searched(solver, goes_on)
    best = _with_spare(solver, found, goes_on)
    if not solver.site.is_exact or best is not found or brief.joins:
        best = _none_in_vain(solver, best)
    if not solver.moved(found.where) or best.gain > 0:
        return replace(best, is_as_found=best is found)
    lost = min(found.judged, key=lambda one: one.gain)
    figures = f"{lost.before:.3g} before, {lost.after:.3g} after"
    reasons = (f"what would move gains less than it costs by {lost.name}: {figures}",)
    stay = reading.at.astype(np.int32)
    return replace(_weighed(solver, stay), reasons=reasons)


def _searched(solver: Solver, goes_on: _GoesOn) -> Settled:
    where = polished(solver, solver.solve(goes_on).where)
    return _weighed(solver, solver.kept(where))


def _weighed(solver: Solver, where: Where) -> Settled:
    return Settled(solver=solver, where=where, terms=_terms(solver, where))


def _terms(solver: Solver, where: Where) -> tuple[Term, ...]:
    reading, book, weights = solver.reading, solver.book, solver.settings.weights
    before = measure(reading, book, reading.at, solver.counted, weights)
    after = measure(reading, book, where, solver.counted, weights)
    terms = terms_of(reading, solver.counted, weights, before, after)
    asked = solver.costs.asked
    if not asked:
        return terms
    left = asked & set(solver.left(where))
    misplaced = Term(
        name="misplaced",
        counts="VMs that are not where they must be",
        points=FORCED_POINTS,
        before=float(sum(len(reading.bundles[one].vms) for one in asked)),
        after=float(sum(len(reading.bundles[one].vms) for one in left)),
    )
    return (misplaced, *terms)


def _with_spare(solver: Solver, found: Settled, goes_on: _GoesOn) -> Settled:
    """Where a plan would leave less room for the loss of a host, look for one that does not.

    The search does not see that room. So it is kept free on the hosts that have it now, and
    searched again; or the moves that gain least are left out.
    """
    absorbing = {soft_name(one.name) for one in solver.book.soft if isinstance(one, Absorb)}
    names = {"spare", *absorbing}
    if all(one.gain >= 0 for one in found.terms if one.name in names):
        return found
    best, room = found, solver.site.rooms.room.copy()
    for hosts in (1, len(solver.reading.hosts)):
        if not goes_on() or not _reserved(solver, found.where, hosts):
            break
        tried = _searched(solver, goes_on)
        best = tried if tried.gain > best.gain else best
        if all(one.gain >= 0 for one in tried.terms if one.name in names):
            break
    solver.site.rooms.room[:] = room
    return _best_part(solver, best)


def _reserved(solver: Solver, where: Where, most: int) -> bool:
    """Keep room for the largest VM that would find none, on hosts that have so much now."""
    reading, room = solver.reading, solver.site.rooms.room
    lacking = unspared(reading, where, solver.counted)
    if not lacking:
        return False
    needed = max(lacking)
    held = np.zeros_like(reading.room)
    np.add.at(held, reading.at, reading.size)
    free = np.where(solver.counted, room[:, 0] - held[:, 0], 0)
    order = [one for one in np.argsort(-free, kind="stable").tolist() if free[one] >= needed]
    for one in order[:most]:
        room[one, 0] -= needed
    return bool(order)


def _best_part(solver: Solver, found: Settled) -> Settled:
    """Leave out those moves that gain least, where all others gain more without them."""
    if not solver.brief.is_free:
        return found
    order = solver.order(found.where, 0)
    best = found
    for part in range(1, _PARTS):
        tried = _without(
            solver, found, [one.bundle for one in order[len(order) * part // _PARTS :]]
        )
        best = tried if tried.gain > best.gain + _LEAST_GAIN else best
    return best


def _none_in_vain(solver: Solver, found: Settled) -> Settled:
    """Leave out each move without which the plan is as good, the one that gains least first."""
    asked = solver.costs.asked
    moved = [one for one, _ in solver.moved(found.where) if one not in asked]
    if not moved or len(moved) > _LOOKED_AT_MOST:
        return found
    for one in reversed(solver.order(found.where, 0)):
        if one.bundle in asked:
            continue
        tried = _without(solver, found, [one.bundle])
        if tried.gain >= found.gain - _LEAST_GAIN:
            found = tried
    return found


def _without(solver: Solver, found: Settled, bundles: Iterable[int]) -> Settled:
    """The same without these moves, and without those that can't be made without them."""
    where = found.where.copy()
    for one in bundles:
        if one not in solver.costs.asked:
            where[one] = solver.reading.at[one]
    return _weighed(solver, solver.kept(where))


def _carried_out(cluster: Cluster, ends: Mapping[VmId, HostName]) -> Cluster:
    vms = [replace(one, host=ends.get(one.id, one.host)) for one in cluster.vms]
    return replace(cluster, vms=tuple(sorted(vms, key=lambda one: (one.name, one.host))))


def _joined(first: Settled, ends: Mapping[VmId, HostName]) -> Settled | None:
    """Both plans as one from the beginning; None where that would not be allowed."""
    solver, reading = first.solver, first.solver.reading
    where = reading.at.astype(np.int32)
    for number, one in enumerate(reading.bundles):
        hosts = {ends.get(vm.id, one.host) for vm in one.vms}
        if len(hosts) > 1:
            return None
        where[number] = reading.number[hosts.pop()]
    for number, place in solver.moved(where):
        vms, host = reading.bundles[number].vms, reading.hosts[place]
        if any(solver.permits.refusal(vm, host) is not None for vm in vms):
            return None
    if solver.book.taken_back(ends_of(reading, where)):
        return None
    return _weighed(solver, where)
