"""The points between the rounds, kept for the record: dense at first, then ever thinner.

Written in batches: each write is synced to the disk. What a controller that dies has not written
yet is lost, and nothing but the plot is the poorer for it.
"""

from typing import Final

from godwit.core.migration import TABLE, Traced
from godwit.core.model import Progress, Sample
from godwit.engine.record import Record

__all__ = ["Tracing"]

#: Every point is kept for so long after the copy began: 240 of them at four a second.
_DENSE_S: Final = 60.0
#: ... and after it, one each time that the copy has become older by this part of its age: 50 more
#: each time that its age grows e-fold, so 300 more in 6 hours.
_THINNING: Final = 50.0
_SAMPLES_MAX: Final = 600

_BATCH: Final = 40
_BATCH_S: Final = 10.0


class Tracing:
    """The trace of one migration."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._waiting: list[Sample] = []
        self._kept = 0
        self._last_s = 0.0

    def add(self, progress: Progress) -> None:
        """Keep a point, unless the last one is near enough; write when a batch is full."""
        taken_at_s = progress.taken_at_s
        since_s = self._record.migration.copying_since_s
        age_s = taken_at_s - since_s if since_s is not None else 0.0
        apart_s = age_s / _THINNING if age_s > _DENSE_S else 0.0
        if self._kept >= _SAMPLES_MAX or taken_at_s < self._last_s + apart_s:
            return
        self._kept += 1
        self._last_s = taken_at_s
        self._waiting.append(
            Sample(
                taken_at_s=taken_at_s,
                remaining_bytes=progress.remaining_bytes,
                transferred_bytes=progress.transferred_bytes,
                dirty_bytes_per_s=progress.dirty_bytes_per_s,
                bandwidth_bytes_per_s=progress.bandwidth_bytes_per_s,
                throttle_fraction=progress.throttle_fraction,
            )
        )
        if len(self._waiting) >= _BATCH or taken_at_s - self._waiting[0].taken_at_s >= _BATCH_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits, as long as the migration takes it."""
        if self._waiting and Traced in TABLE[self._record.phase]:
            samples, self._waiting = tuple(self._waiting), []
            self._record.write(Traced(at_s=self._record.now_s(), samples=samples))
