"""What a host can do, read once per connection: versions, machine types, CPU, emulator."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Final

import libvirt

from godwit.core.model import Feature, HostVersions, NumaCell
from godwit.drivers.libvirt.features import features_of
from godwit.drivers.libvirt.numa_xml import read_cells

__all__ = ["Capabilities", "read_capabilities"]

_LIBVIRT_MIN: Final = 9_000_000
_QEMU_MIN: Final = 7_002_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The unchanging facts of a connection.

    ``migratable_cpu_xml`` is the CPU that QEMU would give a guest of this host; empty where it
    can't say.
    """

    host_uuid: str
    hostname: str
    versions: HostVersions
    architecture: str
    cpu_model: str
    emulator: str
    virt_types: frozenset[str]
    machine_types: frozenset[str]
    migratable_cpu_xml: str
    lacks: tuple[str, ...]
    features: frozenset[Feature]
    numa: tuple[NumaCell, ...] | None


def read_capabilities(connection: "libvirt.virConnect") -> Capabilities:
    """Ask a host for all of it. Blocking."""
    root = ET.fromstring(connection.getCapabilities())  # noqa: S314 - from libvirt
    versions = HostVersions(libvirt=connection.getLibVersion(), qemu=_qemu_version(connection))
    architecture = root.findtext("host/cpu/arch", "")
    virt_types: set[str] = set()
    machine_types: set[str] = set()
    emulator = ""
    for arch in root.iterfind(f"guest/arch[@name='{architecture}']"):
        emulator = emulator or arch.findtext("emulator", "")
        virt_types |= {one.get("type", "") for one in arch.iterfind("domain")}
        machine_types |= {one.text or "" for one in arch.iter("machine")}
        machine_types |= {one.get("canonical", "") for one in arch.iter("machine")}
    return Capabilities(
        host_uuid=root.findtext("host/uuid", ""),
        hostname=connection.getHostname(),
        versions=versions,
        architecture=architecture,
        cpu_model=root.findtext("host/cpu/model", "") or "unknown",
        emulator=emulator,
        virt_types=frozenset(virt_types - {""}),
        machine_types=frozenset(machine_types - {""}),
        migratable_cpu_xml=_migratable_cpu(connection, architecture, virt_types),
        lacks=_lacks(versions, virt_types),
        features=features_of(
            versions, is_live=root.find("host/migration_features/live") is not None
        ),
        numa=read_cells(root),
    )


def _qemu_version(connection: "libvirt.virConnect") -> int:
    try:
        return int(connection.getVersion())
    except libvirt.libvirtError:
        return 0  # no QEMU on the host: `lacks` says so


def _migratable_cpu(
    connection: "libvirt.virConnect", architecture: str, virt_types: set[str]
) -> str:
    """The ``host-model`` CPU of the domain capabilities: what QEMU really gives here."""
    if "kvm" not in virt_types:
        return ""
    try:
        text = connection.getDomainCapabilities(None, architecture, None, "kvm", 0)
    except libvirt.libvirtError:
        return ""
    mode = ET.fromstring(text).find("cpu/mode[@name='host-model']")  # noqa: S314 - from libvirt
    if mode is None:
        return ""
    cpu = ET.Element("cpu", mode="custom", match="exact")
    for child in mode:
        if child.tag in {"model", "vendor", "feature"}:
            cpu.append(child)
    return ET.tostring(cpu, encoding="unicode").strip()


def _lacks(versions: HostVersions, virt_types: set[str]) -> tuple[str, ...]:
    lacks: list[str] = []
    if versions.libvirt < _LIBVIRT_MIN:
        lacks.append(f"libvirt {versions.libvirt_text} is older than 9.0")
    if not virt_types:
        lacks.append("no QEMU for this architecture is installed")
    elif versions.qemu < _QEMU_MIN:
        lacks.append(f"QEMU {versions.qemu_text} is older than 7.2")
    return tuple(lacks)
