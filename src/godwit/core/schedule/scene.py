"""The cluster as the schedule sees it: numbers instead of names, and who may be where.

A ``Scene`` never changes; a ``Layout`` says who holds room where at one instant. Neither knows
time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from godwit.core.model import Cluster, HostName, Vm
from godwit.core.plan import Refusal
from godwit.core.rules import LONE_RULES, Placement
from godwit.core.schedule.effort import Effort
from godwit.core.timed import ApartRule, Bounds, Limits

__all__ = ["Layout", "Leg", "Mover", "Scene", "fixed_refusal", "places_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """A VM that shall move. Hosts and rules are numbers of the scene."""

    number: int
    vm: Vm
    source: int
    destination: int
    effort: Effort
    priority: int
    due_s: float | None
    rules: tuple[int, ...]
    flights: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Leg:
    """One move of a mover, from host to host."""

    mover: int
    source: int
    destination: int


@dataclass(slots=True, kw_only=True)
class Scene:
    """Everything that stays the same while moves are ordered.

    ``places[rule][host]`` is the place of a host for an apart rule. Speeds are those of the hosts'
    links, each way. ``allowed`` remembers which hosts were asked about for which mover.
    """

    cluster: Cluster
    bounds: Bounds
    hosts: tuple[HostName, ...]
    movers: tuple[Mover, ...]
    places: tuple[tuple[int, ...], ...]
    speeds: tuple[float, ...]
    start: "Layout"
    allowed: dict[tuple[int, int], bool] = field(default_factory=dict)

    def may(self, mover: int, host: int) -> bool:
        """Whether a mover may be on a host at all, whoever else is there."""
        key = (mover, host)
        if key not in self.allowed:
            vm, name = self.movers[mover].vm, self.hosts[host]
            refused = fixed_refusal(self.cluster, self.bounds, vm, name)
            self.allowed[key] = refused is None
        return self.allowed[key]

    def link_bytes_per_s(self, leg: Leg) -> float:
        """The slower of the two links of a leg."""
        return min(self.speeds[leg.source], self.speeds[leg.destination])

    @property
    def limits(self) -> Limits:
        """How many moves may be in flight."""
        return self.bounds.limits


class Layout:
    """Who holds room where: free memory and vCPUs of each host, and the places of the rules.

    Room may be below zero where a host was promised out before the plan began.
    """

    __slots__ = ("free_bytes", "free_vcpus", "holders")

    def __init__(
        self,
        free_bytes: Sequence[int],
        free_vcpus: Sequence[int],
        holders: Mapping[tuple[int, int], tuple[int, ...]],
    ) -> None:
        self.free_bytes = list(free_bytes)
        self.free_vcpus = list(free_vcpus)
        #: (rule, place) -> the movers there, one of them twice while it moves within the place;
        #: a VM that does not move is below zero.
        self.holders = dict(holders)

    def copy(self) -> "Layout":
        """Return a layout that can be changed without changing this one."""
        return Layout(self.free_bytes, self.free_vcpus, self.holders)

    def fits(self, scene: Scene, mover: Mover, host: int) -> bool:
        """Whether it may begin to arrive at a host now."""
        if self.free_bytes[host] < mover.vm.memory_bytes or self.free_vcpus[host] < mover.vm.vcpus:
            return False
        return not self.meets(scene, mover, host)

    def meets(self, scene: Scene, mover: Mover, host: int) -> tuple[int, ...]:
        """Return whom it would meet there against a rule."""
        found: list[int] = []
        for rule in mover.rules:
            there = self.holders.get((rule, scene.places[rule][host]), ())
            found += [one for one in there if one != mover.number]
        return tuple(found)

    def begin(self, scene: Scene, mover: Mover, host: int) -> None:
        """From here on it holds room at this host too."""
        self.free_bytes[host] -= mover.vm.memory_bytes
        self.free_vcpus[host] -= mover.vm.vcpus
        for rule in mover.rules:
            key = (rule, scene.places[rule][host])
            self.holders[key] = (*self.holders.get(key, ()), mover.number)

    def end(self, scene: Scene, mover: Mover, host: int) -> None:
        """It has left this host."""
        self.free_bytes[host] += mover.vm.memory_bytes
        self.free_vcpus[host] += mover.vm.vcpus
        for rule in mover.rules:
            key = (rule, scene.places[rule][host])
            there = list(self.holders[key])
            there.remove(mover.number)
            self.holders[key] = tuple(there)

    def move(self, scene: Scene, leg: Leg) -> None:
        """Carry a whole leg out."""
        mover = scene.movers[leg.mover]
        self.begin(scene, mover, leg.destination)
        self.end(scene, mover, leg.source)


def fixed_refusal(cluster: Cluster, bounds: Bounds, vm: Vm, name: HostName) -> Refusal | None:
    """Why a VM can't be on a host, whoever else is there; None when it can."""
    only = bounds.only.get(vm.id)
    if only is not None and name not in only:
        return Refusal(
            rule="only",
            why=f"{vm.name} is bound to {', '.join(sorted(only)) or 'no host at all'}",
            remedy=f"Let {vm.name} be on {name} too, or send it elsewhere.",
        )
    placement = Placement(cluster=cluster, vm=vm, host=cluster.host(name))
    # What depends on who else is there is followed instant by instant; all else is asked once.
    for rule in LONE_RULES:
        if (refusal := rule.check(placement)) is not None:
            return refusal
    return None


def places_of(cluster: Cluster, rules: Iterable[ApartRule]) -> tuple[tuple[int, ...], ...]:
    """Number the places of each rule: one for each value of its label, else one for each host."""
    found = []
    for rule in rules:
        numbers: dict[tuple[str, str], int] = {}
        row = []
        for host in cluster.hosts:
            value = host.record.labels.get(rule.label) if rule.label is not None else None
            key = ("label", value) if value is not None else ("host", str(host.name))
            row.append(numbers.setdefault(key, len(numbers)))
        found.append(tuple(row))
    return tuple(found)
