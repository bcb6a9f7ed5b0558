"""Which VMs move as one, which stay whatever happens, and which are kept apart.

This is where rules about several VMs enter the search. A rule that ties VMs to each other belongs
into ``bundles_of``, one that keeps them apart into ``apart_of``; what a rule says of one VM and one
host is asked in ``permits``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from godwit.core.model import Cluster, HostName, Vm, VmId
from godwit.core.rules import VM_RULES
from godwit.core.timed import ApartRule, Bounds

__all__ = ["Bundle", "apart_of", "bundles_of", "stays_because"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """VMs of one host that move together, mostly one alone.

    ``stays`` says why it can't move at all, else it is empty. ``anchor`` is the host where the rest
    of its group is: the only one it may go to, so that the group is whole then.
    """

    vms: tuple[Vm, ...]
    host: HostName
    stays: str = ""
    anchor: HostName | None = None

    @property
    def name(self) -> str:
        """For people."""
        return " and ".join(one.name for one in self.vms)


def bundles_of(cluster: Cluster, leaving: frozenset[HostName], *, joins: bool) -> list[Bundle]:
    """Sort all active VMs into bundles, in the order of the cluster.

    A group that is split already is joined again at its anchor: the host outside of ``leaving``
    with most of its memory. Only its smaller part may go there, and a group in more than two
    places stays as it is; unless it ``joins``, which a repair asks for.
    """
    active = [one for one in cluster.vms if one.is_active]
    stays = stays_because(cluster, active)
    groups = _tied(cluster, active)
    members: dict[int, list[Vm]] = {}
    for one in active:
        if one.id in groups:
            members.setdefault(groups[one.id], []).append(one)
    tied = {number: _of_group(vms, stays, leaving, joins=joins) for number, vms in members.items()}
    found: list[Bundle] = []
    done: set[int] = set()
    for one in active:
        number = groups.get(one.id)
        if number is None:
            found.append(Bundle(vms=(one,), host=one.host, stays=stays.get(one.id, "")))
        elif number not in done:
            done.add(number)
            found += tied[number]
    return found


def stays_because(cluster: Cluster, active: Sequence[Vm]) -> dict[VmId, str]:
    """Say of each VM that can't move now why that is so."""
    found: dict[VmId, str] = {}
    seen: dict[VmId, HostName] = {}
    known = {one.name for one in cluster.hosts if one.is_known}
    flying = {one.vm: one.host for one in cluster.reservations}
    for vm in active:
        if vm.host not in known:
            found[vm.id] = f"{vm.host} does not answer, so what it does there is not known"
        elif vm.id in flying:
            found[vm.id] = f"{vm.name} is on its way to {flying[vm.id]} already"
        elif vm.id in seen:
            found[vm.id] = f"{vm.name} was seen on {seen[vm.id]} and on {vm.host}"
        else:
            for rule in VM_RULES:
                if (refusal := rule.check(vm)) is not None:
                    found[vm.id] = refusal.why
                    break
        seen.setdefault(vm.id, vm.host)
    return found


def _tied(cluster: Cluster, active: Iterable[Vm]) -> dict[VmId, int]:
    """Number the VMs that affinity ties to others; groups with a common member are one."""
    ids = {one.id for one in active}
    leader: dict[VmId, VmId] = {}

    def find(one: VmId) -> VmId:
        while leader.setdefault(one, one) != one:
            one = leader[one]
        return one

    for group in cluster.groups:
        own = sorted(group.members & ids) if group.together else []
        for other in own[1:]:
            first, second = sorted((find(own[0]), find(other)))
            leader[second] = first
    numbers: dict[VmId, int] = {}
    return {one: numbers.setdefault(find(one), len(numbers)) for one in sorted(leader)}


def _of_group(
    vms: Sequence[Vm],
    stays: Mapping[VmId, str],
    leaving: frozenset[HostName],
    *,
    joins: bool,
) -> list[Bundle]:
    parts: dict[HostName, list[Vm]] = {}
    for one in vms:
        parts.setdefault(one.host, []).append(one)
    stuck = {
        host: next((stays[one.id] for one in part if one.id in stays), "")
        for host, part in parts.items()
    }
    outside = [host for host in parts if host not in leaving] or list(parts)
    # One that can't move is the anchor before any that can.
    anchor = max(
        sorted(outside),
        key=lambda host: (bool(stuck[host]), sum(one.memory_bytes for one in parts[host])),
    )
    found = []
    for host, part in parts.items():
        why, target = stuck[host], None
        if len(parts) > 1 and not why:
            if host == anchor:
                why = "the rest of its affinity group is elsewhere, and comes to it"
            elif len(parts) > 2 and not joins:
                hosts = ", ".join(sorted(parts))
                why = f"its affinity group is split over {hosts}; a repair joins it"
            else:
                target = anchor
        found.append(Bundle(vms=tuple(part), host=host, stays=why, anchor=target))
    return found


def apart_of(cluster: Cluster, bounds: Bounds) -> tuple[ApartRule, ...]:
    """All that keeps VMs apart: the cluster's groups, what is declared, and libvirt's names."""
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
    return (*groups, *bounds.apart, *same)
