"""Who owns a store: one process at a time, by an advisory lock on a file beside the database.

The kernel holds the lock, so that it is free at the instant its owner is gone, however it went.
The file says who the owner is and where it answers; what it says only counts while the lock is
held. The file is never deleted: a lock on a deleted file would keep nobody out.
"""

import fcntl
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from godwit.core.errors import StoreBusy
from godwit.store.failures import mapped

__all__ = ["Owner", "Ownership", "read_owner", "take"]

_FILE: Final = "controller.lock"

#: How often a waiting process tries again. The lock can't be waited for with a limit.
_RETRY_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What the owner says of itself. ``socket`` is empty until it answers requests."""

    pid: int
    command: str
    since_s: float
    socket: str = ""


class Ownership:
    """The right to use the store of a folder, until it is released. Made by ``take``.

    ``predecessor`` is what the owner before had written: it has ended, cleanly or not, and what it
    left behind may be removed.
    """

    def __init__(self, directory: Path, descriptor: int) -> None:
        self.directory = directory
        self._descriptor = descriptor
        self.predecessor = read_owner(directory)
        self.owner = Owner(pid=os.getpid(), command=_command_line(), since_s=time.time())
        self._write()

    def announce(self, socket: Path) -> None:
        """Say where this owner answers requests."""
        self.owner = replace(self.owner, socket=str(socket))
        self._write()

    def _write(self) -> None:
        text = json.dumps(asdict(self.owner)).encode() + b"\n"
        # In one piece and in place: a reader sees the old text or the new one, and text that is
        # cut off in between is no JSON, which it takes for "not known yet".
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def release(self) -> None:
        """Give the store free. Harmless when it was released before."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def take(directory: Path, *, wait_s: float) -> Ownership:
    """Become the owner of the store in a folder; the folder is made when it is not there.

    Raises: StoreBusy naming the owner when it does not give it free within ``wait_s``;
    GodwitError when the folder can't be written to.
    """
    path = directory / _FILE
    with mapped(path):
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        _lock(descriptor, directory, wait_s=wait_s)
        with mapped(path):
            return Ownership(directory, descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def read_owner(directory: Path) -> Owner | None:
    """Read what the file says; None when it says nothing readable. The owner may be gone."""
    try:
        found = json.loads((directory / _FILE).read_bytes())
        return Owner(
            pid=int(found["pid"]),
            command=str(found["command"]),
            since_s=float(found["since_s"]),
            socket=str(found["socket"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _lock(descriptor: int, directory: Path, *, wait_s: float) -> None:
    deadline_s = time.monotonic() + wait_s
    while not _try_lock(descriptor):
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise _busy(directory)
        time.sleep(min(_RETRY_S, left_s))


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _busy(directory: Path) -> StoreBusy:
    owner = read_owner(directory)
    if owner is None:
        return StoreBusy(
            f"another controller owns the store in {directory}",
            remedy="Wait until it has ended, or name another folder in GODWIT_STATE.",
        )
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner.since_s))
    return StoreBusy(
        f"another controller owns the store in {directory}: process {owner.pid}",
        evidence=f"`{owner.command}`, since {since}",
        remedy=f"Wait until it has ended, or end it with `kill {owner.pid}` (migrations in flight"
        " go on, and the next command picks them up).",
    )


def _command_line() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]) or "python"
