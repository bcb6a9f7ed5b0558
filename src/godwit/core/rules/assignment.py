"""Who is where: what the rules about several VMs judge, at one instant of a plan or at its end."""

from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import cast

from godwit.core.model import Cluster, Host, HostName, Vm, VmId

__all__ = ["HOST", "Assignment", "Frame", "end_of", "frame_of", "present"]

#: As the name of a label it means the host itself.
HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A cluster, prepared for questions: its active VMs, where they run now, its hosts.

    ``fit`` are the hosts that answer and are not in maintenance. ``labels`` says for each label
    which hosts have it, and with which value.
    """

    cluster: Cluster
    vms: Mapping[VmId, Vm]
    origins: Mapping[VmId, HostName]
    hosts: Mapping[HostName, Host]
    fit: frozenset[HostName]
    labels: Mapping[str, Mapping[HostName, str]]

    def names(self, ids: Iterable[VmId]) -> str:
        """The names of VMs, for people: sorted, and not more than a line of them."""
        found = sorted(self.vms[one].name if one in self.vms else str(one) for one in ids)
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        return ", ".join(found[:8]) + more

    def value(self, host: HostName, by: str) -> str:
        """Which place a host is: itself, or what its label says.

        A host without the label is a place of its own: nobody said what it shares with others.
        """
        if by == HOST or host not in self.hosts:
            return host
        return self.labels.get(by, {}).get(host, f"{host} (no {by})")

    def has_value(self, host: HostName, by: str) -> bool:
        """Whether somebody said which place a host is."""
        return by == HOST or host in self.labels.get(by, {})

    def values(self, hosts: Iterable[HostName], by: str) -> set[str]:
        """The places that these hosts are, as far as somebody said it."""
        if by == HOST:
            return set(hosts)
        labelled = self.labels.get(by, {})
        return {labelled[one] for one in hosts if one in labelled}

    def usable(self, hosts: AbstractSet[HostName]) -> tuple[HostName, ...]:
        """Those of the hosts that answer and are not in maintenance, sorted."""
        return tuple(sorted(hosts & self.fit))


def frame_of(cluster: Cluster) -> Frame:
    """Prepare a cluster for questions."""
    vms = {one.id: one for one in cluster.vms if one.is_active}
    labels: dict[str, dict[HostName, str]] = {}
    for host in cluster.hosts:
        for name, value in host.record.labels.items():
            labels.setdefault(name, {})[host.name] = value
    return Frame(
        cluster=cluster,
        vms=vms,
        origins={one.id: one.host for one in vms.values()},
        hosts={one.name: one for one in cluster.hosts},
        fit=frozenset(
            one.name for one in cluster.hosts if one.is_known and not one.record.in_maintenance
        ),
        labels=labels,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Which VM runs on which host, and which moves are in flight.

    A VM in flight runs on its place, the source, and holds room at both ends. ``either`` are hosts
    where a VM may be too at the instant meant, because the plan brings it there at a time of its
    own. ``undecided`` VMs are going to leave their place for a host that nobody chose yet.
    """

    frame: Frame
    places: Mapping[VmId, HostName]
    flights: Mapping[VmId, HostName] = field(default_factory=dict)
    either: Mapping[VmId, HostName] = field(default_factory=dict)
    undecided: frozenset[VmId] = frozenset()

    def with_places(self, changed: Mapping[VmId, HostName]) -> "Assignment":
        """The same with these VMs elsewhere. The others are looked up in this one, not copied."""
        beneath = cast("MutableMapping[VmId, HostName]", self.places)  # only the first is written
        return replace(self, places=ChainMap(dict(changed), beneath))

    def place(self, vm: VmId) -> HostName | None:
        """Where a VM runs; None when it does not, or nobody knows where it is going to."""
        return None if vm in self.undecided else self.places.get(vm)

    def hosts_of(self, vm: VmId) -> tuple[HostName, ...]:
        """Every host on which a VM holds something: one, or more while it moves."""
        held = (self.place(vm), self.flights.get(vm), self.either.get(vm))
        return tuple(dict.fromkeys(one for one in held if one is not None))

    def placed(self, vms: Collection[VmId]) -> dict[VmId, HostName]:
        """The places of those of the VMs that have one, in the order of their ids."""
        found = ((one, self.place(one)) for one in sorted(vms))
        return {one: place for one, place in found if place is not None}

    def has_moved(self, vm: VmId) -> bool:
        """Whether it runs elsewhere than it did, or is going to."""
        return vm in self.undecided or self.places.get(vm) != self.frame.origins.get(vm)


def present(cluster: Cluster) -> Assignment:
    """The cluster as it was read, with the migrations in flight."""
    frame = frame_of(cluster)
    flights = {
        one.vm: one.host
        for one in cluster.reservations
        if one.vm in frame.vms and frame.origins[one.vm] != one.host
    }
    return Assignment(frame=frame, places=frame.origins, flights=flights)


def end_of(cluster: Cluster, moves: Mapping[VmId, HostName]) -> Assignment:
    """The cluster when what is in flight has landed, and these VMs are on these hosts.

    What was accepted before is no move of this plan: such a VM starts from where it lands. A VM
    that is not named stays. One that does not run has no place, whatever is said of it.
    """
    now = present(cluster)
    frame = replace(now.frame, origins={**now.frame.origins, **now.flights})
    wanted = {vm: host for vm, host in moves.items() if vm in frame.vms}
    return Assignment(frame=frame, places={**frame.origins, **wanted})
