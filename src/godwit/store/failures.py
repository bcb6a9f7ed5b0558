"""The one place where a failure of the database becomes an error of Godwit's.

Most specific first. What SQLite says is kept as the evidence.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from godwit.core.errors import Bug, GodwitError, StoreBusy

__all__ = ["mapped"]

#: Primary result codes of SQLite, what they mean, and what helps. ``{}`` is the path.
_MEANINGS: Final[tuple[tuple[frozenset[int], str, str], ...]] = (
    (
        frozenset({sqlite3.SQLITE_FULL}),
        "the disk below {} is full; nothing was written",
        "Free some space there, then run the command again.",
    ),
    (
        frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}),
        "the database {} is damaged or no database",
        "Keep a copy of it, then restore a backup. The VMs are not affected.",
    ),
    (
        frozenset(
            {
                sqlite3.SQLITE_READONLY,
                sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_PERM,
                sqlite3.SQLITE_AUTH,
            }
        ),
        "the database {} can't be opened for writing",
        "Run as the user that owns it, or name another folder in GODWIT_STATE.",
    ),
    (
        frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL}),
        "the disk below {} failed",
        "Look at the kernel log for errors of the disk. The VMs are not affected.",
    ),
)
_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Turn every foreign failure inside into a GodwitError that names the file and what helps.

    Raises: StoreBusy when another program holds the file, Bug when a constraint of our own broke,
    GodwitError for all else.
    """
    try:
        yield
    except DBAPIError as failure:
        raise _of_sqlite(failure, path) from failure
    except SQLAlchemyError as failure:
        raise Bug(f"the store at {path} was used wrongly", evidence=str(failure)) from failure
    except OSError as failure:
        raise GodwitError(
            f"the store at {path} can't be used",
            evidence=str(failure),
            remedy="Make the folder writable, or name another one in GODWIT_STATE.",
        ) from failure


def _of_sqlite(failure: DBAPIError, path: Path) -> GodwitError:
    said = str(failure.orig)
    if isinstance(failure, IntegrityError):
        return Bug(f"the store at {path} refused a change that breaks its rules", evidence=said)
    # The low byte is the primary code; the rest tells variants apart. Failures that the Python
    # module raises by itself carry none.
    code = getattr(failure.orig, "sqlite_errorcode", 0) & 0xFF
    if code in _LOCKED:
        return StoreBusy(
            f"another program holds the database {path}",
            evidence=said,
            remedy="End the program that has it open (`fuser` names it), then try again.",
        )
    for codes, message, remedy in _MEANINGS:
        if code in codes:
            return GodwitError(message.format(path), evidence=said, remedy=remedy)
    return Bug(f"the store at {path} was used wrongly", evidence=said)
