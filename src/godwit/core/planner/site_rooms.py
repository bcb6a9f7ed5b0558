"""Rules about how much a host gives, as rooms and loads of the search."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from godwit.core.model import Host, Vm
from godwit.core.planner.reading import MEMORY, Reading
from godwit.core.rules import Capacity, ClusterRule, HugePages, NumaCells, Resource
from godwit.core.rules.pool import PoolRule

__all__ = ["Load", "Rooms", "load_of", "rooms_of"]

#: As much as makes no limit.
_ENDLESS: Final = 1 << 60

Whole = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rooms:
    """[bundle, room] and [host, room]: those of the reading, narrower, and pools of pages."""

    size: Whole
    room: Whole


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Load:
    """One more load: what bundles add, what there is of it, and from which fraction on it costs."""

    need: Reals
    base: Reals
    scale: Reals
    safe: Reals
    points: float


def rooms_of(reading: Reading, rules: Sequence[ClusterRule]) -> Rooms:
    """Narrow the rooms by hard rules, and add one for each pool of huge pages or NUMA cells."""
    room = reading.room.copy()
    sizes, rooms = [reading.size], [room]
    for rule in rules:
        if isinstance(rule, Capacity) and rule.hard:
            column = 0 if rule.resource is Resource.MEMORY else 1
            for number, host in enumerate(reading.hosts):
                if host.name in rule.hosts and host.observed is not None:
                    has = _has(host, rule.resource)
                    less = math.floor(has) - math.floor(has * rule.most_fraction)
                    room[number, column] = min(
                        room[number, column], reading.room[number, column] - less
                    )
        elif isinstance(rule, HugePages | NumaCells):
            size, pools = _pools(reading, rule)
            sizes.append(size)
            rooms.append(pools)
    return Rooms(size=np.hstack(sizes), room=np.hstack(rooms))


def _has(host: Host, resource: Resource) -> float:
    return float(host.memory_for_vms_bytes) if resource is Resource.MEMORY else host.cores_for_vms


def _pools(reading: Reading, rule: PoolRule) -> tuple[Whole, Whole]:
    """A room for each kind of memory that a VM names; what depends on the host is left out."""
    named: Callable[[Vm], object] = (
        (lambda vm: vm.huge_page_bytes) if isinstance(rule, HugePages) else lambda vm: vm.numa_cells
    )
    kinds = sorted({one for b in reading.bundles for vm in b.vms if (one := named(vm))}, key=str)
    size = np.zeros((len(reading.bundles), len(kinds)), dtype=np.int64)
    room = np.full((len(reading.hosts), len(kinds)), _ENDLESS, dtype=np.int64)
    for column, kind in enumerate(kinds):
        for number, bundle in enumerate(reading.bundles):
            size[number, column] = sum(vm.memory_bytes for vm in bundle.vms if named(vm) == kind)
        for number, host in enumerate(reading.hosts):
            if host.observed is not None and host.observed.numa is not None:
                room[number, column] = rule.has_bytes(host, kind)
    return size, room


def load_of(reading: Reading, rule: Capacity, points: float) -> Load:
    """A soft rule about room: from its fraction on, what a host promises costs."""
    in_bytes = rule.resource is Resource.MEMORY
    column = 0 if in_bytes else 1
    has = np.array([max(1.0, _has(one, rule.resource)) for one in reading.hosts])
    meant = np.array([one.name in rule.hosts for one in reading.hosts], dtype=np.bool_)
    promised = (
        reading.base[:, MEMORY]
        if in_bytes
        else np.array([math.floor(one.cores_for_vms) for one in reading.hosts]) - reading.room[:, 1]
    )
    return Load(
        need=reading.size[:, column].astype(np.float64),
        base=promised.astype(np.float64),
        scale=has,
        safe=np.where(meant, rule.most_fraction, float(_ENDLESS)),
        points=points,
    )
