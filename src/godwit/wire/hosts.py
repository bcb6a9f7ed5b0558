"""Hosts on the wire: what is recorded about them and what was observed of them.

Speeds and sizes are plain numbers in base units here; only the hosts file is written for people.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from godwit.core import model as core
from godwit.core.errors import BadValue
from godwit.wire.host_uri import check_host_name, check_uri, default_host_name, is_local
from godwit.wire.shape import Reply, Request

__all__ = [
    "Host",
    "HostObservation",
    "HostRecord",
    "Link",
    "Maintenance",
    "NewHost",
    "StoragePool",
    "check_peers",
    "host_record_from_wire",
    "host_record_to_wire",
    "host_to_wire",
    "new_host_from_wire",
]

_Positive = Annotated[float, Field(gt=0)]


class NewHost(Request):
    """A host to be added. Defaults: ``name`` the host part of ``uri``, ``peer_uri`` the ``uri``."""

    uri: str
    name: str | None = None
    peer_uri: str | None = None
    migration_address: str | None = None
    migration_link_bytes_per_s: _Positive | None = None
    shared_paths: tuple[str, ...] = ()
    memory_reserve_bytes: Annotated[int, Field(ge=0)] = 1024**3
    cores_overcommit: _Positive = 8.0
    labels: dict[str, str] = Field(default_factory=dict)


class HostRecord(Reply):
    """What the inventory says of a host."""

    name: str
    uri: str
    peer_uri: str
    migration_address: str | None
    migration_link_bytes_per_s: float | None
    shared_paths: tuple[str, ...]
    memory_reserve_bytes: int
    cores_overcommit: float
    labels: dict[str, str]
    in_maintenance: bool


class Maintenance(Request):
    """Whether the host is to be in maintenance."""

    on: bool


class Link(Reply):
    """A network link and its speed; None when neither declared nor reported."""

    name: str
    speed_bytes_per_s: float | None
    declared: bool


class StoragePool(Reply):
    """An active libvirt storage pool."""

    name: str
    kind: str
    path: str | None
    origin: str | None


class HostObservation(Reply):
    """What the host's libvirt said at ``taken_at_s``.

    ``lacks`` is what a migration would miss; ``features`` are the means that a migration from here
    or to here may use.
    """

    host_uuid: str
    hostname: str
    libvirt: str
    qemu: str
    architecture: str
    cpu_model: str
    cores: int
    memory_total_bytes: int
    memory_free_bytes: int
    busy_cores: float | None
    virt_types: tuple[str, ...]
    networks: tuple[str, ...]
    bridges: tuple[str, ...] | None
    pools: tuple[StoragePool, ...]
    links: tuple[Link, ...]
    lacks: tuple[str, ...]
    features: tuple[str, ...] = ()
    taken_at_s: float


class Host(Reply):
    """A recorded host, its last observation, and what is promised on it.

    ``unreachable`` is empty when the host answered; otherwise it says why not, and what is
    observed is old or missing.
    """

    record: HostRecord
    observed: HostObservation | None
    unreachable: str
    memory_for_vms_bytes: int
    memory_promised_bytes: int
    vcpus_promised: int
    vms_active: int
    vms_total: int

    @property
    def name(self) -> str:
        """The inventory name."""
        return self.record.name


def host_record_to_wire(record: core.HostRecord) -> HostRecord:
    """Convert a recorded host."""
    return HostRecord(
        name=record.name,
        uri=record.uri,
        peer_uri=record.peer_uri,
        migration_address=record.migration_address,
        migration_link_bytes_per_s=record.migration_link_bytes_per_s,
        shared_paths=record.shared_paths,
        memory_reserve_bytes=record.memory_reserve_bytes,
        cores_overcommit=record.cores_overcommit,
        labels=dict(sorted(record.labels.items())),
        in_maintenance=record.in_maintenance,
    )


def host_record_from_wire(record: HostRecord) -> core.HostRecord:
    """Convert a recorded host back."""
    return core.HostRecord(
        name=core.HostName(record.name),
        uri=record.uri,
        peer_uri=record.peer_uri,
        migration_address=record.migration_address,
        migration_link_bytes_per_s=record.migration_link_bytes_per_s,
        shared_paths=record.shared_paths,
        memory_reserve_bytes=record.memory_reserve_bytes,
        cores_overcommit=record.cores_overcommit,
        labels=dict(record.labels),
        in_maintenance=record.in_maintenance,
    )


def new_host_from_wire(new: NewHost) -> core.HostRecord:
    """Make the record of a host to be added, with the defaults that its URI gives.

    Raises: BadValue when a URI, a name or a path can't be used.
    """
    check_uri(new.uri)
    peer_uri = check_uri(new.peer_uri) if new.peer_uri is not None else new.uri
    name = check_host_name(new.name) if new.name is not None else default_host_name(new.uri)
    for path in new.shared_paths:
        if not path.startswith("/"):
            raise BadValue(
                f"the shared path {path!r} of {name} is not absolute",
                remedy="Write the whole path, from / on, as the hosts see it.",
            )
    return core.HostRecord(
        name=core.HostName(name),
        uri=new.uri,
        peer_uri=peer_uri,
        migration_address=new.migration_address,
        migration_link_bytes_per_s=new.migration_link_bytes_per_s,
        shared_paths=new.shared_paths,
        memory_reserve_bytes=new.memory_reserve_bytes,
        cores_overcommit=new.cores_overcommit,
        labels=dict(new.labels),
    )


def check_peers(records: Iterable[core.HostRecord]) -> None:
    """Refuse an inventory of several hosts in which one has no address for its peers.

    A host alone needs none: there is nobody to reach it. Raises: BadValue.
    """
    together = list(records)
    nameless = [one for one in together if is_local(one.peer_uri)]
    if len(together) < 2 or not nameless:
        return
    host = nameless[0]
    raise BadValue(
        f"other hosts can't reach {host.name} by {host.peer_uri}, which means"
        " 'this machine' on every one of them",
        evidence="in a live migration the source's libvirt connects to the destination's itself;"
        f" {len(together)} hosts would be in the inventory",
        remedy=f"Say how they reach it: --peer-uri qemu+tls://{host.name}/system (in a hosts file:"
        f" peer_uri). If {host.name} is in the inventory already, `godwit host remove"
        f" {host.name}` first and add it again.",
    )


def host_to_wire(host: core.Host, cluster: core.Cluster) -> Host:
    """Convert a host with what is promised on it in ``cluster``."""
    vms = cluster.vms_on(host.name)
    return Host(
        record=host_record_to_wire(host.record),
        observed=_observation(host.observed) if host.observed is not None else None,
        unreachable=host.unreachable,
        memory_for_vms_bytes=host.memory_for_vms_bytes,
        memory_promised_bytes=cluster.memory_promised_bytes(host.name),
        vcpus_promised=cluster.vcpus_promised(host.name),
        vms_active=sum(vm.is_active for vm in vms),
        vms_total=len(vms),
    )


def _observation(seen: core.HostObservation) -> HostObservation:
    return HostObservation(
        host_uuid=seen.host_uuid,
        hostname=seen.hostname,
        libvirt=seen.versions.libvirt_text,
        qemu=seen.versions.qemu_text,
        architecture=seen.architecture,
        cpu_model=seen.cpu_model,
        cores=seen.cores,
        memory_total_bytes=seen.memory_total_bytes,
        memory_free_bytes=seen.memory_free_bytes,
        busy_cores=seen.busy_cores,
        virt_types=tuple(sorted(seen.virt_types)),
        networks=tuple(sorted(seen.networks)),
        bridges=None if seen.bridges is None else tuple(sorted(seen.bridges)),
        pools=tuple(
            StoragePool(name=one.name, kind=one.kind, path=one.path, origin=one.origin)
            for one in seen.pools
        ),
        links=tuple(
            Link(name=one.name, speed_bytes_per_s=one.speed_bytes_per_s, declared=one.declared)
            for one in seen.links
        ),
        lacks=seen.lacks,
        features=tuple(sorted(one.value for one in seen.features)),
        taken_at_s=seen.taken_at_s,
    )
