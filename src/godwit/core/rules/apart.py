"""What keeps VMs apart at every instant: groups, what the site declares, and libvirt's names."""

from collections.abc import Iterable

from godwit.core.model import Cluster, VmId, When
from godwit.core.rules.anti_affinity import AntiAffinity
from godwit.core.rules.assignment import HOST
from godwit.core.timed import ApartRule

__all__ = ["apart_rules", "kept_apart"]


def apart_rules(cluster: Cluster, declared: Iterable[ApartRule]) -> tuple[ApartRule, ...]:
    """Return all that keeps VMs apart: the cluster's groups, what is declared, equal names."""
    groups = [
        ApartRule(name=one.name, members=one.members) for one in cluster.groups if not one.together
    ]
    named: dict[str, set[VmId]] = {}
    for vm in cluster.vms:
        named.setdefault(vm.name, set()).add(vm.id)
    same = [
        ApartRule(name=f"the name {name}", members=frozenset(ids))
        for name, ids in sorted(named.items())
        if len(ids) > 1
    ]
    return (*groups, *dict.fromkeys(declared), *same)


def kept_apart(cluster: Cluster) -> tuple[ApartRule, ...]:
    """Return what the site declares to be apart at every instant, by host or by a label of it."""
    return tuple(
        ApartRule(name=one.name, members=one.vms, label=None if one.by == HOST else one.by)
        for one in cluster.rules
        if isinstance(one, AntiAffinity) and one.hard and one.when is When.ALWAYS
    )
