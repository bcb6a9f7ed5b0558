"""The Unix sockets that a controller answers on: their paths, their rights, and their removal.

A socket is removed by the owner of the store alone: the lock proves that no other one is behind it.
"""

import contextlib
import os
import socket
import stat
import struct
import tempfile
from pathlib import Path
from typing import Final

from godwit.core.errors import GodwitError
from godwit.store import Ownership

__all__ = ["bind", "peer_pid", "private_socket", "remove", "remove_stale"]

#: The kernel's limit on the path of a Unix socket, with its closing zero.
_PATH_MAX_BYTES: Final = 107
_RUN: Final = "run"
_TEMPORARY: Final = "godwit-"
_BACKLOG: Final = 128


def private_socket(directory: Path) -> Path:
    """Make the folder of this process's own socket, for this user only, and return the path.

    It lies below the state, or in a temporary folder when that path is too long for a socket.

    Raises: GodwitError when the folder can't be made.
    """
    path = directory / _RUN / f"{os.getpid()}.sock"
    if len(os.fsencode(path)) > _PATH_MAX_BYTES:
        return Path(tempfile.mkdtemp(prefix=_TEMPORARY)) / path.name
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as failure:
        raise GodwitError(
            f"the folder {path.parent} for sockets can't be made",
            evidence=str(failure),
            remedy="Remove what is in its place, or name another folder in GODWIT_STATE.",
        ) from failure
    return path


def bind(path: Path, *, mode: int) -> socket.socket:
    """Listen on a path, with exactly those rights from the first instant on.

    Raises: GodwitError when the path is taken by something else, too long or not writable.
    """
    if len(os.fsencode(path)) > _PATH_MAX_BYTES:
        raise GodwitError(
            f"the socket path {path} is too long",
            evidence=f"the kernel allows {_PATH_MAX_BYTES} bytes",
            remedy="Name a shorter one.",
        )
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        _unlink_socket(path)
        # Linux makes the file with the rights of the descriptor, less the umask: there is no moment
        # in which anybody else may connect. What the umask took is given back after that.
        os.fchmod(listening.fileno(), mode)
        listening.bind(str(path))
        path.chmod(mode)
    except OSError as failure:
        listening.close()
        raise GodwitError(
            f"can't listen on {path}",
            evidence=str(failure),
            remedy="Name another path, or remove what is in its place.",
        ) from failure
    listening.listen(_BACKLOG)
    listening.settimeout(0)
    return listening


def remove(path: Path) -> None:
    """Remove a socket of ours, and its folder when that was a temporary one."""
    with contextlib.suppress(OSError):
        _unlink_socket(path)
        # A folder that is not empty is none of ours, whatever its name: rmdir leaves it alone.
        if path.parent.name.startswith(_TEMPORARY) and path.parent.parent == _temporary_folder():
            path.parent.rmdir()


def _temporary_folder() -> Path:
    return Path(tempfile.gettempdir())


def remove_stale(ownership: Ownership) -> None:
    """Remove the sockets that owners before us left behind when they were killed."""
    for left in (ownership.directory / _RUN).glob("*.sock"):
        remove(left)
    if ownership.predecessor is not None and ownership.predecessor.socket:
        remove(Path(ownership.predecessor.socket))


def peer_pid(connection: socket.socket) -> int:
    """Say which process is at the other end; 0 when it is out of our sight (another namespace)."""
    size = struct.calcsize("3i")
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", said)[0])


def _unlink_socket(path: Path) -> None:
    # Nothing but a socket is ever removed: the path may come from a person.
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
