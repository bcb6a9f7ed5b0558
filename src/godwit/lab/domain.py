"""The libvirt definition of a lab guest: a pure function from what was asked to XML text."""

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from godwit.lab.host_files import GUEST_NETWORK, SHARED_FOLDER
from godwit.lab.state import GuestRecord

__all__ = ["BOOT_FOLDER", "Workload", "disk_path", "domain_xml"]

BOOT_FOLDER = f"{SHARED_FOLDER}/boot"
GUEST_BITS = 24
# A guest that panics ends at once, so that a test sees it. The rest shortens an emulated boot.
KERNEL_OPTIONS = (
    "console=ttyS0 quiet panic=-1 "
    "mitigations=off rcupdate.rcu_expedited=1 cryptomgr.notests audit=0 apparmor=0"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What a guest does from its boot on; it can be changed while it runs."""

    dirty_bytes_per_s: float = 0.0
    working_set_bytes: int = 64 * 1024 * 1024


def disk_path(guest: str, disk: str) -> str:
    """Return where a guest's disk lies inside a host; ``disk`` names the storage pool."""
    return f"/srv/{disk}/{guest}.img"


def domain_xml(
    record: GuestRecord, workload: Workload, *, accelerator: str, metadata: str | None = None
) -> str:
    """Return the definition of a guest.

    Everything that makes it movable between the lab's hosts is here: a CPU model that all have,
    files at the same path on all, no host device, no cache of the host's in front of its disk.
    """
    kind = "kvm" if accelerator == "kvm" else "qemu"
    settings = " ".join(
        [
            KERNEL_OPTIONS,
            f"godwit.name={record.name}",
            f"godwit.address={record.address}/{GUEST_BITS}",
            f"godwit.dirty_rate={round(workload.dirty_bytes_per_s)}",
            f"godwit.working_set={workload.working_set_bytes}",
        ]
    )
    if metadata is None:
        # Where the guest answers: so that Godwit measures the outage of this guest by itself.
        metadata = (
            '<godwit:vm xmlns:godwit="urn:godwit:vm:1">'
            f'<godwit:probe address="{record.address}"/></godwit:vm>'
        )
    metadata = metadata.replace("{address}", record.address)
    console = f"/var/log/libvirt/qemu/{record.name}-console.log"
    return f"""<domain type='{kind}'>
  <name>{escape(record.name)}</name>
  <uuid>{record.uuid}</uuid>
  <metadata>{metadata}</metadata>
  <memory unit='b'>{record.memory_bytes}</memory>
  <vcpu>{record.vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{BOOT_FOLDER}/kernel</kernel>
    <initrd>{BOOT_FOLDER}/initramfs</initrd>
    <cmdline>{escape(settings)}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='custom' match='exact' check='none'><model>qemu64</model></cpu>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
{_disk(record)}    <interface type='network'>
      <mac address='{record.mac}'/>
      <source network='{GUEST_NETWORK}'/>
      <model type='virtio'/>
    </interface>
    <serial type='file'>
      <source path={quoteattr(console)} append='on'/>
      <target port='0'/>
    </serial>
    <memballoon model='virtio'><stats period='1'/></memballoon>
    <controller type='usb' model='none'/>
  </devices>
</domain>
"""


def _disk(record: GuestRecord) -> str:
    if record.disk == "none":
        return ""
    return f"""    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none' io='threads'/>
      <source file={quoteattr(disk_path(record.name, record.disk))}/>
      <target dev='vda' bus='virtio'/>
    </disk>
"""
