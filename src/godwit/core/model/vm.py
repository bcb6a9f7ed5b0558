"""A VM as its host's libvirt described it, with all that decides whether and where it can move."""

from dataclasses import dataclass
from enum import Enum

from godwit.core.model.ids import HostName, VmId
from godwit.core.model.policy import VmPolicy
from godwit.core.model.presence import RunState

__all__ = ["Blocker", "Disk", "DiskKind", "Nic", "Vm"]


class DiskKind(Enum):
    """How a disk is attached to its storage, in libvirt's own words."""

    FILE = "file"
    BLOCK = "block"
    NETWORK = "network"
    VOLUME = "volume"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One disk: ``target`` is the guest-side name (vda); ``source`` the path, device or URL."""

    target: str
    kind: DiskKind
    source: str | None
    format: str
    read_only: bool = False
    shareable: bool = False
    pool: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One network card: ``kind`` is network, bridge, direct, ...; ``source`` the name it joins."""

    mac: str
    kind: str
    source: str
    model: str = "virtio"
    tap: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Something in the VM itself that stops any live move, and what a person can do about it."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """A VM observed on ``host`` at ``taken_at_s`` (seconds since the epoch).

    ``memory_bytes`` is the maximum the guest may use: what a host must be able to give.
    ``busy_cores`` is None until two readings exist. ``cpu_xml`` is the ``<cpu>`` element of the
    running guest, to be compared on a destination; empty for a VM that does not run.
    ``busy_with`` names a libvirt job that stands in the way, else it is empty. ``resident_bytes``
    is what its process holds of the host's memory; None where the host does not say.
    ``guest_used_bytes`` is what the guest itself does not call free; None where it says nothing.
    ``huge_page_bytes`` is the size of the huge pages that its memory lies on, 0 where its host
    chooses the size, None where it uses none. ``numa_cells`` are those of its host that its memory
    is bound to.
    """

    id: VmId
    name: str
    host: HostName
    state: RunState
    persistent: bool
    memory_bytes: int
    vcpus: int
    busy_cores: float | None
    architecture: str
    machine: str
    virt_type: str
    emulator: str
    cpu_xml: str
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    blockers: tuple[Blocker, ...]
    warnings: tuple[str, ...]
    busy_with: str
    policy: VmPolicy
    taken_at_s: float
    resident_bytes: int | None = None
    guest_used_bytes: int | None = None
    huge_page_bytes: int | None = None
    numa_cells: frozenset[int] = frozenset()

    @property
    def is_active(self) -> bool:
        """Whether a hypervisor process exists for it, so that it holds memory on its host."""
        return self.state is not RunState.SHUT_OFF
