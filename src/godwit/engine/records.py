"""The network's records of where a guest is, driven by the switch-over of its migration.

Prepared before the start, switched beside the switch-over, verified or rolled back when both hosts
have said where the guest is. While that is unknown nothing is done. Nothing here is ever waited for
by the switch-over, and no failure here goes further than the journal, a notice and a note.
"""

from collections.abc import Callable, Sequence

from godwit.core.migration import Accepted, Event, Phase
from godwit.core.model import MigrationId
from godwit.engine.fleet import Fleet
from godwit.engine.record import Record
from godwit.engine.record_steps import MoveRecords, RecordRule
from godwit.ports import Clock

__all__ = ["NetworkRecords"]


class NetworkRecords:
    """All keepers of the site: goes along with each migration of a VM that they are for.

    ``life`` reads a migration's journal: what an earlier controller did stands there.
    """

    def __init__(
        self,
        rules: Sequence[RecordRule],
        *,
        fleet: Fleet,
        clock: Clock,
        life: Callable[[MigrationId], tuple[Accepted, Sequence[Event]]],
    ) -> None:
        self._rules = tuple(rules)
        self._fleet = fleet
        self._clock = clock
        self._life = life
        self._moves: dict[MigrationId, MoveRecords] = {}

    async def before_start(self, record: Record) -> None:
        """Prepare. Returns at the latest when one try's time is over; the rest goes on beside."""
        if (move := self._of(record)) is not None:
            await move.prepare()

    async def switched(self, record: Record) -> None:
        """Say the new place."""
        if (move := self._of(record)) is not None:
            await move.switch()

    async def confirmed(self, record: Record) -> tuple[str, ...]:
        """The guest runs at the destination for sure: read back. Returns notes on what failed."""
        move = self._of(record)
        return await move.moved() if move is not None else ()

    async def ended(self, record: Record) -> None:
        """Roll back where the guest stayed; do what is left to do where it moved."""
        if (move := self._of(record)) is not None:
            if record.phase is Phase.DONE:
                await move.moved()
            else:
                await move.stayed()
            await move.close()
            del self._moves[record.migration.id]

    async def close(self) -> None:
        """Stop trying, and let go of all connections; the next controller goes on."""
        for move in self._moves.values():
            await move.close()
        for rule in self._rules:
            await rule.keeper.close()

    def _of(self, record: Record) -> MoveRecords | None:
        migration = record.migration
        if migration.id not in self._moves:
            rules = [one for one in self._rules if one.is_for(migration.move.vm_name)]
            if not rules:
                return None
            self._moves[migration.id] = MoveRecords(
                record,
                rules,
                fleet=self._fleet,
                clock=self._clock,
                life=self._life(migration.id)[1],
            )
        return self._moves[migration.id]
