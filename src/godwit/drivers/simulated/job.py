"""One peer-to-peer migration, as the source's libvirtd drives it and both QEMUs carry it out.

::

    BEGIN -> PREPARE -> COPY -> ROUND* -> SWITCH -> FINISH -> RUNS -> CONFIRM
             a paused           vCPUs stopped;     the destination runs;
             copy appears       the rest is sent   its reply is on the way

                       COPY | ROUND -> POSTCOPY -> CONFIRM
                                       (see postcopy.py)

The task belongs to the world and not to the controller that asked for it. Whatever goes wrong ends
as it does with libvirt: the source is resumed unless Finish was answered, although the destination
may run by then. That window is libvirt's own, and it is here on purpose.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from godwit.core.errors import Aborted, DriverError, OutcomeUnknown, StepRefused
from godwit.core.model import HostName, Progress, RunState
from godwit.drivers.simulated.machine import Copy, Machine
from godwit.drivers.simulated.points import Point
from godwit.drivers.simulated.postcopy import Postcopy, StreamBroke
from godwit.drivers.simulated.precopy import NO_TIME_S, Precopy
from godwit.ports import HypervisorEventKind, MigrationOrder, MigrationStats

if TYPE_CHECKING:
    from godwit.drivers.simulated.world import SimulatedWorld

__all__ = ["Job"]

#: Keepalive between two daemons: 5 s times (5 + 1).
_KEEPALIVE_S: Final = 30.0

_BEGIN_S: Final = 0.005
_PREPARE_S: Final = 0.15
_DEVICE_STATE_S: Final = 0.015
_REQUEST_S: Final = 0.004
_START_S: Final = 0.01
_REPLY_S: Final = 0.004
_CONFIRM_S: Final = 0.01


class _BrokenError(Exception):
    """The source's daemon gives the migration up."""

    def __init__(self, error: DriverError) -> None:
        super().__init__(error.message)
        self.error = error


