"""Files of clusters on a disk: what a file is, is told by what stands in it, or by its name to be.

``.json`` is Godwit's own format, ``.data`` that of Ganeti's htools; with ``.gz`` behind it, packed.
"""

import gzip
import zlib
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Final

from godwit.core.errors import BadValue
from godwit.core.model import Cluster
from godwit.formats.anonymise import anonymise
from godwit.formats.cluster_file import SavedCluster, read_json, write_json
from godwit.formats.htools import read_htools, write_htools
from godwit.formats.htools_cluster import cluster_from_htools
from godwit.formats.htools_writing import htools_from_cluster
from godwit.formats.soundness import complaint_about

__all__ = [
    "FileFormat",
    "anonymised",
    "encode",
    "format_named",
    "read_cluster",
    "read_raw",
    "read_saved",
]

_PACKED: Final = b"\x1f\x8b"


def anonymised(saved: SavedCluster) -> SavedCluster:
    """Return the same file with nothing in it that says whose it is."""
    return replace(saved, cluster=anonymise(saved.cluster), anonymised=True)


class FileFormat(Enum):
    """The formats, each with the end of a file's name that stands for it."""

    JSON = ".json"
    HTOOLS = ".data"


def format_named(path: Path) -> FileFormat:
    """Return the format that the name of a file to be written asks for. Raises: BadValue."""
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    for one in FileFormat:
        if suffix == one.value:
            return one
    raise BadValue(
        f"the name of {path} says no format",
        remedy="End it with .json (Godwit's own) or .data (Ganeti's htools), or with .gz behind"
        " that.",
    )


def encode(cluster: Cluster, path: Path, *, anonymised: bool = False) -> bytes:
    """Write a cluster in the format that ``path`` names. Raises: BadValue."""
    if format_named(path) is FileFormat.JSON:
        raw = write_json(cluster, anonymised=anonymised)
    else:
        raw = write_htools(htools_from_cluster(cluster)).encode()
    # Without a time and a name inside, the same cluster makes the same file.
    return gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw


def read_cluster(path: Path) -> Cluster:
    """Read the cluster of a file of any format. Raises: BadValue; then nothing was read."""
    return read_saved(path).cluster


def read_saved(path: Path) -> SavedCluster:
    """Read a file with what it says of itself. Raises: BadValue; then nothing was read."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadValue(
            f"{path} can't be read",
            evidence=error.strerror or str(error),
            remedy="Give the path of a file that `godwit cluster save` wrote.",
        ) from error
    return read_raw(raw, file_name=str(path))


def read_raw(raw: bytes, *, file_name: str) -> SavedCluster:
    """Read what stands in a file. Raises: BadValue; then nothing was read."""
    if raw.startswith(_PACKED):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise BadValue(
                f"{file_name} is not whole",
                evidence=f"unpacking it: {error}",
                remedy="Copy it again from where it was saved; nothing of it was read.",
            ) from error
    if raw.lstrip()[:1] in {b"{", b"["}:
        return read_json(raw, file_name=file_name)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadValue(
            f"{file_name} is neither a saved cluster nor a file of Ganeti's htools",
            evidence=str(error),
            remedy="Give a file that `godwit cluster save` wrote, or one for `hbal -t`.",
        ) from error
    if "|" not in text.partition("\n")[0]:
        raise BadValue(
            f"{file_name} is neither a saved cluster nor a file of Ganeti's htools",
            evidence=f"it begins with {text[:40]!r}" if text else "it is empty",
            remedy="Give a file that `godwit cluster save` wrote, or one for `hbal -t`.",
        )
    cluster = cluster_from_htools(read_htools(text, file_name=file_name))
    if complaint := complaint_about(cluster):
        raise BadValue(
            f"{file_name} can't be used",
            evidence=complaint,
            remedy="Correct it there; nothing of it was read.",
        )
    return SavedCluster(cluster=cluster, format="Ganeti htools", written_by="")
