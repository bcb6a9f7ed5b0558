"""The controller: the one door to the engine for all that stand above it.

It owns the inventory, the plans, the migrations and the drains of one store. It decides nothing
itself: the planner chooses, ``step`` walks, the runners carry out. It knows nothing of HTTP.
"""

from collections.abc import AsyncIterator, Sequence

from godwit.core.migration import Accepted, Event, Migration
from godwit.core.model import (
    Cluster,
    DrainId,
    Host,
    HostName,
    HostRecord,
    MigrationId,
    PlanId,
    Progress,
)
from godwit.core.plan import Plan
from godwit.core.planner import PauseSettings
from godwit.engine.notices import Notice
from godwit.engine.views import Acceptance, DrainView
from godwit.ports import Clock, Connector, Journal, Prober, Store

__all__ = ["Controller"]


class Controller:
    """Owns a cluster's state for as long as it lives. Used from one event loop only."""

    def __init__(
        self,
        *,
        store: Store,
        journal: Journal,
        connector: Connector,
        prober: Prober,
        clock: Clock,
    ) -> None: ...

    async def start(self) -> None:
        """Adopt every unfinished migration, then be ready."""

    async def close(self) -> None:
        """Stop watching. Migrations in flight go on by themselves; the next controller adopts."""

    @property
    def is_busy(self) -> bool:
        """Whether migrations or drains of this controller are under way."""

    def host_records(self) -> tuple[HostRecord, ...]:
        """The inventory, by name."""

    async def add_hosts(self, records: Sequence[HostRecord]) -> tuple[Host, ...]:
        """Reach, read and record hosts: all of them, or none. Raises: BadValue (name or host UUID
        twice, name in use), HostUnreachable, Unsupported.
        """

    async def remove_host(self, name: HostName) -> None:
        """Forget a host; its VMs are left alone. Raises: UnknownHost, Refused while in use."""

    async def set_maintenance(self, name: HostName, *, on: bool) -> HostRecord:
        """Put a host into maintenance or take it out. Raises: UnknownHost."""

    async def scan(self) -> Cluster:
        """Read every host now, ask the questions the rules need, and return the cluster."""

    async def plan_migration(
        self, vm: str, *, destination: HostName | None, settings: PauseSettings
    ) -> Plan:
        """Plan one move. Raises: UnknownVm, UnknownHost, NoDestination, Refused."""

    async def plan_drain(self, host: HostName, *, parallel: int, settings: PauseSettings) -> Plan:
        """Plan to empty a host. Raises: UnknownHost, HostUnreachable."""

    def plan(self, plan_id: PlanId) -> Plan:
        """Return a plan. Raises: UnknownPlan."""

    async def accept(self, plan_id: PlanId) -> Acceptance:
        """Set a plan going; at once, it does not wait for it. A drain puts its host into
        maintenance first. Raises: UnknownPlan, PlanStale, Refused (the VM migrates already).
        """

    def migrations(self, *, limit: int) -> tuple[Migration, ...]:
        """The newest migrations, newest first."""

    def migration(self, migration_id: MigrationId) -> Migration:
        """Return one. Raises: UnknownMigration."""

    def life(self, migration_id: MigrationId) -> tuple[Accepted, tuple[Event, ...]]:
        """The journal of one. Raises: UnknownMigration."""

    def progress(self, migration_id: MigrationId) -> Progress | None:
        """The last statistics of a migration that runs now."""

    async def cancel(self, migration_id: MigrationId) -> Migration:
        """Order the abort. Raises: UnknownMigration, Refused when it is over or past it."""

    async def resolve(self, migration_id: MigrationId) -> Migration:
        """Read both hosts again for one that waits for a person. Raises: UnknownMigration, Refused."""

    def drains(self, *, limit: int) -> tuple[DrainView, ...]:
        """The newest drains, newest first."""

    def drain(self, drain_id: DrainId) -> DrainView:
        """Return one. Raises: UnknownPlan."""

    async def cancel_drain(self, drain_id: DrainId) -> DrainView:
        """Start no more moves and cancel those in flight. Raises: UnknownPlan, Refused."""

    def watch(self, after: int | None = None) -> AsyncIterator[Notice]:
        """Yield every notice after that number, or from now on."""

    @property
    def last_notice(self) -> int:
        """The number of the newest notice."""
