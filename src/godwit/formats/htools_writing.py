"""A file of Ganeti's htools out of a cluster.

What the format has no word for is left out, and ``losses`` says so. A VM that nothing can move is
written as one on a local disk: those stay where they are there, too.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from godwit.core.model import Cluster, DiskSighting, Host, Vm, VmPolicy
from godwit.core.units import MIB
from godwit.formats.answers import rows_of
from godwit.formats.htools import Group, Htools, Instance, Node
from godwit.formats.htools_cluster import APART, GROUP, INSTANCE, NODE, RUNS, VCPU_RATIO

__all__ = ["htools_from_cluster", "losses"]

_DEFAULT_GROUP: Final = "default"
#: Sizes of instances that hbal never looks at, and all disk templates.
_SIZES: Final = (
    "128,1,1024,1,1,1|0,1,0,0,0,0;67108864,4096,1073741824,16,8,12"
    "|sharedfile,ext,rbd,gluster,blockdev,drbd,plain,file,diskless"
)
_WHOLE: Final = re.compile(r"-?[0-9]+\Z")
_SPINDLE_RATIO: Final = "1000000.0"


def htools_from_cluster(cluster: Cluster) -> Htools:
    """Make a file of a cluster, without what ``losses`` names."""
    used: Counter[str] = Counter()
    for vm in cluster.vms:
        if vm.is_active:
            used[vm.host] += _up(vm.memory_bytes)
    nodes = tuple(_node(host, used[host.name]) for host in cluster.hosts)
    groups = {
        _group_of(host): node.group_uuid for host, node in zip(cluster.hosts, nodes, strict=True)
    }
    apart: dict[str, list[str]] = {}
    for group in cluster.groups:
        if not group.together:
            for vm_id in group.members:
                apart.setdefault(vm_id, []).append(_field(group.name, ","))
    far = _seen_elsewhere(cluster)
    names = Counter(_field(vm.name) for vm in cluster.vms)
    return Htools(
        groups=tuple(Group(name=name, uuid=uuid) for name, uuid in sorted(groups.items())),
        nodes=nodes,
        instances=tuple(
            _instance(
                vm,
                name=_field(
                    vm.name if names[_field(vm.name)] == 1 else f"{vm.name}.{vm.id}.{vm.host}"
                ),
                apart=sorted(apart.get(vm.id, ())),
                can_move=not vm.blockers and all((vm.id, disk.target) in far for disk in vm.disks),
            )
            for vm in cluster.vms
        ),
        tags=tuple(
            f"{APART}{tag}" for tag in sorted({one for tags in apart.values() for one in tags})
        ),
        policies=_policies(cluster),
    )


def losses(cluster: Cluster) -> tuple[str, ...]:
    """Say what of this cluster a file of htools can't hold."""
    ratios = _ratios(cluster)
    lost: Mapping[str, int] = {
        "affinity groups": sum(one.together for one in cluster.groups),
        "rules of the site": len(cluster.rules),
        "rooms held for migrations in flight": len(cluster.reservations),
        "VMs with promises, permissions or a priority": sum(
            _bare(vm.policy) != VmPolicy() for vm in cluster.vms
        ),
        "VMs with labels": sum(bool(vm.policy.labels.keys() - {INSTANCE}) for vm in cluster.vms),
        "hosts with labels": sum(
            bool(host.record.labels.keys() - {GROUP, NODE}) for host in cluster.hosts
        ),
        "hosts with another overcommit than their group": sum(
            host.record.cores_overcommit != ratios[_group_of(host)] for host in cluster.hosts
        ),
        "VMs of which something was learnt": len(cluster.known.vms),
    }
    return tuple(f"{count} {what}" for what, count in lost.items() if count)


def _bare(policy: VmPolicy) -> VmPolicy:
    """A policy without what is counted apart from it."""
    return replace(policy, labels={}, affinity=(), anti_affinity=(), given=frozenset())


