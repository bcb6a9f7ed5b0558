"""What a host's storage pools know of a path: the evidence for "the very same storage"."""

import time
import xml.etree.ElementTree as ET

import libvirt

from godwit.ports import DiskStamp

__all__ = ["read_stamp"]


def read_stamp(connection: "libvirt.virConnect", path: str) -> DiskStamp:
    """Look a path up in the active pools; a pool that covers it is refreshed once if need be.

    Refreshing only makes libvirt list the folder again; nothing is written.
    """
    taken_at_s = time.time()
    pool = _covering_pool(connection, path)
    if pool is None:
        return DiskStamp(covered=False, taken_at_s=taken_at_s)
    volume = _volume(connection, path)
    if volume is None:
        try:
            pool.refresh(0)
        except libvirt.libvirtError:
            return DiskStamp(covered=False, taken_at_s=taken_at_s)
        volume = _volume(connection, path)
    if volume is None:
        return DiskStamp(covered=True, taken_at_s=taken_at_s)
    root = ET.fromstring(volume.XMLDesc(0))  # noqa: S314 - from libvirt
    return DiskStamp(
        covered=True,
        present=True,
        modified_at_s=_time(root, "mtime"),
        changed_at_s=_time(root, "ctime"),
        capacity_bytes=int(root.findtext("capacity", "0")),
        taken_at_s=taken_at_s,
    )


def _time(root: ET.Element, name: str) -> float:
    return float(root.findtext(f"target/timestamps/{name}", "0") or 0)


def _volume(connection: "libvirt.virConnect", path: str) -> "libvirt.virStorageVol | None":
    try:
        return connection.storageVolLookupByPath(path)
    except libvirt.libvirtError:
        return None


def _covering_pool(connection: "libvirt.virConnect", path: str) -> "libvirt.virStoragePool | None":
    try:
        pools = connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
    except libvirt.libvirtError:
        return None
    best, best_length = None, 0
    for pool in pools:
        root = ET.fromstring(pool.XMLDesc(0))  # noqa: S314 - from libvirt
        target = root.findtext("target/path")
        # Only direct children are volumes of a folder pool.
        if target and path.rpartition("/")[0] == target.rstrip("/") and len(target) > best_length:
            best, best_length = pool, len(target)
    return best
