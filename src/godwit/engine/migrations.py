"""All migrations of this controller: those it runs, those it adopted, those in the journal."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from godwit.core.errors import GodwitError, Refused
from godwit.core.migration import Accepted, Event, Migration, Phase, begin, is_ended, replay
from godwit.core.model import MigrationId, PlanId, Progress, Reservation, VmId
from godwit.core.plan import Move, Plan
from godwit.engine.links import Links
from godwit.engine.notices import NoticeKind, Notices
from godwit.engine.record import Record
from godwit.engine.runner import Runner, World
from godwit.ports import Clock, Journal

__all__ = ["Migrations"]

#: How often those who wait look whether a migration has come to need a person.
_LOOK_AGAIN_S: Final = 1.0

#: Migrations that have ended and are kept at hand; the journal has them all.
_ENDED_KEPT: Final = 512

#: A VM that was moved longer ago than this is as good as one that never was; and how many
#: migrations are looked through for those that were.
_MOVED_LATELY_S: Final = 6 * 3600.0
_MOVED_LATELY_MOST: Final = 200

#: How long a controller that leaves waits for the records of migrations that have ended.
_ENDING_S: Final = 5.0

#: Phases in which nothing goes on by itself.
_AT_REST = frozenset({Phase.SPLIT, Phase.LOST})


class Migrations:
    """Starts, adopts, finds and cancels migrations. Used from one event loop only."""

    def __init__(
        self,
        *,
        journal: Journal,
        notices: Notices,
        clock: Clock,
        make_world: Callable[[], World],
    ) -> None:
        self._journal = journal
        self._notices = notices
        self._clock = clock
        self._make_world = make_world
        self._links = Links()
        self._runners: dict[MigrationId, Runner] = {}
        self._tasks: dict[MigrationId, asyncio.Task[Migration]] = {}
        self._ended: dict[MigrationId, Migration] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a migration is under way here."""
        return any(not task.done() for task in self._tasks.values())

    def reservations(self) -> tuple[Reservation, ...]:
        """Room that migrations under way hold on their destinations."""
        return tuple(
            Reservation(
                vm=one.move.vm,
                host=one.move.destination,
                memory_bytes=one.move.memory_bytes,
                vcpus=one.move.vcpus,
            )
            for one in self.active()
        )

    def active(self) -> list[Migration]:
        """Those that have not ended, however old."""
        return [
            runner.record.migration
            for runner in self._runners.values()
            if not runner.record.migration.is_ended
        ]

    def start(self, plan: Plan, move: Move, attempt: int = 1) -> MigrationId:
        """Accept one move and set it going. Raises: Refused when the VM migrates already."""
        for one in self.active():
            if one.move.vm == move.vm:
                raise Refused(
                    f"{move.vm_name} is being moved already",
                    evidence=f"migration {one.id} is {one.phase.word}",
                    remedy=f"Wait for it, or `godwit cancel {one.id}`.",
                )
        accepted = Accepted(
            at_s=self._clock.now_s(),
            id=MigrationId(f"m-{secrets.token_hex(3)}"),
            plan=plan.id,
            move=move,
            attempt=attempt,
        )
        # Made first: a host that has left the inventory must not leave a birth without a life.
        runner = Runner(
            self._record(begin(accepted)),
            self._make_world(),
            together_with=tuple(plan.final_hosts.items()),
            goes_on=plan.goes_on(move),
            links=self._links,
        )
        self._journal.accept(accepted)
        self._launch(runner, runner.run)
        self._notices.publish(
            NoticeKind.MIGRATION,
            at_s=accepted.at_s,
            text="Accepted",
            migration=runner.record.migration,
        )
        return accepted.id

    def adopt_unfinished(self) -> tuple[MigrationId, ...]:
        """Take over every unfinished migration of the journal; they are worked on at once."""
        adopted = []
        for migration_id in self._journal.unfinished():
            migration = self._replayed(migration_id)
            world = self._make_world()
            if is_ended(migration.phase) and not world.companions:
                # The end was written, the mark was not: the controller died between the two.
                self._journal.mark_ended(migration_id)
                continue
            try:
                runner = Runner(self._record(migration), world, links=self._links)
            except GodwitError:
                continue  # its host left the inventory: shown as it is, and nothing can be asked
            adopted.append(migration_id)
            if is_ended(migration.phase):
                self._launch(runner, runner.end_again)
            elif migration.phase in _AT_REST:
                self._runners[migration_id] = runner
            else:
                self._launch(runner, runner.adopt)
        return tuple(adopted)

    def _record(self, migration: Migration) -> Record:
        return Record(migration, journal=self._journal, notices=self._notices, clock=self._clock)

    def _launch(self, runner: Runner, work: Callable[[], Awaitable[Migration]]) -> None:
        migration_id = runner.record.migration.id

        async def guarded() -> Migration:
            try:
                return await work()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                # A fault of ours: the migration is left as it is, for a person or the next
                # controller. Other migrations go on.
                self._notices.publish(
                    NoticeKind.MIGRATION,
                    at_s=self._clock.now_s(),
                    text=f"internal error, left as it is: {error!r};"
                    f" `godwit resolve {migration_id}` takes it up again",
                    migration=runner.record.migration,
                )
                raise

        self._runners[migration_id] = runner
        task = self._tasks[migration_id] = asyncio.create_task(guarded())
        task.add_done_callback(lambda _: self._let_go(migration_id))

    def _let_go(self, migration_id: MigrationId) -> None:
        """Keep of a migration that has ended nothing but its value."""
        runner = self._runners.get(migration_id)
        if runner is not None and runner.record.migration.is_ended:
            self._keep(runner.record.migration)
            del self._runners[migration_id], self._tasks[migration_id]

    def _keep(self, ended: Migration) -> None:
        self._ended[ended.id] = ended
        if len(self._ended) > _ENDED_KEPT:
            del self._ended[next(iter(self._ended))]

    async def wait(self, migration_id: MigrationId) -> Migration:
        """Wait until a migration that is under way here needs nothing more, or a person.

        One whose host does not answer is asked about for ever; those who wait for it are not kept
        that long.
        """
        task = self._tasks.get(migration_id)
        while task is not None and not task.done():
            await asyncio.wait({task}, timeout=_LOOK_AGAIN_S)
            if self.get(migration_id).needs_person:
                break
        return self.get(migration_id)

    def get(self, migration_id: MigrationId) -> Migration:
        """Return a migration. Raises: UnknownMigration."""
        if (runner := self._runners.get(migration_id)) is not None:
            return runner.record.migration
        if (ended := self._ended.get(migration_id)) is not None:
            return ended
        migration = self._replayed(migration_id)
        if migration.is_ended:
            # It never changes again, and a history of hundreds takes long to fold.
            self._keep(migration)
        return migration

    def _replayed(self, migration_id: MigrationId) -> Migration:
        accepted, events = self._journal.life(migration_id)
        return replay(accepted, events)

    def life(self, migration_id: MigrationId) -> tuple[Accepted, tuple[Event, ...]]:
        """The journal of one. Raises: UnknownMigration."""
        return self._journal.life(migration_id)

    def newest(self, *, limit: int, before: MigrationId | None = None) -> tuple[Migration, ...]:
        """The newest migrations, newest first; older than ``before``. Raises: UnknownMigration."""
        return tuple(self.get(one) for one in self._journal.newest(limit=limit, before=before))

    def moved_at(self) -> Mapping[VmId, float]:
        """When VMs were moved last, as far as a planner cares: those of the last hours."""
        found: dict[VmId, float] = {}
        since_s = self._clock.now_s() - _MOVED_LATELY_S
        for migration_id in self._journal.newest(limit=_MOVED_LATELY_MOST):
            one = self.get(migration_id)
            if one.accepted_at_s < since_s:
                break
            if one.phase is Phase.DONE and one.ended_at_s is not None:
                found.setdefault(one.move.vm, one.ended_at_s)
        return found

    def of_plan(self, plan: PlanId) -> tuple[Migration, ...]:
        """All that a plan led to, oldest first, however long ago."""
        return tuple(self.get(one) for one in self._journal.of_plan(plan))

    def progress(self, migration_id: MigrationId) -> Progress | None:
        """The last statistics of a migration that runs now."""
        runner = self._runners.get(migration_id)
        return runner.record.progress if runner is not None else None

    def cancel(self, migration_id: MigrationId) -> Migration:
        """Order the abort. Raises: UnknownMigration, Refused when it is over or past it."""
        migration = self.get(migration_id)
        runner = self._runners.get(migration_id)
        if migration.is_ended or migration.phase in _AT_REST or runner is None:
            raise Refused(
                f"migration {migration_id} is {migration.phase.word}: nothing to cancel",
                evidence=migration.phase.says,
                remedy=f"See `godwit show {migration_id}`.",
            )
        if self._is_left(migration_id):
            raise Refused(
                f"migration {migration_id} is not watched any more: nobody would carry it out",
                evidence=f"an internal error ended its watch while it was {migration.phase.word}",
                remedy=f"`godwit resolve {migration_id}` takes it up again; then cancel it.",
            )
        if migration.postcopy_began and migration.phase is not Phase.VERIFYING:
            raise Refused(
                f"migration {migration_id} can't be cancelled: its guest runs at"
                f" {migration.move.destination} already, with memory still missing there",
                evidence=f"it is {migration.phase.word}; {migration.phase.says}",
                remedy="Wait for it. Both hosts are needed until the last page is over: stop"
                " neither copy. Move it back afterwards.",
            )
        if migration.phase is Phase.VERIFYING:
            raise Refused(
                f"migration {migration_id} has moved its guest already",
                evidence=f"{migration.move.vm_name} runs on {migration.move.destination}",
                remedy=f"Move it back with `godwit migrate {migration.move.vm_name}"
                f" --to {migration.move.source}`.",
            )
        runner.cancel()
        return self.get(migration_id)

    def resolve(self, migration_id: MigrationId) -> Migration:
        """Read both hosts again, or take up what a fault of ours has left.

        Raises: UnknownMigration, Refused when nothing is in doubt.
        """
        migration = self.get(migration_id)
        runner = self._runners.get(migration_id)
        if runner is not None and self._is_left(migration_id):
            self._launch(runner, runner.adopt)
            return self.get(migration_id)
        if runner is None or migration.phase not in _AT_REST | {Phase.UNKNOWN}:
            raise Refused(
                f"migration {migration_id} is {migration.phase.word}: nothing to resolve",
                evidence=migration.phase.says,
                remedy=f"See `godwit show {migration_id}`.",
            )
        if migration.phase in _AT_REST:
            self._launch(runner, runner.resolve)
        return self.get(migration_id)

    def _is_left(self, migration_id: MigrationId) -> bool:
        """Whether its runner has ended although it has not, and nobody is asked to look."""
        task, migration = self._tasks.get(migration_id), self.get(migration_id)
        is_over = migration.is_ended or migration.phase in _AT_REST
        return task is not None and task.done() and not is_over

    async def close(self) -> None:
        """Stop watching; migrations in flight go on in libvirt, peer to peer.

        What is still being done about those that have ended gets a little time.
        """
        ending = {
            task for one, task in self._tasks.items() if self.get(one).is_ended and not task.done()
        }
        if ending:
            await asyncio.wait(ending, timeout=_ENDING_S)
        await self._links.close()
        tasks = [task for task in self._tasks.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
