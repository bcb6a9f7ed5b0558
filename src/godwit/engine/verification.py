"""After the guest runs at the destination: its definitions, its network, and what was measured.

Success is what both hypervisors say, and it was said before this begins. What is found wanting here
is noted in the result and never undoes the migration.
"""

import asyncio
from collections.abc import Awaitable, Callable

from godwit.core.errors import DriverError
from godwit.core.migration import RepairOrdered, Result, VerifyEnded
from godwit.core.model import HostName, Presence, RunState
from godwit.engine.announcing import Announcing, outage_causes
from godwit.engine.outage import OutageWatch
from godwit.engine.record import Record
from godwit.ports import Clock, HypervisorHost, MigrationStats, RepairAction

__all__ = ["Verification"]


class Verification:
    """Verifies one migration that moved its guest, and writes its result."""

    def __init__(
        self,
        record: Record,
        source: HypervisorHost,
        destination: HypervisorHost,
        clock: Clock,
    ) -> None:
        self._record = record
        self._source = source
        self._destination = destination
        self._clock = clock

    async def run(
        self,
        *,
        stats: MigrationStats | None,
        outage: OutageWatch | None,
        was_persistent: bool,
        announcing: Announcing,
        beside: Callable[[], Awaitable[tuple[str, ...]]],
    ) -> None:
        """Check everything, then write ``VerifyEnded``. ``beside`` returns notes of its own."""
        notes, announced, others = await asyncio.gather(
            self._definitions(was_persistent=was_persistent), announcing.run(outage), beside()
        )
        migration = self._record.migration
        now_s = self._record.now_s()
        begun_s = migration.started_at_s
        found_s = migration.entered_at_s
        gap_s = resolution_s = answered_at_s = None
        stopped_s = migration.stopped_at_s or begun_s
        if outage is not None and announced.answers and stopped_s is not None:
            since_s = self._clock.monotonic_s() - (now_s - stopped_s)
            gap_s = outage.longest_gap_s(since_s)
            answered_at_s = outage.answered_again_at_s(since_s)
            resolution_s = outage.resolution_s(since_s) if gap_s is not None else None
        pause_s = stats.pause_s if stats else None
        result = Result(
            pause_s=pause_s,
            outage_s=gap_s,
            outage_resolution_s=resolution_s,
            answers=announced.answers,
            total_s=found_s - begun_s if begun_s is not None else None,
            transferred_bytes=stats.transferred_bytes if stats else _sent(self._record),
            rounds=len(migration.rounds),
            announced_again=announced.again,
            notes=(*notes, *announced.notes, *others),
            outage_causes=outage_causes(
                pause_s=pause_s, outage_s=gap_s, answered_at_s=answered_at_s, announced=announced
            ),
            forwarding=announced.forwarding,
        )
        self._record.write(VerifyEnded(at_s=now_s, result=result))

    async def _definitions(self, *, was_persistent: bool) -> list[str]:
        """The definition belongs to the destination, and to it alone."""
        move = self._record.migration.move
        notes: list[str] = []
        there = await self._destination.see(move.vm)
        here = await self._source.see(move.vm)
        # A definition that is left behind proves that there was one, whatever we were told.
        had_one = was_persistent or here.persistent
        if had_one and there.presence is Presence.HERE and not there.persistent:
            notes.append(
                f"{move.destination} has no persistent definition of {move.vm_name};"
                " define it there, or it is gone after a shut-down"
            )
        elif here.state is RunState.SHUT_OFF and there.persistent:
            notes.append(await self._undefine_source())
        elif here.state is RunState.SHUT_OFF:
            # It may be the only definition that is left.
            notes.append(
                f"the definition on {move.source} was kept: {move.destination} does not show one"
            )
        if attempts := self._record.migration.resume_attempts:
            notes.append(f"the post-copy broke and was taken up again; attempts: {attempts}")
        return notes

    async def _undefine_source(self) -> str:
        move = self._record.migration.move
        why = f"{move.destination} has the definition, {move.source} an old one"
        self._intend(RepairAction.UNDEFINE, move.source, why)
        try:
            await self._source.repair(move.vm, RepairAction.UNDEFINE)
        except DriverError as error:
            return f"the old definition on {move.source} could not be removed: {error.message}"
        return f"the old definition on {move.source} was removed"

    def _intend(self, action: RepairAction, host: HostName, why: str) -> None:
        self._record.write(
            RepairOrdered(at_s=self._record.now_s(), action=action.value, host=host, why=why), why
        )


def _sent(record: Record) -> int | None:
    rounds = record.migration.rounds
    return rounds[-1].transferred_bytes if rounds else None
