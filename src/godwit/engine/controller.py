"""The controller: the one door to the engine for all that stand above it.

It owns the inventory, the plans, the migrations and the runs of one store. It decides nothing
itself: the planner chooses, ``step`` walks, the runners carry out. It knows nothing of HTTP.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial

from godwit.core.errors import Refused
from godwit.core.migration import Accepted, Event, Migration
from godwit.core.model import (
    Cluster,
    Host,
    HostName,
    HostRecord,
    MigrationId,
    PlanId,
    Progress,
    RunId,
    Score,
    Vm,
    VmPolicy,
)
from godwit.core.plan import Plan
from godwit.core.planner import (
    PauseSettings,
    PlanRequest,
    PlanSettings,
    Restore,
    Weights,
    choose_destination,
)
from godwit.core.rules import DeclaredRule, GroupRule, PolicyRule
from godwit.engine.accepting import Acceptor
from godwit.engine.admission import admit_hosts
from godwit.engine.companions import Companion
from godwit.engine.fleet import Fleet
from godwit.engine.knowledge import Learner
from godwit.engine.lookup import find_vm
from godwit.engine.measuring import Measuring, MeasuringLimits
from godwit.engine.migrations import Migrations
from godwit.engine.notices import Notice, NoticeKind, Notices
from godwit.engine.observation import Observer
from godwit.engine.outage import ICMP_EVERY_S
from godwit.engine.planning import SEARCH_LIMIT_S, Planning
from godwit.engine.record_steps import RecordRule
from godwit.engine.records import NetworkRecords
from godwit.engine.runner import World
from godwit.engine.runs import LOOK_BACK, Runs
from godwit.engine.views import Acceptance, RunView, VmInsight
from godwit.engine.watch import WatchLimits
from godwit.ports import Clock, Connector, ForwardingReader, Journal, KnowledgeStore, Prober, Store

__all__ = ["Controller"]


class Controller:
    """Owns a cluster's state for as long as it lives. Used from one event loop only."""

    def __init__(
        self,
        *,
        store: Store,
        journal: Journal,
        knowledge: KnowledgeStore,
        connector: Connector,
        prober: Prober,
        clock: Clock,
        group_rules: tuple[GroupRule, ...] = (),
        policy_rules: tuple[PolicyRule, ...] = (),
        site_rules: tuple[DeclaredRule, ...] = (),
        limits: WatchLimits | None = None,
        measuring: MeasuringLimits | None = None,
        weights: Weights | None = None,
        probe_every_s: float = ICMP_EVERY_S,
        companions: tuple[Companion, ...] = (),
        record_rules: tuple[RecordRule, ...] = (),
        tables: ForwardingReader | None = None,
    ) -> None:
        self._store = store
        self._knowledge = knowledge
        self._policy_rules = policy_rules
        self._clock = clock
        self._prober = prober
        self._limits = limits or WatchLimits()
        self._probe_every_s = probe_every_s
        learner = Learner(
            knowledge=knowledge, journal=journal, clock=clock, newest=self._newest_migrations
        )
        self._companions = (*companions, learner)
        # Milliseconds of the wall clock: numbers grow over restarts of the controller, too.
        self._notices = Notices(first_number=int(clock.now_s() * 1000))
        self._fleet = Fleet(store=store, connector=connector)
        self._tables = tables
        self._records = NetworkRecords(
            record_rules, fleet=self._fleet, clock=clock, life=journal.life
        )
        self._migrations = Migrations(
            journal=journal, notices=self._notices, clock=clock, make_world=self._world
        )
        self._observer = Observer(
            fleet=self._fleet,
            store=store,
            knowledge=knowledge,
            clock=clock,
            group_rules=group_rules,
            policy_rules=policy_rules,
            site_rules=site_rules,
            reservations=self._migrations.reservations,
        )
        self._planning = Planning(
            observer=self._observer,
            clock=clock,
            weights=weights or Weights(),
            moved_at=self._migrations.moved_at,
            measuring=Measuring(
                fleet=self._fleet,
                knowledge=knowledge,
                clock=clock,
                is_migrating=lambda vm: any(one.move.vm == vm for one in self._migrations.active()),
                limits=measuring or MeasuringLimits(),
            ),
        )
        self._runs = Runs(
            store=store,
            clock=clock,
            notices=self._notices,
            migrations=self._migrations,
            scan=self.scan,
        )
        self._acceptor = Acceptor(
            migrations=self._migrations,
            runs=self._runs,
            clock=clock,
            scan=self.scan,
            close=partial(self.set_maintenance, on=True),
        )

    def _world(self) -> World:
        return World(
            fleet=self._fleet,
            scan=self._observer.scan,
            prober=self._prober,
            clock=self._clock,
            limits=self._limits,
            probe_every_s=self._probe_every_s,
            companions=(self._records, *self._companions),
            tables=self._tables,
        )

    def _newest_migrations(self, limit: int) -> tuple[Migration, ...]:
        return self._migrations.newest(limit=limit)

    async def start(self) -> None:
        """Adopt every unfinished migration, then be ready."""
        self._migrations.adopt_unfinished()
        self._runs.end_interrupted()

    async def close(self) -> None:
        """Stop watching. Migrations in flight go on by themselves; the next controller adopts."""
        self._notices.close()
        await self._runs.close()
        await self._migrations.close()
        await self._records.close()
        await self._fleet.close()

    @property
    def is_busy(self) -> bool:
        """Whether migrations or runs of this controller are under way."""
        return self._runs.is_busy or self._migrations.is_busy

    # The inventory.

    def host_records(self) -> tuple[HostRecord, ...]:
        """The inventory, by name."""
        return self._fleet.records()

    async def add_hosts(self, records: Sequence[HostRecord]) -> tuple[Host, ...]:
        """Reach, read and record hosts: all of them, or none.

        Raises: BadValue when a name or a host's UUID is there twice, HostUnreachable when one
        does not answer.
        """
        hosts = await admit_hosts(self._fleet, records)
        for host in hosts:
            self._tell_host(host.name, "added")
        return hosts

    async def remove_host(self, name: HostName) -> None:
        """Forget a host; its VMs are left alone. Raises: UnknownHost, Refused while in use."""
        self._fleet.record(name)
        for one in self._migrations.active():
            if name in {one.move.source, one.move.destination}:
                raise Refused(
                    f"{name} can't be removed now",
                    evidence=f"migration {one.id} of {one.move.vm_name} is {one.phase.word}",
                    remedy="Wait for it, or cancel it.",
                )
        # The destination of one may go: its moves are tried elsewhere.
        if (run := self._runs.emptying(name)) is not None:
            raise Refused(
                f"{name} can't be removed now",
                evidence=f"{run} empties it: that run is under way",
                remedy="Wait for it, or cancel it.",
            )
        await self._fleet.remove(name)
        self._tell_host(name, "removed")

    async def set_maintenance(self, name: HostName, *, on: bool) -> HostRecord:
        """Put a host into maintenance or take it out. Raises: UnknownHost."""
        record = self._fleet.record(name)
        if record.in_maintenance != on:
            record = replace(record, in_maintenance=on)
            self._fleet.put([record])
            self._tell_host(name, "in maintenance" if on else "out of maintenance")
        return record

    def _tell_host(self, name: HostName, text: str) -> None:
        self._notices.publish(NoticeKind.HOST, at_s=self._clock.now_s(), host=name, text=text)

    async def scan(self) -> Cluster:
        """Read every host now, ask the questions the rules need, and return the cluster."""
        return await self._observer.scan()

    # Plans.

    async def plan_migration(
        self,
        vm: str,
        *,
        destination: HostName | None,
        settings: PauseSettings,
        measure: bool = True,
    ) -> Plan:
        """Plan one move, after measuring how the VM writes its memory where that is not known.

        Raises: UnknownVm, UnknownHost, NoDestination, Refused.
        """
        if destination is not None:
            self._fleet.record(destination)
        return self._store.add_plan(
            await self._planning.migration(
                vm, destination=destination, settings=settings, measure=measure
            )
        )

    async def plan_request(
        self,
        asked: PlanRequest,
        settings: PlanSettings,
        *,
        measure: bool = True,
        limit_s: float = SEARCH_LIMIT_S,
        seed: int = 0,
    ) -> Plan:
        """Plan what is asked for, with times. VMs may be named in place of their ids.

        Raises: UnknownHost, HostUnreachable, UnknownVm, Refused.
        """
        return self._store.add_plan(
            await self._planning.request(
                asked, settings, measure=measure, limit_s=limit_s, seed=seed
            )
        )

    def way_back(self, host: HostName) -> Restore:
        """The request that brings back what the last run of a plan took away from a host.

        Raises: UnknownHost, Refused when no run did.
        """
        self._fleet.record(host)
        return self._runs.way_back(host)

    def plan(self, plan_id: PlanId) -> Plan:
        """Return a plan. Raises: UnknownPlan."""
        return self._store.plan(plan_id)

    async def accept(self, plan_id: PlanId) -> Acceptance:
        """Set a plan going, and return at once. Accepting it again returns the same acceptance.

        A plan of several moves is audited; hosts that are to be emptied are put into maintenance
        first. Raises: UnknownPlan, PlanStale, Refused when a VM of it migrates already, when
        another plan is in the way, or when the audit finds fault with it.
        """
        return await self._acceptor.accept(self._store.plan(plan_id))

    # What was learnt, and what a VM's owner wants.

    async def knowledge_of(self, vm: str) -> VmInsight:
        """Read all hosts, and say all that decisions about this VM rest on.

        Raises: UnknownVm, Refused when the name means more than one VM.
        """
        cluster = await self.scan()
        found = find_vm(cluster, vm)
        newest = self._migrations.newest(limit=LOOK_BACK)
        paths = cluster.known.paths
        return VmInsight(
            vm=found,
            cluster=cluster,
            choice=choose_destination(cluster, found),
            known=cluster.known.vms.get(found.id),
            paths={key: paths[key] for key in paths if key.source == found.host},
            calibration=cluster.known.calibration,
            migrations=tuple(one for one in newest if one.move.vm == found.id),
        )

    @property
    def policy_rules(self) -> tuple[PolicyRule, ...]:
        """What the site wants of VMs whose own metadata does not say."""
        return self._policy_rules

    def accuracy(self, *, limit: int = 1000) -> tuple[tuple[MigrationId, Score], ...]:
        """Forecasts beside the facts, newest first."""
        return self._knowledge.scores(limit=limit)

    async def put_policy(self, vm: str, policy: VmPolicy) -> Vm:
        """Write the fields named in ``policy.given`` into the VM's own metadata.

        Returns the VM as its host tells it afterwards, with the rules of the site applied.
        Raises: UnknownVm, Refused, HostUnreachable, StepRefused, BadValue.
        """
        found = find_vm(await self.scan(), vm)
        await self._fleet.hypervisor(found.host).put_policy(found.id, policy)
        self._tell_host(found.host, f"policy of {found.name} changed")
        return find_vm(await self.scan(), found.id)

    # Migrations and runs.

    def migrations(self, *, limit: int, before: MigrationId | None = None) -> tuple[Migration, ...]:
        """The newest migrations, newest first; older than ``before``. Raises: UnknownMigration."""
        return self._migrations.newest(limit=limit, before=before)

    def migration(self, migration_id: MigrationId) -> Migration:
        """Return one. Raises: UnknownMigration."""
        return self._migrations.get(migration_id)

    def life(self, migration_id: MigrationId) -> tuple[Accepted, tuple[Event, ...]]:
        """The journal of one. Raises: UnknownMigration."""
        return self._migrations.life(migration_id)

    def progress(self, migration_id: MigrationId) -> Progress | None:
        """The last statistics of a migration that runs now."""
        return self._migrations.progress(migration_id)

    async def cancel(self, migration_id: MigrationId) -> Migration:
        """Order the abort. Raises: UnknownMigration, Refused when it is over or past it."""
        return self._migrations.cancel(migration_id)

    async def resolve(self, migration_id: MigrationId) -> Migration:
        """Read both hosts again for one that waits for a person.

        Raises: UnknownMigration, Refused when nothing is in doubt.
        """
        return self._migrations.resolve(migration_id)

    def runs(self, *, limit: int) -> tuple[RunView, ...]:
        """The newest runs, newest first."""
        return self._runs.newest(limit=limit)

    def runs_under_way(self) -> tuple[RunView, ...]:
        """Those that have not ended, newest first."""
        return self._runs.under_way()

    def run(self, run_id: RunId) -> RunView:
        """Return one. Raises: UnknownPlan."""
        return self._runs.get(run_id)

    async def cancel_run(self, run_id: RunId) -> RunView:
        """Start no more moves and cancel those in flight. Raises: UnknownPlan, Refused."""
        return self._runs.cancel(run_id)

    def watch(self, after: int | None = None) -> AsyncIterator[Notice]:
        """Yield every notice after that number, or from now on."""
        return self._notices.watch(after)

    @property
    def last_notice(self) -> int:
        """The number of the newest notice."""
        return self._notices.last_number
