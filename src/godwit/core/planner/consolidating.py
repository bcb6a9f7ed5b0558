"""Which hosts can be emptied together, and safely: tried one by one, the emptiest first.

Where no VMs are tied to each other, nothing of the reading depends on which hosts are emptied: then
it is made once, and what was asked about who may be where is remembered from one try to the next.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from godwit.core.model import Cluster
from godwit.core.planner.brief import Brief
from godwit.core.planner.objective import Amounts, counted_hosts, measure
from godwit.core.planner.permits import Permits
from godwit.core.planner.reading import Reading, read_cluster
from godwit.core.planner.rulebook import Rulebook
from godwit.core.planner.solving import Solver
from godwit.core.planner.weights import PlanSettings

__all__ = ["consolidated"]

#: After so many hosts in a row that could not be emptied, fuller ones are not tried.
_FAILS_MOST: Final = 4


def consolidated(
    cluster: Cluster,
    brief: Brief,
    settings: PlanSettings,
    seed: int,
    goes_on: Callable[[], bool],
) -> Brief:
    """Return the brief with every host in ``leaving`` that can be emptied beside the others.

    Hosts stay in use on which a VM can't move. Those that are empty already stay so.
    """
    quick = replace(settings, steps=0)
    reading = _read(cluster, brief, quick)
    counted = counted_hosts(reading, brief.leaving)
    book = Rulebook(cluster)
    before = measure(reading, book, reading.at, counted, settings.weights)
    held = np.zeros_like(reading.room)
    np.add.at(held, reading.at, reading.size)
    stuck = {int(reading.at[at]) for at, one in enumerate(reading.bundles) if one.stays}
    in_use = [int(one) for one in np.flatnonzero(counted) if held[one, 0] > 0]
    empty = {reading.name(int(one)) for one in np.flatnonzero(counted) if held[one, 0] == 0}
    brief = replace(brief, makes_room=False, leaving=brief.leaving | empty)
    known = None
    if not cluster.rules and not any(one.together for one in cluster.groups):
        known = reading, Permits(cluster, reading.bundles, settings.bounds)
    open_hosts, fails = len(in_use), 0
    for host in sorted(in_use, key=lambda one: (held[one, 0], one)):
        if host in stuck:
            continue
        if open_hosts <= (brief.hosts_least or 1) or fails == _FAILS_MOST or not goes_on():
            break
        tried = replace(brief, leaving=brief.leaving | {reading.name(host)})
        if _is_safe(_solver(cluster, tried, quick, seed, known), before, goes_on):
            brief, open_hosts, fails = tried, open_hosts - 1, 0
        else:
            fails += 1
    return brief


def _read(cluster: Cluster, brief: Brief, settings: PlanSettings) -> Reading:
    return read_cluster(cluster, settings, leaving=brief.leaving, joins=brief.joins)


def _solver(
    cluster: Cluster,
    brief: Brief,
    settings: PlanSettings,
    seed: int,
    known: tuple[Reading, Permits] | None,
) -> Solver:
    """The solver of one try. What binds single VMs to hosts is not to be remembered.

    ``known`` is shared by all tries only where no rule of the site narrows what one of them may do.
    """
    if known is None or brief.homes:
        return Solver(_read(cluster, brief, settings), brief, settings, seed)
    reading, permits = known
    return Solver(reading, brief, settings, seed, permits=permits)


def _is_safe(solver: Solver, before: Amounts, goes_on: Callable[[], bool]) -> bool:
    where = solver.solve(goes_on).where
    if solver.left(where):
        return False
    after = measure(solver.reading, solver.book, where, solver.counted, solver.settings.weights)
    return (
        after.hot_cpu <= before.hot_cpu
        and after.hot_memory <= before.hot_memory
        and after.unmet_cores <= before.unmet_cores
        and after.spare <= before.spare
        and after.soft_points <= before.soft_points
    )
