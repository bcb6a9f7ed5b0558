"""What must survive the controller: inventory, plans, the journal, and what was learnt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from godwit.core.conductor import GivenUp
from godwit.core.migration import Accepted, Event
from godwit.core.model import (
    Calibration,
    HostName,
    HostRecord,
    Knowledge,
    MigrationId,
    PathKey,
    PathKnowledge,
    PlanId,
    RunId,
    Score,
    VmId,
    VmKnowledge,
)
from godwit.core.plan import Plan

__all__ = [
    "Journal",
    "KnowledgeStore",
    "Store",
    "StoredRun",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A plan that was accepted, and what became of it; it runs while ``ended_at_s`` is None.

    ``host`` is the one that is to be emptied, where it is one. ``given_up`` are moves that were
    never tried, because what they need did not come to be.
    """

    id: RunId
    plan: PlanId
    host: HostName | None
    accepted_at_s: float
    ended_at_s: float | None = None
    cancelled: bool = False
    interrupted: bool = False
    given_up: tuple[GivenUp, ...] = ()


class Store(Protocol):
    """What survives the controller. Every write is durable when the call returns.

    All methods are quick and synchronous; the store belongs to one controller at a time.
    Raises: StoreBusy when another process holds it, GodwitError when the disk fails.
    """

    def generation(self) -> int:
        """The number of the last change of the cluster that Godwit made or saw."""
        ...

    def next_generation(self) -> int:
        """Count one change, durably, and return its number."""
        ...

    def hosts(self) -> tuple[HostRecord, ...]:
        """All recorded hosts, by name."""
        ...

    def put_hosts(self, records: Sequence[HostRecord]) -> None:
        """Add or replace hosts: all of them or, when it fails, none."""
        ...

    def remove_host(self, name: HostName) -> None:
        """Forget a host. Raises: UnknownHost."""
        ...

    def add_plan(self, plan: Plan) -> Plan:
        """Keep a plan under a new short id (``p-`` and six characters) and return it with it."""
        ...

    def plan(self, plan_id: PlanId) -> Plan:
        """Return a plan. Raises: UnknownPlan."""
        ...

    def put_run(self, run: StoredRun) -> None:
        """Add or replace a run."""
        ...

    def runs(self, *, limit: int) -> tuple[StoredRun, ...]:
        """The newest runs, newest first."""
        ...


class Journal(Protocol):
    """The append-only memory of all migrations: intent before effect, outcome after it."""

    def accept(self, accepted: Accepted) -> None:
        """Write the birth of a migration, durably."""
        ...

    def append(self, migration: MigrationId, event: Event) -> None:
        """Write one event, durably, before its effect is ordered."""
        ...

    def life(self, migration: MigrationId) -> tuple[Accepted, tuple[Event, ...]]:
        """Return the birth and all events in order. Raises: UnknownMigration."""
        ...

    def unfinished(self) -> tuple[MigrationId, ...]:
        """The migrations whose last event did not end them, oldest first."""
        ...

    def newest(self, *, limit: int, before: MigrationId | None = None) -> tuple[MigrationId, ...]:
        """The newest migrations, newest first; those older than ``before``, where it is given.

        Raises: UnknownMigration.
        """
        ...

    def of_plan(self, plan: PlanId) -> tuple[MigrationId, ...]:
        """All migrations of one plan, oldest first."""
        ...

    def mark_ended(self, migration: MigrationId) -> None:
        """Note that the fold of the journal has ended, so that ``unfinished`` need not fold it."""
        ...


class KnowledgeStore(Protocol):
    """What was learnt. Losing it costs accuracy, never safety; all methods are quick."""

    def knowledge(self, *, vms: Sequence[VmId] | None = None) -> Knowledge:
        """Return what is known: of these VMs (None: of all), of all paths, and the calibration."""
        ...

    def put_vm(self, known: VmKnowledge) -> None:
        """Replace what is known of one VM."""
        ...

    def put_path(self, key: PathKey, known: PathKnowledge) -> None:
        """Replace what is known of one path."""
        ...

    def put_calibration(self, calibration: Calibration) -> None:
        """Replace the calibration."""
        ...

    def add_score(self, migration: MigrationId, score: Score) -> None:
        """Keep the score of one migration; a second one for the same migration replaces it."""
        ...

    def scores(self, *, limit: int) -> tuple[tuple[MigrationId, Score], ...]:
        """The newest scores, newest first."""
        ...
