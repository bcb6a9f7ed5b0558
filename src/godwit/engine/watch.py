"""Watching one migration while it copies: rounds, steering, stalls, deadlines, cancels.

Ends when the migrate call is over, or, for an adopted migration that nobody waits for, when the
job has gone. What came of it is not judged here: that takes both hosts.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from godwit.core.errors import Aborted, DriverError, OutcomeUnknown
from godwit.core.migration import (
    CallEnded,
    CallOutcome,
    CancelOrdered,
    CopyStarted,
    DeadlinePassed,
    Failure,
    PauseLimitOrdered,
    Phase,
    RoundEnded,
    VcpusStopped,
)
from godwit.core.model import Presence, Progress, Round
from godwit.core.precopy import GiveUp, Keep, RaisePause, Situation, steer
from godwit.core.units import MIB, format_bytes
from godwit.engine.record import Record
from godwit.ports import Clock, HypervisorEvent, HypervisorEventKind, HypervisorHost, MigrationStats

__all__ = ["Watch", "WatchLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLimits:
    """How patient the watch is.

    ``stall_s``: no byte of memory moved for this long means that the data path is cut; libvirt has
    no time-out of its own for that. ``switch_s``: a guest that stands still for this long beyond
    its promise is better off at the source. ``abort_again_s``: an abort that came before QEMU's
    migration began is lost, so it is repeated. ``near_s``: when the rest of a round would pass
    within this time, a switch-over may follow.
    """

    poll_s: float = 0.25
    stall_s: float = 10.0
    near_s: float = 1.0
    switch_s: float = 5.0
    abort_again_s: float = 2.0


#: So little is sent before any bandwidth has been measured.
_NEAR_BYTES: Final = 64 * MIB

_LIVE: Final = frozenset({Phase.STARTING, Phase.COPYING, Phase.SWITCHING, Phase.CANCELLING})


class Watch:
    """One watch over one running migration."""

    def __init__(
        self, record: Record, source: HypervisorHost, clock: Clock, limits: WatchLimits
    ) -> None:
        self._record = record
        self._source = source
        self._clock = clock
        self._limits = limits
        # None only wakes the watch.
        self._inbox: asyncio.Queue[HypervisorEvent | None] = asyncio.Queue()
        self._cancel_asked = False
        self._abort_at_s = 0.0
        #: The limit in the journal may not be in force: the order was refused or never went out.
        self._limit_is_owed = False
        self._moved_bytes = -1
        self._asked_at_s = 0.0
        self._moved_at_s = clock.monotonic_s()
        self._stopped_at_s: float | None = None
        self._pump: asyncio.Task[None] | None = None
        self._watched = True
        self.stats: MigrationStats | None = None
        #: Called, possibly often, when a switch-over may be near.
        self.when_near: Callable[[], None] = lambda: None

    async def open(self) -> None:
        """Subscribe to the source's events; before the migrate call, so that none is missed."""
        self._pump = asyncio.create_task(self._pump_events())
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Unsubscribe."""
        if self._pump is not None:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump

    def ask_cancel(self) -> None:
        """A person wants it cancelled; done at the next turn of the watch."""
        self._cancel_asked = True
        self._wake()

    async def _pump_events(self) -> None:
        async for event in self._source.events():
            if event.vm in {None, self._record.migration.move.vm}:
                self._inbox.put_nowait(event)

    async def follow(self, call: asyncio.Task[None]) -> None:
        """Watch until the migrate call is over or its time is; writes ``CallEnded`` when it is."""
        call.add_done_callback(lambda _: self._wake())
        await self._turn_until(call.done)
        if call.done():
            await self._take_what_was_told()
            self._write_call_ended(call)
        else:
            # What did not get out in all this time must not get out any more: it is judged now.
            call.cancel()
        # The last statistics come as an event, often just after the call.
        await self._drain_inbox()

    async def follow_adopted(self) -> None:
        """Watch a migration that an earlier controller started, until its job has gone."""
        await self._order_again()
        gone = 0

        async def look() -> None:
            nonlocal gone
            sighting = await self._source.see(self._record.migration.move.vm)
            has_ended = sighting.presence is not Presence.UNKNOWN and not sighting.has_job
            gone = gone + 1 if has_ended else 0

        await self._turn_until(lambda: gone > 1, each=look)
        if self._record.phase in _LIVE:
            self._record.write(CallEnded(at_s=self._record.now_s(), outcome=CallOutcome.UNKNOWN))
        await self._drain_inbox()

    async def _take_what_was_told(self) -> None:
        """Hear of a stop of the vCPUs that came before the end of the call.

        Events come over another connection than the call's answer. What the source told before
        the end is here when it has answered once more; without that answer, it may be missing.
        """
        sighting = await self._source.see(self._record.migration.move.vm)
        self._watched = self._watched and sighting.presence is not Presence.UNKNOWN
        while not self._inbox.empty():
            event = self._inbox.get_nowait()
            if event is not None and event.kind is not HypervisorEventKind.ITERATION:
                await self._take(event)

    async def _order_again(self) -> None:
        """Carry out what is in the journal and may never have got out of a controller that died."""
        migration = self._record.migration
        self._cancel_asked = self._cancel_asked or migration.cancel_by_person
        if migration.pause_limit_s != migration.move.recipe.pause_start_s:
            await self._set_pause_limit()

    def _wake(self) -> None:
        self._inbox.put_nowait(None)

    async def _turn_until(
        self, is_over: Callable[[], bool], each: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        while not is_over() and self._record.phase in _LIVE:
            event: HypervisorEvent | None = None
            with contextlib.suppress(TimeoutError):
                event = await asyncio.wait_for(self._inbox.get(), self._limits.poll_s)
            if event is not None:
                await self._take(event)
            if is_over():
                return
            if each is not None:
                await each()
            if self._record.phase in {Phase.STARTING, Phase.COPYING} and self._is_poll_due():
                await self._poll()
            await self._check_limits()

    async def _drain_inbox(self) -> None:
        deadline_s = self._clock.monotonic_s() + 1.0
        while self.stats is None and (left_s := deadline_s - self._clock.monotonic_s()) > 0:
            try:
                event = await asyncio.wait_for(self._inbox.get(), left_s)
            except TimeoutError:
                return
            if event is not None and event.kind is HypervisorEventKind.JOB_COMPLETED:
                self.stats = event.stats

    async def _take(self, event: HypervisorEvent) -> None:
        match event.kind:
            case HypervisorEventKind.ITERATION if self._record.phase is Phase.CANCELLING:
                # It copies: an abort that was given before the copy began is lost.
                await self._abort()
            case HypervisorEventKind.ITERATION:
                await self._end_round(event)
            case HypervisorEventKind.VCPUS_STOPPED:
                if self._record.phase in {Phase.STARTING, Phase.COPYING, Phase.CANCELLING}:
                    self._stopped_at_s = self._clock.monotonic_s()
                    self._record.write(VcpusStopped(at_s=event.at_s))
            case HypervisorEventKind.JOB_COMPLETED:
                self.stats = event.stats
            case HypervisorEventKind.DISCONNECTED:
                self._watched = False
            case _:
                return

    def _is_poll_due(self) -> bool:
        # Events come in bursts near the end, when each question holds up the QEMU that answers it.
        return self._clock.monotonic_s() - self._asked_at_s >= self._limits.poll_s

    async def _poll(self) -> None:
        self._asked_at_s = self._clock.monotonic_s()
        try:
            progress = await self._source.progress(self._record.migration.move.vm)
        except DriverError:
            # A lost reading proves nothing, no stall either: the call's own end and the deadlines
            # judge.
            self._moved_at_s = self._clock.monotonic_s()
            return
        if progress is None or progress.memory_total_bytes == 0:
            return
        self._note(progress)

    def _note(self, progress: Progress) -> None:
        if self._record.phase is Phase.STARTING:
            self._record.write(CopyStarted(at_s=progress.taken_at_s))
        if progress.transferred_bytes != self._moved_bytes:
            self._moved_bytes = progress.transferred_bytes
            self._moved_at_s = self._clock.monotonic_s()
        self._record.show_progress(progress)
        within_s = self._limits.near_s * progress.bandwidth_bytes_per_s
        if progress.remaining_bytes < max(within_s, _NEAR_BYTES):
            self.when_near()

    async def _end_round(self, event: HypervisorEvent) -> None:
        if self._record.phase not in {Phase.STARTING, Phase.COPYING}:
            return
        self._asked_at_s = self._clock.monotonic_s()
        try:
            progress = await self._source.progress(self._record.migration.move.vm)
        except DriverError:
            return
        if progress is None or progress.memory_total_bytes == 0:
            return
        self._note(progress)
        if self._record.phase is not Phase.COPYING:
            return
        migration = self._record.migration
        ended = Round(
            number=event.iteration,
            ended_at_s=event.at_s,
            remaining_bytes=progress.remaining_bytes,
            transferred_bytes=progress.transferred_bytes,
            dirty_bytes_per_s=progress.dirty_bytes_per_s,
            bandwidth_bytes_per_s=progress.bandwidth_bytes_per_s,
            pause_limit_s=migration.pause_limit_s,
        )
        self._record.write(RoundEnded(at_s=event.at_s, round=ended))
        await self._steer()

    async def _steer(self) -> None:
        migration = self._record.migration
        situation = Situation(pause_limit_s=migration.pause_limit_s)
        order = steer(migration.move.recipe, migration.rounds, situation)
        match order:
            case Keep():
                if self._limit_is_owed:
                    await self._set_pause_limit()
            case RaisePause():
                at_s = self._record.now_s()
                self._record.write(
                    PauseLimitOrdered(at_s=at_s, limit_s=order.limit_s, why=order.why), order.why
                )
                await self._set_pause_limit()
            case GiveUp():
                failure = Failure(
                    code="not_converging",
                    cause="the guest writes faster than the migration can follow",
                    evidence=order.why,
                    remedy=order.remedy,
                )
                await self._cancel(failure=failure)

    async def _set_pause_limit(self) -> None:
        """Set the limit that the journal holds; a refused order is repeated after each round."""
        migration = self._record.migration
        self._limit_is_owed = True
        with contextlib.suppress(DriverError):
            await self._source.set_pause_limit(migration.move.vm, migration.pause_limit_s)
            self._limit_is_owed = False

    async def _check_limits(self) -> None:
        now_s = self._clock.monotonic_s()
        phase = self._record.phase
        if self._cancel_asked and phase is not Phase.CANCELLING:
            await self._cancel(failure=None)
        elif phase is Phase.COPYING and now_s - self._moved_at_s > self._limits.stall_s:
            await self._cancel(failure=self._stalled())
        elif phase is Phase.SWITCHING and self._switch_is_stuck(now_s):
            await self._cancel(failure=self._stuck())
        elif self._record.is_overdue():
            self._record.write(DeadlinePassed(at_s=self._record.now_s()))
            if self._record.phase is Phase.CANCELLING:
                await self._abort()
        elif phase is Phase.CANCELLING and now_s > self._abort_at_s:
            await self._abort()

    def _switch_is_stuck(self, now_s: float) -> bool:
        if self._stopped_at_s is None:
            return False
        patience_s = self._limits.switch_s + self._record.migration.pause_limit_s
        return now_s - self._stopped_at_s > patience_s

    async def _cancel(self, *, failure: Failure | None) -> None:
        at_s = self._record.now_s()
        cancel = CancelOrdered(at_s=at_s, by_person=failure is None, failure=failure)
        self._record.write(cancel, failure.cause if failure else "cancelled by a person")
        await self._abort()

    async def _abort(self) -> None:
        self._abort_at_s = self._clock.monotonic_s() + self._limits.abort_again_s
        # Refused when there is no job yet or any more, unreachable when libvirtd is gone: in
        # either case it is asked again until the call is over or the deadline has passed.
        with contextlib.suppress(DriverError):
            await self._source.abort(self._record.migration.move.vm)

    def _write_call_ended(self, call: asyncio.Task[None]) -> None:
        error = call.exception()
        outcome, failure = _judge(error)
        event = CallEnded(
            at_s=self._record.now_s(), outcome=outcome, failure=failure, watched=self._watched
        )
        self._record.write(event, failure.cause if failure else "the call is over")

    def _stalled(self) -> Failure:
        move = self._record.migration.move
        return Failure(
            code="stalled",
            cause=f"no memory reached {move.destination} for {self._limits.stall_s:.0f} s",
            evidence=f"{format_bytes(max(0, self._moved_bytes))} were sent before, nothing since;"
            " libvirt itself has no time-out for this",
            remedy=f"Check the migration network between {move.source} and {move.destination}"
            " (ports 49152-49215), then try again.",
        )

    def _stuck(self) -> Failure:
        return Failure(
            code="switch_stuck",
            cause="the switch-over did not end: the guest stood still for too long",
            evidence=f"vCPUs stopped for more than {self._limits.switch_s:.0f} s beyond the limit",
            remedy="Check the destination's QEMU log and the migration network, then try again.",
        )


def _judge(error: BaseException | None) -> tuple[CallOutcome, Failure | None]:
    """What the end of a migrate call says, as far as it can."""
    match error:
        case None:
            return CallOutcome.SUCCEEDED, None
        case Aborted():
            return CallOutcome.ABORTED, _failure(error)
        case OutcomeUnknown():
            return CallOutcome.UNKNOWN, _failure(error)
        case DriverError():
            return CallOutcome.REFUSED, _failure(error)
        case _:
            # A fault of ours in the thread of the call: the call itself may have worked.
            bug = Failure(code="bug", cause="an internal error", evidence=repr(error))
            return CallOutcome.UNKNOWN, bug


def _failure(error: DriverError) -> Failure:
    return Failure(
        code=error.code, cause=error.message, evidence=error.evidence, remedy=error.remedy
    )
