"""Simulated time: an event loop that jumps to the next timer when everybody waits.

``asyncio.sleep``, ``wait_for`` and ``timeout`` all go by the loop's own time, so minutes take
milliseconds and every run takes the same steps. Threads and sockets do not belong on this loop.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["SimulatedClock", "VirtualLoop"]

T = TypeVar("T")

#: The wall clock at the loop's time 0: a day in November 2023.
_EPOCH_S: Final = 1_700_000_000.0

#: Real seconds to wait for a thread when no timer is left, before the simulation is called stuck.
_THREAD_S: Final = 1.0


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for a timer: tells how long it would have waited, and returns."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; else let the time pass in no time."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is not None:
            self._jump(timeout)
            return []
        ready = super().select(_THREAD_S)
        if not ready:
            raise RuntimeError("the simulation is stuck: everybody waits, and no timer is set")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with its own time, which starts at 0."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_JumpingSelector(self._advance))

    def _advance(self, duration_s: float) -> None:
        self._now_s += duration_s

    def time(self) -> float:
        """The simulated time in seconds."""
        return self._now_s


class SimulatedClock:
    """Implements ``godwit.ports.Clock`` by the time of the running loop."""

    def now_s(self) -> float:
        """Wall clock, seconds since the epoch."""
        return _EPOCH_S + self.monotonic_s()

    def monotonic_s(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    async def sleep(self, duration_s: float) -> None:
        """Wait."""
        await asyncio.sleep(duration_s)

    async def spend(self, work: Callable[[], T]) -> T:
        """Do it at once: it takes no simulated time, and a run can be repeated."""
        return work()
