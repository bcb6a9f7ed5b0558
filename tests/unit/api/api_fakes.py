"""A controller with the engine's facade over made-up hosts, and a real server in front of it.

Plans come from the real planner and migrations walk the real table, so that every value is one
that the engine could have made. What happens to a VM is set by its plot; nothing touches a host.
"""

import asyncio
import gc
import threading
import warnings
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from api_forecasts import forecast_plan
from api_learnt import Learnt, make_knowledge
from api_scene import (
    MIB,
    T0,
    found,
    make_cluster,
    make_host,
    make_progress,
    make_round,
)

from godwit.api import build_app
from godwit.core.errors import PlanStale, Refused, UnknownHost, UnknownMigration, UnknownPlan
from godwit.core.migration import (
    Accepted,
    CallEnded,
    CallOutcome,
    CancelOrdered,
    CopyStarted,
    Event,
    Failure,
    Migration,
    PauseLimitOrdered,
    PersonAsked,
    Phase,
    PreconditionsHeld,
    Result,
    RoundEnded,
    StartOrdered,
    VcpusStopped,
    VerifyEnded,
    Whereabouts,
    begin,
    step,
)
from godwit.core.model import (
    Cluster,
    Host,
    HostName,
    HostRecord,
    MigrationId,
    PlanId,
    Progress,
    RunId,
)
from godwit.core.plan import Plan, PlanKind
from godwit.core.planner import (
    PauseSettings,
    PlanRequest,
    PlanSettings,
    Restore,
    place_request,
    plan_migration,
)
from godwit.core.timetable import with_times
from godwit.engine import Acceptance, Notice, NoticeKind, RunState, RunView
from godwit.engine.lookup import find_vm, with_vm_ids
from godwit.engine.notices import Notices
from godwit.engine.planning import SEARCH_LIMIT_S


