"""Builds the userland of the hosts: a Debian 13 root folder with QEMU and libvirt, once per recipe.

Debian 13 on purpose, whatever this machine runs: QEMU 7.2 of Debian 12 loses guest writes when a
busy emulated guest migrates. No mirror is named: mmdebstrap knows its own default, and the
machine's apt configuration decides the rest. The folder is never written to once it is built; each
host puts an overlay over it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from godwit.lab.problems import LabFailed
from godwit.lab.progress import Say

__all__ = ["build_userland", "cache_lock", "publish"]

SUITE = "trixie"
PACKAGES = (
    "qemu-system-x86",
    "qemu-utils",
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    "libvirt-daemon-driver-network",
    "libvirt-daemon-driver-storage",
    "libvirt-daemon-lock",
    "libvirt-daemon-log",
    "libvirt-clients",
    "iproute2",
    "iputils-ping",
    "procps",
    "tini",
    "busybox-static",
    "zstd",
    # A name server for the tests of DNS records.
    "knot",
)
NOT_UNPACKED = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*")
# The guest's kernel is fetched with the same package lists, outside the root folder's own reach of
# names and networks. The package of the plain name only points at the one with the version.
FETCH_KERNEL = """
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
mkdir -p "$1/opt/kernel"
cd "$1/opt/kernel"
apt-cache depends linux-image-cloud-amd64 |
	sed -n 's/.*Depends: \\(linux-image-[0-9]\\)/\\1/p' |
	xargs apt-get download
"""
BUILD_TIMEOUT_S = 1800.0


def _recipe() -> list[str]:
    options = [f"--dpkgopt=path-exclude={path}" for path in NOT_UNPACKED]
    return [
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        f"--customize-hook={FETCH_KERNEL.strip()}",
        *options,
        SUITE,
    ]


@contextmanager
def cache_lock(cache: Path) -> Iterator[None]:
    """Hold the cache alone: two labs with folders of their own may share one cache."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def publish(final: Path) -> Iterator[Path]:
    """Yield a folder to build in, and move it to its final name when the block succeeds.

    Must be called under ``cache_lock``: any unfinished folder seen is then a dead builder's.
    """
    for stale in final.parent.glob("*.building"):
        shutil.rmtree(stale)
    building = final.with_name(final.name + ".building")
    building.mkdir(parents=True)
    try:
        yield building
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    building.rename(final)


def build_userland(cache: Path, say: Say) -> Path:
    """Return the root folder of the hosts' userland, building it when the cache has none.

    Raises: LabFailed with the builder's last lines; the cache is then as it was before.
    """
    key = hashlib.sha256("\0".join(_recipe()).encode()).hexdigest()[:12]
    final = cache / f"userland-{key}"
    with cache_lock(cache):
        if not final.exists():
            say(f"building the hosts' userland ({SUITE}, about 300 MB, once)")
            with publish(final) as building:
                _bootstrap(building / "root", say)
    return final / "root"


def _bootstrap(root: Path, say: Say) -> None:
    started_s = time.monotonic()
    recipe = _recipe()
    with subprocess.Popen(
        ["mmdebstrap", *recipe, str(root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # The machine's locale does not exist in there, and every package would complain.
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    ) as builder:
        guard = threading.Timer(BUILD_TIMEOUT_S, builder.terminate)
        guard.daemon = True
        guard.start()
        last: list[str] = []
        try:
            for line in builder.stderr or ():
                last = [*last[-11:], line.rstrip()]
                if line.startswith("I: "):
                    say(f"  {time.monotonic() - started_s:4.0f} s  {line[3:].strip()}")
        except BaseException:
            builder.terminate()
            raise
        finally:
            guard.cancel()
    if builder.returncode != 0:
        raise LabFailed(
            "Building the hosts' userland failed.",
            evidence="\n".join(last),
            remedy="Check that this machine can install Debian packages (apt-get update).",
        )
