"""What in a domain's XML stops a live move, or makes it doubtful.

Only what can be seen without asking QEMU. The complete check is libvirt's own, when the migration
is prepared; this one is for the plan, so that nobody learns of it at the last moment.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Final

from godwit.core.model import Blocker

__all__ = ["find_blockers", "find_warnings"]

#: QEMU's drivers of these formats refuse migration.
_STUCK_FORMATS: Final = frozenset({"qcow", "vdi", "vmdk", "vhdx", "vpc", "parallels", "vvfat"})

_PASSTHROUGH_REMEDY: Final = "Detach the device for the move, or shut the VM down to move it."


def find_blockers(root: ET.Element, *, snapshots: int) -> tuple[Blocker, ...]:
    """List what certainly stops a live move of the domain."""
    return (
        *_devices(root),
        *_file_systems(root),
        *_disks(root),
        *_features(root),
        *_snapshots(snapshots),
    )


def _devices(root: ET.Element) -> Iterator[Blocker]:
    for device in root.iterfind("devices/hostdev"):
        if device.find("teaming") is None:
            kind = device.get("type", "device")
            yield Blocker(what=f"a passed-through {kind} device", remedy=_PASSTHROUGH_REMEDY)
    for nic in root.iterfind("devices/interface"):
        if nic.get("type") in {"hostdev", "vdpa"} and nic.find("teaming") is None:
            yield Blocker(
                what=f"a passed-through network card ({nic.get('type')})",
                remedy="Give it a virtio partner with <teaming>, or detach it for the move.",
            )
    for memory in root.iterfind("devices/shmem"):
        if memory.get("role") != "master":
            yield Blocker(what="shared memory (shmem)", remedy="Remove the shmem device.")
    for tpm in root.iterfind("devices/tpm/backend"):
        if tpm.get("type") == "passthrough":
            yield Blocker(what="a passed-through TPM", remedy="Use an emulated TPM (swtpm).")


def _file_systems(root: ET.Element) -> Iterator[Blocker]:
    for share in root.iterfind("devices/filesystem"):
        yield Blocker(
            what=f"a host folder shared into the guest ({share.get('type', 'mount')})",
            remedy="Detach the shared folder for the move.",
        )


def _disks(root: ET.Element) -> Iterator[Blocker]:
    for disk in root.iterfind("devices/disk"):
        driver, target = disk.find("driver"), disk.find("target")
        name = target.get("dev", "?") if target is not None else "?"
        if driver is not None and driver.get("type") in _STUCK_FORMATS:
            yield Blocker(
                what=f"disk {name} has the format {driver.get('type')}",
                remedy="Convert it to qcow2 or raw with `qemu-img convert`.",
            )
        if disk.find("transient") is not None:
            yield Blocker(what=f"disk {name} is transient", remedy="Make it an ordinary disk.")


def _features(root: ET.Element) -> Iterator[Blocker]:
    if root.find("launchSecurity") is not None:
        yield Blocker(
            what="encrypted memory (launchSecurity)", remedy="Shut the VM down to move it."
        )
    for feature in root.iterfind("cpu/feature"):
        if feature.get("name") == "invtsc" and feature.get("policy") in {"require", "force"}:
            timers = root.findall("clock/timer[@name='tsc']")
            if not any(timer.get("frequency") for timer in timers):
                yield Blocker(
                    what="the CPU feature invtsc without a fixed TSC frequency",
                    remedy="Set the frequency of the tsc timer, or drop invtsc.",
                )


def _snapshots(count: int) -> Iterator[Blocker]:
    if count > 0:
        yield Blocker(
            what=f"{count} libvirt snapshot{'s' if count > 1 else ''}",
            remedy="Delete the snapshots, or their metadata only (`virsh snapshot-delete"
            " --metadata`).",
        )


def find_warnings(root: ET.Element, *, cpu_mode: str) -> tuple[str, ...]:
    """List what may go wrong although nothing forbids the move."""
    warnings: list[str] = []
    if cpu_mode in {"host-passthrough", "maximum"}:
        warnings.append(
            f"its CPU is {cpu_mode}: hosts are compared by CPU model and features, but not by"
            " microcode and kernel"
        )
    if any(child.tag.endswith("}commandline") for child in root):
        warnings.append("it has QEMU command-line options that libvirt can't check")
    if any(nic.get("type") in {"direct", "user", "vhostuser"} for nic in _nics(root)):
        warnings.append("it has a network card whose move can't be checked beforehand")
    return tuple(warnings)


def _nics(root: ET.Element) -> list[ET.Element]:
    return root.findall("devices/interface")
