"""Checks of who is where: memory, cores, VMs apart and together, hosts that a VM may be on.

Each is looked at twice: at the instants of the expected times, and in every state that the order
of the moves allows, however early or late each of them is. What stood against a rule before the
plan began is not the plan's fault; an arrival that comes on top of it is.
"""

from collections.abc import Callable, Iterator, Sequence

from godwit.core.audit.replay import Replay, Stay
from godwit.core.audit.violation import Kind, Violation
from godwit.core.model import Host, HostName, VmId
from godwit.core.rules import LONE_RULES, Placement
from godwit.core.timed import Bounds
from godwit.core.units import format_bytes

__all__ = ["check_apart", "check_cores", "check_memory", "check_place", "check_together"]


def check_memory(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """No host is promised more memory than it has for VMs."""
    return _check_room(
        replay,
        Kind.MEMORY,
        lambda host: host.memory_for_vms_bytes,
        lambda stay: stay.memory_bytes,
        format_bytes,
    )


def check_cores(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """No host is promised more vCPUs than its overcommit allows."""
    return _check_room(
        replay,
        Kind.CORES,
        lambda host: host.cores_for_vms,
        lambda stay: stay.vcpus,
        lambda count: f"{count:g} vCPUs",
    )


def _check_room(
    replay: Replay,
    kind: Kind,
    room: Callable[[Host], float],
    size: Callable[[Stay], int],
    said: Callable[[float], str],
) -> Iterator[Violation]:
    by_host: dict[HostName, list[Stay]] = {}
    for stay in replay.stays:
        by_host.setdefault(stay.host, []).append(stay)
    for name, host in replay.hosts.items():
        stays = by_host.get(name, [])
        arrivals = [one for one in stays if one.since is not None]
        limit = room(host)
        if not arrivals or sum(size(one) for one in stays) <= limit:
            continue
        expected = _at_instants(replay, stays, arrivals, limit, size)
        found = expected or _in_any_state(replay, stays, arrivals, limit, size)
        if found is not None:
            arrival, most, at_s = found
            state = "" if at_s is not None else " in a course of events that the order allows"
            yield Violation(
                kind=kind,
                why=f"{name} would hold {said(most)} and has {said(limit)} for VMs{state}",
                at_s=at_s,
                hosts=(name,),
                vms=(arrival.vm,),
                moves=(arrival.since,) if arrival.since is not None else (),
                found=most,
                limit=limit,
            )


def _at_instants(
    replay: Replay,
    stays: Sequence[Stay],
    arrivals: Sequence[Stay],
    limit: float,
    size: Callable[[Stay], int],
) -> tuple[Stay, int, float | None] | None:
    """The first arrival, by the expected times, that there is no room for."""
    for one in sorted(arrivals, key=lambda stay: (replay.begins_s(stay), stay.vm)):
        at_s = replay.begins_s(one)
        held = sum(size(other) for other in replay.held_at(at_s, stays))
        if held > limit:
            return one, held, at_s
    return None


def _in_any_state(
    replay: Replay,
    stays: Sequence[Stay],
    arrivals: Sequence[Stay],
    limit: float,
    size: Callable[[Stay], int],
) -> tuple[Stay, int, float | None] | None:
    """An arrival that there may be no room for when moves are earlier or later than expected."""
    fixed = sum(size(one) for one in stays if one.since is None and one.until is None)
    loose = [one for one in stays if one.since is not None or one.until is not None]
    at_first = sum(size(one) for one in loose if one.since is None)
    if fixed + at_first <= limit and fixed + replay.most(loose, size) <= limit:
        return None
    for one in sorted(arrivals, key=lambda stay: (replay.begins_s(stay), stay.vm)):
        most = fixed + size(one) + replay.most(replay.beside(one, loose), size)
        if most > limit:
            return one, most, None
    return None


def check_apart(replay: Replay, bounds: Bounds) -> Iterator[Violation]:
    """VMs that are kept apart never meet, not even while one of them is on its way."""
    names: dict[str, set[VmId]] = {}
    for vm in replay.cluster.vms:
        names.setdefault(vm.name, set()).add(vm.id)
    rules: list[tuple[str, frozenset[VmId], str | None]] = [
        *((one.name, one.members, None) for one in replay.cluster.groups if not one.together),
        *((one.name, one.members, one.label) for one in bounds.apart),
        # libvirt's names are unique on a host.
        *((f"named {name}", frozenset(ids), None) for name, ids in names.items() if len(ids) > 1),
    ]
    of_vm: dict[VmId, list[int]] = {}
    for number, stay in enumerate(replay.stays):
        of_vm.setdefault(stay.vm, []).append(number)
    for rule, members, label in rules:
        there: dict[str, list[Stay]] = {}
        for number in sorted(one for vm in members for one in of_vm.get(vm, ())):
            stay = replay.stays[number]
            there.setdefault(_place(replay, stay.host, label), []).append(stay)
        for place, stays in sorted(there.items()):
            for at, second in enumerate(stays):
                for first in stays[:at]:
                    if met := _meeting(replay, first, second):
                        yield Violation(
                            kind=Kind.APART,
                            why=f"{first.vm} and {second.vm} of {rule!r} may meet on {place}",
                            at_s=met[0],
                            hosts=tuple(sorted({first.host, second.host})),
                            vms=(first.vm, second.vm),
                            moves=tuple(
                                one for one in (first.since, second.since) if one is not None
                            ),
                            found=2,
                            limit=1,
                        )


def _place(replay: Replay, name: HostName, label: str | None) -> str:
    host = replay.hosts.get(name)
    value = host.record.labels.get(label) if label is not None and host is not None else None
    return name if value is None else f"{label} {value}"


def _meeting(replay: Replay, first: Stay, second: Stay) -> tuple[float | None] | None:
    """Whether two stays may overlap by the plan's doing; and when, if they are expected to."""
    if first.vm == second.vm or (first.since is None and second.since is None):
        return None
    if replay.is_before(first, second) or replay.is_before(second, first):
        return None
    from_s = max(replay.begins_s(first), replay.begins_s(second))
    until_s = min(replay.ends_s(first), replay.ends_s(second))
    return (from_s if from_s < until_s else None,)


def check_together(replay: Replay, _bounds: Bounds) -> Iterator[Violation]:
    """VMs of one affinity group are not on more hosts in the end than they were before."""
    ends = {one.vm: replay.of_vm(one.vm)[-1].destination for one in replay.plan.moves}
    for group in replay.cluster.groups:
        if not group.together or not group.members & ends.keys():
            continue
        active = [vm for vm in replay.cluster.vms if vm.id in group.members and vm.is_active]
        before = {vm.host for vm in active}
        after = {ends.get(vm.id, vm.host) for vm in active}
        if len(after) > max(1, len(before)):
            yield Violation(
                kind=Kind.TOGETHER,
                why=f"the affinity group {group.name!r} ends on {', '.join(sorted(after))}",
                hosts=tuple(sorted(after)),
                vms=tuple(sorted(group.members & ends.keys())),
                found=len(after),
                limit=max(1, len(before)),
            )


def check_place(replay: Replay, bounds: Bounds) -> Iterator[Violation]:
    """Each host that a VM comes to, also on its way, can run it and takes VMs."""
    for move in replay.plan.moves:
        host = replay.hosts.get(move.destination)
        vm = next(iter(replay.vms.get(move.vm, ())), None)
        if host is None or vm is None:
            continue
        reasons = []
        only = bounds.only.get(move.vm)
        if only is not None and move.destination not in only:
            reasons.append(f"{vm.name} is bound to {', '.join(sorted(only)) or 'no host'}")
        placement = Placement(cluster=replay.cluster, vm=vm, host=host)
        # Those about who else is there are followed instant by instant.
        for rule in LONE_RULES:
            if (refusal := rule.check(placement)) is not None:
                reasons.append(refusal.why)
                break
        for why in reasons:
            yield Violation(
                kind=Kind.PLACE,
                why=why,
                at_s=move.starts_s.likely,
                hosts=(host.name,),
                vms=(move.vm,),
                moves=(move.id,),
            )
