"""Files that a command writes: whole or not at all, and never over what is not its own."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from godwit.core.errors import BadValue

__all__ = ["STDOUT", "refuse_to_overwrite", "write_file", "write_stdout"]

#: The path that stands for standard output.
STDOUT: Final = Path("-")


def refuse_to_overwrite(
    path: Path, *, force: bool, is_ours: Callable[[str], bool] = lambda _: False
) -> None:
    """Refuse a path where something else is. ``is_ours`` judges by how the file begins.

    Raises: BadValue. A folder, or anything else that is no file, is refused with ``force`` too.
    """
    try:
        if not path.exists():
            return
        if not path.is_file():
            raise BadValue(f"{path} is not a file", remedy="Give another path.")
        if force:
            return
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            if is_ours(file.read(200)):
                return
    except OSError as error:
        raise _unusable(path, error) from error
    raise BadValue(
        f"{path} is there already, and is not overwritten",
        remedy="Give another path, or --force to replace it.",
    )


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8: all of it or, with BadValue, nothing."""
    raw = content.encode() if isinstance(content, str) else content
    made: str | None = None
    try:
        # What a link points to is replaced, not the link.
        path = path.resolve()
        descriptor, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a number
            file.write(raw)
        Path(made).chmod(0o666 & ~_mask())
        Path(made).replace(path)
    except OSError as error:
        if made is not None:
            Path(made).unlink(missing_ok=True)
        raise _unusable(path, error) from error


def write_stdout(content: str | bytes) -> None:
    """Write to standard output as it is, ends of lines included.

    Raises: BadValue when bytes would go to a terminal.
    """
    if isinstance(content, bytes):
        if sys.stdout.isatty():
            raise BadValue(
                "this is no text for a terminal", remedy="Give a path with --file, or a pipe."
            )
        sys.stdout.buffer.write(content)
    else:
        sys.stdout.write(content)
    sys.stdout.flush()


def _mask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _unusable(path: Path, error: OSError) -> BadValue:
    return BadValue(
        f"{path} can't be written",
        evidence=error.strerror or str(error),
        remedy="Give another path.",
    )
