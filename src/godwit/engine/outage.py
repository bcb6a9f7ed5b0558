"""The outage as Godwit itself sees it: the guest is probed all through its migration.

Probes are sent at a fixed pace without waiting for the answers, so that a gap between two answers
is as exact as the pace. Bounded: at most as many are out as fit into one time-out.
"""

import asyncio
import contextlib
from itertools import pairwise
from typing import Final

from godwit.core.model import Probe
from godwit.ports import Clock, Prober

__all__ = ["ICMP_EVERY_S", "OutageWatch"]

ICMP_EVERY_S: Final = 0.02
#: Each TCP probe is a connection that the guest's service must accept.
_TCP_EVERY_S: Final = 0.1
_TIMEOUT_S: Final = 1.0


class OutageWatch:
    """Probes one guest until it is closed. Times are of the monotonic clock."""

    def __init__(
        self, probe: Probe, *, prober: Prober, clock: Clock, every_s: float = ICMP_EVERY_S
    ) -> None:
        self._probe = probe
        self._prober = prober
        self._clock = clock
        self.every_s = every_s if probe.tcp_port is None else max(every_s, _TCP_EVERY_S)
        self._answers_at_s: list[float] = []
        self._out: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to probe."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop probing."""
        tasks = [*self._out] + ([self._task] if self._task else [])
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @property
    def ever_answered(self) -> bool:
        """Whether this machine reaches the guest at all."""
        return bool(self._answers_at_s)

    def has_answered_since(self, at_s: float) -> bool:
        """Whether an answer came after a time."""
        return bool(self._answers_at_s) and self._answers_at_s[-1] > at_s

    def longest_gap_s(self, since_s: float) -> float | None:
        """The longest time between two answers from ``since_s`` on; None without two answers."""
        later = [one for one in self._answers_at_s if one >= since_s - 1.0]
        if len(later) < 2:
            return None
        return max(after - before for before, after in pairwise(later))

    async def _run(self) -> None:
        next_s = self._clock.monotonic_s()
        while True:
            task = asyncio.create_task(self._ask())
            self._out.add(task)
            task.add_done_callback(self._out.discard)
            next_s = max(next_s + self.every_s, self._clock.monotonic_s())
            await self._clock.sleep(max(0.001, next_s - self._clock.monotonic_s()))

    async def _ask(self) -> None:
        if await self._prober.answers(self._probe, timeout_s=_TIMEOUT_S):
            # Answers may overtake one another; only the newest time matters.
            self._answers_at_s.append(self._clock.monotonic_s())
