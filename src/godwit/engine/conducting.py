"""Carries one timed plan out: each move as soon as what it waits for is over and a place is free.

What may start, the core's conductor says; here moves are started, waited for, and tried again
elsewhere where the plan's purpose allows that. Each has its preconditions read again by its own
migration. Nothing is ever stopped.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from godwit.core.conductor import Course, GivenUp, begin, ended, ready, started
from godwit.core.errors import GodwitError
from godwit.core.migration import Migration, Phase
from godwit.core.model import HostName, MigrationId
from godwit.core.plan import Move, Plan
from godwit.core.timed import MoveId

__all__ = ["Conducting", "Elsewhere", "StartMove", "WaitMigration"]

#: Attempts for one VM, each on another host than the ones before.
_ATTEMPTS_MAX: Final = 3

StartMove: TypeAlias = Callable[[Plan, Move, int], MigrationId]
WaitMigration: TypeAlias = Callable[[MigrationId], Awaitable[Migration]]
#: Returns the same move to a host that was not tried yet, or None where there is none.
Elsewhere: TypeAlias = Callable[[Move, frozenset[HostName]], Awaitable[Move | None]]

#: What became of a move that did not bring its VM away, or of which that is not known.
_FATES: Final = {Phase.FAILED: "failed", Phase.CANCELLED: "was cancelled"}


class Conducting:
    """One timed plan while it is carried out. Used from one event loop only."""

    def __init__(
        self,
        plan: Plan,
        *,
        start: StartMove,
        wait: WaitMigration,
        elsewhere: Elsewhere,
        changed: Callable[[], None],
    ) -> None:
        assert plan.timed is not None, "only what was timed and audited is carried out"
        self._plan = plan
        self._moves = dict(zip((one.id for one in plan.timed.moves), plan.moves, strict=True))
        self._course: Course = begin(plan.timed, plan.limits)
        self._start = start
        self._wait = wait
        self._elsewhere = elsewhere
        self._changed = changed
        self._cancelled = False
        self.migrations: list[MigrationId] = []

    def cancel(self) -> None:
        """Start no more moves; those in flight go on."""
        self._cancelled = True

    @property
    def is_cancelled(self) -> bool:
        """Whether a person cancelled it."""
        return self._cancelled

    @property
    def given_up(self) -> tuple[GivenUp, ...]:
        """The moves that were never tried, because what they need did not come to be."""
        return self._course.given_up

    async def run(self) -> None:
        """Carry all moves out that can be.

        A fault of ours in one ends with the last of the others: none goes on behind a plan that is
        said to be over, where nobody could cancel it.
        """
        flying: dict[asyncio.Task[str], MoveId] = {}
        faults: list[BaseException] = []
        try:
            while True:
                for move in () if self._cancelled else ready(self._course):
                    self._course = started(self._course, move.id)
                    flying[asyncio.create_task(self._carry_out(self._moves[move.id]))] = move.id
                if not flying:
                    break
                done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=flying.__getitem__):
                    fault = task.exception()
                    faults += [fault] if fault is not None else []
                    fate = "met a fault of ours" if fault is not None else task.result()
                    self._land(flying.pop(task), fate)
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)
        if faults:
            raise faults[0]
        assert self._cancelled or self._course.is_over, "the audit lets no ring of waits through"

    def _land(self, move_id: MoveId, fate: str) -> None:
        before = self._course
        self._course = ended(before, move_id, well=not fate, fate=fate)
        if self._course.given_up != before.given_up:
            self._changed()

    async def _carry_out(self, move: Move) -> str:
        """Carry a move out, elsewhere if need be; returns its fate, empty when the VM has left."""
        tried: frozenset[HostName] = frozenset()
        fate = "was cancelled"
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            if self._cancelled:
                break
            fate = await self._try(move, attempt)
            if fate != _FATES[Phase.FAILED]:
                break
            tried |= {move.destination}
            another = None if self._is_part_of_a_way(move) else await self._elsewhere(move, tried)
            if another is None:
                break
            move = another
        return fate

    def _is_part_of_a_way(self, move: Move) -> bool:
        """Whether its VM has a stop: then the other parts rest on where this one goes."""
        return sum(one.vm == move.vm for one in self._plan.moves) > 1

    async def _try(self, move: Move, attempt: int) -> str:
        try:
            migration_id = self._start(self._plan, move, attempt)
        except GodwitError:
            # Somebody moves the VM already, or its host has left the inventory. The VM stays
            # among those that remain, and the other moves go on.
            return _FATES[Phase.FAILED]
        self.migrations.append(migration_id)
        self._changed()
        last = await self._wait(migration_id)
        self._changed()
        return "" if last.phase is Phase.DONE else _FATES.get(last.phase, "is in doubt")
