"""Every rule that holds for a cluster: those that always do, the groups, and the site's own."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from godwit.core.model import Cluster, HostName, Rule, Vm, VmGroup, VmId
from godwit.core.rules.absorb import Absorb
from godwit.core.rules.affinity import Affinity
from godwit.core.rules.anti_affinity import AntiAffinity
from godwit.core.rules.capacity import Capacity, Resource
from godwit.core.rules.drained import Drained
from godwit.core.rules.fits import Fits, Movable
from godwit.core.rules.huge_pages import HugePages
from godwit.core.rules.identity import OneName
from godwit.core.rules.numa import NumaCells
from godwit.core.rules.placement import HostRule, VmRule

__all__ = ["MAINTENANCE_PRICE", "SPARE_PRICE", "in_force"]

#: What a VM costs that would have no room after the loss of a host.
SPARE_PRICE: Final = 10.0
#: What a VM costs that is still on a host in maintenance.
MAINTENANCE_PRICE: Final = 5.0


def in_force(
    cluster: Cluster, host_rules: Iterable[HostRule], vm_rules: Iterable[VmRule]
) -> tuple[Rule, ...]:
    """Return them all, the built-in ones first, each bound to the VMs and hosts of the cluster.

    A site that declares a rule of the kind n+1 means that one, and not the built-in one beside it.
    """
    vms = frozenset(one.id for one in cluster.vms)
    hosts = frozenset(one.name for one in cluster.hosts)
    built_in: list[Rule] = [
        Capacity(name=one.value, resource=one, vms=vms, hosts=hosts) for one in Resource
    ]
    built_in += [
        OneName(name="identity", vms=vms, hosts=hosts),
        HugePages(name="huge_pages", vms=vms, hosts=hosts),
        NumaCells(name="numa_cells", vms=vms, hosts=hosts),
    ]
    built_in += [Movable(name=one.name, asks=one, vms=vms, hosts=hosts) for one in vm_rules]
    built_in += [Fits(name=one.name, asks=one, vms=vms, hosts=hosts) for one in host_rules]
    resting = frozenset(one.name for one in cluster.hosts if one.record.in_maintenance)
    if resting:
        built_in.append(
            Drained(
                name="emptied for maintenance",
                origin="hosts in maintenance",
                hard=False,
                price=MAINTENANCE_PRICE,
                vms=vms,
                hosts=resting,
            )
        )
    if not any(isinstance(one, Absorb) for one in cluster.rules):
        built_in.append(Absorb(name="n+1", hard=False, price=SPARE_PRICE, vms=vms, hosts=hosts))
    by_id: dict[VmId, list[Vm]] = {}
    for vm in cluster.vms if cluster.groups else ():
        by_id.setdefault(vm.id, []).append(vm)
    groups = tuple(_of_group(one, by_id, hosts) for one in cluster.groups)
    return (*built_in, *groups, *cluster.rules)


def _of_group(
    group: VmGroup, by_id: Mapping[VmId, Sequence[Vm]], hosts: frozenset[HostName]
) -> Rule:
    word = "affinity" if group.together else "anti_affinity"
    told = sum(
        group.name in getattr(one.policy, word)
        for member in group.members
        for one in by_id.get(member, ())
    )
    sources = (
        [f"the metadata of {told} VMs" if told > 1 else "the metadata of a VM"] if told else []
    )
    if told < len(group.members) or not told:
        sources.append(f"[[group]] {group.name!r}")
    kind = Affinity if group.together else AntiAffinity
    return kind(
        name=group.name,
        origin=" and ".join(sources),
        vms=group.members,
        hosts=hosts,
    )
