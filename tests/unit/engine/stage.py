"""What the tests of the engine stand on: a simulated world, a real store, controllers that die.

Between a controller and all that outlives it stands a gate. It counts what crosses it, and at a
chosen crossing the controller is dead: no later call gets out, no later write is made. Before each
order crosses, the journal is read anew: its intent must be there already.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from godwit.core.migration import (
    Accepted,
    BandwidthOrdered,
    CancelOrdered,
    DeadlinePassed,
    Event,
    Migration,
    PauseLimitOrdered,
    Phase,
    PostcopyOrdered,
    RepairOrdered,
    ResumeOrdered,
    StartOrdered,
    ThrottleOrdered,
    replay,
)
from godwit.core.model import (
    CpuAnswer,
    DirtyObservation,
    HostName,
    HostRecord,
    MigrationId,
    PlanId,
    Progress,
    Vm,
    VmId,
    VmPolicy,
    VmSighting,
)
from godwit.core.plan import Plan, Recipe
from godwit.core.planner import Drain, PauseSettings, PlanSettings
from godwit.core.units import MIB
from godwit.drivers.simulated import Guest, SimulatedConnector, SimulatedProber, SimulatedWorld
from godwit.engine import Controller
from godwit.engine.measuring import MeasuringLimits
from godwit.ports import (
    DiskStamp,
    HostReading,
    HypervisorEvent,
    HypervisorHost,
    MigrationOrder,
    RepairAction,
)
from godwit.store import Database, SqlJournal, SqlKnowledge, SqlStore

__all__ = ["Gate", "Stage", "guest", "plan_drain"]

A, B, C = HostName("a"), HostName("b"), HostName("c")

#: Phases in which nothing more happens by itself.
SETTLED = frozenset({Phase.DONE, Phase.FAILED, Phase.CANCELLED, Phase.SPLIT, Phase.LOST})


def guest(name: str = "web", **changes: Any) -> Guest:
    """A small guest that moves within about a second."""
    values: dict[str, Any] = {
        "name": name,
        "id": VmId(f"uuid-of-{name}"),
        "memory_bytes": 64 * MIB,
        "working_set_bytes": 16 * MIB,
        "dirty_bytes_per_s": 20.0 * MIB,
    }
    return Guest(**(values | changes))


async def plan_drain(
    controller: Controller,
    host: HostName,
    *,
    parallel: int,
    settings: PauseSettings,
    measure: bool = True,
) -> Plan:
    """A plan to empty a host, for whose VMs nobody else makes room."""
    return await controller.plan_request(
        Drain(hosts=(host,), make_room=False),
        PlanSettings(pause=settings, parallel=parallel),
        measure=measure,
    )


class Killed(asyncio.CancelledError):
    """The controller died here: to its tasks it looks like being cancelled."""


class Gate:
    """Counts crossings; at number ``kill_at`` the controller dies."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.kill_at = kill_at
        self.armed = True
        self.crossings: list[str] = []
        self.is_dead = False
        self.died = asyncio.Event()

    def cross(self, label: str) -> None:
        if self.is_dead:
            raise Killed(label)
        if not self.armed:
            return
        self.crossings.append(label)
        if len(self.crossings) == self.kill_at:
            self.kill()
            raise Killed(label)

    def kill(self) -> None:
        self.is_dead = True
        self.died.set()


class GatedJournal(SqlJournal):
    """The real journal, behind the gate."""

    def __init__(self, database: Database, gate: Gate) -> None:
        super().__init__(database)
        self._gate = gate

    def accept(self, accepted: Accepted) -> None:
        self._gate.cross("before accept")
        super().accept(accepted)
        self._gate.cross("after accept")

    def append(self, migration: MigrationId, event: Event) -> None:
        word = type(event).__name__
        self._gate.cross(f"before {word}")
        super().append(migration, event)
        self._gate.cross(f"after {word}")

    def mark_ended(self, migration: MigrationId) -> None:
        self._gate.cross("before mark_ended")
        super().mark_ended(migration)


