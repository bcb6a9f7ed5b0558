"""Blocking libvirt calls, made from asyncio without ever blocking it or the end of the process.

Each call runs in a daemon thread: a call that hangs behind a dead host is given up by its caller
after a time, and does not keep the process from ending. libvirt releases the GIL.
"""

import asyncio
import atexit
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, ParamSpec, TypeVar

import libvirt

from godwit.core.errors import HostUnreachable

__all__ = ["CallLimit", "call", "leave", "start_event_loop"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: Calls in flight on one control connection. libvirtd reads no more than 5 per connection, and
#: one is kept free so that keepalive answers are never stuck behind ours.
_CALLS_MAX: Final = 4

_loop_started = threading.Lock()
_loop_thread: threading.Thread | None = None
_loop_ending = threading.Event()

_CALL: Final = "libvirt-call"

#: How long the end of the process waits for the event loop and for calls that are just returning.
_END_S: Final = 1.0


def start_event_loop() -> None:
    """Run libvirt's own event loop in a thread of its own, once per process.

    Must be called before the first connection is opened. libvirt's asyncio integration is not
    used: it is sound only when every libvirt call is made on the loop's own thread.
    """
    global _loop_thread  # noqa: PLW0603 - libvirt itself allows one event loop per process
    with _loop_started:
        if _loop_thread is not None:
            return
        libvirt.registerErrorHandler(lambda *_: None, None)
        libvirt.virEventRegisterDefaultImpl()
        # The default loop returns only when something happens: a timer keeps it turning.
        libvirt.virEventAddTimeout(1000, lambda *_: None, None)
        _loop_thread = threading.Thread(target=_turn, name="libvirt-events", daemon=True)
        _loop_thread.start()
        atexit.register(_end)


def _turn() -> None:
    while not _loop_ending.is_set():
        libvirt.virEventRunDefaultImpl()


def _end() -> None:
    """Let no thread of ours come out of libvirt while the interpreter is taken down.

    One that did has ended commands with SIGSEGV after all their work was done, one in some hundred
    (seen with CPython 3.11). A call that hangs is waited for no longer than that.
    """
    until_s = time.monotonic() + _END_S
    _loop_ending.set()
    libvirt.virEventAddTimeout(0, lambda *_: None, None)  # wakes the loop
    mine = [one for one in threading.enumerate() if one is _loop_thread or one.name == _CALL]
    for thread in mine:
        thread.join(max(0.0, until_s - time.monotonic()))


class CallLimit:
    """Bounds the calls in flight on one connection."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(_CALLS_MAX)


def leave(function: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Run a blocking call in a daemon thread, and wait for nothing.

    A pool of threads would be joined at the end of the process: a call that hangs kept it alive.
    """
    work = partial(function, *args, **kwargs)
    threading.Thread(target=work, name=_CALL, daemon=True).start()


async def call(
    function: Callable[_P, _T],
    timeout_s: float,
    *args: _P.args,
    **kwargs: _P.kwargs,
) -> _T:
    """Run a blocking call in a daemon thread and wait for it at most ``timeout_s``.

    Raises: HostUnreachable when the time is over (the thread is left to end by itself), and
    whatever the function raises.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def finish(result: _T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: _T | None = None
        error: BaseException | None = None
        try:
            result = function(*args, **kwargs)
        except BaseException as caught:  # noqa: BLE001 - carried over to the waiting task
            error = caught
        try:
            loop.call_soon_threadsafe(finish, result, error)
        except RuntimeError:
            return  # the loop has ended: nobody waits any more

    threading.Thread(target=run, name=_CALL, daemon=True).start()
    try:
        return await asyncio.wait_for(done, timeout_s)
    except TimeoutError as error:
        raise HostUnreachable(
            f"libvirt did not answer within {timeout_s:g} s",
            evidence=f"the call {getattr(function, '__name__', 'of libvirt')} is still waiting",
            remedy="Check that libvirtd and the host itself are well.",
        ) from error
