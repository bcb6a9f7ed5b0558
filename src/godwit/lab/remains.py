"""Finds everything that a lab left on this machine, and takes it away.

Trusts nothing but what is there: it works after a clean stop, after a crash in the middle and after
a kill -9. What belongs to the lab is told by the network namespaces that bear its names: a process
is the lab's if it lives in one of them, whatever it is called and whoever started it. Files are the
lab's if they lie in its folder.
"""

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from godwit.lab.commands import NAMESPACES, run
from godwit.lab.layout import ROOT_INTERFACES, is_lab_namespace
from godwit.lab.places import Places
from godwit.lab.problems import LabFailed, LabMisused
from godwit.lab.processes import Process, end_all, living

__all__ = ["Remains", "clear", "find", "is_foreign", "remove_files"]

# A namespace is taken down by the kernel some time after its last user is gone.
INTERFACES_GONE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What there is of a lab on this machine; all empty when there is none."""

    namespaces: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    processes: tuple[Process, ...] = ()
    mounts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.namespaces or self.interfaces or self.processes or self.mounts)


def find(places: Places) -> Remains:
    """Look for namespaces, interfaces, processes and mounts of the lab."""
    namespaces = tuple(
        sorted(entry.name for entry in _entries(NAMESPACES) if is_lab_namespace(entry.name))
    )
    # Inode 0 stands for "unknown" and must match nothing.
    inodes = {_inode(NAMESPACES / name) for name in namespaces} - {0}
    # A name whose namespace was never attached to it is a plain file on the machine's own.
    inodes.discard(_inode(Path("/proc/self/ns/net")))
    return Remains(
        namespaces=namespaces,
        interfaces=_interfaces(),
        processes=tuple(living(lambda process: process.namespace("net") in inodes)),
        mounts=_mounts(places),
    )


def clear(places: Places) -> Remains:
    """Take everything of the lab away and return what had been found; safe to repeat.

    Raises: LabFailed naming what could not be taken away; LabMisused from inside the lab.
    """
    found = find(places)
    own = {process.pid for process in found.processes}
    if own & {os.getpid(), os.getppid()} or _inside_lab():
        raise LabMisused(
            "The lab can't be taken down from inside.", remedy="Leave its shell first."
        )
    stubborn = end_all(found.processes)
    if stubborn:
        names = ", ".join(f"{process.program()} ({process.pid})" for process in stubborn)
        raise LabFailed("Some processes of the lab do not end.", evidence=names)
    for mount in reversed(found.mounts):
        run(["umount", "--lazy", mount])
    for namespace in found.namespaces:
        run(["ip", "netns", "delete", namespace])
    _wait_interfaces_gone()
    remove_files(places)
    return found


def is_foreign(places: Places) -> bool:
    """Whether the folder holds something, and no lab's state: a person named it by mistake."""
    if places.state_file.exists() or not places.root.exists():
        return False
    unfinished = places.state_file.with_suffix(".new")
    return any(entry != unfinished for entry in places.root.iterdir())


def remove_files(places: Places) -> None:
    """Remove the folder of the lab; one that is no lab's is left alone."""
    if not places.root.exists() or is_foreign(places):
        return
    # The state goes last: cut off in between, the folder is still known to be the lab's.
    for entry in sorted(places.root.iterdir(), key=lambda one: one == places.state_file):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    places.root.rmdir()


def _inside_lab() -> bool:
    # A lab host's network namespace is none that a machine has names for outside.
    inode = _inode(Path("/proc/self/ns/net"))
    return any(
        _inode(entry) == inode for entry in _entries(NAMESPACES) if is_lab_namespace(entry.name)
    )


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _interfaces() -> tuple[str, ...]:
    shown = json.loads(run(["ip", "-json", "link", "show"]) or "[]")
    names = {str(interface["ifname"]) for interface in shown}
    return tuple(name for name in ROOT_INTERFACES if name in names)


def _mounts(places: Places) -> tuple[str, ...]:
    # Hosts mount inside their own namespaces; here there is something only if a person put it.
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4]
        if Path(point).is_relative_to(places.root):
            mounts.append(point)
    return tuple(mounts)


def _wait_interfaces_gone() -> None:
    deadline_s = time.monotonic() + INTERFACES_GONE_S
    while left := _interfaces():
        if time.monotonic() > deadline_s:
            # Their other ends are gone with the fabric; a single end can go by itself.
            for interface in left:
                run(["ip", "link", "delete", interface])
            return
        time.sleep(0.02)
