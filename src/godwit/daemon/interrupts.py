"""Signals that ask a command to end: all of them become the interrupt that Ctrl-C is.

A closed terminal (SIGHUP) and ``kill`` (SIGTERM) would end the process at once; it is better to
leave cleanly. Nothing is installed for longer than the block lasts.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["as_interrupts"]

_SIGNALS: Final = (signal.SIGHUP, signal.SIGTERM)


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt for SIGHUP and SIGTERM inside the block.

    A signal that was ignored before (``nohup``) stays ignored. Outside the main thread, where
    Python takes no signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.getsignal(one) for one in _SIGNALS}
    taken = [one for one, handler in before.items() if handler is signal.SIG_DFL]
    for one in taken:
        signal.signal(one, _interrupt)
    try:
        yield
    finally:
        for one in taken:
            signal.signal(one, before[one])


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
