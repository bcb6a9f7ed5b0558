"""Clusters that are hard to rearrange, made from a seed, each with what is wanted of it.

Four families. *drain*: one host is emptied onto others that are nearly full. *rebalance*: every
host gives and takes, towards an arrangement that a random walk of possible moves has reached.
*swap*: pairs of hosts with little room trade some of theirs. *ring*: full hosts pass VMs round;
some clusters have a host where one can step aside, others have none, and then no order exists.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from bench.plain import plain_host, plain_vm
from godwit.core.model import Cluster, CpuAnswer, DiskSighting, HostName, VmGroup, VmId
from godwit.core.schedule import Effort, Wanted
from godwit.core.timed import Bounds, FlightGroup, Limits
from godwit.core.units import GIB

__all__ = ["FAMILIES", "Case", "make_case"]

_GBIT_BYTES_PER_S: Final = 125e6
_SIZES_GIB: Final = (1, 2, 2, 4, 4, 4, 8, 8, 16, 32)
_GENERATION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One cluster and what is wanted of it."""

    family: str
    seed: int
    cluster: Cluster
    wanted: tuple[Wanted, ...]
    bounds: Bounds


class _Draft:
    """A cluster that is being made: sizes, places and rooms by name."""

    def __init__(self, hosts: int) -> None:
        self.hosts = [f"kvm{n:02}" for n in range(1, hosts + 1)]
        self.size_gib: dict[str, int] = {}
        self.at: dict[str, str] = {}
        self.goal: dict[str, str] = {}
        self.room_gib: dict[str, int] = {}
        self.groups: list[tuple[str, frozenset[str]]] = []

    def add(self, host: str, size_gib: int) -> str:
        name = f"vm{len(self.at):03}"
        self.size_gib[name], self.at[name] = size_gib, host
        return name

    def held_gib(self, host: str, at: dict[str, str]) -> int:
        return sum(self.size_gib[name] for name, where in at.items() if where == host)

    def may_come(self, name: str, host: str, at: dict[str, str]) -> bool:
        """Whether a VM may be on a host beside all others as they are at."""
        others = {one for one, where in at.items() if where == host and one != name}
        if sum(self.size_gib[one] for one in others) + self.size_gib[name] > self.room_gib[host]:
            return False
        return not any(name in members and others & members for _, members in self.groups)

    def fill(self, host: str, gib: int, chance: Random) -> None:
        """Put VMs on a host until it holds nearly so much."""
        while (left := gib - self.held_gib(host, self.at)) > 0:
            sizes = [one for one in _SIZES_GIB if one <= left]
            self.add(host, chance.choice(sizes))

    def keep_apart(self, groups: int, chance: Random) -> None:
        """Form groups of VMs that are on different hosts now."""
        for number in range(groups):
            hosts = chance.sample(self.hosts, min(len(self.hosts), chance.randint(2, 3)))
            members = []
            for host in hosts:
                here = [name for name, where in self.at.items() if where == host]
                if here:
                    members.append(chance.choice(here))
            if len(members) > 1:
                self.groups.append((f"apart{number}", frozenset(members)))


def _drain(chance: Random) -> _Draft:
    draft = _Draft(chance.randint(3, 12))
    room = chance.choice([64, 96, 128, 192])
    for host in draft.hosts:
        draft.room_gib[host] = room
        draft.fill(host, round(room * chance.uniform(0.5, 0.85)), chance)
    draft.keep_apart(chance.randint(0, 5), chance)
    leaving, others = draft.hosts[0], draft.hosts[1:]
    goal = dict(draft.at)
    for name in sorted(draft.at, key=lambda one: (-draft.size_gib[one], one)):
        if draft.at[name] != leaving:
            continue
        fitting = [one for one in others if draft.may_come(name, one, goal)]
        if fitting:
            goal[name] = max(fitting, key=lambda one: room - draft.held_gib(one, goal))
    # No more room than the end needs, and a little: that is what makes a drain hard.
    for host in others:
        draft.room_gib[host] = min(room, draft.held_gib(host, goal) + chance.choice([0, 1, 2, 8]))
    draft.goal = goal
    return draft


def _rebalance(chance: Random) -> _Draft:
    draft = _Draft(chance.randint(4, 16))
    for host in draft.hosts:
        draft.room_gib[host] = chance.choice([64, 96, 128])
        draft.fill(host, round(draft.room_gib[host] * chance.uniform(0.75, 0.97)), chance)
    draft.keep_apart(chance.randint(0, 6), chance)
    goal = dict(draft.at)
    names = sorted(goal)
    for _ in range(chance.randint(1, 3) * len(names)):
        name, host = chance.choice(names), chance.choice(draft.hosts)
        if goal[name] != host and draft.may_come(name, host, goal):
            goal[name] = host
    draft.goal = goal
    return draft


