"""``godwit serve``: a controller that stays, on a Unix socket, until it is told to end.

TCP is not offered: requests carry no proof of who asks yet, so that the rights of the socket's
file are the only guard. Whoever may connect may do everything.
"""

import logging
import threading
from pathlib import Path
from typing import Final

from godwit.daemon.hosting import hosting
from godwit.daemon.interrupts import as_interrupts
from godwit.daemon.settings import Settings
from godwit.ports import Connector
from godwit.store import take

__all__ = ["default_socket", "run_server"]

_log = logging.getLogger(__name__)

#: Its user and group may connect.
_MODE: Final = 0o660

#: A command's own controller is given this long to end before the server gives up.
_WAIT_S: Final = 10.0


def default_socket(settings: Settings) -> Path:
    """Say where the server answers unless it is told otherwise."""
    return settings.state_directory / "godwit.sock"


def run_server(
    settings: Settings, socket_path: Path | None = None, *, connector: Connector | None = None
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP; migrations in flight go on after that.

    Raises: StoreBusy when another controller owns the store, GodwitError when the socket can't be
    made.
    """
    path = (socket_path or default_socket(settings)).absolute()
    try:
        with as_interrupts():
            ownership = take(settings.state_directory, wait_s=_WAIT_S)
            with hosting(settings, ownership, path=path, mode=_MODE, connector=connector):
                _log.info("answering on %s; state in %s", path, settings.state_directory)
                threading.Event().wait()
    except KeyboardInterrupt:
        _log.info("ended; migrations in flight go on and are adopted by the next controller")