class Job:
    """A migration under way. ``over`` is set when its call would return, with ``error`` or not.

    A post-copy that broke stays, with its call over, until it is resumed.
    """

    def __init__(
        self,
        world: "SimulatedWorld",
        *,
        source: Machine,
        destination: Machine,
        copy: Copy,
        order: MigrationOrder,
    ) -> None:
        self._world = world
        self.source = source
        self.destination = destination
        self.order = order
        self.point = Point.BEGIN
        self.over = asyncio.Event()
        self.error: DriverError | None = None
        self.is_sending = False
        self.copy = copy
        self._abort_asked = False
        self.postcopy_asked = False
        self._postcopy: Postcopy | None = None
        self._silent_since_s: float | None = None
        self._request_delivered = False
        self._answer: bool | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._begun_s = world.now_s()
        self._stopped_s = 0.0
        self._paused_s = 0.0
        self.precopy = Precopy(world, self)
        self.task = world.spawn(self._run())

    @property
    def ends(self) -> frozenset[HostName]:
        """The hosts whose links the stream takes."""
        return frozenset({self.source.name, self.destination.name})

    @property
    def limit_bytes_per_s(self) -> float:
        """The limit of the stream; QEMU lifts it for the switch-over and for a post-copy."""
        limit = self.copy.bandwidth_bytes_per_s
        lifted = self.point.value >= Point.SWITCH.value
        return math.inf if limit is None or lifted else limit

    # What the controller may ask.

    def abort(self) -> None:
        """Ask for the abort. Lost before QEMU's own migration began, and after its end."""
        if Point.COPY.value <= self.point.value <= Point.SWITCH.value:
            self._abort_asked = True
            self._world.wake()

    def start_postcopy(self) -> None:
        """Run the guest at the destination as soon as can be."""
        if self.point not in {Point.COPY, Point.ROUND}:
            raise StepRefused("the migration is not copying")
        self.postcopy_asked = True
        self._world.wake()

    def resume(self) -> None:
        """Take a broken post-copy up again: a new call for the same job."""
        if self.point is not Point.BROKEN:
            raise StepRefused("QEMU reports migration is still running")
        self.over, self.error = asyncio.Event(), None
        self.task = self._world.spawn(self._run_again())

    def progress(self) -> Progress:
        """The job's statistics now; without memory in them before the copy has begun."""
        now = self.precopy.progress(self._begun_s)
        if self._postcopy is None:
            return now
        return replace(
            now,
            transferred_bytes=now.transferred_bytes + int(self._postcopy.sent_bytes),
            remaining_bytes=int(self._postcopy.left_bytes),
            bandwidth_bytes_per_s=self._world.data_rate(self),
            postcopy_requests=self._postcopy.requests,
        )

    # The course of things.

    async def _run(self) -> None:
        try:
            await self.enter(Point.BEGIN, _BEGIN_S)
            await self._prepare()
            await self.precopy.run()
            if self.postcopy_asked:
                await self._leave()
            else:
                await self._switch()
                await self._finish()
                await self._confirm()
        except _BrokenError as broken:
            self.roll_back()
            self._end(broken.error)
            return
        if self._postcopy is not None:
            await self._follow(self._postcopy)

    async def _leave(self) -> None:
        """Stop here and run there, with the rest of the memory to follow."""
        left_bytes = self.precopy.unsent_bytes()
        self._stop()
        self.is_sending = False
        await self._wait(_DEVICE_STATE_S)
        self._paused_s = self._world.now_s() - self._stopped_s
        self._postcopy = Postcopy(self._world, self, left_bytes)

    async def _follow(self, postcopy: Postcopy) -> None:
        """The rest of a post-copy: what goes wrong from here on is never rolled back."""
        try:
            await postcopy.run()
        except StreamBroke as broke:
            self._end_call(StepRefused(str(broke)))
            if not self.source.has_process(self.copy.guest.id):
                self._world.forget(self)
            return
        while not (self.source.daemon and self.destination.daemon):
            # libvirt finishes it by itself when it is back.
            await self._world.change_or(None)
        await self._confirm()

    async def _run_again(self) -> None:
        assert self._postcopy is not None, "only a post-copy is taken up again"
        await asyncio.sleep(_PREPARE_S)
        if not self._postcopy.can_go_on():
            self._end_call(StepRefused("the source could not reach the destination"))
            return
        await self._follow(self._postcopy)

    async def enter(self, point: Point, time_s: float) -> None:
        """Be at a point for a time."""
        self.point = point
        self._world.reached(point, self.copy.guest.id)
        await self._wait(time_s)

    async def _wait(self, time_s: float) -> None:
        """Let time pass, and look at every change of the world meanwhile."""
        end_s = self._world.now_s() + time_s
        while (left_s := end_s - self._world.now_s()) > NO_TIME_S:
            await self._world.change_or(self.no_longer_than(left_s))
            self.check()

    async def _prepare(self) -> None:
        destination, guest = self.destination, self.copy.guest
        if not destination.daemon:
            raise _BrokenError(StepRefused("the source could not reach the destination"))
        while not self._world.joins(self.source, destination):
            await self._world.change_or(self.no_longer_than(_KEEPALIVE_S))
            self.check()
        if destination.refuses_prepare:
            raise _BrokenError(
                StepRefused(
                    "the hypervisors gave the migration up", evidence=destination.refuses_prepare
                )
            )
        if destination.has_process(guest.id):
            raise _BrokenError(StepRefused("the destination has such a VM already"))
        kept = destination.copies.get(guest.id)
        destination.copies[guest.id] = Copy(
            guest=guest,
            state=RunState.PAUSED_MIGRATION,
            persistent=kept is not None and kept.persistent,
            job=self,
        )
        await self.enter(Point.PREPARE, _PREPARE_S)

    def _stop(self) -> None:
        self._stopped_s = self._world.now_s()
        self.source.set_state(self.copy, RunState.PAUSED_MIGRATION)
        self.source.emit(HypervisorEventKind.VCPUS_STOPPED, self.copy.guest.id)

    async def _switch(self) -> None:
        self._stop()
        await self.enter(Point.SWITCH, 0.0)
        await self.precopy.send()
        await self._wait(_DEVICE_STATE_S)

    async def _finish(self) -> None:
        self.is_sending = False
        self._world.wake()
        await self.enter(Point.FINISH, _REQUEST_S)
        while self._answer is None:
            self.check()
            if self._finishing is None:
                if self._world.joins(self.source, self.destination):
                    self._request_delivered = True
                    self._finishing = self._world.spawn(self._finish_there())
            elif self._finishing.cancelled() and self._world.joins(self.source, self.destination):
                raise _BrokenError(StepRefused("the source lost the destination's libvirt"))
            await self._world.change_or(self.no_longer_than(None))
        if not self._answer:
            raise _BrokenError(StepRefused("a QEMU process ended during the migration"))

    async def _finish_there(self) -> None:
        """The destination's daemon at work: it goes on although the source may be gone."""
        await asyncio.sleep(_START_S)
        machine, copy = self.destination, self.destination.copies.get(self.copy.guest.id)
        works = copy is not None and copy.job is self
        if copy is not None and works:
            copy.job = None
            copy.persistent = copy.persistent or self.order.persistent
            machine.set_state(copy, RunState.RUNNING)
            machine.emit(HypervisorEventKind.RESUMED, copy.guest.id)
            self._paused_s = self._world.now_s() - self._stopped_s
            self.point = Point.RUNS
            self._world.reached(Point.RUNS, copy.guest.id)
        await asyncio.sleep(_REPLY_S)
        while not self._world.joins(self.source, self.destination):
            # Sent again until it arrives; the source may have given up by then.
            await self._world.change_or(None)
        self._answer = works
        self._world.wake()

    async def _confirm(self) -> None:
        self.point = Point.CONFIRM
        self._world.reached(Point.CONFIRM, self.copy.guest.id)
        await asyncio.sleep(_CONFIRM_S)
        vm = self.copy.guest.id
        stats = MigrationStats(
            pause_s=self._paused_s,
            total_s=self._world.now_s() - self._begun_s,
            transferred_bytes=self.progress().transferred_bytes,
            iterations=self.precopy.iteration,
        )
        self.source.emit(HypervisorEventKind.JOB_COMPLETED, vm, stats=stats)
        if self.source.has_process(vm):
            self.copy.persistent = self.copy.persistent and not self.order.persistent
            self.source.end_process(self.copy)
            self.source.emit(HypervisorEventKind.STOPPED, vm)
        self._end(None)

    # What may go wrong.

    def no_longer_than(self, time_s: float | None) -> float | None:
        """Shorten a wait to the moment at which a keepalive gives up."""
        if self._silent_since_s is None and not self._world.joins(self.source, self.destination):
            self._silent_since_s = self._world.now_s()
        if self._silent_since_s is None:
            return time_s
        left_s = max(0.0, self._silent_since_s + _KEEPALIVE_S - self._world.now_s()) + 0.001
        return left_s if time_s is None else min(time_s, left_s)

    def check(self) -> None:
        """Give up when the world has changed in a way that the source's daemon notices."""
        now_s = self._world.now_s()
        if not self.copy.has_process:
            raise _BrokenError(StepRefused("the guest is not running any more"))
        if self._world.joins(self.source, self.destination):
            self._silent_since_s = None
            if not self.destination.daemon:
                raise _BrokenError(StepRefused("the source lost the destination's libvirt"))
            prepared = Point.PREPARE.value <= self.point.value <= Point.SWITCH.value
            if prepared and not self.destination.has_process(self.copy.guest.id):
                raise _BrokenError(StepRefused("a QEMU process ended during the migration"))
        elif self._silent_since_s is None:
            self._silent_since_s = now_s
        elif now_s - self._silent_since_s >= _KEEPALIVE_S:
            raise _BrokenError(StepRefused("the source lost the destination's libvirt"))
        if self._abort_asked and self.point.value <= Point.SWITCH.value:
            raise _BrokenError(Aborted("the migration was aborted"))

    def roll_back(self) -> None:
        """Confirm(cancelled): the source goes on, and the destination's copy goes."""
        self.is_sending = False
        self.copy.job = None
        self._world.resume_by_libvirt(self.source, self.copy)
        self.discard_destination()
        self._world.wake()

    def discard_destination(self) -> None:
        """End the copy that waits at the destination, as soon as its daemon learns of it."""
        copy = self.destination.copies.get(self.copy.guest.id)
        if copy is None or copy.job is not self:
            return
        in_s = 0.0
        if not self._world.joins(self.source, self.destination):
            now_s = self._world.now_s()
            in_s = max(0.0, (self._silent_since_s or now_s) + _KEEPALIVE_S - now_s)
        self._world.later(in_s, self._auto_destroy(copy))

    def _auto_destroy(self, copy: Copy) -> Callable[[], None]:
        def destroy() -> None:
            # A daemon that is down ends it when it starts again; a Finish at work keeps it.
            at_work = self._finishing is not None and not self._finishing.done()
            if copy.job is self and self.destination.daemon and not at_work:
                self.destination.end_process(copy)
                self._world.wake()

        return destroy

    def lose_source(self) -> None:
        """The source's daemon died: nobody drives this any more, but for a post-copy's QEMUs."""
        if self.point.is_postcopy:
            self._end_call(OutcomeUnknown("the answer of the source was lost"))
            self._world.wake()
            return
        self.task.cancel()
        self.is_sending = False
        if not self._request_delivered:
            self.discard_destination()
        self._end(OutcomeUnknown("the answer of the source was lost"))

    def lose_destination(self) -> None:
        """The destination's daemon died: a Finish at work there is never answered."""
        if self._finishing is not None:
            self._finishing.cancel()

    def _end_call(self, error: DriverError | None) -> None:
        if not self.over.is_set():
            self.error = error
            self.over.set()

    def _end(self, error: DriverError | None) -> None:
        self._end_call(error)
        self._world.forget(self)
