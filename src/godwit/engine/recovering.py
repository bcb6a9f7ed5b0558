"""Takes a broken post-copy up again, by itself, for as long as it takes.

Nothing is ever resumed or ended here: the guest runs at the destination, the rest of its memory is
at the source, and both are needed. Whether the path is back is known by trying; a try that fails
changes nothing. A host whose libvirt has no such recovery is not asked for it. libvirt may finish
it by itself meanwhile, so both hosts are read all the time.
"""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from godwit.core.errors import DriverError
from godwit.core.migration import DeadlinePassed, Phase, ResumeOrdered, Whereabouts
from godwit.core.model import Feature, RunState
from godwit.engine.confirmation import Confirmation
from godwit.engine.record import Record
from godwit.ports import Clock, HypervisorHost

__all__ = ["Recovery"]

_READ_AGAIN_S: Final = 0.5
#: The time between two tries doubles from one second up to this.
_TRY_AGAIN_S_MAX: Final = 60.0


class Recovery:
    """Recovers one migration; ``take_up`` gives the order and returns when its call is over.

    ``hosts`` are the two that must be able to, each with whether it was when it was last read: one
    that is busy with the broken post-copy may not answer everything.
    """

    def __init__(
        self,
        record: Record,
        confirmation: Confirmation,
        clock: Clock,
        take_up: Callable[[], Awaitable[None]],
        *,
        destination: HypervisorHost,
        hosts: dict[HypervisorHost, bool],
    ) -> None:
        self._record = record
        self._confirmation = confirmation
        self._clock = clock
        self._take_up = take_up
        self._destination = destination
        self._hosts = hosts

    async def run(self) -> None:
        """Read both hosts and try, until it is no longer broken."""
        pause_s, try_at_s = 1.0, 0.0
        broke_at_s = self._record.migration.broke_at_s
        while self._is_broken():
            verdict = await self._confirmation.look()
            if not self._is_broken():
                return
            if self._record.is_overdue() and not self._record.migration.needs_person:
                self._record.write(
                    DeadlinePassed(at_s=self._record.now_s()), "the post-copy is still broken"
                )
            now_s = self._clock.monotonic_s()
            if verdict.where is not Whereabouts.POSTCOPY_BROKEN or now_s < try_at_s:
                await self._clock.sleep(_READ_AGAIN_S)
                continue
            if await self._destination_waits():
                await self._clock.sleep(_READ_AGAIN_S)
                continue
            if await self._can():
                await self._try()
            if self._record.migration.broke_at_s != broke_at_s:
                # It went on in between: this is another break.
                broke_at_s, pause_s = self._record.migration.broke_at_s, 1.0
            try_at_s = self._clock.monotonic_s() + pause_s
            pause_s = min(2 * pause_s, _TRY_AGAIN_S_MAX)

    def _is_broken(self) -> bool:
        return self._record.phase is Phase.RECOVERING

    async def _can(self) -> bool:
        """Whether the libvirt of both hosts can take a post-copy up again."""
        for one in self._hosts:
            with contextlib.suppress(DriverError):
                reading = await one.read()
                self._hosts[one] = Feature.POSTCOPY_RECOVERY in reading.host.features
        return all(self._hosts.values())

    async def _destination_waits(self) -> bool:
        """Whether the destination has yet to notice the break: it refuses to go on before.

        A QEMU that only reads from a dead connection never learns of its end, and one whose main
        loop needs a page that is missing can't tell its libvirt; then nothing that libvirt can
        order brings the stream back.
        """
        seen = await self._destination.see(self._record.migration.move.vm)
        return seen.state is RunState.RUNNING_POSTCOPY

    async def _try(self) -> None:
        attempt = self._record.migration.resume_attempts + 1
        self._record.write(
            ResumeOrdered(at_s=self._record.now_s(), attempt=attempt),
            f"takes the broken post-copy up again, attempt {attempt}",
        )
        await self._take_up()
