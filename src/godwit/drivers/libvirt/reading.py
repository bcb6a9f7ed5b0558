"""One reading of a host and all its VMs, with bulk calls.

Blocking functions, to be run in a thread. A statistic that is missing (another job holds the VM) is
unknown, never zero.
"""

import math
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Final

import libvirt

from godwit.core.errors import BadValue
from godwit.core.model import (
    Blocker,
    HostName,
    HostObservation,
    HostRecord,
    Link,
    RunState,
    StoragePool,
    Vm,
    VmId,
    VmPolicy,
)
from godwit.core.units import KIB
from godwit.drivers.libvirt.blockers import find_blockers, find_warnings
from godwit.drivers.libvirt.capabilities import Capabilities
from godwit.drivers.libvirt.domain_xml import DomainFacts, read_domain_xml
from godwit.drivers.libvirt.policy_xml import read_policy
from godwit.drivers.libvirt.states import run_state

__all__ = ["CpuSamples", "read_host", "read_vms", "sample_cpu"]

_STATS: Final = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
)
_STATS_FLAGS: Final = (
    libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
    | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
)
#: Two samples closer than this say nothing about a load.
SAMPLE_GAP_S: Final = 0.3
_NS: Final = 1e-9


@dataclass(slots=True)
class CpuSamples:
    """The last two samples of the CPU counters of a host and its VMs (seconds of CPU time).

    ``vm_resident_bytes`` is what each VM's process held of the host's memory when last asked,
    ``vm_used_bytes`` what each guest did not call free, where its balloon tells.
    """

    taken_at_s: float | None = None
    vm_cpu_s: dict[str, float] = field(default_factory=dict)
    host_busy_s: float = 0.0
    vm_busy_cores: dict[str, float] = field(default_factory=dict)
    host_busy_cores: float | None = None
    vm_resident_bytes: dict[str, int] = field(default_factory=dict)
    vm_used_bytes: dict[str, int] = field(default_factory=dict)

    def add(self, taken_at_s: float, vm_cpu_s: dict[str, float], host_busy_s: float) -> None:
        """Take a new sample; rates follow from the one before it."""
        if self.taken_at_s is not None and (span_s := taken_at_s - self.taken_at_s) >= SAMPLE_GAP_S:
            self.vm_busy_cores = {
                vm: max(0.0, now_s - self.vm_cpu_s[vm]) / span_s
                for vm, now_s in vm_cpu_s.items()
                if vm in self.vm_cpu_s
            }
            self.host_busy_cores = max(0.0, host_busy_s - self.host_busy_s) / span_s
        elif self.taken_at_s is not None:
            return
        self.taken_at_s, self.vm_cpu_s, self.host_busy_s = taken_at_s, vm_cpu_s, host_busy_s


def sample_cpu(connection: "libvirt.virConnect", samples: CpuSamples) -> None:
    """Read the CPU counters of the host and of every active VM once, and the VMs' memory."""
    before_s = time.monotonic()
    stats = connection.getAllDomainStats(_STATS, _STATS_FLAGS)
    host = connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS, 0)
    middle_s = (before_s + time.monotonic()) / 2
    vm_cpu_s = {
        domain.UUIDString(): values["cpu.time"] * _NS
        for domain, values in stats
        if "cpu.time" in values
    }
    samples.vm_resident_bytes = {
        domain.UUIDString(): values["balloon.rss"] * KIB
        for domain, values in stats
        if "balloon.rss" in values
    }
    samples.vm_used_bytes = {
        domain.UUIDString(): (values["balloon.current"] - values["balloon.unused"]) * KIB
        for domain, values in stats
        if values.get("balloon.current", 0) > values.get("balloon.unused", math.inf)
    }
    busy_s = (host.get("kernel", 0) + host.get("user", 0)) * _NS
    samples.add(middle_s, vm_cpu_s, busy_s)


def read_host(
    connection: "libvirt.virConnect",
    record: HostRecord,
    capabilities: Capabilities,
    samples: CpuSamples,
) -> HostObservation:
    """Read the host itself."""
    memory = connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS, 0)
    free = sum(memory.get(key, 0) for key in ("free", "buffers", "cached"))
    return HostObservation(
        host_uuid=capabilities.host_uuid,
        hostname=capabilities.hostname,
        versions=capabilities.versions,
        architecture=capabilities.architecture,
        cpu_model=capabilities.cpu_model,
        cores=connection.getInfo()[2],
        memory_total_bytes=memory["total"] * 1024,
        memory_free_bytes=free * 1024,
        busy_cores=samples.host_busy_cores,
        emulator=capabilities.emulator,
        virt_types=capabilities.virt_types,
        machine_types=capabilities.machine_types,
        networks=_networks(connection),
        bridges=_bridges(connection),
        pools=_pools(connection),
        links=_links(record),
        lacks=capabilities.lacks,
        taken_at_s=time.time(),
        features=capabilities.features,
        numa=capabilities.numa,
    )


def _networks(connection: "libvirt.virConnect") -> frozenset[str]:
    active = libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE
    return frozenset(one.name() for one in connection.listAllNetworks(active))