def _swap(chance: Random) -> _Draft:
    draft = _Draft(2 * chance.randint(2, 6))
    for host in draft.hosts:
        draft.room_gib[host] = 64
        draft.fill(host, 64 - chance.choice([2, 4, 8]), chance)
    draft.keep_apart(chance.randint(0, 4), chance)
    goal = dict(draft.at)
    for left, right in zip(draft.hosts[::2], draft.hosts[1::2], strict=True):
        here = [name for name in draft.at if draft.at[name] == left]
        there = [name for name in draft.at if draft.at[name] == right]
        for _ in range(chance.randint(1, 6)):
            one, other = chance.choice(here), chance.choice(there)
            tried = goal | {one: right, other: left}
            if all(draft.may_come(name, tried[name], tried) for name in (one, other)):
                goal = tried
    draft.goal = goal
    return draft


def _ring(chance: Random) -> _Draft:
    length = chance.randint(2, 5)
    draft = _Draft(length + chance.randint(0, 3))
    size = chance.choice([4, 8, 16])
    for host in draft.hosts:
        draft.room_gib[host] = 64
        draft.fill(host, 64 - size, chance)
        draft.add(host, size)
        # No gap anywhere: only what leaves makes room.
        draft.room_gib[host] = draft.held_gib(host, draft.at)
    goal = dict(draft.at)
    ring = draft.hosts[:length]
    for at, host in enumerate(ring):
        own = [name for name in draft.at if draft.at[name] == host and draft.size_gib[name] == size]
        goal[own[-1]] = ring[(at + 1) % length]
    draft.goal = goal
    spare = chance.choice(draft.hosts)
    draft.room_gib[spare] += chance.choice([0, size - 1, size, size, 2 * size])
    return draft


FAMILIES: Final[dict[str, Callable[[Random], _Draft]]] = {
    "drain": _drain,
    "rebalance": _rebalance,
    "swap": _swap,
    "ring": _ring,
}


def make_case(family: str, seed: int) -> Case:
    """The same family and seed give the same case."""
    chance = Random(f"{family} {seed}")
    draft = FAMILIES[family](chance)
    speed = chance.choice([1, 10, 10, 25]) * _GBIT_BYTES_PER_S
    speeds = {
        name: speed * (0.4 if family != "ring" and chance.random() < 0.15 else 1.0)
        for name in draft.hosts
    }
    vms = tuple(
        plain_vm(name, draft.at[name], memory_bytes=draft.size_gib[name] * GIB)
        for name in sorted(draft.at)
    )
    moving = [name for name in sorted(draft.at) if draft.goal[name] != draft.at[name]]
    seen = Cluster(
        generation=_GENERATION,
        taken_at_s=0.0,
        hosts=tuple(
            plain_host(
                name,
                cores=64,
                # The other GiB is the host's own.
                memory_total_bytes=(draft.room_gib[name] + 1) * GIB,
                migration_link_bytes_per_s=speeds[name],
            )
            for name in draft.hosts
        ),
        vms=vms,
        groups=tuple(
            VmGroup(name=name, together=False, members=frozenset(VmId(one) for one in members))
            for name, members in draft.groups
        ),
        cpu_answers={
            (VmId(name), HostName(to)): CpuAnswer(compatible=True)
            for name in moving
            for to in draft.hosts
        },
        disk_sightings={
            (VmId(name), "vda", HostName(to)): DiskSighting.SAME
            for name in moving
            for to in draft.hosts
        },
    )
    limits = Limits()
    if len(moving) > 4 and chance.random() < 0.3:
        few = frozenset(VmId(one) for one in chance.sample(moving, 3))
        limits = replace(limits, groups=(FlightGroup(name="few", members=few, most=1),))
    return Case(
        family=family,
        seed=seed,
        cluster=seen,
        wanted=tuple(
            Wanted(
                vm=VmId(name),
                destination=HostName(draft.goal[name]),
                effort=_effort(draft.size_gib[name] * GIB, speed, chance),
            )
            for name in moving
        ),
        bounds=Bounds(limits=limits),
    )


def _effort(memory_bytes: int, link_bytes_per_s: float, chance: Random) -> Effort:
    """Most guests write little; some write a good part of what the link carries."""
    return Effort(
        first_bytes=memory_bytes * chance.uniform(0.3, 1.0),
        dirty_bytes_per_s=link_bytes_per_s * chance.choice([0.0, 0.01, 0.02, 0.05, 0.1, 0.3]),
        setup_s=chance.uniform(0.3, 1.5),
        ending_s=chance.uniform(0.2, 0.8),
        # One stream carries what one core can: about 2 GiB/s.
        stream_bytes_per_s=2.0 * GIB,
    )
