"""The clocks of the machine and the sleep of the event loop: the engine has no other time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["SystemClock"]

T = TypeVar("T")


class SystemClock:
    """Implements ``godwit.ports.Clock``."""

    def now_s(self) -> float:
        """Wall clock, seconds since the epoch."""
        return time.time()

    def monotonic_s(self) -> float:
        """A clock that never goes back and stands still for nobody."""
        return time.monotonic()

    async def sleep(self, duration_s: float) -> None:
        """Wait; not at all when the duration is not positive."""
        await asyncio.sleep(duration_s)

    async def spend(self, work: Callable[[], T]) -> T:
        """Have it done in a thread."""
        return await asyncio.to_thread(work)
