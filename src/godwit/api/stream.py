"""Notices as server-sent events: one event a notice, a comment when there is nothing to say.

The comment keeps a silent stream provably alive, and makes a vanished reader noticed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from inspect import isasyncgen

from godwit.api.views import notice_to_wire
from godwit.engine import Notice

__all__ = ["server_sent_events"]


async def server_sent_events(
    notices: AsyncIterator[Notice], *, heartbeat_s: float
) -> AsyncIterator[bytes]:
    """Yield the stream. It ends with ``notices``; when it is closed early, so are they."""
    waiting: asyncio.Future[Notice] | None = None
    try:
        # Sent at once, so that a reader knows that it is heard before anything happens.
        yield b": connected\n\n"
        while True:
            if waiting is None:
                waiting = asyncio.ensure_future(anext(notices))
            # Not wait_for: its time-out would cancel the reading and lose a notice.
            await asyncio.wait({waiting}, timeout=heartbeat_s)
            if not waiting.done():
                yield b": heartbeat\n\n"
                continue
            try:
                notice = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield _event(notice)
    finally:
        if waiting is not None:
            # Also when it has ended: its end was not looked at, and asyncio would complain.
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await waiting
        if isasyncgen(notices):
            await notices.aclose()


def _event(notice: Notice) -> bytes:
    # JSON has no raw line ends, so that one data line holds it.
    data = notice_to_wire(notice).model_dump_json()
    return f"id: {notice.number}\nevent: {notice.kind.value}\ndata: {data}\n\n".encode()
