"""The outage as Godwit itself sees it: the guest is probed all through its migration.

Probes are sent at a fixed pace without waiting for the answers, so that a gap between two answers
is as exact as the pace. The pace is slow until the switch-over is near: on a busy machine probing
takes from the migration what it measures. Bounded: at most as many probes are out as fit into one
time-out, and only the newest answers are kept.
"""

import asyncio
import contextlib
from collections import deque
from itertools import pairwise
from typing import Final

from godwit.core.model import Probe
from godwit.ports import Clock, Prober

__all__ = ["ICMP_EVERY_S", "OutageWatch"]

ICMP_EVERY_S: Final = 0.02
#: Each TCP probe is a connection that the guest's service must accept.
_TCP_EVERY_S: Final = 0.1
_TIMEOUT_S: Final = 1.0
_SLOW_EVERY_S: Final = 0.2
#: A minute at the quick pace. A switch-over that lasts longer is told by its phases.
_ANSWERS_KEPT: Final = 3000


class OutageWatch:
    """Probes one guest until it is closed. Times are of the monotonic clock."""

    def __init__(
        self, probe: Probe, *, prober: Prober, clock: Clock, every_s: float = ICMP_EVERY_S
    ) -> None:
        self._probe = probe
        self._prober = prober
        self._clock = clock
        self.every_s = every_s if probe.tcp_port is None else max(every_s, _TCP_EVERY_S)
        self._hurried_at_s: float | None = None
        self._answers_at_s: deque[float] = deque(maxlen=_ANSWERS_KEPT)
        self._out: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to probe."""
        self._task = asyncio.create_task(self._run())

    def hurry(self) -> None:
        """The switch-over is near: probe at the quick pace from now on."""
        if self._hurried_at_s is None:
            self._hurried_at_s = self._clock.monotonic_s()

    def resolution_s(self, since_s: float) -> float:
        """How finely gaps from a time on were seen."""
        hurried_at_s = self._hurried_at_s
        if hurried_at_s is not None and hurried_at_s <= since_s:
            return self.every_s
        return max(self.every_s, _SLOW_EVERY_S)

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
        """The longest time between two answers that was not over at ``since_s``.

        None where there is none: without an answer before that time, or without one after it.
        """
        gap = self._longest_gap(since_s)
        return gap[1] - gap[0] if gap is not None else None

    def answered_again_at_s(self, since_s: float) -> float | None:
        """When the longest of these gaps was over."""
        gap = self._longest_gap(since_s)
        return gap[1] if gap is not None else None

    def _longest_gap(self, since_s: float) -> tuple[float, float] | None:
        gaps = (gap for gap in pairwise(self._answers_at_s) if gap[1] >= since_s)
        return max(gaps, key=lambda gap: gap[1] - gap[0], default=None)

    async def _run(self) -> None:
        next_s = self._clock.monotonic_s()
        while True:
            task = asyncio.create_task(self._ask())
            self._out.add(task)
            task.add_done_callback(self._out.discard)
            pace_s = self.resolution_s(self._clock.monotonic_s())
            next_s = max(next_s + pace_s, self._clock.monotonic_s())
            await self._clock.sleep(max(0.001, next_s - self._clock.monotonic_s()))

    async def _ask(self) -> None:
        if await self._prober.answers(self._probe, timeout_s=_TIMEOUT_S):
            # Answers may overtake one another; only the newest time matters.
            self._answers_at_s.append(self._clock.monotonic_s())
