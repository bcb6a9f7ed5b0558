"""Processes by id, never by name: is it still the same one, what is it, end it.

An id alone is not enough, since the kernel gives it out again. A process is known here by its id
and the moment it started, or by the namespace that it lives in.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Process", "end_all", "living", "process_of", "wait_gone"]

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of this machine, seen from its own process namespace."""

    pid: int
    started_ticks: int

    def is_alive(self) -> bool:
        """Say whether it still runs; a zombie does not."""
        return process_of(self.pid) == self

    def is_stopped(self) -> bool:
        """Say whether it was stopped by a signal."""
        return _stat_fields(self.pid)[:1] == ["T"]

    def program(self) -> str:
        """Return its short name, empty once it is gone."""
        return _read(_PROC / str(self.pid) / "comm").strip()

    def arguments(self) -> list[str]:
        """Return its command line, empty once it is gone."""
        return _read(_PROC / str(self.pid) / "cmdline").split("\0")[:-1]

    def namespace(self, kind: str) -> int:
        """Return the inode of one of its namespaces (``net``, ``pid``, ``mnt``); 0 if unknown."""
        try:
            return (_PROC / str(self.pid) / "ns" / kind).stat().st_ino
        except OSError:
            return 0

    def send(self, number: signal.Signals) -> bool:
        """Send a signal if it is still this process; say whether it was sent."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # Checked with the handle in hand: from here on the id can't change its meaning.
            if not self.is_alive():
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


def process_of(pid: int) -> Process | None:
    """Return the process that has an id now, None when there is none or it is a zombie."""
    fields = _stat_fields(pid)
    if len(fields) < 20 or fields[0] in {"Z", "X"}:
        return None
    return Process(pid=pid, started_ticks=int(fields[19]))


def living(matches: Callable[[Process], bool]) -> Iterator[Process]:
    """Return the processes of this machine that match, oldest id first."""
    pids = sorted(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    for pid in pids:
        process = process_of(pid)
        if process is not None and matches(process):
            yield process


def wait_gone(processes: Iterable[Process], *, timeout_s: float) -> tuple[Process, ...]:
    """Wait until processes have ended and return those that have not."""
    deadline_s = time.monotonic() + timeout_s
    left = tuple(processes)
    while True:
        left = tuple(process for process in left if process.is_alive())
        if not left or time.monotonic() > deadline_s:
            return left
        time.sleep(0.01)


def end_all(processes: Iterable[Process], *, timeout_s: float = 10.0) -> tuple[Process, ...]:
    """Kill processes at once, wait for their end, and return those that remain."""
    chosen = tuple(processes)
    for process in chosen:
        process.send(signal.SIGKILL)
    return wait_gone(chosen, timeout_s=timeout_s)


def _stat_fields(pid: int) -> list[str]:
    # The name in parentheses may contain anything, so count from its end.
    return _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
