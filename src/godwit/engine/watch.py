"""Watching one migration while memory moves: rounds, steering, stalls, deadlines, cancels.

Ends when the migrate call is over, or, for an adopted migration that nobody waits for, when the
job has gone. What came of it is not judged here: that takes both hosts.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from godwit.core.errors import DriverError, HostUnreachable
from godwit.core.migration import (
    TABLE,
    CallEnded,
    CallOutcome,
    CancelOrdered,
    CopyStarted,
    DeadlinePassed,
    Failure,
    Phase,
    PostcopyBroke,
    PostcopyStarted,
    RoundEnded,
    VcpusStopped,
)
from godwit.core.model import Presence, Progress, Round, RunState
from godwit.core.precopy import GiveUp, StartPostcopy, steer
from godwit.core.units import MIB
from godwit.engine.carrying import Carrying
from godwit.engine.endings import judge_call, not_converging, stalled, stuck
from godwit.engine.patience import WatchLimits
from godwit.engine.record import Record
from godwit.engine.tracing import Tracing
from godwit.ports import Clock, HypervisorEvent, HypervisorEventKind, HypervisorHost, MigrationStats

__all__ = ["Watch", "WatchLimits"]

#: So little is sent before any bandwidth has been measured.
_NEAR_BYTES: Final = 64 * MIB

#: Statistics that are read so long after a sync, and after the next one, say nothing of it.
_LATE_S: Final = 0.25

#: The call of a post-copy that broke ends within this time, or is given up.
_CALL_ENDS_S: Final = 5.0

#: The guest runs at the destination: nothing is cancelled, nothing given up.
_NO_WAY_BACK: Final = frozenset({Phase.POSTCOPY, Phase.RECOVERING})
_LIVE: Final = frozenset(
    {Phase.STARTING, Phase.COPYING, Phase.SWITCHING, Phase.CANCELLING, Phase.POSTCOPY}
)


class Watch:
    """One watch over one running migration."""

    def __init__(
        self,
        record: Record,
        source: HypervisorHost,
        destination: HypervisorHost,
        clock: Clock,
        limits: WatchLimits,
    ) -> None:
        self._record = record
        self._source = source
        self._destination = destination
        self._clock = clock
        self._limits = limits
        # None only wakes the watch.
        self._inbox: asyncio.Queue[HypervisorEvent | None] = asyncio.Queue()
        self._cancel_asked = False
        self._abort_at_s = 0.0
        self.carrying = Carrying(record, source)
        self._tracing = Tracing(record)
        self._path_is_healthy = True
        self._moved_bytes = -1
        self._newest_iteration = 0
        self._asked_at_s = 0.0
        self._moved_at_s = clock.monotonic_s()
        self._stopped_at_s: float | None = None
        self._pumps: tuple[asyncio.Task[None], ...] = ()
        self._watched = True
        self.stats: MigrationStats | None = None
        #: Called, possibly often, when a switch-over may be near.
        self.when_near: Callable[[], None] = lambda: None
        #: Called at each reading of the statistics.
        self.when_moved: Callable[[], None] = lambda: None

    async def open(self) -> None:
        """Subscribe to both hosts' events; before the migrate call, so that none is missed."""
        self._pumps = (
            asyncio.create_task(self._pump_source()),
            asyncio.create_task(self._pump_destination()),
        )
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Unsubscribe."""
        for pump in self._pumps:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    def ask_cancel(self) -> None:
        """A person wants it cancelled; done at the next turn of the watch."""
        self._cancel_asked = True
        self._wake()

    async def _pump_source(self) -> None:
        async for event in self._source.events():
            if event.vm in {None, self._record.migration.move.vm}:
                self._newest_iteration = max(self._newest_iteration, event.iteration)
                self._inbox.put_nowait(event)

    async def _pump_destination(self) -> None:
        async for event in self._destination.events():
            if event.kind is HypervisorEventKind.DISCONNECTED:
                self._path_is_healthy = False

    async def follow(self, call: asyncio.Task[None], *, resumes: bool = False) -> None:
        """Watch until the migrate call is over or its time is; writes ``CallEnded`` when it is.

        ``resumes`` says that the call takes a broken post-copy up again.
        """
        call.add_done_callback(lambda _: self._wake())
        until_s = self._clock.monotonic_s() + self._limits.resume_s
        live = _LIVE | {Phase.RECOVERING} if resumes else _LIVE

        def is_over() -> bool:
            in_vain = resumes and self._record.phase is Phase.RECOVERING
            return call.done() or (in_vain and self._clock.monotonic_s() > until_s)

        await self._turn_until(is_over, live=live)
        if self._record.phase is Phase.RECOVERING:
            await asyncio.wait({call}, timeout=_CALL_ENDS_S)
        if call.done():
            await self._take_what_was_told()
            self._write_call_ended(call)
        else:
            # What did not get out in all this time must not get out any more: it is judged now.
            call.cancel()
        self._tracing.flush()
        # The last statistics come as an event, often just after the call.
        await self._run_inbox()

    async def follow_adopted(self) -> None:
        """Watch a migration that no call of ours waits for, until its job has gone."""
        self._cancel_asked = self._cancel_asked or self._record.migration.cancel_by_person
        await self.carrying.order_again()
        self._moved_at_s, gone = self._clock.monotonic_s(), 0

        async def look() -> None:
            nonlocal gone
            sighting = await self._source.see(self._record.migration.move.vm)
            is_there = sighting.has_job or sighting.state is RunState.PAUSED_POSTCOPY
            has_ended = sighting.presence is not Presence.UNKNOWN and not is_there
            gone = gone + 1 if has_ended else 0

        await self._turn_until(lambda: gone > 1, each=look)
        if self._record.phase in _LIVE:
            self._record.write(CallEnded(at_s=self._record.now_s(), outcome=CallOutcome.UNKNOWN))
        self._tracing.flush()
        await self._run_inbox()

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

    def _wake(self) -> None:
        self._inbox.put_nowait(None)

    async def _turn_until(
        self,
        is_over: Callable[[], bool],
        each: Callable[[], Awaitable[None]] | None = None,
        live: frozenset[Phase] = _LIVE,
    ) -> None:
        while not is_over() and self._record.phase in live:
            event: HypervisorEvent | None = None
            with contextlib.suppress(TimeoutError):
                event = await asyncio.wait_for(self._inbox.get(), self._limits.poll_s)
            if event is not None:
                await self._take(event)
            if is_over():
                return
            if each is not None:
                await each()
            if self._is_poll_due():
                await self._poll()
            await self._check_limits()

    async def _run_inbox(self) -> None:
        if self._record.phase in _NO_WAY_BACK:
            return  # more is to come, and to be heard
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
            case HypervisorEventKind.POSTCOPY_STARTED:
                self._begin_postcopy(event.at_s)
            case HypervisorEventKind.POSTCOPY_BROKE:
                self._break_postcopy(event.at_s)
            case HypervisorEventKind.JOB_COMPLETED:
                self.stats = event.stats
            case HypervisorEventKind.DISCONNECTED:
                self._watched = self._path_is_healthy = False
            case _:
                return

    def _begin_postcopy(self, at_s: float) -> None:
        if PostcopyStarted in TABLE[self._record.phase]:
            self._record.write(PostcopyStarted(at_s=at_s), "the guest runs at the destination")
            self.when_near()

    def _break_postcopy(self, at_s: float) -> None:
        if self._record.phase is Phase.POSTCOPY:
            self._record.write(PostcopyBroke(at_s=at_s), "the stream of the post-copy broke")

    async def _look_for_postcopy(self) -> None:
        """See by its state what an event may have failed to tell."""
        sighting = await self._source.see(self._record.migration.move.vm)
        match sighting.state:
            case RunState.PAUSED_POSTCOPY:
                self._begin_postcopy(sighting.taken_at_s)
            case RunState.PAUSED_POSTCOPY_FAILED:
                if self._record.phase is not Phase.RECOVERING:
                    self._begin_postcopy(sighting.taken_at_s)
                self._break_postcopy(sighting.taken_at_s)

    def _is_poll_due(self) -> bool:
        # Events come in bursts near the end, when each question holds up the QEMU that answers it.
        return self._clock.monotonic_s() - self._asked_at_s >= self._limits.poll_s

    async def _poll(self) -> None:
        self._asked_at_s = self._clock.monotonic_s()
        if self._record.migration.postcopy_ordered or self._record.phase in _NO_WAY_BACK:
            await self._look_for_postcopy()
        if self._record.phase in {Phase.STARTING, Phase.COPYING, Phase.POSTCOPY}:
            progress = await self._ask_progress()
            if progress is not None:
                self._note(progress)

    async def _ask_progress(self) -> Progress | None:
        try:
            progress = await self._source.progress(self._record.migration.move.vm)
        except DriverError as error:
            # A lost reading proves nothing, no stall either: the call's own end and the deadlines
            # judge.
            self._moved_at_s = self._clock.monotonic_s()
            self._path_is_healthy &= not isinstance(error, HostUnreachable)
            return None
        return progress if progress is not None and progress.memory_total_bytes > 0 else None

    def _note(self, progress: Progress) -> None:
        if self._record.phase is Phase.STARTING:
            self._record.write(CopyStarted(at_s=progress.taken_at_s))
        if progress.transferred_bytes != self._moved_bytes:
            self._moved_bytes = progress.transferred_bytes
            self._moved_at_s = self._clock.monotonic_s()
        elif self._clock.monotonic_s() - self._moved_at_s > self._limits.falter_s:
            self._path_is_healthy = False
        self._tracing.add(progress)
        self._record.show_progress(progress)
        self.when_moved()
        within_s = self._limits.near_s * progress.bandwidth_bytes_per_s
        if progress.remaining_bytes < max(within_s, _NEAR_BYTES):
            self.when_near()

    async def _end_round(self, event: HypervisorEvent) -> None:
        if self._record.phase not in {Phase.STARTING, Phase.COPYING}:
            return
        self._asked_at_s = self._clock.monotonic_s()
        progress = await self._ask_progress()
        if progress is None:
            return
        self._note(progress)
        late_s = progress.taken_at_s - event.at_s
        if late_s > _LATE_S and event.iteration < self._newest_iteration:
            return  # steering would take one state of a slow host for many rounds that stall
        if self._record.phase is not Phase.COPYING:
            return
        migration = self._record.migration
        before = migration.rounds[-1] if migration.rounds else None
        took_s = None
        if before is not None and before.number == event.iteration - 1:
            took_s = max(0.0, event.at_s - before.ended_at_s)
        ended = Round(
            number=event.iteration,
            ended_at_s=event.at_s,
            remaining_bytes=progress.remaining_bytes,
            transferred_bytes=progress.transferred_bytes,
            dirty_bytes_per_s=progress.dirty_bytes_per_s,
            bandwidth_bytes_per_s=progress.bandwidth_bytes_per_s,
            pause_limit_s=migration.pause_limit_s,
            took_s=took_s,
            throttle_fraction=progress.throttle_fraction,
        )
        self._record.write(RoundEnded(at_s=event.at_s, round=ended))
        await self._steer()

    async def _steer(self) -> None:
        situation = self.carrying.situation(path_is_healthy=self._path_is_healthy)
        order = steer(self.carrying.recipe(), self._record.migration.rounds, situation)
        if isinstance(order, StartPostcopy):
            self.when_near()
        if isinstance(order, GiveUp):
            await self._cancel(failure=not_converging(order))
        else:
            await self.carrying.carry(order)

    async def _check_limits(self) -> None:
        now_s = self._clock.monotonic_s()
        phase = self._record.phase
        if phase in _NO_WAY_BACK:
            if self._record.is_overdue() and not self._record.migration.needs_person:
                self._record.write(DeadlinePassed(at_s=self._record.now_s()))
        elif self._cancel_asked and phase is not Phase.CANCELLING:
            await self._cancel(failure=None)
        elif phase is Phase.COPYING and now_s - self._moved_at_s > self._limits.stall_s:
            move, stall_s = self._record.migration.move, self._limits.stall_s
            failure = stalled(move, stall_s=stall_s, moved_bytes=self._moved_bytes)
            await self._cancel(failure=failure)
        elif phase is Phase.SWITCHING and self._switch_is_stuck(now_s):
            await self._cancel(failure=stuck(switch_s=self._limits.switch_s))
        elif phase is Phase.COPYING and self.carrying.is_held_too_long:
            # One that is held may be long without a round.
            await self._steer()
        elif self._record.is_overdue():
            self._record.write(DeadlinePassed(at_s=self._record.now_s()))
            if self._record.phase is Phase.CANCELLING:
                await self._abort()
        elif phase is Phase.CANCELLING and now_s > self._abort_at_s:
            await self._abort()

    def _switch_is_stuck(self, now_s: float) -> bool:
        patience_s = self._limits.switch_s + self._record.migration.pause_limit_s
        return self._stopped_at_s is not None and now_s - self._stopped_at_s > patience_s

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
        outcome, failure = judge_call(call.exception())
        event = CallEnded(
            at_s=self._record.now_s(), outcome=outcome, failure=failure, watched=self._watched
        )
        self._record.write(event, failure.cause if failure else "the call is over")
