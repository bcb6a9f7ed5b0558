"""The passes of one simulated pre-copy: what is sent, what the guest writes, how it is slowed."""

from typing import TYPE_CHECKING, Final

from godwit.core.model import Progress
from godwit.drivers.simulated.points import Point
from godwit.ports import HypervisorEventKind

if TYPE_CHECKING:
    from godwit.drivers.simulated.job import Job
    from godwit.drivers.simulated.world import SimulatedWorld

__all__ = ["NO_TIME_S", "Precopy"]

#: Shorter than what the loop's timers tell apart: nothing is left to wait for.
NO_TIME_S: Final = 1e-8


class Precopy:
    """The memory stream of one job until the vCPUs stop."""

    def __init__(self, world: "SimulatedWorld", job: "Job") -> None:
        self._world = world
        self._job = job
        self.iteration = 0
        self._sent_bytes = 0.0
        self._left_bytes = 0.0
        self._pass_s = self._pass_began_s = world.now_s()
        self._dirty_bytes_per_s = 0.0
        throttle = job.order.recipe.throttle
        self.throttle_fraction = throttle.initial_fraction if throttle is not None else 0.0
        self.throttle_increment_fraction = 0.0

    def progress(self, begun_s: float) -> Progress:
        """The job's statistics now; without memory in them before the copy has begun."""
        began = self._job.point.value >= Point.COPY.value
        now_s = self._world.now_s()
        passed = min(self._left_bytes, self._rate() * (now_s - self._pass_s))
        return Progress(
            taken_at_s=self._world.epoch_s(),
            iteration=self.iteration,
            elapsed_s=now_s - begun_s,
            memory_total_bytes=self._job.copy.guest.memory_bytes if began else 0,
            transferred_bytes=int(self._sent_bytes + passed),
            remaining_bytes=int(self._left_bytes - passed),
            dirty_bytes_per_s=self._dirty_bytes_per_s,
            bandwidth_bytes_per_s=self._rate(),
            expected_pause_s=self._job.copy.pause_limit_s,
            throttle_fraction=self.throttle_fraction,
        )

    def unsent_bytes(self) -> float:
        """What the destination has not got, with what was written since the last sync."""
        return self._left_bytes + self._dirtied(self._world.now_s() - self._pass_began_s)

    async def run(self) -> None:
        """Passes over the memory until the rest would go through within the pause limit."""
        guest = self._job.copy.guest
        self._job.is_sending = True
        self._world.wake()
        self._left_bytes = guest.memory_bytes
        self._sync(self._pass_s)
        await self._job.enter(Point.COPY, 0.0)
        while True:
            begun_s, size = self._world.now_s(), self._left_bytes
            self._pass_began_s = begun_s
            await self.send()
            if self._job.postcopy_asked:
                return
            took_s = self._world.now_s() - begun_s
            self._left_bytes = self._dirtied(took_s)
            self._sync(begun_s)
            bandwidth = size / took_s if took_s > 0 else self._rate()
            if self._left_bytes <= bandwidth * self._job.copy.pause_limit_s:
                return
            await self._job.enter(Point.ROUND, 0.0)

    def _dirtied(self, time_s: float) -> int:
        return self._job.copy.guest.dirtied_bytes(time_s * (1 - self.throttle_fraction))

    def _sync(self, begun_s: float) -> None:
        throttle = self._job.order.recipe.throttle
        if throttle is not None:
            slowed = self.throttle_fraction + self.throttle_increment_fraction
            self.throttle_fraction = min(throttle.most_fraction, slowed)
        took_s = self._world.now_s() - begun_s
        if self.iteration > 0 and took_s > 0:
            self._dirty_bytes_per_s = self._left_bytes / took_s
        self.iteration += 1
        self._pass_s = self._world.now_s()
        vm = self._job.copy.guest.id
        self._job.source.emit(HypervisorEventKind.ITERATION, vm, iteration=self.iteration)

    async def send(self) -> None:
        """Send what is left, at whatever rate the path carries from one change to the next.

        Ends early when the rest shall follow as a post-copy.
        """
        while not self._job.postcopy_asked and self._left_bytes > max(
            0.5, self._rate() * NO_TIME_S
        ):
            rate = self._rate()
            self._pass_s = self._world.now_s()
            time_s = self._left_bytes / rate if rate > 0 else None
            await self._world.change_or(self._job.no_longer_than(time_s))
            passed = min(self._left_bytes, rate * (self._world.now_s() - self._pass_s))
            self._left_bytes -= passed
            self._sent_bytes += passed
            self._pass_s = self._world.now_s()
            self._job.check()

    def _rate(self) -> float:
        return self._world.data_rate(self._job) if self._job.is_sending else 0.0
