"""What the lab remembers between two commands, and the lock that keeps them apart.

A JSON file, replaced as a whole. It is written before anything is created and again after each
step, so that a lab that was killed half-way can be found and cleared. It holds what was made, not
whether it still works: for that, look at the hosts.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from godwit.lab.places import Places
from godwit.lab.problems import LabFailed, LabMisused, LabUnfit
from godwit.lab.userland import Userland

__all__ = ["GuestRecord", "HostRecord", "LabState", "boot_id", "exclusive"]

VERSION = 1
LOCK_WAIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """One host: its first process, known by its id and the moment it started (clock ticks)."""

    name: str
    init_pid: int = 0
    init_started_ticks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRecord:
    """One guest, as it was added."""

    name: str
    number: int
    uuid: str
    address: str
    mac: str
    memory_bytes: int
    vcpus: int
    disk: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabState:
    """The whole lab. ``system`` names what its hosts run, ``userland`` is the folder of it."""

    boot_id: str
    phase: str = "starting"
    link: str = "1gbit"
    system: str = Userland.DEBIAN_13.value
    userland: str = ""
    accelerator: str = ""
    hosts: tuple[HostRecord, ...] = ()
    guests: tuple[GuestRecord, ...] = ()

    def with_host(self, record: HostRecord) -> "LabState":
        """Return the state with one host's record replaced."""
        hosts = tuple(record if host.name == record.name else host for host in self.hosts)
        return replace(self, hosts=hosts)

    def save(self, places: Places) -> None:
        """Write the file; a reader sees the old one or the new one.

        Raises: LabUnfit when the folder is somebody else's, who could put links into it.
        """
        places.root.mkdir(parents=True, exist_ok=True)
        if places.root.lstat().st_uid != os.geteuid():
            raise LabUnfit(
                f"{places.root} belongs to another user.",
                remedy="Remove it, or name another folder in GODWIT_LAB_DIR.",
            )
        temporary = places.state_file.with_suffix(".new")
        temporary.write_text(json.dumps({"version": VERSION, **asdict(self)}, indent=2) + "\n")
        temporary.replace(places.state_file)

    @classmethod
    def load(cls, places: Places) -> "LabState | None":
        """Read the file; None when there is no lab.

        Raises: LabFailed when there is a file that can't be understood.
        """
        try:
            raw: dict[str, Any] = json.loads(places.state_file.read_text())
            if raw.pop("version") != VERSION:
                raise ValueError("another version of the lab wrote it")  # noqa: TRY301
            hosts = tuple(HostRecord(**host) for host in raw.pop("hosts"))
            guests = tuple(GuestRecord(**guest) for guest in raw.pop("guests"))
            return cls(hosts=hosts, guests=guests, **raw)
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError) as error:
            raise LabFailed(
                f"The lab's state file {places.state_file} can't be read.",
                evidence=str(error),
                remedy="godwit lab down",
            ) from error


def boot_id() -> str:
    """Return the identity of this boot: process ids and namespaces of another one mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@contextlib.contextmanager
def exclusive(places: Places, *, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Keep every other operation on this lab out.

    Raises: LabMisused naming the process that holds the lock when it is not free in time; LabUnfit
        when this user may not change the lab.
    """
    try:
        places.lock_file.parent.mkdir(parents=True, exist_ok=True)
        opened = places.lock_file.open("a+")
    except PermissionError as error:
        raise LabUnfit(
            "This user may not change the lab.",
            evidence=str(error),
            remedy="Run the same command as root.",
        ) from error
    with opened as lock:
        deadline_s = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    lock.seek(0)
                    raise LabMisused(
                        "Another lab operation is under way.",
                        evidence=f"process {lock.read().strip()} holds {places.lock_file}",
                        remedy="Wait for it to end.",
                    ) from None
                time.sleep(0.1)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
