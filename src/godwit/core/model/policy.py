"""The policy of one VM: what its owner promised its users. Travels with the VM as its metadata."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Probe", "VmPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Where the guest answers: an address, and a TCP port, or None for an ICMP echo."""

    address: str
    tcp_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmPolicy:
    """Limits, wishes and permissions of one VM.

    ``pause_max_s`` is hard: no order ever raises the pause limit above it, unless
    ``pause_longer_s`` permits a longer pause as the last resort. ``pause_target_s`` is what is
    aimed at; None: as short as can be. ``deadline_s`` is how long a whole migration may take.
    ``may_throttle`` permits slowing its vCPUs while it is copied, ``may_postcopy`` permits running
    it at the destination before all of its memory is there. Members of one ``affinity`` group
    share a host; members of one ``anti_affinity`` group never do. ``labels`` are matched by the
    site's rules. ``given`` names the fields that the VM's own metadata sets; the site's rules fill
    the others.
    """

    pause_max_s: float = 1.0
    pause_target_s: float | None = None
    pause_longer_s: float | None = None
    deadline_s: float | None = None
    may_throttle: bool = False
    may_postcopy: bool = False
    affinity: tuple[str, ...] = ()
    anti_affinity: tuple[str, ...] = ()
    priority: int = 0
    probe: Probe | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
