"""Builds what a guest boots: the Debian cloud kernel and an initramfs with the workload.

The workload is compiled here from ``guest/``; the kernel and busybox come out of the hosts'
userland. The result depends on its inputs alone and is kept in the cache under their hash. How a
guest is defined in libvirt is in ``domain``.
"""

import hashlib
import lzma
import stat
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from godwit.lab.commands import run
from godwit.lab.problems import LabFailed
from godwit.lab.progress import Say
from godwit.lab.userland import cache_lock, publish

__all__ = ["GuestImage", "build_guest_image", "pack_initramfs"]

SOURCES = Path(__file__).parent / "guest"
C_FILES = ("agent.c", "memory.c", "disk.c")
COMPILE = ("gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-static", "-pthread")
# In the order in which they must be loaded; some kernels have the first ones built in.
MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
    "virtio_blk",
    "virtio_balloon",
    "button",
    "evdev",
)
FORMAT = "2"
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestImage:
    """The two files of a direct kernel boot."""

    kernel: Path
    initramfs: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def build_guest_image(cache: Path, userland: Path, say: Say) -> GuestImage:
    """Return the guests' kernel and initramfs, building them when the cache has none.

    Raises: LabFailed when the workload does not compile or the kernel lacks a driver.
    """
    packages = sorted((userland / "opt/kernel").glob("linux-image-*.deb"))
    if len(packages) != 1:
        raise LabFailed(
            "The hosts' userland holds no guest kernel.",
            remedy="Build it anew: godwit lab clean, then godwit lab up.",
        )
    digest = hashlib.sha256(
        "\0".join([FORMAT, packages[0].name, userland.parent.name, *COMPILE, *MODULES]).encode()
    )
    for source in sorted(SOURCES.iterdir()):
        if source.is_file():
            digest.update(source.read_bytes())
    final = cache / f"guest-{digest.hexdigest()[:12]}"
    with cache_lock(cache):
        if not final.exists():
            say("building the guests' kernel and initramfs")
            with publish(final) as building:
                _build(building, packages[0], userland)
    return GuestImage(kernel=final / "kernel", initramfs=final / "initramfs")


def _build(building: Path, package: Path, userland: Path) -> None:
    agent = building / "agent"
    run([*COMPILE, "-o", str(agent), *(str(SOURCES / name) for name in C_FILES)])
    with tempfile.TemporaryDirectory(dir=building) as unpacked_name:
        unpacked = Path(unpacked_name)
        run(["dpkg-deb", "-x", str(package), str(unpacked)])
        kernels = list((unpacked / "boot").glob("vmlinuz-*"))
        if len(kernels) != 1:
            raise LabFailed(f"{package.name} holds {len(kernels)} kernels instead of one.")
        modules = _collect_modules(unpacked, userland)
        (building / "kernel").write_bytes(_plain_kernel(kernels[0].read_bytes(), userland))
    entries = [
        *(_Entry(path=name, mode=stat.S_IFDIR | 0o755) for name in ("bin", "dev", "modules")),
        # The kernel opens it for init's output before devtmpfs is mounted.
        _Entry(path="dev/console", mode=stat.S_IFCHR | 0o600, device=(5, 1)),
        _file("bin/busybox", (userland / "usr/bin/busybox").read_bytes()),
        _file("init", (SOURCES / "init.sh").read_bytes()),
        _file("agent", agent.read_bytes()),
        *(_file(f"modules/{name}", content) for name, content in modules),
        _file("modules/order", "".join(f"{name}\n" for name, _ in modules).encode()),
    ]
    # Not compressed: an emulated processor takes longer to unpack it than QEMU to hand it over.
    (building / "initramfs").write_bytes(pack_initramfs(entries))


def _file(path: str, content: bytes) -> _Entry:
    return _Entry(path=path, mode=stat.S_IFREG | 0o755, content=content)


def _collect_modules(unpacked: Path, userland: Path) -> list[tuple[str, bytes]]:
    built_in: set[str] = set()
    for listing in unpacked.glob("**/modules.builtin"):
        built_in |= {Path(line).stem for line in listing.read_text().splitlines()}
    collected = []
    for name in MODULES:
        found = sorted(unpacked.glob(f"**/{name}.ko*"))
        if found:
            collected.append((f"{name}.ko", _plain_module(found[0], userland)))
        elif name not in built_in:
            raise LabFailed(f"The guest kernel has no driver {name}.")
    return collected


def _plain_module(path: Path, userland: Path) -> bytes:
    raw = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(raw)
    if path.suffix == ".zst":
        return _unpack_zstd(raw, userland)
    return raw


def _plain_kernel(image: bytes, userland: Path) -> bytes:
    """Take the ELF kernel out of its self-unpacking image; return the image if that is not zstd.

    QEMU starts an ELF kernel by its PVH entry. Unpacking itself would cost an emulated processor
    more than a second of a boot of three. Source: Documentation/arch/x86/boot.rst of the kernel.
    """
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    if image[start : start + 4] != _ZSTD:
        return image
    # The last four bytes are the unpacked size, for the kernel's own use.
    return _unpack_zstd(image[start : start + length - 4], userland)


def _unpack_zstd(packed: bytes, userland: Path) -> bytes:
    # The hosts' userland has the program, whatever this machine has.
    done = subprocess.run(
        ["chroot", str(userland), "zstd", "-dcq"], input=packed, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise LabFailed("The guest's kernel can't be unpacked.", evidence=done.stderr.decode())
    return done.stdout


def pack_initramfs(entries: Sequence[_Entry]) -> bytes:
    """Write a "newc" cpio archive, which is what the kernel takes as an initramfs.

    Source: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
    """
    archive = bytearray()
    trailer = _Entry(path="TRAILER!!!", mode=0)
    for number, entry in enumerate([*entries, trailer], start=1):
        name = entry.path.encode() + b"\0"
        fields = (
            *(number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0),
            *entry.device,
            len(name),
            0,
        )
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        archive += b"\0" * (-len(archive) % 4)
        archive += entry.content
        archive += b"\0" * (-len(archive) % 4)
    return bytes(archive)
