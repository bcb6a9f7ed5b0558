"""Which VMs move as one, and which stay whatever happens.

A rule that ties VMs to each other belongs here; all others enter the search by ``site``, and what a
rule says of one VM and one host by ``permits``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from godwit.core.model import Cluster, HostName, Vm, VmId, When
from godwit.core.rules import HOST, VM_RULES, Affinity, Available
from godwit.core.rules import Bundle as BundleRule
from godwit.core.timed import ApartRule

__all__ = ["Bundle", "bundles_of", "stays_because"]


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


def bundles_of(
    cluster: Cluster,
    apart: Sequence[ApartRule],
    leaving: frozenset[HostName],
    *,
    joins: bool,
) -> list[Bundle]:
    """Sort all active VMs into bundles, in the order of the cluster.

    A group that is split already stays so, unless it ``joins``, which a repair asks for: then all
    may go to its anchor, the host outside of ``leaving`` with most of its memory. One of two parts
    that has to leave goes there anyway. Whom one rule ties and another keeps ``apart`` stays.
    """
    active = [one for one in cluster.vms if one.is_active]
    stays = stays_because(cluster, active)
    groups = _tied(_ties(cluster, active, leaving))
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
            found += [_without_contradiction(part, apart) for part in tied[number]]
    return found


def _without_contradiction(bundle: Bundle, apart: Sequence[ApartRule]) -> Bundle:
    ids = {one.id for one in bundle.vms}
    for rule in apart:
        if len(ids & rule.members) > 1 and not bundle.stays:
            why = f"{rule.name!r} keeps apart what an affinity group ties together: {bundle.name}"
            return replace(bundle, stays=why)
    return bundle


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
    if cluster.rules:
        _stay_by_rules(cluster, active, found)
    return found


def _stay_by_rules(cluster: Cluster, active: Sequence[Vm], found: dict[VmId, str]) -> None:
    """Add those that some rule lets not move for a moment, or only with one that can't."""
    ids = {one.id: one for one in active}
    for rule in cluster.rules:
        if isinstance(rule, Available) and rule.hard and rule.losing is None:
            running = [one for one in rule.vms if one in ids and ids[one].state.runs]
            if rule.when is When.ALWAYS and len(running) <= rule.least:
                why = f"rule {rule.name!r}: {rule.least} of {len(running)} are to run at any moment"
                found |= {one: found.get(one, why) for one in running}
    is_done = False
    while not is_done:
        is_done = True
        for rule in cluster.rules:
            if not isinstance(rule, BundleRule) or not rule.hard or rule.by != HOST:
                continue
            members = sorted(rule.vms & ids.keys())
            stuck = next((one for one in members if one in found), None)
            others = [one for one in members if one not in found]
            if stuck is not None and others:
                why = f"rule {rule.name!r}: it moves only with {ids[stuck].name}: {found[stuck]}"
                found |= dict.fromkeys(others, why)
                is_done = False


def _ties(cluster: Cluster, active: Iterable[Vm], leaving: frozenset[HostName]) -> list[list[VmId]]:
    """The VMs that are to share a host, and those of one host that only leave it together.

    Where all of a host has to leave, the latter may part: each of them moves anyway.
    """
    hosts = {one.id: one.host for one in active}
    found = [sorted(one.members & hosts.keys()) for one in cluster.groups if one.together]
    for rule in cluster.rules:
        if not rule.hard or not isinstance(rule, Affinity | BundleRule) or rule.by != HOST:
            continue
        own = sorted(rule.vms & hosts.keys())
        here = {hosts[one] for one in own}
        if isinstance(rule, Affinity) or (len(here) == 1 and not here & leaving):
            found.append(own)
    return found


def _tied(ties: Iterable[Sequence[VmId]]) -> dict[VmId, int]:
    """Number the VMs that are tied to others; ties with a common VM are one."""
    leader: dict[VmId, VmId] = {}

    def find(one: VmId) -> VmId:
        while leader.setdefault(one, one) != one:
            one = leader[one]
        return one

    for own in ties:
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
            elif not joins and (len(parts) > 2 or host not in leaving):
                hosts = ", ".join(sorted(parts))
                why = f"its affinity group is split over {hosts}; a repair joins it"
            else:
                target = anchor
        found.append(Bundle(vms=tuple(part), host=host, stays=why, anchor=target))
    return found
