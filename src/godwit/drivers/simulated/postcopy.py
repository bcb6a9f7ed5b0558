"""The second half of a simulated post-copy: the guest runs at the destination, its memory follows.

Both QEMUs carry it out, whatever becomes of the daemons. A path that carries nothing for a while
breaks the stream, and both sides say so; either QEMU that ends loses the guest for good.
"""

from typing import TYPE_CHECKING, Final

from godwit.core.model import RunState
from godwit.drivers.simulated.points import Point
from godwit.ports import HypervisorEventKind

if TYPE_CHECKING:
    from godwit.drivers.simulated.job import Job
    from godwit.drivers.simulated.world import SimulatedWorld

__all__ = ["Postcopy", "StreamBroke"]

#: How long a stream may carry nothing before both sides call it broken.
_STREAM_S: Final = 2.0

#: A guest that needs a missing page asks for it; so many bytes are sent for each such request.
_BYTES_PER_REQUEST: Final = 1 << 20


class StreamBroke(Exception):
    """The stream is broken; the message says how."""


class Postcopy:
    """The rest of one job, from the guest's start at the destination on."""

    def __init__(self, world: "SimulatedWorld", job: "Job", left_bytes: float) -> None:
        self._world = world
        self._job = job
        self.left_bytes = left_bytes
        self.sent_bytes = 0.0

    @property
    def requests(self) -> int:
        """How often the guest asked for a page that was missing."""
        return int(self.sent_bytes / _BYTES_PER_REQUEST)

    def can_go_on(self) -> bool:
        """Whether both sides are there and the stream gets through."""
        job, vm = self._job, self._job.copy.guest.id
        there = job.source.has_process(vm) and job.destination.has_process(vm)
        daemons = job.destination.daemon and self._world.joins(job.source, job.destination)
        return there and daemons and self._carries()

    def _carries(self) -> bool:
        source, destination = self._job.source, self._job.destination
        on = source.powered and destination.powered
        return on and self._world.network.carries_data(source.name, destination.name)

    async def run(self) -> None:
        """Send the rest. Raises: StreamBroke; it may be run again then."""
        self._show(RunState.PAUSED_POSTCOPY, RunState.RUNNING_POSTCOPY, Point.POSTCOPY)
        job, vm = self._job, self._job.copy.guest.id
        job.copy.is_stale = True
        job.source.emit(HypervisorEventKind.POSTCOPY_STARTED, vm)
        job.destination.emit(HypervisorEventKind.RESUMED, vm)
        self._world.reached(Point.POSTCOPY, vm)
        job.is_sending = True
        self._world.wake()
        try:
            await self._send()
        finally:
            job.is_sending = False
            self._world.wake()
        copy = job.destination.copies[vm]
        copy.job = None
        copy.persistent = copy.persistent or job.order.persistent
        job.destination.set_state(copy, RunState.RUNNING)
        job.destination.emit(HypervisorEventKind.RESUMED, vm)

    async def _send(self) -> None:
        silent_since_s: float | None = None
        while self.left_bytes > 0.5:
            begun_s = self._world.now_s()
            rate = self._world.data_rate(self._job) if self._carries() else 0.0
            if rate > 0:
                silent_since_s = None
                await self._world.change_or(self.left_bytes / rate)
                passed = min(self.left_bytes, rate * (self._world.now_s() - begun_s))
                self.left_bytes -= passed
                self.sent_bytes += passed
            else:
                silent_since_s = begun_s if silent_since_s is None else silent_since_s
                left_s = silent_since_s + _STREAM_S - begun_s
                if left_s <= 0:
                    self._break("the stream of the post-copy carries nothing")
                await self._world.change_or(left_s)
            self._look()

    def _look(self) -> None:
        vm = self._job.copy.guest.id
        if not self._job.source.has_process(vm):
            self._break("the source's QEMU ended during the post-copy")
        if not self._job.destination.has_process(vm):
            self._break("the destination's QEMU ended during the post-copy")

    def _break(self, how: str) -> None:
        self._show(RunState.PAUSED_POSTCOPY_FAILED, RunState.RUNNING_POSTCOPY_FAILED, Point.BROKEN)
        for machine in (self._job.source, self._job.destination):
            machine.emit(HypervisorEventKind.POSTCOPY_BROKE, self._job.copy.guest.id)
        self._world.reached(Point.BROKEN, self._job.copy.guest.id)
        raise StreamBroke(how)

    def _show(self, source: RunState, destination: RunState, point: Point) -> None:
        job, vm = self._job, self._job.copy.guest.id
        job.point = point
        # In this order: the guest never runs on both sides, were it for no time at all.
        for machine, state in ((job.source, source), (job.destination, destination)):
            if machine.has_process(vm):
                machine.set_state(machine.copies[vm], state)
