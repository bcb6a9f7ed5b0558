"""What a domain's XML says that matters for moving it. Reads only: the XML is never rebuilt."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from godwit.core.model import Disk, DiskKind, Nic
from godwit.drivers.libvirt.numa_xml import read_bound_cells, read_huge_page_size

__all__ = ["DomainFacts", "read_domain_xml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFacts:
    """The facts of one domain XML; ``root`` is kept for those who look for more."""

    root: ET.Element
    architecture: str
    machine: str
    virt_type: str
    emulator: str
    cpu_xml: str
    cpu_mode: str
    memory_bytes: int
    vcpus: int
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    huge_page_bytes: int | None
    numa_cells: frozenset[int]


def read_domain_xml(text: str) -> DomainFacts:
    """Read a live or inactive domain XML as libvirt prints it (sizes in KiB)."""
    root = ET.fromstring(text)  # noqa: S314 - from libvirt; expat bounds entity expansion
    os_type = root.find("os/type")
    cpu = root.find("cpu")
    return DomainFacts(
        root=root,
        architecture=os_type.get("arch", "") if os_type is not None else "",
        machine=os_type.get("machine", "") if os_type is not None else "",
        virt_type=root.get("type", ""),
        emulator=root.findtext("devices/emulator", ""),
        cpu_xml=ET.tostring(cpu, encoding="unicode").strip() if cpu is not None else "",
        cpu_mode=cpu.get("mode", "custom") if cpu is not None else "",
        memory_bytes=_memory(root),
        vcpus=int(root.findtext("vcpu", "1")),
        disks=tuple(_disk(one) for one in root.iterfind("devices/disk")),
        nics=tuple(_nic(one) for one in root.iterfind("devices/interface")),
        huge_page_bytes=read_huge_page_size(root),
        numa_cells=read_bound_cells(root),
    )


def _memory(root: ET.Element) -> int:
    """The most the guest may ever use: ``maxMemory`` where memory can be plugged in."""
    plugged = root.findtext("maxMemory")
    return int(plugged or root.findtext("memory") or "0") * 1024


def _disk(element: ET.Element) -> Disk:
    kind = element.get("type", "other")
    source = element.find("source")
    driver = element.find("driver")
    target = element.find("target")
    return Disk(
        target=target.get("dev", "?") if target is not None else "?",
        kind=DiskKind(kind) if kind in {one.value for one in DiskKind} else DiskKind.OTHER,
        source=_disk_source(source) if source is not None else None,
        format=driver.get("type", "raw") if driver is not None else "raw",
        read_only=element.find("readonly") is not None,
        shareable=element.find("shareable") is not None,
        pool=source.get("pool") if source is not None else None,
    )


def _disk_source(source: ET.Element) -> str | None:
    for attribute in ("file", "dev", "dir"):
        if (value := source.get(attribute)) is not None:
            return value
    if (volume := source.get("volume")) is not None:
        return f"{source.get('pool', '?')}/{volume}"
    if (protocol := source.get("protocol")) is not None:
        return f"{protocol}:{source.get('name', '')}"
    return None


def _nic(element: ET.Element) -> Nic:
    kind = element.get("type", "")
    source = element.find("source")
    mac = element.find("mac")
    model = element.find("model")
    tap = element.find("target")
    joined = ""
    if source is not None:
        # A card on a libvirt network of bridge mode is shown live as a bridge, with both names;
        # the destination will look for the network.
        kind = "network" if source.get("network") else kind
        joined = source.get(kind) or source.get("bridge") or source.get("dev") or ""
    return Nic(
        mac=mac.get("address", "") if mac is not None else "",
        kind=kind,
        source=joined,
        model=model.get("type", "") if model is not None else "",
        tap=tap.get("dev") if tap is not None else None,
    )