@contextmanager
def refused_sockets(*, refused: bool) -> Iterator[None]:
    """Let httpcore leave the socket of a refused connection to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        if refused:
            gc.collect()


_T = TypeVar("_T")

RESULT = Result(
    pause_s=0.042,
    outage_s=0.061,
    outage_resolution_s=0.02,
    answers=True,
    total_s=7.3,
    transferred_bytes=812 * MIB,
    rounds=2,
)


@dataclass
class Plot:
    """What becomes of the migrations of a VM."""

    end: Whereabouts = Whereabouts.DESTINATION
    result: Result = RESULT
    failure: Failure | None = None
    #: Stay in this phase until ``FakeController.release`` or a cancel.
    holds_in: Phase | None = None


@dataclass
class FakeController(Learnt):
    """The facade of ``godwit.engine.Controller``, and knobs for the tests."""

    cluster: Cluster = field(default_factory=make_cluster)
    plots: dict[str, Plot] = field(default_factory=dict)
    raises: Exception | None = None
    #: Whether plans permit post-copy.
    postcopy: bool = False
    plans: dict[PlanId, Plan] = field(default_factory=dict)
    lives: dict[MigrationId, tuple[Accepted, list[Event]]] = field(default_factory=dict)
    values: dict[MigrationId, Migration] = field(default_factory=dict)
    last_progress: dict[MigrationId, Progress] = field(default_factory=dict)
    acceptances: dict[PlanId, Acceptance] = field(default_factory=dict)
    run_views: dict[RunId, RunView] = field(default_factory=dict)
    notices: Notices = field(default_factory=lambda: Notices(first_number=100))
    watchers: int = 0
    measured: list[bool] = field(default_factory=list)
    #: The time limit and the seed of each search.
    searched: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.released = asyncio.Event()
        self.cancelled: dict[MigrationId, asyncio.Event] = {}
        self.tasks: list[asyncio.Task[None]] = []

    # What the tests turn.

    def release(self) -> None:
        self.released.set()

    async def finish(self) -> None:
        self.release()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.notices.close()

    # The facade.

    @property
    def is_busy(self) -> bool:
        return any(not task.done() for task in self.tasks)

    @property
    def last_notice(self) -> int:
        return self.notices.last_number

    def host_records(self) -> tuple[HostRecord, ...]:
        return tuple(host.record for host in self.cluster.hosts)

    async def add_hosts(self, records: Sequence[HostRecord]) -> tuple[Host, ...]:
        if self.raises is not None:
            raise self.raises
        added = tuple(replace(make_host(one.name), record=one) for one in records)
        hosts = tuple(sorted((*self.cluster.hosts, *added), key=lambda one: one.name))
        self.cluster = replace(self.cluster, hosts=hosts)
        return added

    async def remove_host(self, name: HostName) -> None:
        self._record(name)
        hosts = tuple(one for one in self.cluster.hosts if one.name != name)
        self.cluster = replace(self.cluster, hosts=hosts)

    async def set_maintenance(self, name: HostName, *, on: bool) -> HostRecord:
        record = replace(self._record(name), in_maintenance=on)
        hosts = tuple(
            replace(one, record=record) if one.name == name else one for one in self.cluster.hosts
        )
        self.cluster = replace(self.cluster, hosts=hosts)
        self.notices.publish(NoticeKind.HOST, at_s=T0, host=name, text="maintenance")
        return record

    def _record(self, name: HostName) -> HostRecord:
        for one in self.cluster.hosts:
            if one.name == name:
                return one.record
        raise UnknownHost(f"no host {name!r} is in the inventory")

    async def scan(self) -> Cluster:
        if self.raises is not None:
            raise self.raises
        return replace(self.cluster, known=make_knowledge(self.cluster))

    def _newest(self) -> tuple[Migration, ...]:
        return self.migrations(limit=50)

    async def plan_migration(
        self,
        vm: str,
        *,
        destination: HostName | None,
        settings: PauseSettings,
        measure: bool = True,
    ) -> Plan:
        self.measured.append(measure)
        cluster = await self.scan()
        if destination is not None:
            self._record(destination)
        found_vm = find_vm(cluster, vm)
        plan = plan_migration(cluster, found_vm, destination=destination, settings=settings)
        return self._keep(forecast_plan(plan, postcopy=self.postcopy))

    async def plan_request(
        self,
        asked: PlanRequest,
        settings: PlanSettings,
        *,
        measure: bool = True,
        limit_s: float = SEARCH_LIMIT_S,
        seed: int = 0,
    ) -> Plan:
        self.measured.append(measure)
        self.searched.append((limit_s, seed))
        cluster = await self.scan()
        plan = place_request(cluster, with_vm_ids(cluster, asked), settings, seed=seed)
        plan = forecast_plan(plan, postcopy=self.postcopy)
        return self._keep(with_times(cluster, plan, settings.pause))

    def way_back(self, host: HostName) -> Restore:
        self._record(host)
        for view in self.runs(limit=50):
            moved = {one.move.vm for one in view.migrations if one.phase is Phase.DONE}
            if host in view.plan.closes and moved:
                return Restore(placement=dict.fromkeys(sorted(moved), host))
        raise Refused(f"no drain of {host} is known", remedy="Name the VMs.")

    def _keep(self, plan: Plan) -> Plan:
        plan = plan.with_id(PlanId(f"p-{len(self.plans):06x}"))
        self.plans[plan.id] = plan
        return plan

    def plan(self, plan_id: PlanId) -> Plan:
        if plan_id not in self.plans:
            raise UnknownPlan(f"there is no plan {plan_id!r}")
        return self.plans[plan_id]

    async def accept(self, plan_id: PlanId) -> Acceptance:
        plan = self.plan(plan_id)
        if plan_id in self.acceptances:
            return self.acceptances[plan_id]
        if plan.generation != self.cluster.generation:
            raise PlanStale("the cluster changed", remedy="Plan again.")
        if plan.kind is not PlanKind.MIGRATE:
            acceptance = await self._accept_run(plan)
        else:
            ids = tuple(self._begin(plan, index) for index in range(len(plan.moves)))
            acceptance = Acceptance(plan=plan, migrations=ids, run=None)
            for one in ids:
                self.tasks.append(asyncio.create_task(self._walk(one)))
        self.acceptances[plan_id] = acceptance
        return acceptance

    async def _accept_run(self, plan: Plan) -> Acceptance:
        for host in plan.closes:
            await self.set_maintenance(host, on=True)
        run_id = RunId(f"r-{len(self.run_views):06x}")
        self.run_views[run_id] = RunView(
            id=run_id,
            plan=plan,
            host=plan.host,
            state=RunState.RUNNING,
            accepted_at_s=T0,
            ended_at_s=None,
            migrations=(),
            remaining=tuple(one.vm_name for one in (*plan.moves, *plan.unplaced)),
        )
        self.tasks.append(asyncio.create_task(self._run_plan(run_id)))
        return Acceptance(plan=plan, migrations=(), run=run_id)

    def _begin(self, plan: Plan, index: int) -> MigrationId:
        migration_id = MigrationId(f"m-{len(self.lives):06x}")
        accepted = Accepted(at_s=T0, id=migration_id, plan=plan.id, move=plan.moves[index])
        self.lives[migration_id] = (accepted, [])
        self.values[migration_id] = begin(accepted)
        self.cancelled[migration_id] = asyncio.Event()
        self._tell(migration_id, "Accepted")
        return migration_id

    def _tell(self, migration_id: MigrationId, text: str) -> None:
        value = self.values[migration_id]
        self.notices.publish(NoticeKind.MIGRATION, at_s=T0, migration=value, text=text)

    def put(self, migration_id: MigrationId, event: Event) -> None:
        self.values[migration_id] = step(self.values[migration_id], event)
        self.lives[migration_id][1].append(event)
        self._tell(migration_id, type(event).__name__)

    def show_progress(self, migration_id: MigrationId, progress: Progress) -> None:
        self.last_progress[migration_id] = progress
        self.notices.publish(
            NoticeKind.PROGRESS,
            at_s=T0,
            migration=self.values[migration_id],
            progress=progress,
        )

    async def _walk(self, migration_id: MigrationId) -> None:
        plot = self.plots.get(self.values[migration_id].move.vm_name, Plot())
        for event in _STORY:
            if isinstance(event, Progress):
                self.show_progress(migration_id, event)
            else:
                self.put(migration_id, event)
            await asyncio.sleep(0)
            if self.values[migration_id].phase is plot.holds_in and await self._held(migration_id):
                return
        self.put(
            migration_id,
            CallEnded(
                at_s=T0 + 8,
                outcome=CallOutcome.SUCCEEDED if plot.failure is None else CallOutcome.REFUSED,
                failure=plot.failure,
            ),
        )
        self.put(migration_id, found(plot.end))
        if plot.end is Whereabouts.DESTINATION:
            self.put(migration_id, VerifyEnded(at_s=T0 + 10, result=plot.result))

    async def _held(self, migration_id: MigrationId) -> bool:
        """Wait for a release or a cancel; whether it was cancelled, which ends the migration."""
        waits = [
            asyncio.ensure_future(one.wait())
            for one in (self.released, self.cancelled[migration_id])
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
        if not self.cancelled[migration_id].is_set():
            return False
        self.put(migration_id, CallEnded(at_s=T0 + 5, outcome=CallOutcome.ABORTED))
        self.put(migration_id, found(Whereabouts.SOURCE))
        return True

    async def _run_plan(self, run_id: RunId) -> None:
        view = self.run_views[run_id]
        for index in range(len(view.plan.moves)):
            migration_id = self._begin(view.plan, index)
            self._change_run(run_id, migration_id)
            await self._walk(migration_id)
            self._change_run(run_id)
            if self.run_views[run_id].state is RunState.CANCELLED:
                return
        remaining = self.run_views[run_id].remaining
        state = RunState.PARTLY if remaining else RunState.DONE
        self._change_run(run_id, state=state)

    def _change_run(
        self,
        run_id: RunId,
        started: MigrationId | None = None,
        *,
        state: RunState | None = None,
    ) -> None:
        view = self.run_views[run_id]
        ids = [one.id for one in view.migrations] + ([started] if started else [])
        migrations = tuple(self.values[one] for one in ids)
        done = {one.move.vm_name for one in migrations if one.phase is Phase.DONE}
        view = replace(
            view,
            migrations=migrations,
            remaining=tuple(
                one.vm_name
                for one in (*view.plan.moves, *view.plan.unplaced)
                if one.vm_name not in done
            ),
            state=state or view.state,
            ended_at_s=T0 + 20 if state else None,
        )
        self.run_views[run_id] = view
        self.notices.publish(NoticeKind.RUN, at_s=T0, run=view, text=view.state.value)

    def migrations(self, *, limit: int, before: MigrationId | None = None) -> tuple[Migration, ...]:
        newest = list(reversed(self.values))
        first = newest.index(before) + 1 if before is not None else 0
        return tuple(self.values[one] for one in newest[first : first + limit])

    def migration(self, migration_id: MigrationId) -> Migration:
        if migration_id not in self.values:
            raise UnknownMigration(f"there is no migration {migration_id!r}", remedy="List them.")
        return self.values[migration_id]

    def life(self, migration_id: MigrationId) -> tuple[Accepted, tuple[Event, ...]]:
        accepted, events = self.lives[migration_id]
        return accepted, tuple(events)

    def progress(self, migration_id: MigrationId) -> Progress | None:
        return None if self.values[migration_id].is_ended else self.last_progress.get(migration_id)

    async def cancel(self, migration_id: MigrationId) -> Migration:
        if self.migration(migration_id).is_ended:
            raise Refused(f"{migration_id} is over")
        self.put(migration_id, CancelOrdered(at_s=T0 + 4, by_person=True))
        self.cancelled[migration_id].set()
        return self.values[migration_id]

    async def resolve(self, migration_id: MigrationId) -> Migration:
        if not self.migration(migration_id).needs_person:
            raise Refused(f"nothing about {migration_id} is in doubt")
        self.put(migration_id, PersonAsked(at_s=T0 + 11))
        asyncio.get_running_loop().call_soon(
            self.put, migration_id, replace(found(Whereabouts.SOURCE), at_s=T0 + 12)
        )
        return self.values[migration_id]

    def runs(self, *, limit: int) -> tuple[RunView, ...]:
        return tuple(reversed(self.run_views.values()))[:limit]

    def runs_under_way(self) -> tuple[RunView, ...]:
        return tuple(one for one in self.runs(limit=50) if one.state is RunState.RUNNING)

    def run(self, run_id: RunId) -> RunView:
        if run_id not in self.run_views:
            raise UnknownPlan(f"there is no run {run_id!r}", remedy="List them.")
        return self.run_views[run_id]

    async def cancel_run(self, run_id: RunId) -> RunView:
        if self.run(run_id).state is not RunState.RUNNING:
            raise Refused(f"{run_id} is over")
        self._change_run(run_id, state=RunState.CANCELLED)
        for one in self.run_views[run_id].migrations:
            if not self.values[one.id].is_ended:
                await self.cancel(one.id)
        return self.run_views[run_id]

    async def watch(self, after: int | None = None) -> AsyncIterator[Notice]:
        self.watchers += 1
        try:
            async for notice in self.notices.watch(after):
                yield notice
        finally:
            self.watchers -= 1


#: A migration up to the end of the copy.
_STORY: tuple[Event | Progress, ...] = (
    PreconditionsHeld(at_s=T0),
    StartOrdered(at_s=T0 + 1),
    make_progress(1, 2000),
    CopyStarted(at_s=T0 + 2),
    make_progress(1, 1000),
    RoundEnded(at_s=T0 + 3, round=make_round(1, 120)),
    make_progress(2, 60),
    RoundEnded(at_s=T0 + 4, round=make_round(2, 12)),
    PauseLimitOrdered(at_s=T0 + 4, limit_s=0.11, why="a round leaves 12 MiB"),
    VcpusStopped(at_s=T0 + 5),
)


class _Server(uvicorn.Server):
    """Ends when it is told to, without asking ten times a second whether it was."""

    async def main_loop(self) -> None:
        self.leave = asyncio.Event()
        await self.leave.wait()

    async def shutdown(self, sockets: object = None) -> None:  # noqa: ARG002 - uvicorn's own
        for server in self.servers:
            server.close()
        for one in list(self.server_state.connections):
            one.transport.abort()  # type: ignore[union-attr]
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)


class World:
    """An event loop in a thread, with a controller in it and servers that come and go."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.controller = self.run(self._make())
        self._servers: list[tuple[_Server, asyncio.Task[None]]] = []

    async def _make(self) -> FakeController:
        return FakeController()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=20)

    def serve(self, path: Path) -> str:
        self.run(self._serve(path))
        return str(path)

    async def _serve(self, path: Path) -> None:
        config = uvicorn.Config(
            build_app(self.controller),  # type: ignore[arg-type]
            uds=str(path),
            lifespan="off",
            log_level="critical",
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server._serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        self._servers.append((server, task))

    def stop_serving(self) -> None:
        self.run(self._stop_serving())

    async def _stop_serving(self) -> None:
        leaving, self._servers = self._servers, []
        for server, task in leaving:
            server.should_exit = server.force_exit = True
            server.leave.set()
            await task

    def close(self) -> None:
        self.run(self.controller.finish())
        self.stop_serving()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10)
        self.loop.close()
