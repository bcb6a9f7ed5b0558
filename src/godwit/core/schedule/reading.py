"""From the cluster and what is wanted to a scene, and to the wishes that are refused at once."""

from collections.abc import Iterable, Sequence

from godwit.core.model import Cluster, HostName, Vm, VmId
from godwit.core.rules import VM_RULES, apart_rules, room_at_every_instant
from godwit.core.schedule.effort import effort_of_memory
from godwit.core.schedule.request import Wanted
from godwit.core.schedule.scene import Layout, Mover, Scene, fixed_refusal, places_of
from godwit.core.timed import ApartRule, Bounds, Stuck, StuckKind

__all__ = ["read_scene"]


def read_scene(
    cluster: Cluster, wanted: Iterable[Wanted], bounds: Bounds
) -> tuple[Scene, tuple[Stuck, ...]]:
    """Return the scene of all moves that may be ordered, and those that no order could help.

    A VM that is where it is wanted already is neither. Movers come by name.

    Raises: ValueError when a VM is wanted twice.
    """
    seen: dict[VmId, list[Vm]] = {}
    for vm in cluster.vms:
        seen.setdefault(vm.id, []).append(vm)
    wishes: dict[VmId, Wanted] = {}
    for one in wanted:
        if one.vm in wishes:
            msg = f"{one.vm} is wanted twice"
            raise ValueError(msg)
        wishes[one.vm] = one
    refused: list[Stuck] = []
    found: list[tuple[Vm, Wanted]] = []
    for wish in wishes.values():
        sightings = seen.get(wish.vm, [])
        if len(sightings) == 1 and sightings[0].host == wish.destination:
            continue
        if (stuck := _refused(cluster, bounds, wish, sightings)) is not None:
            refused.append(stuck)
        else:
            found.append((sightings[0], wish))
    found.sort(key=lambda one: (one[0].name, one[0].id))
    refused.sort(key=lambda one: (one.vm_name, one.vm))
    return _scene(cluster, bounds, found), tuple(refused)


def _refused(
    cluster: Cluster, bounds: Bounds, wish: Wanted, sightings: Sequence[Vm]
) -> Stuck | None:
    """Why a wish can't be granted in any order; None when it may be."""
    if len(sightings) != 1:
        where = " and ".join(sorted(one.host for one in sightings))
        return _stuck(
            wish,
            sightings,
            f"{wish.vm} was seen on {where}" if where else f"no host shows {wish.vm}",
            "Scan again; a VM is moved only while exactly one host shows it.",
        )
    vm = sightings[0]
    if wish.destination not in {one.name for one in cluster.hosts}:
        return _stuck(
            wish, sightings, f"there is no host {wish.destination}", "Name a host that is recorded."
        )
    if any(one.vm == vm.id for one in cluster.reservations):
        return _stuck(
            wish, sightings, f"{vm.name} is in flight already", "Wait until it has arrived."
        )
    for rule in VM_RULES:
        if (refusal := rule.check(vm)) is not None:
            return _stuck(wish, sightings, refusal.why, refusal.remedy)
    if (refusal := fixed_refusal(cluster, bounds, vm, wish.destination)) is not None:
        return _stuck(wish, sightings, refusal.why, refusal.remedy)
    return None


def _stuck(wish: Wanted, sightings: Sequence[Vm], why: str, remedy: str) -> Stuck:
    return Stuck(
        vm=wish.vm,
        vm_name=sightings[0].name if sightings else str(wish.vm),
        source=sightings[0].host if sightings else HostName(""),
        destination=wish.destination,
        kind=StuckKind.REFUSED,
        why=why,
        remedy=remedy,
    )


def _scene(cluster: Cluster, bounds: Bounds, found: Sequence[tuple[Vm, Wanted]]) -> Scene:
    hosts = tuple(one.name for one in cluster.hosts)
    numbers = {name: number for number, name in enumerate(hosts)}
    ids = {vm.id for vm, _ in found}
    rules = tuple(one for one in apart_rules(cluster, bounds.apart) if one.members & ids)
    movers = tuple(
        Mover(
            number=number,
            vm=vm,
            source=numbers[vm.host],
            destination=numbers[wish.destination],
            effort=wish.effort or effort_of_memory(vm.memory_bytes),
            priority=vm.policy.priority if wish.priority is None else wish.priority,
            due_s=wish.due_s,
            rules=tuple(at for at, one in enumerate(rules) if vm.id in one.members),
            flights=tuple(
                at for at, one in enumerate(bounds.limits.groups) if vm.id in one.members
            ),
        )
        for number, (vm, wish) in enumerate(found)
    )
    places, promised = places_of(cluster, rules), _promised(cluster)
    rooms = {one.name: room_at_every_instant(one, cluster.rules) for one in cluster.hosts}
    return Scene(
        cluster=cluster,
        bounds=bounds,
        hosts=hosts,
        movers=movers,
        places=places,
        speeds=tuple(
            one.record.migration_link_bytes_per_s or bounds.link_bytes_per_s
            for one in cluster.hosts
        ),
        start=Layout(
            [memory - promised[name][0] for name, (memory, _) in rooms.items()],
            # Whole vCPUs: what is beyond them no VM can use.
            [vcpus - promised[name][1] for name, (_, vcpus) in rooms.items()],
            _holders(cluster, rules, places, {one.vm.id: one.number for one in movers}),
        ),
    )


def _promised(cluster: Cluster) -> dict[HostName, tuple[int, int]]:
    """Memory and vCPUs that each host has promised, of all hosts at once: clusters are large."""
    held: dict[HostName, dict[VmId, tuple[int, int]]] = {one.name: {} for one in cluster.hosts}
    for vm in cluster.vms:
        if vm.is_active and vm.host in held:
            held[vm.host][vm.id] = (vm.memory_bytes, vm.vcpus)
    for one in cluster.reservations:
        if one.host in held:
            held[one.host].setdefault(one.vm, (one.memory_bytes, one.vcpus))
    return {
        name: (sum(size for size, _ in found.values()), sum(count for _, count in found.values()))
        for name, found in held.items()
    }


def _holders(
    cluster: Cluster,
    rules: Sequence[ApartRule],
    places: Sequence[Sequence[int]],
    movers: dict[VmId, int],
) -> dict[tuple[int, int], tuple[int, ...]]:
    """Who is where when the plan begins, of those that a rule keeps apart."""
    at = {one.name: number for number, one in enumerate(cluster.hosts)}
    there = {(one.id, one.host) for one in cluster.vms if one.is_active}
    there |= {(one.vm, one.host) for one in cluster.reservations}
    numbers = dict(movers)
    for vm_id in sorted({vm_id for vm_id, _ in there} - movers.keys()):
        # Below zero: it is somewhere, and stays there.
        numbers[vm_id] = -1 - len(numbers)
    of_vm: dict[VmId, list[int]] = {}
    for rule, one in enumerate(rules):
        for vm_id in one.members:
            of_vm.setdefault(vm_id, []).append(rule)
    holders: dict[tuple[int, int], tuple[int, ...]] = {}
    for vm_id, name in sorted(there):
        for rule in of_vm.get(vm_id, ()):
            if name in at:
                key = (rule, places[rule][at[name]])
                holders[key] = (*holders.get(key, ()), numbers[vm_id])
    return holders