class GatedStore(SqlStore):
    """The real store: a dead controller writes nothing more."""

    def __init__(self, database: Database, gate: Gate) -> None:
        super().__init__(database)
        self._gate = gate

    def put_run(self, run: Any) -> None:
        self._gate.cross("before put_run")
        super().put_run(run)
        self._gate.cross("after put_run")


class GatedHost:
    """A host behind the gate, which wants to see the intent of every order in the journal."""

    def __init__(self, inner: HypervisorHost, name: HostName, gate: Gate, stage: "Stage") -> None:
        self._inner, self._name, self._gate, self._stage = inner, name, gate, stage

    async def _through(self, word: str, call: Callable[[], Any]) -> Any:
        self._gate.cross(f"before {word} on {self._name}")
        if (fault := self._stage.call_faults.get(word)) is not None:
            fault()
        if self._gate.is_dead:
            raise Killed(word)
        result = await call()
        self._gate.cross(f"after {word} on {self._name}")
        return result

    def _intent(self, vm: VmId, word: str, is_it: Callable[[Event], bool]) -> None:
        for one in SqlJournal(self._stage.database).newest(limit=50):
            accepted, events = SqlJournal(self._stage.database).life(one)
            if accepted.move.vm == vm:
                if not any(is_it(event) for event in events):
                    self._stage.missing_intents.append(f"{word} on {self._name}")
                return
        self._stage.missing_intents.append(f"{word} on {self._name}: no migration at all")

    def _has_ended(self, vm: VmId) -> bool:
        newest = SqlJournal(self._stage.database).newest(limit=50)
        lives = (self._stage.replayed(one) for one in newest)
        return next(one for one in lives if one.move.vm == vm).is_ended

    async def read(self) -> HostReading:
        return await self._through("read", self._inner.read)

    async def see(self, vm: VmId) -> VmSighting:
        return await self._through("see", lambda: self._inner.see(vm))

    async def accepts_cpu(self, vm: Vm) -> CpuAnswer:
        return await self._through("accepts_cpu", lambda: self._inner.accepts_cpu(vm))

    async def stamp(self, path: str) -> DiskStamp:
        return await self._through("stamp", lambda: self._inner.stamp(path))

    async def addresses(self, vm: VmId) -> tuple[str, ...]:
        return await self._through("addresses", lambda: self._inner.addresses(vm))

    async def events(self) -> AsyncIterator[HypervisorEvent]:
        async for event in self._inner.events():
            if self._stage.events_lost:
                continue
            if not self._gate.is_dead:
                yield event

    async def close(self) -> None:
        await self._inner.close()

    async def migrate(self, order: MigrationOrder) -> None:
        if order.resume:
            self._intent(order.vm, "resume", lambda one: isinstance(one, ResumeOrdered))
            self._stage.orders.append(("resume", 0.0))
        else:
            self._intent(order.vm, "migrate", lambda one: isinstance(one, StartOrdered))
            self._stage.orders.append(("migrate", order.recipe.pause_start_s))
        await self._through("migrate", lambda: self._inner.migrate(order))

    async def progress(self, vm: VmId) -> Progress | None:
        return await self._through("progress", lambda: self._inner.progress(vm))

    async def set_pause_limit(self, vm: VmId, limit_s: float) -> None:
        if self._has_ended(vm):
            # Nothing migrates any more: the domain gets back what it had before.
            self._stage.orders.append(("reset_pause_limit", limit_s))
        else:
            self._intent(
                vm,
                "set_pause_limit",
                lambda one: isinstance(one, PauseLimitOrdered) and one.limit_s == limit_s,
            )
            self._stage.orders.append(("set_pause_limit", limit_s))
        await self._through("set_pause_limit", lambda: self._inner.set_pause_limit(vm, limit_s))

    async def set_bandwidth(self, vm: VmId, bytes_per_s: float | None) -> None:
        word = "reset_bandwidth" if self._has_ended(vm) else "set_bandwidth"
        if word == "set_bandwidth":
            self._intent(
                vm,
                word,
                lambda one: isinstance(one, BandwidthOrdered) and one.bytes_per_s == bytes_per_s,
            )
        self._stage.orders.append((word, bytes_per_s or 0.0))
        await self._through("set_bandwidth", lambda: self._inner.set_bandwidth(vm, bytes_per_s))

    async def raise_throttle(self, vm: VmId, increment_fraction: float) -> None:
        self._intent(vm, "raise_throttle", lambda one: isinstance(one, ThrottleOrdered))
        self._stage.orders.append(("raise_throttle", increment_fraction))
        await self._through(
            "raise_throttle", lambda: self._inner.raise_throttle(vm, increment_fraction)
        )

    async def start_postcopy(self, vm: VmId) -> None:
        self._intent(vm, "start_postcopy", lambda one: isinstance(one, PostcopyOrdered))
        self._stage.orders.append(("start_postcopy", 0.0))
        await self._through("start_postcopy", lambda: self._inner.start_postcopy(vm))

    async def measure_dirtying(self, vm: VmId, *, window_s: float) -> DirtyObservation | None:
        return await self._through(
            "measure_dirtying", lambda: self._inner.measure_dirtying(vm, window_s=window_s)
        )

    async def put_policy(self, vm: VmId, policy: VmPolicy) -> None:
        await self._through("put_policy", lambda: self._inner.put_policy(vm, policy))

    async def abort(self, vm: VmId) -> None:
        self._intent(vm, "abort", lambda one: isinstance(one, CancelOrdered | DeadlinePassed))
        self._stage.orders.append(("abort", 0.0))
        await self._through("abort", lambda: self._inner.abort(vm))

    async def repair(self, vm: VmId, action: RepairAction) -> None:
        # A roll-back is told to the network after the end, when there is no row to write in.
        if action is not RepairAction.ANNOUNCE or not self._has_ended(vm):
            self._intent(
                vm,
                action.value,
                lambda one: (
                    isinstance(one, RepairOrdered)
                    and (one.action, one.host) == (action.value, self._name)
                ),
            )
        self._stage.orders.append((action.value, 0.0))
        await self._through(f"repair {action.value}", lambda: self._inner.repair(vm, action))