def _bridges(connection: "libvirt.virConnect") -> frozenset[str] | None:
    """The host's bridges; None where libvirt has no interface driver to list them with."""
    try:
        active = connection.listAllInterfaces(libvirt.VIR_CONNECT_LIST_INTERFACES_ACTIVE)
        texts = [one.XMLDesc(0) for one in active]
    except libvirt.libvirtError:
        return None
    roots = [ET.fromstring(text) for text in texts]  # noqa: S314 - from libvirt
    return frozenset(root.get("name", "") for root in roots if root.get("type") == "bridge")


def _pools(connection: "libvirt.virConnect") -> tuple[StoragePool, ...]:
    try:
        active = connection.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
    except libvirt.libvirtError:
        return ()  # no storage driver: then nothing can be looked up, and the rules say so
    pools: list[StoragePool] = []
    for one in active:
        root = ET.fromstring(one.XMLDesc(0))  # noqa: S314 - from libvirt
        origin_host, origin_dir = root.find("source/host"), root.find("source/dir")
        origin = None
        if origin_host is not None:
            export = origin_dir.get("path", "") if origin_dir is not None else ""
            name = root.findtext("source/name", "")
            origin = f"{origin_host.get('name', '')}:{export or name}"
        pools.append(
            StoragePool(
                name=one.name(),
                kind=root.get("type", ""),
                path=root.findtext("target/path"),
                origin=origin,
            )
        )
    return tuple(sorted(pools, key=lambda pool: pool.name))


def _links(record: HostRecord) -> tuple[Link, ...]:
    if record.migration_link_bytes_per_s is None:
        return ()
    return (
        Link(name="migration", speed_bytes_per_s=record.migration_link_bytes_per_s, declared=True),
    )


def read_vms(
    connection: "libvirt.virConnect",
    host: HostName,
    capabilities: Capabilities,
    samples: CpuSamples,
) -> tuple[Vm, ...]:
    """Read every VM of the host, sorted by name. One that vanishes meanwhile is left out."""
    found: list[Vm] = []
    for domain in connection.listAllDomains(0):
        try:
            found.append(_read_vm(domain, host, capabilities, samples))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
    return tuple(sorted(found, key=lambda vm: (vm.name, vm.id)))


def _read_vm(
    domain: "libvirt.virDomain",
    host: HostName,
    capabilities: Capabilities,
    samples: CpuSamples,
) -> Vm:
    state = run_state(*domain.state())
    facts = read_domain_xml(domain.XMLDesc(0))
    policy, unreadable = _policy(facts)
    vm_id = VmId(domain.UUIDString())
    cpu_xml = facts.cpu_xml
    if facts.cpu_mode in {"host-passthrough", "maximum"}:
        cpu_xml = capabilities.migratable_cpu_xml
    return Vm(
        id=vm_id,
        name=domain.name(),
        host=host,
        state=state,
        persistent=bool(domain.isPersistent()),
        memory_bytes=facts.memory_bytes,
        vcpus=facts.vcpus,
        busy_cores=samples.vm_busy_cores.get(vm_id) if state is not RunState.SHUT_OFF else 0.0,
        architecture=facts.architecture,
        machine=facts.machine,
        virt_type=facts.virt_type,
        emulator=facts.emulator,
        cpu_xml=cpu_xml if state is not RunState.SHUT_OFF else "",
        disks=facts.disks,
        nics=facts.nics,
        blockers=unreadable + find_blockers(facts.root, snapshots=domain.snapshotNum(0)),
        warnings=find_warnings(facts.root, cpu_mode=facts.cpu_mode),
        busy_with=_busy_with(domain, state),
        policy=policy,
        taken_at_s=time.time(),
        resident_bytes=samples.vm_resident_bytes.get(vm_id),
        guest_used_bytes=samples.vm_used_bytes.get(vm_id),
        huge_page_bytes=facts.huge_page_bytes,
        numa_cells=facts.numa_cells,
    )


def _policy(facts: DomainFacts) -> tuple[VmPolicy, tuple[Blocker, ...]]:
    """A promise that can't be read blocks the move: it must not be guessed."""
    try:
        return read_policy(facts.root), ()
    except BadValue as error:
        remedy = "Mend the <godwit:vm> element with `virsh metadata`."
        return VmPolicy(), (Blocker(what=error.message, remedy=remedy),)


_OPERATIONS: Final = {
    libvirt.VIR_DOMAIN_JOB_OPERATION_START: "it is being started",
    libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE: "it is being saved",
    libvirt.VIR_DOMAIN_JOB_OPERATION_RESTORE: "it is being restored",
    libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN: "a migration to this host is under way",
    libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT: "a migration is under way",
    libvirt.VIR_DOMAIN_JOB_OPERATION_SNAPSHOT: "a snapshot is being made",
    libvirt.VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT: "a snapshot is being reverted",
    libvirt.VIR_DOMAIN_JOB_OPERATION_DUMP: "its memory is being dumped",
    libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP: "a backup is running",
}


def _busy_with(domain: "libvirt.virDomain", state: RunState) -> str:
    if state is RunState.SHUT_OFF:
        return ""
    if state is RunState.PAUSED_MIGRATION:
        return "a migration is under way"
    try:
        stats = domain.jobStats()
    except libvirt.libvirtError:
        return "its job can't be read; a migration may be under way"
    if stats.get("type", 0) == libvirt.VIR_DOMAIN_JOB_NONE:
        return ""
    return _OPERATIONS.get(stats.get("operation", 0), "another libvirt job is running")
