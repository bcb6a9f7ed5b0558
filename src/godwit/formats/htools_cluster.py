"""A cluster out of a file of Ganeti's htools.

What Godwit has no word for (spindles, the disk of a host, disk templates) goes into the labels
``ganeti-group``, ``ganeti-node`` and ``ganeti-instance``, so that the file can be written again.
A mirrored disk (drbd) is seen by its two nodes only, a local one by its own.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import NAMESPACE_DNS, uuid5

from godwit.core.model import (
    Cluster,
    CpuAnswer,
    Disk,
    DiskKind,
    DiskSighting,
    Host,
    HostName,
    HostObservation,
    HostRecord,
    HostVersions,
    RunState,
    Vm,
    VmGroup,
    VmId,
    VmPolicy,
)
from godwit.core.units import MIB
from godwit.formats.answers import Answers, Row
from godwit.formats.htools import Htools, Instance, Node

__all__ = ["APART", "GROUP", "INSTANCE", "NODE", "RUNS", "VCPU_RATIO", "cluster_from_htools"]

GROUP: Final = "ganeti-group"
NODE: Final = "ganeti-node"
INSTANCE: Final = "ganeti-instance"

#: What a host and a VM out of such a file are said to be: all alike, so that any host will do.
_MACHINE: Final = "htools"
_SHARED: Final = frozenset({"sharedfile", "gluster", "ext", "rbd", "blockdev"})
RUNS: Final = frozenset({"running", "ERROR_up"})
#: Ganeti's own, for a file without policies.
VCPU_RATIO: Final = 4.0
#: Tags of the cluster that begin so name the beginning of the tags that keep instances apart.
APART: Final = "htools:iextags:"


def cluster_from_htools(found: Htools) -> Cluster:
    """Make a cluster of a file. The file has no time: the reading was at 0."""
    ratios = found.vcpu_ratios
    groups = {one.uuid: one.name for one in found.groups}
    apart = tuple(
        prefix for one in found.tags if one.startswith(APART) and (prefix := one[len(APART) :])
    )
    vms = [_vm(one, apart) for one in found.instances]
    used: dict[str, int] = {}
    for vm in vms:
        if vm.is_active:
            used[vm.host] = used.get(vm.host, 0) + vm.memory_bytes
    hosts = [
        _host(
            node,
            group=groups[node.group_uuid],
            vms_bytes=used.get(node.name, 0),
            overcommit=ratios.get(groups[node.group_uuid], ratios.get("", VCPU_RATIO)),
        )
        for node in found.nodes
    ]
    names = frozenset(node.name for node in found.nodes)
    members: dict[str, set[VmId]] = {}
    for vm in vms:
        for tag in vm.policy.anti_affinity:
            members.setdefault(tag, set()).add(vm.id)
    return Cluster(
        generation=0,
        taken_at_s=0.0,
        hosts=tuple(sorted(hosts, key=lambda one: one.name)),
        vms=tuple(sorted(vms, key=lambda one: (one.name, one.host))),
        groups=tuple(
            VmGroup(name=tag, together=False, members=frozenset(ids))
            for tag, ids in sorted(members.items())
        ),
        cpu_answers=Answers(
            (
                Row(
                    subjects=tuple(sorted((vm.id,) for vm in vms)),
                    hosts=names,
                    answer=CpuAnswer(compatible=True),
                ),
            )
            if vms
            else ()
        ),
        disk_sightings=Answers(tuple(_sightings(found.instances, names))),
    )


def _host(node: Node, *, group: str, vms_bytes: int, overcommit: float) -> Host:
    # What neither the VMs have nor is free, they can't get: the node's own, and what is missing.
    reserve_bytes = (node.memory_total_mib - node.memory_free_mib) * MIB - vms_bytes
    extra = (
        node.memory_node_mib,
        node.disk_total_mib,
        node.disk_free_mib,
        node.status,
        node.group_uuid,
        *node.rest,
    )
    uri = f"qemu+ssh://{node.name}/system"
    record = HostRecord(
        name=HostName(node.name),
        uri=uri,
        peer_uri=uri,
        memory_reserve_bytes=max(0, reserve_bytes) if node.memory_total_mib else 0,
        cores_overcommit=overcommit,
        labels={GROUP: group, NODE: "|".join(map(str, extra))},
        in_maintenance=node.is_offline,
    )
    if not node.memory_total_mib:
        return Host(record=record, observed=None, unreachable="the file says nothing of it")
    return Host(
        record=record,
        observed=HostObservation(
            host_uuid=str(uuid5(NAMESPACE_DNS, node.name)),
            hostname=node.name,
            versions=HostVersions(libvirt=0, qemu=0),
            architecture=_MACHINE,
            cpu_model="",
            cores=node.cpus,
            memory_total_bytes=node.memory_total_mib * MIB,
            memory_free_bytes=max(0, node.memory_free_mib) * MIB,
            busy_cores=None,
            emulator="",
            virt_types=frozenset({_MACHINE}),
            machine_types=frozenset({_MACHINE}),
            networks=frozenset(),
            bridges=None,
            pools=(),
            links=(),
            lacks=(),
            taken_at_s=0.0,
        ),
    )


def _vm(one: Instance, apart: tuple[str, ...]) -> Vm:
    extra = (
        one.disk_mib,
        one.status,
        "Y" if one.auto_balance else "N",
        one.primary,
        one.secondary,
        one.template,
        ",".join(one.tags),
        *one.rest,
    )
    kind = DiskKind.NETWORK if one.template in _SHARED else DiskKind.BLOCK
    disk = Disk(target="disk0", kind=kind, source=f"{one.template}/{one.name}", format="raw")
    return Vm(
        id=_id_of(one),
        name=one.name,
        host=HostName(one.primary),
        state=RunState.RUNNING if one.status in RUNS else RunState.SHUT_OFF,
        persistent=True,
        memory_bytes=one.memory_mib * MIB,
        vcpus=one.vcpus,
        busy_cores=None,
        architecture=_MACHINE,
        machine=_MACHINE,
        virt_type=_MACHINE,
        emulator="",
        cpu_xml="",
        disks=() if one.template == "diskless" else (disk,),
        nics=(),
        blockers=(),
        warnings=(),
        busy_with="",
        policy=VmPolicy(
            labels={INSTANCE: "|".join(map(str, extra))},
            anti_affinity=tuple(tag for tag in one.tags if apart and tag.startswith(apart)),
        ),
        taken_at_s=0.0,
    )


def _id_of(one: Instance) -> VmId:
    return VmId(str(uuid5(NAMESPACE_DNS, one.name)))


def _sightings(instances: Sequence[Instance], names: frozenset[str]) -> Iterator[Row[DiskSighting]]:
    by_reach: dict[tuple[frozenset[str], DiskSighting], list[tuple[str, str]]] = {}
    for one in instances:
        if one.template == "diskless":
            continue
        near = frozenset({one.primary, one.secondary} - {""})
        reach = names if one.template in _SHARED else near
        subject = (_id_of(one), "disk0")
        by_reach.setdefault((reach, DiskSighting.SAME), []).append(subject)
        if reach != names:
            by_reach.setdefault((names - reach, DiskSighting.LOCAL), []).append(subject)
    for (hosts, answer), subjects in by_reach.items():
        yield Row(subjects=tuple(sorted(subjects)), hosts=hosts, answer=answer)
