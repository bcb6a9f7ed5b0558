"""Builds the userland of the hosts: a Debian root folder with QEMU and libvirt, once per recipe.

Debian 13 unless asked otherwise, whatever this machine runs. Its libvirt crashes when a broken
post-copy is to be taken up again, so there is Debian 12's beside it, with the QEMU of its
backports: QEMU 7.2, its own, loses guest writes when a busy emulated guest migrates. No mirror is
named: mmdebstrap knows its own default, and the machine's apt configuration decides the rest. The
folder is never written to once it is built; each host puts an overlay over it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from godwit.lab.problems import LabFailed
from godwit.lab.progress import Say

__all__ = ["Userland", "build_userland", "cache_lock", "publish", "recipe_of"]


class Userland(StrEnum):
    """What the hosts run."""

    DEBIAN_13 = "debian-13"
    DEBIAN_12 = "debian-12"


_PACKAGES = (
    "qemu-system-x86",
    "qemu-utils",
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    # Debian 13 has these in packages of their own, Debian 12 in libvirt-daemon.
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
_NOT_IN_DEBIAN_12 = frozenset(
    {
        "libvirt-daemon-driver-network",
        "libvirt-daemon-driver-storage",
        "libvirt-daemon-lock",
        "libvirt-daemon-log",
        "knot",
    }
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
# Backports come from where mmdebstrap takes the suite itself; only QEMU, and the firmware that it
# wants, are taken from them.
QEMU_FROM_BACKPORTS = """
set -eu
cd "$1/etc/apt"
cat sources.list sources.list.d/*.list 2>/dev/null |
	sed -n 's/ bookworm main$/ bookworm-backports main/p' >backports
grep -q . backports
mv backports sources.list.d/backports.list
cat >preferences.d/backports <<end
Package: src:qemu src:seabios
Pin: release n=bookworm-backports
Pin-Priority: 990
end
"""
# What Debian 12 has in libvirt-daemon-system, which wants a whole init system; the daemon does not
# start without.
LIBVIRT_WITHOUT_SYSTEM = """
set -eu
chroot "$1" useradd --system --no-create-home libvirt-qemu
mkdir -p "$1/var/log/libvirt/qemu"
"""
BUILD_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    suite: str
    packages: tuple[str, ...]
    hooks: tuple[str, ...] = ()


_RECIPES: Mapping[Userland, _Recipe] = MappingProxyType(
    {
        Userland.DEBIAN_13: _Recipe(suite="trixie", packages=_PACKAGES),
        Userland.DEBIAN_12: _Recipe(
            suite="bookworm",
            packages=tuple(name for name in _PACKAGES if name not in _NOT_IN_DEBIAN_12),
            hooks=(
                f"--setup-hook={QEMU_FROM_BACKPORTS.strip()}",
                f"--customize-hook={LIBVIRT_WITHOUT_SYSTEM.strip()}",
            ),
        ),
    }
)


def recipe_of(which: Userland) -> list[str]:
    """Return mmdebstrap's arguments before the folder; their hash names the result."""
    recipe = _RECIPES[which]
    return [
        "--variant=minbase",
        f"--include={','.join(recipe.packages)}",
        *recipe.hooks,
        f"--customize-hook={FETCH_KERNEL.strip()}",
        *(f"--dpkgopt=path-exclude={path}" for path in NOT_UNPACKED),
        recipe.suite,
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


def build_userland(cache: Path, which: Userland, say: Say) -> Path:
    """Return the root folder of the hosts' userland, building it when the cache has none.

    Raises: LabFailed with the builder's last lines; the cache is then as it was before.
    """
    options = recipe_of(which)
    key = hashlib.sha256("\0".join(options).encode()).hexdigest()[:12]
    final = cache / f"userland-{key}"
    with cache_lock(cache):
        if not final.exists():
            say(f"building the hosts' userland ({which}, about 300 MB, once)")
            with publish(final) as building:
                _bootstrap(options, building / "root", say)
    return final / "root"


def _bootstrap(options: list[str], root: Path, say: Say) -> None:
    started_s = time.monotonic()
    with subprocess.Popen(
        ["mmdebstrap", *options, str(root)],
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
