"""The connection of one command to a controller: configured, or one that it attaches to.

An embedded controller lives in one of the processes that use it. When that process goes, the
others attach again, and one of them becomes the new owner.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import typer

from godwit.core.errors import DriverError, StoreBusy

if TYPE_CHECKING:
    from godwit.cli.screen import Screen
    from godwit.client import Client

__all__ = ["Attach", "Attachment", "Session", "Settings", "open_session"]

#: Long enough for another command to take an orphaned store over and adopt what runs.
_REATTACH_S: Final = 60.0
_PAUSE_MAX_S: Final = 2.0


class Attachment(Protocol):
    """A controller that this command started, or that another command runs."""

    @property
    def socket_path(self) -> str:
        """Where it listens."""
        ...

    @property
    def owned(self) -> bool:
        """Whether it lives in this process, and ends with it."""
        ...

    def wait_idle(self, on_wait: Callable[[str], None]) -> None:
        """Wait until nobody else needs the controller of this process; say so if it takes time."""
        ...


Attach = Callable[[], AbstractContextManager[Attachment]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the root command was given."""

    server: str | None
    attach: Attach


class Session:
    """A client, and the way to get a new one when its controller went away."""

    def __init__(self, settings: Settings, screen: "Screen") -> None:
        self._settings = settings
        self._screen = screen
        self._context: AbstractContextManager[Attachment] | None = None
        self._attachment: Attachment | None = None
        self._client: Client | None = None

    @property
    def client(self) -> "Client":
        """The client of the present connection."""
        assert self._client is not None, "the session is not open"
        return self._client

    @property
    def owned(self) -> bool:
        """Whether the controller lives in this process, and ends with it."""
        return self._attachment is not None and self._attachment.owned

    @property
    def where(self) -> str:
        """Where the controller is, for people."""
        if self._settings.server is not None:
            return self._settings.server
        return "in this command" if self.owned else "in another command"

    def open(self) -> None:
        """Connect, attaching first where no server is configured."""
        from godwit.client import Client

        server = self._settings.server
        if server is None:
            self._context = self._settings.attach()
            self._attachment = self._context.__enter__()
            server = self._attachment.socket_path
        self._client = Client(server)

    def close(self) -> None:
        """Disconnect. An embedded controller of this process ends; its migrations go on."""
        client, self._client = self._client, None
        context, self._context, self._attachment = self._context, None, None
        try:
            if client is not None:
                client.close()
        finally:
            if context is not None:
                context.__exit__(None, None, None)

    def reconnect(self) -> None:
        """Connect anew, trying for a while. Raises: the last error, when the time is over."""
        give_up_at_s = time.monotonic() + _REATTACH_S
        pause_s = 0.1
        while True:
            try:
                self.close()
                self.open()
                self.client.version()
            except (DriverError, StoreBusy):
                if time.monotonic() + pause_s > give_up_at_s:
                    raise
            else:
                return
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)

    def wait_idle(self) -> None:
        """Before a good end: let others finish who use the controller of this process."""
        if self._attachment is not None and self._attachment.owned:
            self._attachment.wait_idle(self._screen.note)


@contextmanager
def open_session(ctx: typer.Context, screen: "Screen") -> Iterator[Session]:
    """Open the session of a command. On a good end it waits for those who still use it."""
    session = Session(ctx.obj, screen)
    try:
        session.open()
        yield session
        session.wait_idle()
    finally:
        session.close()
