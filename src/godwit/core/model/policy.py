"""The policy of one VM: what its owner promised its users. Travels with the VM as its metadata."""

from dataclasses import dataclass

__all__ = ["Probe", "VmPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Where the guest answers: an address, and a TCP port, or None for an ICMP echo."""

    address: str
    tcp_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmPolicy:
    """Limits and wishes of one VM.

    ``pause_max_s`` is hard: no order ever raises the pause limit above it. Members of one
    ``affinity`` group share a host; members of one ``anti_affinity`` group never do.
    """

    pause_max_s: float = 1.0
    affinity: tuple[str, ...] = ()
    anti_affinity: tuple[str, ...] = ()
    priority: int = 0
    probe: Probe | None = None
