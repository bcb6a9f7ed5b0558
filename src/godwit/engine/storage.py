"""Is it the very same storage on both hosts? Judged from what their libvirts say of the path.

A file that both see is read three times: source, destination, source again. When the times on the
destination lie within those of the source, to less than a microsecond, it is the same
file. Networked file systems may show times late; then a person's declaration decides, if the file
is there at all. Nothing is ever written to find out.
"""

from godwit.core.model import Disk, DiskKind, DiskSighting, Host
from godwit.engine.fleet import Fleet
from godwit.ports import DiskStamp

__all__ = ["judge_file", "judge_pool"]


def judge_pool(pool: str, source: Host, destination: Host) -> DiskSighting:
    """Judge a volume named by its pool: the pools must have the same networked origin."""
    pools = [
        next((one for one in host.observed.pools if one.name == pool), None)
        for host in (source, destination)
        if host.observed is not None
    ]
    if len(pools) == 2 and pools[0] is not None and pools[1] is not None:
        same = pools[0].origin is not None and pools[0].origin == pools[1].origin
        return DiskSighting.SAME if same else DiskSighting.LOCAL
    return DiskSighting.MISSING


def _is_declared(path: str, source: Host, destination: Host) -> bool:
    return any(
        path.startswith(shared.rstrip("/") + "/")
        for shared in set(source.record.shared_paths) & set(destination.record.shared_paths)
    )


async def judge_file(fleet: Fleet, disk: Disk, source: Host, destination: Host) -> DiskSighting:
    """Judge a disk that is a file or a device. Raises: DriverError when a host does not answer."""
    assert disk.source is not None, "empty drives are not asked about"
    path = disk.source
    declared = _is_declared(path, source, destination)
    if disk.kind is DiskKind.BLOCK:
        return DiskSighting.DECLARED if declared else DiskSighting.LOCAL
    here = fleet.hypervisor(source.name)
    before = await here.stamp(path)
    there = await fleet.hypervisor(destination.name).stamp(path)
    after = await here.stamp(path)
    if there.covered and not there.present:
        return DiskSighting.MISSING if declared else DiskSighting.LOCAL
    if _same_file(before, there, after):
        return DiskSighting.SAME
    return DiskSighting.DECLARED if declared else DiskSighting.LOCAL


def _same_file(before: DiskStamp, there: DiskStamp, after: DiskStamp) -> bool:
    if not (before.present and there.present and after.present):
        return False
    return (
        before.capacity_bytes == there.capacity_bytes
        and before.modified_at_s <= there.modified_at_s <= after.modified_at_s
        and before.changed_at_s <= there.changed_at_s <= after.changed_at_s
    )
