"""The event stream and the state of the controller on the wire."""

from typing import Final, Literal

from godwit.wire.hosts import HostRecord
from godwit.wire.migrations import Migration, Progress
from godwit.wire.runs import Run
from godwit.wire.shape import Reply

__all__ = ["HEARTBEAT_S", "Notice", "Status", "Version"]

#: A comment is sent on a silent stream this often, so that either side notices a dead other one.
HEARTBEAT_S: Final = 10.0


class Notice(Reply):
    """One notice; ``number`` only grows. RESET means: some were lost, read the state anew."""

    number: int
    at_s: float
    kind: Literal["migration", "progress", "run", "host", "reset"]
    text: str = ""
    migration: Migration | None = None
    progress: Progress | None = None
    run: Run | None = None
    host: str | None = None


class Status(Reply):
    """What the controller has in hand now. No host is asked for it."""

    version: str
    is_busy: bool
    last_notice: int
    hosts: tuple[HostRecord, ...]
    migrations: tuple[Migration, ...]
    runs: tuple[Run, ...]


class Version(Reply):
    """The version of the server and of its API."""

    version: str
    api: str
