"""Finding out who runs the guest: both hosts are read until the answer is sure.

Nothing else ever decides the outcome of a migration. Repairs are the ones that ``reconcile`` names,
after both readings stayed the same for as long as it asks, and each with its intent in the journal.
"""

import contextlib
from collections import Counter
from typing import Final

from godwit.core.errors import DriverError
from godwit.core.migration import (
    DeadlinePassed,
    Found,
    Phase,
    Repair,
    RepairOrdered,
    Verdict,
    Whereabouts,
    reconcile,
)
from godwit.core.model import VmSighting
from godwit.engine.record import Record
from godwit.ports import Clock, HypervisorHost, RepairAction

__all__ = ["ADOPTED_AFTER_S", "JOB_LINGERS_S", "Confirmation"]

_READ_AGAIN_S: Final = 0.3
#: After the call has ended, libvirt may still be busy for a moment with the job it belonged to.
JOB_LINGERS_S: Final = 5.0
#: A job that nobody of us waits for is adopted when it was seen for this long.
ADOPTED_AFTER_S: Final = 0.5
#: A host that does not answer gets this long before the migration is called unknown.
_SILENCE_S: Final = 8.0
_UNKNOWN_READ_AGAIN_S: Final = 2.0
#: A repair that did not help is tried again after twice the time, up to 2**this times as long.
_PATIENCE_DOUBLINGS_MAX: Final = 6

_DOUBT: Final = frozenset({Phase.CONFIRMING, Phase.UNKNOWN})


class Confirmation:
    """Reads both sides of one migration until its phase is no longer one of doubt."""

    def __init__(
        self,
        record: Record,
        source: HypervisorHost,
        destination: HypervisorHost,
        clock: Clock,
        *,
        job_lingers_s: float = JOB_LINGERS_S,
    ) -> None:
        self._record = record
        self._job_lingers_s = job_lingers_s
        self._source = source
        self._destination = destination
        self._clock = clock
        self._pair = ""
        self._same_since_s = 0.0
        self._tried: Counter[Repair] = Counter()

    async def run(self) -> None:
        """Read, repair and read again until it is known who runs the guest."""
        while self._record.phase in _DOUBT:
            await self.look()
            if self._record.phase in _DOUBT:
                if self._record.is_overdue() and not self._record.migration.needs_person:
                    self._record.write(DeadlinePassed(at_s=self._record.now_s()))
                await self._clock.sleep(self._pause_s())

    async def look(self) -> Verdict:
        """Read both sides once; write down what is sure, and repair what may be repaired."""
        source, destination, verdict = await self._read()
        if verdict.repair is not Repair.NONE:
            await self._repair(verdict)
        elif self._is_sure(verdict):
            self._record.write(
                Found(
                    at_s=self._record.now_s(),
                    where=verdict.where,
                    source=source,
                    destination=destination,
                    why=verdict.why,
                ),
                verdict.why,
            )
        return verdict

    def _pause_s(self) -> float:
        return _UNKNOWN_READ_AGAIN_S if self._record.phase is Phase.UNKNOWN else _READ_AGAIN_S

    async def _read(self) -> tuple[VmSighting, VmSighting, Verdict]:
        migration = self._record.migration
        vm = migration.move.vm
        # The source first: a guest that leaves it between the readings is then seen twice as
        # "still there", which means reading again, and never as gone from both.
        source = await self._source.see(vm)
        destination = await self._destination.see(vm)
        verdict = reconcile(
            source,
            destination,
            could_have_switched=migration.could_have_switched,
            may_be_stale=migration.postcopy_ordered,
            is_stale=migration.postcopy_began,
        )
        if verdict.why != self._pair:
            self._pair = verdict.why
            self._same_since_s = self._clock.monotonic_s()
        return source, destination, verdict

    def _is_sure(self, verdict: Verdict) -> bool:
        """Whether the verdict may be written down now, or the hosts are read once more first."""
        same_s = self._clock.monotonic_s() - self._same_since_s
        match verdict.where:
            case Whereabouts.IN_PROGRESS:
                return same_s > self._job_lingers_s
            case Whereabouts.CANNOT_KNOW:
                # Said once; while it stays unknown there is nothing new to say.
                return same_s > _SILENCE_S and self._record.phase is Phase.CONFIRMING
            case Whereabouts.POSTCOPY_BROKEN if self._record.phase is Phase.RECOVERING:
                # It is known; nothing is to be written before it has changed.
                return False
            case (
                Whereabouts.NEITHER
                | Whereabouts.BOTH
                | Whereabouts.POSTCOPY
                | Whereabouts.POSTCOPY_BROKEN
            ):
                # The gravest words are not said after a single look.
                return same_s > _READ_AGAIN_S * 2
            case _:
                return True

    async def _repair(self, verdict: Verdict) -> None:
        patience = 2 ** min(self._tried[verdict.repair], _PATIENCE_DOUBLINGS_MAX)
        if self._clock.monotonic_s() - self._same_since_s < verdict.quiet_s * patience:
            return
        self._tried[verdict.repair] += 1
        move = self._record.migration.move
        match verdict.repair:
            case Repair.DESTROY_DESTINATION:
                host, name, action = self._destination, move.destination, RepairAction.DESTROY
            case Repair.RESUME_SOURCE:
                host, name, action = self._source, move.source, RepairAction.RESUME
            case _:
                host, name, action = self._source, move.source, RepairAction.DESTROY
        self._record.write(
            RepairOrdered(
                at_s=self._record.now_s(), action=action.value, host=name, why=verdict.why
            ),
            f"{action.value} the copy on {name}: {verdict.why}",
        )
        # Whether it worked is seen by the next reading.
        with contextlib.suppress(DriverError):
            await host.repair(move.vm, action)
        self._pair = ""
