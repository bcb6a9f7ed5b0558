"""What this machine must have to run the lab, checked one by one; nothing is installed here.

``missing()`` is fast and changes nothing, except that it makes and drops one empty namespace: only
trying says whether namespaces are allowed here.
"""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from godwit.lab.problems import LabUnfit

__all__ = ["Missing", "check", "missing"]

# Program -> the package of Debian and Ubuntu that has it.
PROGRAMS = {
    "ip": "iproute2",
    "tc": "iproute2",
    "bridge": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "mmdebstrap": "mmdebstrap",
    "dpkg-deb": "dpkg",
    "gcc": "gcc",
    "apt-get": "apt",
}
FILES = {
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "/usr/include/stdio.h": "libc6-dev",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One thing that the lab needs and this machine lacks."""

    what: str
    remedy: str
    package: str = ""


def missing() -> tuple[Missing, ...]:
    """Return all that is missing, most fundamental first; empty on a machine that is fit."""
    lacks = list(_platform())
    lacks += [
        Missing(what=f"the program {program}", remedy=_install(package), package=package)
        for program, package in PROGRAMS.items()
        if _find(program) is None
    ]
    lacks += [
        Missing(what=f"the file {path}", remedy=_install(package), package=package)
        for path, package in FILES.items()
        if not Path(path).exists()
    ]
    if not lacks:
        lacks += _kernel()
    return tuple(lacks)


def check() -> None:
    """Refuse when anything is missing.

    Raises: LabUnfit naming everything that is missing, with one remedy for all packages.
    """
    lacks = missing()
    if not lacks:
        return
    packages = sorted({lack.package for lack in lacks if lack.package})
    remedies = [lack.remedy for lack in lacks if not lack.package]
    if packages:
        remedies.append(_install(*packages))
    raise LabUnfit(
        "This machine can't run the lab: it lacks " + ", ".join(lack.what for lack in lacks) + ".",
        remedy="; ".join(dict.fromkeys(remedies)),
    )


def _install(*packages: str) -> str:
    return "apt-get update && apt-get install -y " + " ".join(packages)


def _find(program: str) -> str | None:
    # A user's PATH may lack the folders of administration; the lab runs as root.
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _platform() -> tuple[Missing, ...]:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        found = f"{platform.system()} on {platform.machine()}"
        return (Missing(what="Linux on x86_64", remedy=f"use another machine than {found}"),)
    if os.geteuid() != 0:
        return (
            Missing(
                what="root (namespaces, bridges and mounts need it)",
                remedy="run the same command with sudo",
            ),
        )
    return ()


def _kernel() -> tuple[Missing, ...]:
    lacks: list[Missing] = []
    tried = subprocess.run(
        ["unshare", "--mount", "--uts", "--pid", "--ipc", "--net", "--fork", "true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    if tried.returncode != 0:
        lacks.append(
            Missing(
                what=f"permission to make namespaces ({tried.stderr.strip()})",
                remedy="run on the machine itself or in a privileged container",
            )
        )
    filesystems = Path("/proc/filesystems").read_text().split()
    if "overlay" not in filesystems and not _module_loads("overlay"):
        lacks.append(Missing(what="the overlay filesystem", remedy="modprobe overlay"))
    if not Path("/dev/net/tun").exists() and not _module_loads("tun"):
        lacks.append(Missing(what="the device /dev/net/tun", remedy="modprobe tun"))
    return tuple(lacks)


def _module_loads(module: str) -> bool:
    modprobe = _find("modprobe")
    if modprobe is None:
        return False
    tried = subprocess.run([modprobe, module], capture_output=True, check=False, timeout=10)
    return tried.returncode == 0
