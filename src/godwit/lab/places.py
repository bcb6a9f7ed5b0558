"""Where the lab keeps its files: the cache that outlives labs, and the folder of the running lab.

Only paths; nothing is created, read or removed here.
"""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Places", "cache_folder"]

# Not /tmp: overlay and O_DIRECT want a real filesystem, and /tmp is often tmpfs.
LAB_FOLDER_DEFAULT = "/var/tmp/godwit-lab"  # noqa: S108 - a folder of root's own, checked in state


def cache_folder() -> Path:
    """Return the folder for what is slow to build and the same for every lab."""
    named = os.environ.get("GODWIT_LAB_CACHE")
    if named:
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "godwit" / "lab"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The files of one lab."""

    root: Path

    @classmethod
    def default(cls) -> "Places":
        """Return the places under ``$GODWIT_LAB_DIR`` or its default."""
        return cls(root=Path(os.environ.get("GODWIT_LAB_DIR") or LAB_FOLDER_DEFAULT).absolute())

    @property
    def state_file(self) -> Path:
        """What is running, as JSON; written before anything is created."""
        return self.root / "state.json"

    @property
    def lock_file(self) -> Path:
        """Held while the lab is being changed. It lies outside ``root``, which comes and goes."""
        return self.root.with_name(self.root.name + ".lock")

    @property
    def shared(self) -> Path:
        """The folder that every host sees as ``/srv/shared``."""
        return self.root / "shared"

    def host(self, name: str) -> Path:
        """Return the folder of one host: its overlay and its local storage."""
        return self.root / "hosts" / name
