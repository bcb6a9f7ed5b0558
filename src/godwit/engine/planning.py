"""The making of plans: read the hosts, measure what is not known, choose, and look ahead.

The core plans; here it is given what it needs. Its search is done beside the event loop, which
turns between two forecasts, too: other migrations are steered meanwhile.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from godwit.core.errors import HostUnreachable
from godwit.core.model import Cluster, HostName, Vm
from godwit.core.plan import Plan
from godwit.core.planner import (
    PauseSettings,
    drain_outlook,
    place_drain,
    plan_migration,
)
from godwit.core.timetable import with_times
from godwit.engine.lookup import find_vm
from godwit.engine.measuring import Measuring
from godwit.engine.observation import Observer
from godwit.ports import Clock

__all__ = ["Planning"]


class Planning:
    """Makes plans from fresh readings. Used from one event loop only."""

    def __init__(self, *, observer: Observer, measuring: Measuring, clock: Clock) -> None:
        self._observer = observer
        self._clock = clock
        self._measuring = measuring

    async def migration(
        self, name: str, *, destination: HostName | None, settings: PauseSettings, measure: bool
    ) -> Plan:
        """Plan one move. Raises: UnknownVm, NoDestination, Refused."""
        cluster = await self._observer.scan()
        vm = find_vm(cluster, name)
        # Planned before anything is measured: what can't move is not worth the time.
        plan = plan_migration(cluster, vm, destination=destination, settings=settings)
        if not measure:
            return plan
        seen, notes = await self._look_closer(cluster, [vm])
        if seen.known != cluster.known:
            plan = plan_migration(seen, vm, destination=destination, settings=settings)
        return replace(plan, notes=(*plan.notes, *notes))

    async def drain(
        self, host: HostName, *, parallel: int, settings: PauseSettings, measure: bool
    ) -> Plan:
        """Plan to empty a host. Raises: HostUnreachable."""
        cluster = await self._observer.scan()
        observed = cluster.host(host)
        if not observed.is_known:
            raise HostUnreachable(
                f"{host} does not answer, so it can't be drained",
                evidence=observed.unreachable,
                remedy="A drain needs a live host. What its VMs do is unknown.",
            )
        place = partial(place_drain, cluster, host, parallel=parallel, settings=settings)
        plan = await self._clock.spend(place)
        notes: tuple[str, ...] = ()
        if measure:
            leaving = {move.vm for move in plan.moves}
            moving = [vm for vm in cluster.vms_on(host) if vm.id in leaving]
            cluster, notes = await self._look_closer(cluster, moving)
        moves = []
        for move in plan.moves:
            moves.append(drain_outlook(cluster, plan, move))
            await asyncio.sleep(0)
        outlook = replace(plan, moves=tuple(moves))
        timed = await self._clock.spend(partial(with_times, cluster, outlook, settings))
        return replace(timed, notes=(*timed.notes, *notes))

    async def _look_closer(
        self, cluster: Cluster, vms: Sequence[Vm]
    ) -> tuple[Cluster, tuple[str, ...]]:
        """Measure these VMs where that is due; return the cluster with what is known then."""
        notes = await self._measuring.refresh(vms)
        return replace(cluster, known=self._observer.known_of(cluster.vms)), notes
