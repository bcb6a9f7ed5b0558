"""A host: what a person recorded about it, and what its libvirt said when it was last read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from godwit.core.model.ids import HostName

__all__ = [
    "Feature",
    "Host",
    "HostObservation",
    "HostRecord",
    "HostVersions",
    "Link",
    "NumaCell",
    "Pages",
    "StoragePool",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """What the inventory says of a host. Recorded by a person, changed only by a person.

    ``peer_uri`` is how the *other hosts'* libvirt daemons reach this one in peer-to-peer mode.
    ``migration_address`` is where the memory stream goes; None leaves the choice to the host.
    ``shared_paths`` are folders a person declares to be the same storage on every host naming them.
    ``memory_reserve_bytes`` is never given to VMs; ``cores_overcommit`` is vCPUs allowed per core.
    """

    name: HostName
    uri: str
    peer_uri: str
    migration_address: str | None = None
    migration_link_bytes_per_s: float | None = None
    shared_paths: tuple[str, ...] = ()
    memory_reserve_bytes: int = 1024**3
    cores_overcommit: float = 8.0
    labels: Mapping[str, str] = field(default_factory=dict)
    in_maintenance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostVersions:
    """Versions in libvirt's own numbering, ``major * 1_000_000 + minor * 1_000 + release``."""

    libvirt: int
    qemu: int

    @property
    def libvirt_text(self) -> str:
        """The libvirt version as people write it."""
        return _dotted(self.libvirt)

    @property
    def qemu_text(self) -> str:
        """The QEMU version as people write it."""
        return _dotted(self.qemu)


def _dotted(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


class Feature(Enum):
    """What a host's hypervisor can do in a migration; both hosts must have it to use it."""

    #: Several channels for the memory stream.
    MULTIFD = "multifd"
    #: Compression of the channels.
    ZSTD = "zstd"
    #: Differences against a cache of pages, from the second pass on.
    XBZRLE = "xbzrle"
    #: Slowing vCPUs that write too fast.
    THROTTLE = "throttle"
    POSTCOPY = "postcopy"
    #: A broken post-copy can be taken up again.
    POSTCOPY_RECOVERY = "postcopy-recovery"
    #: The bandwidth of the switch-over can be told apart from that of the copy.
    SWITCHOVER_HINT = "switchover-hint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network link of a host and its speed; None when neither declared nor reported."""

    name: str
    speed_bytes_per_s: float | None
    declared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePool:
    """An active libvirt storage pool: ``origin`` is the server and export of a networked one."""

    name: str
    kind: str
    path: str | None
    origin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """How many pages of one size a host has set up, used or not."""

    page_bytes: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaCell:
    """A part of a host's memory with the cores that are near to it, under its own number."""

    number: int
    memory_bytes: int
    cores: int
    pages: tuple[Pages, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostObservation:
    """What a host's libvirt said at ``taken_at_s`` (seconds since the epoch).

    ``networks`` are the active libvirt networks; ``bridges`` is None where the host can't list
    them. ``machine_types`` are the versioned types its QEMU offers. ``busy_cores`` is None until
    two readings exist. ``numa`` is None where the host does not tell its cells.
    """

    host_uuid: str
    hostname: str
    versions: HostVersions
    architecture: str
    cpu_model: str
    cores: int
    memory_total_bytes: int
    memory_free_bytes: int
    busy_cores: float | None
    emulator: str
    virt_types: frozenset[str]
    machine_types: frozenset[str]
    networks: frozenset[str]
    bridges: frozenset[str] | None
    pools: tuple[StoragePool, ...]
    links: tuple[Link, ...]
    lacks: tuple[str, ...]
    taken_at_s: float
    features: frozenset[Feature] = frozenset()
    numa: tuple[NumaCell, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A recorded host with its last observation, or with the reason why there is none.

    ``unreachable`` is empty when the host answered in this reading. An old observation may stand
    beside a reason: then it is what was last known.
    """

    record: HostRecord
    observed: HostObservation | None
    unreachable: str = ""

    @property
    def name(self) -> HostName:
        """The inventory name."""
        return self.record.name

    @property
    def is_known(self) -> bool:
        """Whether the host answered when the cluster was read."""
        return self.observed is not None and not self.unreachable

    @property
    def memory_for_vms_bytes(self) -> int:
        """Memory that VMs may be promised here: the total less the host's reserve."""
        if self.observed is None:
            return 0
        return max(0, self.observed.memory_total_bytes - self.record.memory_reserve_bytes)

    @property
    def cores_for_vms(self) -> float:
        """VCPUs that may be promised here: cores times the overcommit ratio."""
        if self.observed is None:
            return 0.0
        return self.observed.cores * self.record.cores_overcommit
