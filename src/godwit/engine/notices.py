"""The stream of notices: every transition, in order, with a number that only grows.

Observers get transitions, never a sampled variable. A reader says up to where it has read and gets
all that came after; when the buffer no longer holds it, the first notice it gets is a RESET, and it
must read the state anew.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from godwit.core.migration import Migration
from godwit.core.model import HostName, Progress, RunId
from godwit.engine.views import RunView

__all__ = ["Notice", "NoticeKind", "Notices"]

#: Notices kept for readers that come late or reconnect.
_KEPT: Final = 4096


class NoticeKind(Enum):
    """What a notice is about."""

    #: A migration made a step; ``migration`` is its new value.
    MIGRATION = "migration"
    #: New statistics of a running migration; ``migration`` and ``progress`` are set.
    PROGRESS = "progress"
    #: A run made a step; ``run`` is its new value.
    RUN = "run"
    #: The inventory or a host's maintenance changed; ``host`` is set.
    HOST = "host"
    #: Notices were lost: read the state anew.
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice. ``number`` grows by at least one each, also over restarts of the controller."""

    number: int
    at_s: float
    kind: NoticeKind
    text: str = ""
    migration: Migration | None = None
    progress: Progress | None = None
    run: RunView | None = None
    run_id: RunId | None = None
    host: HostName | None = None


class Notices:
    """The buffer, and the waiting of its readers. Used from one event loop only."""

    def __init__(self, *, first_number: int) -> None:
        self._next = first_number
        self._kept: deque[Notice] = deque(maxlen=_KEPT)
        self._grown = asyncio.Event()
        self._closed = False

    @property
    def last_number(self) -> int:
        """The number of the newest notice; what a new reader gives as ``after``."""
        return self._next - 1

    def publish(
        self,
        kind: NoticeKind,
        *,
        at_s: float,
        text: str = "",
        migration: Migration | None = None,
        progress: Progress | None = None,
        run: RunView | None = None,
        host: HostName | None = None,
    ) -> None:
        """Number a notice, keep it and wake every reader."""
        notice = Notice(
            number=self._next,
            at_s=at_s,
            kind=kind,
            text=text,
            migration=migration,
            progress=progress,
            run=run,
            run_id=run.id if run else None,
            host=host,
        )
        self._next += 1
        self._kept.append(notice)
        self._wake()

    def close(self) -> None:
        """End all readers."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def watch(self, after: int | None = None) -> AsyncIterator[Notice]:
        """Yield every notice with a number above ``after``; from now on when it is None."""
        seen = self.last_number if after is None else after
        while True:
            grown = self._grown
            first = self._next - len(self._kept)
            if not first - 1 <= seen <= self.last_number:
                # Lost to the buffer, or of another controller, or of a clock that went back.
                seen = first - 1 if seen < first else self.last_number
                yield Notice(number=seen, at_s=0.0, kind=NoticeKind.RESET)
                continue
            if seen < self.last_number:
                seen += 1
                yield self._kept[seen - first]
            elif self._closed:
                return
            else:
                await grown.wait()
