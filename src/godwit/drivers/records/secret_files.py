"""Secrets lie in files of their own. They are read when needed, and never shown or logged."""

import stat
from dataclasses import dataclass
from pathlib import Path

from godwit.core.errors import RecordFailed

__all__ = ["TsigKey", "read_secret", "why_unfit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TsigKey:
    """A key by its name, its algorithm, and the file with its secret in base64."""

    name: str
    algorithm: str
    secret_file: Path


def why_unfit(file: Path) -> str:
    """Say what is wrong with a file as the place of a secret; empty when nothing is."""
    try:
        mode = file.stat().st_mode
        content = file.read_bytes()
    except OSError as failure:
        return failure.strerror or str(failure)
    if mode & stat.S_IRWXO:
        return "everybody on this machine may use it; chmod o= it"
    if not content.strip():
        return "it is empty"
    return ""


def read_secret(file: Path) -> bytes:
    """Read a secret, without the blanks around it. Raises: RecordFailed."""
    if why := why_unfit(file):
        raise RecordFailed(
            f"the secret in {file} can't be used",
            evidence=why,
            remedy="Make it a file with the secret alone, readable for this user only.",
        )
    return file.read_bytes().strip()
