"""What can be asked of the planner: one value each, and a mix of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from godwit.core.model import HostName, VmId

__all__ = [
    "Balance",
    "Consolidate",
    "Drain",
    "Evacuate",
    "Mix",
    "Place",
    "PlanRequest",
    "Repair",
    "Restore",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Make moves that gain more than they cost, by all terms of the objective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Empty these hosts, within ``deadline_s`` of the start where it is given.

    With ``make_room`` VMs of other hosts move too, where that lets one of theirs leave.
    """

    hosts: tuple[HostName, ...]
    deadline_s: float | None = None
    make_room: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Evacuate:
    """Save what can be saved from a failing host: where room is scarce, by priority."""

    host: HostName
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """Bring VMs back to where they were recorded. One that has gone is left out."""

    placement: Mapping[VmId, HostName]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consolidate:
    """Empty as many hosts as is safe, but leave so many in use.

    Safe: no host gets above its thresholds, and the loss of any one host can be absorbed by the
    others in use as far as it could before.
    """

    hosts_least: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Find the best other host for one VM, and make room there where there is none."""

    vm: VmId


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Cure broken rules with the fewest moves; what gains otherwise is no reason to move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Several requests as one plan."""

    requests: tuple["Balance | Drain | Evacuate | Restore | Consolidate | Place | Repair", ...]


PlanRequest = Balance | Drain | Evacuate | Restore | Consolidate | Place | Repair | Mix
