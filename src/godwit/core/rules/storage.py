"""Every disk must lie on storage that the destination sees too. Local disks are not copied yet."""

from typing import Final

from godwit.core.model import Disk, DiskSighting
from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement

__all__ = ["RULE"]


def _check(placement: Placement) -> Refusal | None:
    for disk in placement.vm.disks:
        if disk.source is None:
            continue  # an empty drive
        if (refusal := _check_disk(placement, disk)) is not None:
            return refusal
    return None


def _check_disk(placement: Placement, disk: Disk) -> Refusal | None:
    name = placement.host.name
    key = (placement.vm.id, disk.target, name)
    match placement.cluster.disk_sightings.get(key):
        case DiskSighting.SAME | DiskSighting.DECLARED:
            return None
        case DiskSighting.MISSING:
            return placement.refuse(
                "storage",
                f"disk {disk.target} ({disk.source}) is not seen on {name}, though declared shared",
                f"Mount the same storage at the same path on {name}.",
            )
        case DiskSighting.LOCAL:
            return placement.refuse(
                "storage",
                f"disk {disk.target} ({disk.source}) is local to {placement.vm.host}",
                "Put it on storage that both hosts see, and name that folder in `shared_paths`"
                " of both hosts. Local disks are not copied by Godwit yet.",
            )
        case None:
            return placement.refuse(
                "storage",
                f"whether {name} sees disk {disk.target} ({disk.source}) is not known",
                "Scan again when both hosts answer.",
            )


RULE: Final = HostRule(name="storage", says="the host sees all of the VM's disks", check=_check)
