"""What the engine needs of the rest of the world: the network, its records, and time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from godwit.core.model import (
    HostName,
    MigrationId,
    Probe,
    VmId,
)

__all__ = [
    "Clock",
    "GuestPlace",
    "Prober",
    "RecordKeeper",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestPlace:
    """What a record of the network says: where a VM is. ``addresses`` may be empty."""

    vm: VmId
    vm_name: str
    host: HostName
    addresses: tuple[str, ...]
    macs: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


class RecordKeeper(Protocol):
    """Keeps one kind of the network's records true: DNS, a command, a webhook.

    Every method returns a sentence about what it did, raises RecordFailed when it could not, and
    ends within its own time limit. Each may be repeated: a second call changes nothing more.
    """

    @property
    def name(self) -> str:
        """The name that the settings give it."""
        ...

    async def prepare(self, migration: MigrationId, old: GuestPlace, new: GuestPlace) -> str:
        """Before the migration starts: check that a switch would work. Changes nothing."""
        ...

    async def switch(self, migration: MigrationId, old: GuestPlace, new: GuestPlace) -> str:
        """At the switch-over: say the new place."""
        ...

    async def verify(self, migration: MigrationId, old: GuestPlace, new: GuestPlace) -> str:
        """After it: read back that the new place is what the network is told."""
        ...

    async def roll_back(self, migration: MigrationId, old: GuestPlace, new: GuestPlace) -> str:
        """The guest stayed: say the old place again."""
        ...


class Prober(Protocol):
    """Asks a guest over the network whether it answers."""

    async def answers(self, probe: Probe, *, timeout_s: float) -> bool:
        """Whether the guest answered within the time."""
        ...


class Clock(Protocol):
    """The two clocks and the sleep of the engine."""

    def now_s(self) -> float:
        """Wall clock, seconds since the epoch."""
        ...

    def monotonic_s(self) -> float:
        """A clock that never goes back, for durations."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Wait."""
        ...
