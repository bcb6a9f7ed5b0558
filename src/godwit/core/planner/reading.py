"""A cluster in numbers: hosts and bundles of VMs as rows of arrays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from godwit.core.model import Cluster, Host, HostName, Vm, VmId
from godwit.core.planner.bundling import Bundle, bundles_of
from godwit.core.planner.pricing import Prices, estimate_prices
from godwit.core.planner.weights import PlanSettings
from godwit.core.rules import apart_rules, kept_apart
from godwit.core.timed import ApartRule

__all__ = ["CPU", "LOADS", "MEMORY", "Reading", "read_cluster"]

#: The loads, by their column.
CPU: Final = 0
MEMORY: Final = 1
LOADS: Final = 2

Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """The numbers. Columns of loads are busy cores and promised bytes; of rooms, bytes and vCPUs.

    ``base`` is what hosts hold beside the bundles: what is promised to migrations in flight.
    ``is_usable`` hosts answer and are not in maintenance. ``groups`` are those that keep VMs apart:
    for each, the place that every host is, its members among the bundles, and those in flight.
    """

    cluster: Cluster
    hosts: tuple[Host, ...]
    number: Mapping[HostName, int]
    bundles: Sequence[Bundle]
    at: Whole
    need: Reals
    size: Whole
    scale: Reals
    base: Reals
    room: Whole
    is_usable: npt.NDArray[np.bool_]
    prices: Prices
    group_names: tuple[str, ...]
    place_of: Whole
    group_base: Whole
    bundle_groups: Sequence[tuple[int, ...]]

    def name(self, host: int) -> HostName:
        """The name of a host by its number."""
        return self.hosts[host].name


def read_cluster(
    cluster: Cluster,
    settings: PlanSettings,
    *,
    leaving: frozenset[HostName] = frozenset(),
    joins: bool = False,
) -> Reading:
    """Read a cluster; ``leaving`` hosts are those that shall be emptied."""
    hosts = cluster.hosts
    number = {one.name: at for at, one in enumerate(hosts)}
    apart = apart_rules(cluster, (*settings.bounds.apart, *kept_apart(cluster)))
    bundles = [
        one for one in bundles_of(cluster, apart, leaving, joins=joins) if one.host in number
    ]
    promised = _promised(cluster, number)
    names, place_of, group_base, groups = _groups(cluster, apart, number, bundles)
    at = np.array([number[one.host] for one in bundles], dtype=np.int64)
    each = [vm for one in bundles for vm in one.vms]
    parts = np.array([len(one.vms) for one in bundles], dtype=np.int64)
    bundle = np.repeat(np.arange(len(bundles)), parts)
    return Reading(
        cluster=cluster,
        hosts=hosts,
        number=number,
        bundles=bundles,
        at=at,
        need=_needs(each, bundle, len(bundles), settings),
        size=_sizes(each, bundle, len(bundles)),
        scale=np.array(
            [
                (
                    max(1, one.observed.cores if one.observed is not None else 1),
                    max(1, one.memory_for_vms_bytes),
                )
                for one in hosts
            ],
            dtype=np.float64,
        ).reshape(-1, LOADS),
        base=np.array([(0.0, memory) for memory, _ in promised], dtype=np.float64).reshape(
            -1, LOADS
        ),
        room=np.array(
            [
                (one.memory_for_vms_bytes - memory, math.floor(one.cores_for_vms) - vcpus)
                for one, (memory, vcpus) in zip(hosts, promised, strict=True)
            ],
            dtype=np.int64,
        ).reshape(-1, 2),
        is_usable=np.array(
            [one.is_known and not one.record.in_maintenance for one in hosts], dtype=np.bool_
        ),
        prices=estimate_prices(
            cluster, each, bundle, _speeds_bytes_per_s(hosts, settings)[at[bundle]], settings
        ),
        group_names=names,
        place_of=place_of,
        group_base=group_base,
        bundle_groups=groups,
    )


def _needs(vms: Sequence[Vm], bundle: Whole, bundles: int, settings: PlanSettings) -> Reals:
    wanted = settings.demand_cores
    cores = [vm.busy_cores or 0.0 for vm in vms]
    if wanted:
        cores = [wanted.get(vm.id, busy) for vm, busy in zip(vms, cores, strict=True)]
    memory = [float(vm.memory_bytes) for vm in vms]
    return np.column_stack([np.bincount(bundle, one, bundles) for one in (cores, memory)])


def _sizes(vms: Sequence[Vm], bundle: Whole, bundles: int) -> Whole:
    found = np.zeros((bundles, 2), dtype=np.int64)
    each = [(vm.memory_bytes, vm.vcpus) for vm in vms]
    np.add.at(found, bundle, np.array(each, dtype=np.int64).reshape(-1, 2))
    return found


def _speeds_bytes_per_s(hosts: Sequence[Host], settings: PlanSettings) -> Reals:
    """The links of the hosts, declared or taken as the settings have it."""
    unknown = settings.bounds.link_bytes_per_s
    return np.array(
        [one.record.migration_link_bytes_per_s or unknown for one in hosts], dtype=np.float64
    )


def _promised(cluster: Cluster, number: Mapping[HostName, int]) -> list[tuple[int, int]]:
    """Memory and vCPUs that hosts hold for migrations in flight, which no VM there holds yet."""
    there = {(one.id, one.host) for one in cluster.vms if one.is_active}
    found = [(0, 0)] * len(number)
    for one in cluster.reservations:
        if one.host in number and (one.vm, one.host) not in there:
            memory_bytes, vcpus = found[number[one.host]]
            found[number[one.host]] = (memory_bytes + one.memory_bytes, vcpus + one.vcpus)
            there.add((one.vm, one.host))
    return found


def _groups(
    cluster: Cluster,
    rules: Sequence[ApartRule],
    number: Mapping[HostName, int],
    bundles: Sequence[Bundle],
) -> tuple[tuple[str, ...], Whole, Whole, Sequence[tuple[int, ...]]]:
    hosts = cluster.hosts
    place_of = np.zeros((len(rules), len(hosts)), dtype=np.int64)
    base = np.zeros((len(rules), len(hosts)), dtype=np.int64)
    by_label: dict[str | None, list[int]] = {}
    of_vm: dict[VmId, list[int]] = {}
    for at, rule in enumerate(rules):
        if rule.label not in by_label:
            by_label[rule.label] = _places(hosts, rule.label)
        place_of[at] = by_label[rule.label]
        for vm_id in rule.members:
            of_vm.setdefault(vm_id, []).append(at)
    there = {(one.id, one.host) for one in cluster.vms if one.is_active}
    for flying in cluster.reservations:
        if flying.host in number and (flying.vm, flying.host) not in there:
            for at in of_vm.get(flying.vm, ()):
                base[at, place_of[at, number[flying.host]]] += 1
    own = [_of_all(one.vms, of_vm) for one in bundles]
    return tuple(one.name for one in rules), place_of, base, own


def _of_all(vms: Sequence[Vm], of_vm: Mapping[VmId, Sequence[int]]) -> tuple[int, ...]:
    if len(vms) == 1:
        return tuple(of_vm.get(vms[0].id, ()))
    return tuple(sorted({at for vm in vms for at in of_vm.get(vm.id, ())}))


def _places(hosts: Sequence[Host], label: str | None) -> list[int]:
    """Number the places: one for each value of a label, else one for each host."""
    numbers: dict[tuple[str, str], int] = {}
    found = []
    for one in hosts:
        value = one.record.labels.get(label) if label is not None else None
        key = ("label", value) if value is not None else ("host", str(one.name))
        found.append(numbers.setdefault(key, len(numbers)))
    return found
