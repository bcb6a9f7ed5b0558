"""Fixtures of the lab's tests: a machine of one's own, a lab on it, proof that nothing is left.

The tests never touch a lab that somebody uses on this machine: they run in a network and a mount
namespace of their own, so that theirs has the same names and addresses and meets nobody. Where the
machine can't run a lab they are skipped, naming what is missing; in CI that is a failure.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from godwit.core.errors import GodwitError
from godwit.lab import remains, requirements
from godwit.lab.lab import Lab
from godwit.lab.places import Places

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def require_lab() -> None:
    """Skip where the lab can't run; fail where it must."""
    lacks = requirements.missing()
    if not lacks:
        return
    text = "; ".join(f"{lack.what} ({lack.remedy})" for lack in lacks)
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must run the lab's tests, but this machine lacks {text}")
    pytest.skip(f"the lab needs {text}")


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


@contextlib.contextmanager
def private_machine(folder: Path) -> Iterator[Places]:
    """Give this process, and what it starts, a network and mounts of its own."""
    here = Path.cwd()
    before = {kind: os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("net", "mnt")}
    places = Places(root=folder / "lab")
    # First of all: nothing below may ever act on a lab that somebody else uses.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GODWIT_LAB_DIR", str(places.root))
        _call("unshare", CLONE_NEWNS | CLONE_NEWNET)
        try:
            for command in (
                ["mount", "--make-rprivate", "/"],
                ["mkdir", "-p", "/run/netns"],
                ["mount", "-t", "tmpfs", "tmpfs", "/run/netns"],
                ["ip", "link", "set", "lo", "up"],
            ):
                subprocess.run(command, check=True)
            yield places
            Lab.down()
            assert not remains.find(places), "the lab left something behind"
        finally:
            with contextlib.suppress(GodwitError):
                Lab.down()
            # Threads that were started meanwhile share this thread's folders; mounts can't change
            # then.
            _call("unshare", CLONE_FS)
            for kind, number in (("net", CLONE_NEWNET), ("mnt", CLONE_NEWNS)):
                _call("setns", before[kind], number)
                os.close(before[kind])
            os.chdir(here)


@pytest.fixture(scope="session")
def _folder() -> Iterator[Path]:
    # Not pytest's own: /tmp may be in memory, and a lab's disks belong on a disk.
    folder = Path(f"/var/tmp/godwit-lab-test-{os.getpid()}")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def lab(_folder: Path) -> Iterator[Lab]:
    """A lab of three hosts that all tests of the session share; leave it as you found it."""
    require_lab()
    with private_machine(_folder / "shared"):
        yield Lab.up(hosts=3, link="1gbit")


@pytest.fixture
def machine(_folder: Path) -> Iterator[Places]:
    """A machine without a lab, for tests that bring one up themselves."""
    require_lab()
    with private_machine(_folder / "own") as places:
        yield places