def _up(size_bytes: int) -> int:
    return -(-size_bytes // MIB)


def _field(text: str, *others: str) -> str:
    for one in ("|", "\n", *others):
        text = text.replace(one, "_")
    return text


def _group_of(host: Host) -> str:
    return _field(host.record.labels.get(GROUP, _DEFAULT_GROUP))


def _kept(labels: Mapping[str, str], name: str, *, least: int, whole: tuple[int, ...]) -> list[str]:
    """Return the fields that a label keeps of a file; nothing when it says something else."""
    parts = labels.get(name, "").replace("\n", "_").split("|")
    if len(parts) < least or not all(_WHOLE.match(parts[at]) for at in whole):
        return []
    return parts


def _node(host: Host, used_mib: int) -> Node:
    record, seen = host.record, host.observed
    group = _group_of(host)
    kept = _kept(record.labels, NODE, least=5, whole=(0, 1, 2))
    total_mib = 0 if seen is None else seen.memory_total_bytes // MIB
    reserve_mib = _up(record.memory_reserve_bytes)
    own, disk_total, disk_free, status, uuid, *rest = kept or (
        str(reserve_mib),
        "0",
        "0",
        "N",
        f"uuid-of-{group}",
    )
    if record.in_maintenance or not host.is_known:
        status = "Y"
    elif status == "Y":
        status = "N"
    node = Node(
        name=_field(host.name),
        memory_total_mib=total_mib,
        memory_node_mib=int(own),
        memory_free_mib=0 if seen is None else total_mib - reserve_mib - used_mib,
        disk_total_mib=int(disk_total),
        disk_free_mib=int(disk_free),
        cpus=0 if seen is None else seen.cores,
        status=status,
        group_uuid=_field(uuid),
    )
    as_kept = replace(node, rest=tuple(rest)) if kept else node
    return as_kept if as_kept.is_sound else node


def _instance(vm: Vm, *, name: str, apart: list[str], can_move: bool) -> Instance:
    kept = _kept(vm.policy.labels, INSTANCE, least=7, whole=(0,))
    template = "diskless" if not vm.disks else "sharedfile"
    disk, status, balance, primary, secondary, template, tags, *rest = kept or (
        "0",
        "",
        "Y",
        "",
        "",
        template if can_move else "plain",
        "",
        *("0", "-", "N"),
    )
    # A mirrored VM that went to its other node left its mirror at the first.
    if secondary == vm.host:
        secondary = primary
    if vm.is_active != (status in RUNS) or not status:
        status = "running" if vm.is_active else "ADMIN_down"
    had = [tag for tag in tags.split(",") if tag]
    return Instance(
        name=name,
        memory_mib=_up(vm.memory_bytes),
        disk_mib=int(disk),
        vcpus=vm.vcpus,
        status=status,
        auto_balance=balance == "Y",
        primary=_field(vm.host),
        secondary=secondary,
        template=template,
        tags=(*had, *(tag for tag in apart if tag not in had)),
        rest=tuple(rest),
    )


def _seen_elsewhere(cluster: Cluster) -> frozenset[tuple[str, ...]]:
    """The disks that a host sees which their VM is not on."""
    on: dict[str, str] = {vm.id: vm.host for vm in cluster.vms}
    return frozenset(
        subject
        for row in rows_of(cluster.disk_sightings)
        if row.answer in {DiskSighting.SAME, DiskSighting.DECLARED}
        for subject in row.subjects
        if row.hosts - {on.get(subject[0], "")}
    )


def _ratios(cluster: Cluster) -> dict[str, float]:
    """How many vCPUs a core may carry, by group: the format has no word for a single host's."""
    ratios: dict[str, float] = {}
    for host in cluster.hosts:
        group, ratio = _group_of(host), host.record.cores_overcommit
        ratios[group] = max(ratio, ratios.get(group, 0.0))
    return ratios


def _policies(cluster: Cluster) -> tuple[str, ...]:
    ratios = _ratios(cluster)
    whole = max(ratios.values(), default=VCPU_RATIO)
    return tuple(
        f"{owner}|{_SIZES}|{ratio}|{_SPINDLE_RATIO}"
        for owner, ratio in (("", whole), *sorted(ratios.items()))
    )
