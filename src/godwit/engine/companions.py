"""What goes along with a migration and is no part of it: the network's records, for one.

A companion follows every migration from before its start to after its end. Whatever goes wrong with
one is noted and harms neither the migration nor another companion.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from godwit.core.migration import Phase
from godwit.engine.record import Record

__all__ = ["Companion", "Companions", "Verifier"]

_LOG = logging.getLogger(__name__)

#: From these on the switch-over was seen: the guest is about to run at the destination, or does.
_SWITCHED = frozenset({Phase.SWITCHING, Phase.POSTCOPY, Phase.RECOVERING, Phase.VERIFYING})


class Companion(Protocol):
    """Follows one migration after the other; sets its own time limits.

    What it does it writes into the record (``RecordStepped``). A new controller finds that in the
    journal and calls again from where the migration stands, so every method may be repeated.
    """

    async def before_start(self, record: Record) -> None:
        """The preconditions hold; the migration waits for this. Not called of an adopted one."""
        ...

    async def switched(self, record: Record) -> None:
        """The switch-over was seen; the migration goes on meanwhile, and may still fail."""
        ...

    async def ended(self, record: Record) -> None:
        """It has ended, as ``record.phase`` says, and the guest stays where it is.

        Called after ``switched`` has returned, and also where neither of the others was called.
        Until this has returned the journal holds the migration as unfinished, so that the next
        controller calls it again.
        """
        ...


@runtime_checkable
class Verifier(Protocol):
    """A companion that has a part in the verification."""

    async def confirmed(self, record: Record) -> tuple[str, ...]:
        """The guest runs at the destination for sure. Returns notes for the migration's result.

        The verification waits for this, and gives it up at its own deadline.
        """
        ...


class Companions:
    """The companions of one migration."""

    def __init__(self, companions: tuple[Companion, ...], record: Record) -> None:
        self._companions = companions
        self._record = record
        self._switching: asyncio.Task[None] | None = None
        if companions:
            record.keep_open(self._look)

    async def before_start(self) -> None:
        """Let them prepare."""
        await self._each(lambda one: one.before_start(self._record))

    def _look(self) -> None:
        if self._record.phase in _SWITCHED and self._switching is None:
            work = self._each(lambda one: one.switched(self._record))
            self._switching = asyncio.create_task(work)

    async def confirmed(self) -> tuple[str, ...]:
        """Let those verify who have a part in it; the notes of all."""
        notes: list[str] = []

        async def ask(one: Companion) -> None:
            if isinstance(one, Verifier):
                notes.extend(await one.confirmed(self._record))

        await self._each(ask)
        return tuple(notes)

    async def ended(self) -> None:
        """Where it has ended: let them end, then close its book."""
        if not self._companions or not self._record.migration.is_ended:
            return
        if self._switching is not None:
            await self._switching
        await self._each(lambda one: one.ended(self._record))
        self._record.close()

    async def close(self) -> None:
        """Let go of what is under way; it is done again by whoever goes on with the migration."""
        if self._switching is not None and not self._switching.done():
            self._switching.cancel()
            await asyncio.gather(self._switching, return_exceptions=True)
            # A person may have it looked at again: what was let go of is not what is waited for.
            self._switching = None

    async def _each(self, call: Callable[[Companion], Awaitable[None]]) -> None:
        for one in self._companions:
            try:
                await call(one)
            except Exception:  # noqa: BLE001 - a fault of a companion ends no migration
                # Logged, as there is nobody else to tell: what it expects to fail it writes down.
                _LOG.exception("a companion of migration %s failed", self._record.migration.id)