class GatedConnector:
    """Makes gated hosts."""

    def __init__(self, stage: "Stage", gate: Gate) -> None:
        self._stage, self._gate = stage, gate
        self._inner = SimulatedConnector(stage.world)

    def connect(self, record: HostRecord) -> HypervisorHost:
        return GatedHost(self._inner.connect(record), record.name, self._gate, self._stage)


class Stage:
    """A world, a store, and one controller after the other. ``records`` are its hosts."""

    def __init__(self, folder: Path, **world: Any) -> None:
        self.world = SimulatedWorld(**world)
        self.database = Database(folder)
        self.records = tuple(self.world.add_host(name) for name in (A, B, C))
        SqlStore(self.database).put_hosts(self.records)
        self.missing_intents: list[str] = []
        self.orders: list[tuple[str, float]] = []
        self.call_faults: dict[str, Callable[[], None]] = {}
        self.events_lost = False
        self._gates: list[Gate] = []
        self._own = asyncio.current_task()
        self._before = asyncio.all_tasks()

    async def start(self, gate: Gate | None = None, **options: Any) -> Controller:
        """A controller over the store, started."""
        gate = gate or Gate()
        self._gates.append(gate)
        # Measured only where a test is about that.
        options.setdefault("measuring", MeasuringLimits(windows_s=()))
        controller = Controller(
            store=GatedStore(self.database, gate),
            journal=GatedJournal(self.database, gate),
            knowledge=SqlKnowledge(self.database),
            connector=GatedConnector(self, gate),
            prober=SimulatedProber(self.world),
            clock=self.world.clock,
            **options,
        )
        await controller.start()
        return controller

    async def kill(self) -> None:
        """Every controller dies at once: nothing more of them gets out."""
        for gate in self._gates:
            gate.kill()
        mine = asyncio.all_tasks() - self.world.tasks - self._before
        for task in mine - {asyncio.current_task()}:
            task.cancel()
        await asyncio.gather(*mine - {asyncio.current_task()}, return_exceptions=True)

    async def close(self) -> None:
        await self.kill()
        await self.world.close()
        self.database.close()
        assert self.world.violations == []
        assert self.missing_intents == []

    async def migrate(
        self, controller: Controller, vm: str = "web", to: HostName | None = B, **settings: Any
    ) -> MigrationId:
        """Plan, accept, and return the id of the migration."""
        plan = await controller.plan_migration(
            vm, destination=to, settings=PauseSettings(**settings)
        )
        return (await controller.accept(plan.id)).migrations[0]

    async def planned(self, controller: Controller, vm: str = "web", **recipe: Any) -> PlanId:
        """Plan a move with a recipe of the test's own."""
        plan = await controller.plan_migration(vm, destination=B, settings=PauseSettings())
        (move,) = plan.moves
        move = replace(move, recipe=Recipe(**({"pause_start_s": 0.03} | recipe)))
        return SqlStore(self.database).add_plan(replace(plan, moves=(move,))).id

    async def migrate_by(
        self, controller: Controller, vm: str = "web", **recipe: Any
    ) -> MigrationId:
        """Migrate with a recipe of the test's own."""
        plan = await self.planned(controller, vm, **recipe)
        return (await controller.accept(plan)).migrations[0]

    async def until(
        self, true: Callable[[], bool], *, within_s: float = 900.0, every_s: float = 0.05
    ) -> None:
        """Let the time pass until something holds."""
        end_s = self.world.now_s() + within_s
        while not true():
            assert self.world.now_s() < end_s, "it did not come to that in time"
            await asyncio.sleep(every_s)

    async def settled(self, controller: Controller, one: MigrationId, **wait: Any) -> Migration:
        """Wait until a migration needs nothing more."""
        try:
            await self.until(lambda: controller.migration(one).phase in SETTLED, **wait)
        except AssertionError as error:
            raise AssertionError(f"not settled: {self.written(one)}") from error
        return controller.migration(one)

    async def reaches(self, controller: Controller, one: MigrationId, phase: Phase) -> None:
        """Wait until a migration is in a phase."""
        await self.until(lambda: controller.migration(one).phase is phase, every_s=0.001)

    async def moved(self, controller: Controller, vm: str = "web", **more: Any) -> Migration:
        """Migrate and wait for the end."""
        return await self.settled(controller, await self.migrate(controller, vm, **more))

    def replayed(self, one: MigrationId) -> Migration:
        """What the journal alone says."""
        return replay(*SqlJournal(self.database).life(one))

    def phases(self, one: MigrationId) -> list[Phase]:
        """The phases that the journal went through, each once."""
        accepted, events = SqlJournal(self.database).life(one)
        phases = [replay(accepted, events[:n]).phase for n in range(len(events) + 1)]
        return [now for n, now in enumerate(phases) if n == 0 or now is not phases[n - 1]]

    def written(self, one: MigrationId) -> list[str]:
        """The events of the journal, by name."""
        return [type(event).__name__ for event in SqlJournal(self.database).life(one)[1]]

    def assert_runs_once(self, vm: str, host: str, *, pause_s: float = 1.0) -> None:
        """Exactly one copy runs, it always was at most one, and never stood still for long."""
        vm_id = VmId(f"uuid-of-{vm}")
        trace = self.world.trace
        assert not trace.ever_two(vm_id), trace.path(vm_id)
        assert trace.runners(vm_id) == {HostName(host)}, trace.path(vm_id)
        assert max(trace.pauses_s(vm_id), default=0.0) <= pause_s, trace.path(vm_id)

    def assert_ended_well(self, migration: Migration, *, pause_s: float = 1.0) -> None:
        """It ended in a stated outcome, and the guest runs where that outcome says."""
        places = {Phase.DONE: migration.move.destination}
        assert migration.is_ended, migration.phase
        host = places.get(migration.phase, migration.move.source)
        self.assert_runs_once(migration.move.vm_name, host, pause_s=pause_s)
        assert self.replayed(migration.id) == migration
        assert self.missing_intents == []
        assert self.world.violations == []
