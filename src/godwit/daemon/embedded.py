"""How a command finds its controller: it starts one inside itself, or joins the one that runs.

There is one controller for a store at a time. Who gets the lock starts it and serves it on a
private socket; who does not get it asks the owner. Either way the command speaks HTTP.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from godwit.core.errors import StoreBusy
from godwit.daemon import sockets
from godwit.daemon.interrupts import as_interrupts
from godwit.daemon.settings import Settings
from godwit.ports import Connector
from godwit.store import Ownership, read_owner, take

if TYPE_CHECKING:
    from godwit.daemon.hosting import Hosting

__all__ = ["Attachment", "embedded"]

#: How long an owner may take to answer before we ask whether it is still there.
_ANSWER_S: Final = 1.0
_RETRY_S: Final = 0.05

#: A wait shorter than this is not worth a word.
_PATIENCE_S: Final = 0.5

_QUESTION: Final = b"GET /v1/version HTTP/1.1\r\nHost: godwit\r\n\r\n"


class Attachment:
    """The controller that answers on ``socket_path``; ``owned`` when it runs in this process."""

    def __init__(self, socket_path: str, hosting: "Hosting | None" = None) -> None:
        self.socket_path = socket_path
        self._hosting = hosting

    @property
    def owned(self) -> bool:
        """Whether the controller runs in this process and ends with it."""
        return self._hosting is not None

    def is_busy(self) -> bool:
        """Whether a controller of our own has migrations or runs under way."""
        return self._hosting is not None and self._hosting.is_busy()

    def other_clients(self) -> int:
        """Count the other commands that use a controller of our own."""
        return self._hosting.other_clients() if self._hosting is not None else 0

    def wait_idle(self, on_wait: Callable[[str], None]) -> None:
        """Wait until no other command uses a controller of our own; Ctrl-C ends the waiting.

        ``on_wait`` is told how many there are, once it takes time, and again when that changes.
        """
        told = 0
        patient_until_s = time.monotonic() + _PATIENCE_S
        while others := self.other_clients():
            if others != told and time.monotonic() >= patient_until_s:
                who = "another command uses" if others == 1 else f"{others} other commands use"
                on_wait(f"{who} this controller; waiting (Ctrl-C leaves it)")
                told = others
            time.sleep(_RETRY_S)


@contextmanager
def embedded(
    settings: Settings, *, wait_s: float = 10.0, connector: Connector | None = None
) -> Iterator[Attachment]:
    """Give the controller of the store, starting one in this process when none runs.

    A crash at any instant leaves nothing that keeps the next command out. The end of the block
    closes a controller of our own; migrations in flight go on, and the next one adopts them.

    Raises: StoreBusy when the owner neither answers nor ends within ``wait_s``.
    """
    directory = settings.state_directory
    with as_interrupts():
        found = _own_or_join(directory, wait_s=wait_s)
        if isinstance(found, Ownership):
            # Imported late: a command that joins another one's controller needs no server.
            from godwit.daemon.hosting import hosting  # noqa: PLC0415

            path = sockets.private_socket(directory)
            with hosting(settings, found, path=path, mode=0o600, connector=connector) as own:
                yield Attachment(str(path), own)
        else:
            # Held until the end: the owner sees that it is needed, and waits.
            with found:
                yield Attachment(found.getpeername())


def _own_or_join(directory: Path, *, wait_s: float) -> Ownership | socket.socket:
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            return take(directory, wait_s=0)
        except StoreBusy as busy:
            joined = _join(directory)
            if joined is not None:
                return joined
            if time.monotonic() >= deadline_s:
                raise StoreBusy(
                    f"{busy.message}, and does not answer",
                    evidence=busy.evidence,
                    remedy=busy.remedy,
                ) from busy
        time.sleep(_RETRY_S)


def _join(directory: Path) -> socket.socket | None:
    """Connect to the owner of the store; None when it does not answer (yet, or any more)."""
    owner = read_owner(directory)
    if owner is None or not owner.socket:
        return None
    joined = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    joined.settimeout(_ANSWER_S)
    try:
        joined.connect(owner.socket)
        joined.sendall(_QUESTION)
        if joined.recv(4096).startswith(b"HTTP/1.1 "):
            return joined
    except OSError:
        pass
    joined.close()
    return None
