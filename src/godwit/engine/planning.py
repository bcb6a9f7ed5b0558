"""The making of plans: read the hosts, measure what is not known, choose, and look ahead.

The core plans; here it is given what it needs. Its search is done beside the event loop, which
turns between two forecasts, too: other migrations are steered meanwhile.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from godwit.core.errors import HostUnreachable
from godwit.core.model import Cluster, HostName, Vm, VmId
from godwit.core.plan import Plan
from godwit.core.planner import (
    Drain,
    Evacuate,
    Mix,
    PauseSettings,
    PlanRequest,
    PlanSettings,
    Weights,
    move_outlook,
    place_request,
    plan_migration,
)
from godwit.core.timetable import with_times
from godwit.engine.lookup import find_host, find_vm, with_vm_ids
from godwit.engine.measuring import Measuring
from godwit.engine.observation import Observer
from godwit.ports import Clock

__all__ = ["SEARCH_LIMIT_S", "Planning"]

#: How long a plan is searched for, unless asked otherwise.
SEARCH_LIMIT_S: Final = 10.0


class Planning:
    """Makes plans from fresh readings. Used from one event loop only."""

    def __init__(
        self,
        *,
        observer: Observer,
        measuring: Measuring,
        clock: Clock,
        weights: Weights,
        moved_at: Callable[[], Mapping[VmId, float]],
    ) -> None:
        self._observer = observer
        self._weights = weights
        self._moved_at = moved_at
        self._clock = clock
        self._measuring = measuring

    async def migration(
        self, name: str, *, destination: HostName | None, settings: PauseSettings, measure: bool
    ) -> Plan:
        """Plan one move. Raises: UnknownVm, NoDestination, Refused."""
        cluster = await self._observer.scan()
        vm = find_vm(cluster, name)
        # Planned before anything is measured: what can't move is not worth the time.
        choose = partial(
            plan_migration, destination=destination, settings=settings, weights=self._weights
        )
        plan = await self._clock.spend(partial(choose, cluster, vm))
        if not measure:
            return plan
        seen, notes = await self._look_closer(cluster, [vm])
        if seen.known != cluster.known:
            plan = await self._clock.spend(partial(choose, seen, vm))
        return replace(plan, notes=(*plan.notes, *notes))

    async def request(
        self,
        asked: PlanRequest,
        settings: PlanSettings,
        *,
        measure: bool,
        limit_s: float,
        seed: int,
    ) -> Plan:
        """Plan what is asked for, with times. VMs may be named in place of their ids.

        Raises: UnknownHost, HostUnreachable, UnknownVm, Refused.
        """
        cluster = await self._observer.scan()
        settings = replace(settings, weights=self._weights, moved_at_s=self._moved_at())
        asked = with_vm_ids(cluster, asked)
        for host in _to_be_emptied(asked):
            _refuse_silent(cluster, host)
        place = partial(
            place_request,
            cluster,
            asked,
            settings,
            clock=self._clock.monotonic_s,
            limit_s=limit_s,
            seed=seed,
        )
        plan = await self._clock.spend(place)
        notes: tuple[str, ...] = ()
        if measure:
            moving = {move.vm for move in plan.moves}
            there = [vm for vm in cluster.vms if vm.id in moving]
            cluster, notes = await self._look_closer(cluster, there)
        moves = []
        for move in plan.moves:
            moves.append(move_outlook(cluster, plan, move))
            await asyncio.sleep(0)
        outlook = replace(plan, moves=tuple(moves))
        timed = await self._clock.spend(partial(with_times, cluster, outlook, settings.pause))
        return replace(timed, notes=(*timed.notes, *notes))

    async def _look_closer(
        self, cluster: Cluster, vms: Sequence[Vm]
    ) -> tuple[Cluster, tuple[str, ...]]:
        """Measure these VMs where that is due; return the cluster with what is known then."""
        notes = await self._measuring.refresh(vms)
        return replace(cluster, known=self._observer.known_of(cluster.vms)), notes


def _parts(asked: PlanRequest) -> tuple[PlanRequest, ...]:
    return asked.requests if isinstance(asked, Mix) else (asked,)


def _to_be_emptied(asked: PlanRequest) -> tuple[HostName, ...]:
    found: list[HostName] = []
    for one in _parts(asked):
        if isinstance(one, Drain):
            found += one.hosts
        elif isinstance(one, Evacuate):
            found.append(one.host)
    return tuple(found)


def _refuse_silent(cluster: Cluster, host: HostName) -> None:
    observed = find_host(cluster, host)
    if not observed.is_known:
        raise HostUnreachable(
            f"{host} does not answer, so its VMs can't be moved away",
            evidence=observed.unreachable,
            remedy="Moving VMs needs a live host. What its VMs do is unknown.",
        )
