"""What the engine needs of the rest of the world: the network, its records, and time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from godwit.core.model import (
    HostName,
    MigrationId,
    Probe,
    VmId,
)

__all__ = [
    "Clock",
    "ForwardingEntry",
    "ForwardingReader",
    "GuestPlace",
    "PlaceChange",
    "Prepared",
    "Prober",
    "RecordKeeper",
    "UpstreamTable",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestPlace:
    """What a record of the network says: where a VM is. ``addresses`` may be empty.

    ``labels`` are those of the host, as the inventory has them.
    """

    vm: VmId
    vm_name: str
    host: HostName
    addresses: tuple[str, ...]
    macs: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceChange:
    """One guest's change of place. ``saw`` is what ``prepare`` saw; empty when it could not."""

    migration: MigrationId
    old: GuestPlace
    new: GuestPlace
    saw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What ``prepare`` did, for people, and what it saw, in the keeper's own words.

    ``saw`` is journalled and given back in every later step, also to the next controller: it holds
    all that ``roll_back`` needs, and no secret.
    """

    what: str
    saw: str = ""


class RecordKeeper(Protocol):
    """Keeps one kind of the network's records true: DNS, a command, a webhook.

    Every method says in a sentence what it did, or raises RecordFailed. Its caller sets the time
    limit and cancels what lasts longer; a cancelled step leaves no process behind. Each may be
    repeated: a second call changes nothing more.
    """

    @property
    def name(self) -> str:
        """The name that the settings give it."""
        ...

    async def prepare(self, change: PlaceChange) -> Prepared:
        """Before the migration starts: check that a switch would work. Changes nothing."""
        ...

    async def switch(self, change: PlaceChange) -> str:
        """At the switch-over: say the new place."""
        ...

    async def verify(self, change: PlaceChange) -> str:
        """After it: read back that the new place is what the network is told."""
        ...

    async def roll_back(self, change: PlaceChange) -> str:
        """The guest stayed: say what ``prepare`` saw, or else the old place."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingEntry:
    """One entry of a bridge's or a switch's table: frames for this MAC go out at this port."""

    mac: str
    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamTable:
    """The table of one switch between the hosts. ``ports`` says which one leads to which host."""

    name: str
    entries: tuple[ForwardingEntry, ...]
    ports: Mapping[HostName, str] = field(default_factory=dict)


class ForwardingReader(Protocol):
    """Reads forwarding tables. Raises RecordFailed when one can't be read; ends in a time limit."""

    async def of_host(self, host: HostName) -> tuple[ForwardingEntry, ...]:
        """What the bridges of a host have learnt; no permanent entries of its own ports."""
        ...

    async def upstream(self) -> tuple[UpstreamTable, ...]:
        """The tables beyond the hosts, as far as the site gave a way to read them."""
        ...


class Prober(Protocol):
    """Asks a guest over the network whether it answers."""

    async def answers(self, probe: Probe, *, timeout_s: float) -> bool:
        """Whether the guest answered within the time."""
        ...


class Clock(Protocol):
    """The two clocks and the sleep of the engine, and time for work that takes long."""

    def now_s(self) -> float:
        """Wall clock, seconds since the epoch."""
        ...

    def monotonic_s(self) -> float:
        """A clock that never goes back, for durations."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Wait."""
        ...

    async def spend(self, work: Callable[[], T]) -> T:
        """Have pure work done that takes longer than a turn of the event loop, beside it.

        What it raises is raised.
        """
        ...
