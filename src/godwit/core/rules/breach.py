"""A rule that is broken, as a value: by whom, by how much, why, and what would cure it."""

from dataclasses import dataclass

from godwit.core.model import HostName, VmId

__all__ = ["Breach"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One place where a rule is broken.

    ``amount`` says by how much, in what the rule counts: VMs, label values, a fraction of a host.
    ``numbers`` are the figures behind it, named with their unit. ``price`` is what it costs; a hard
    rule has none, because nothing pays for it.
    """

    rule: str
    kind: str
    hard: bool
    hosts: tuple[HostName, ...]
    vms: tuple[VmId, ...]
    amount: float
    price: float
    numbers: tuple[tuple[str, float], ...]
    why: str
    remedy: str
