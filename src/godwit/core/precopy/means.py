"""What two hosts and a policy have to give for a recipe, and in words what they lack."""

import math
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from godwit.core.model import Feature, VmPolicy
from godwit.core.plan import Throttle
from godwit.core.precopy.priors import XBZRLE_CACHE_BYTES

__all__ = ["HostRoom", "Means"]

#: The cache of xbzrle beside what the guest was seen to write again: one just as large missed 8 %
#: of its pages in the lab. And the share of the source's free memory that it may take: a guest in
#: trouble is no reason to bring its neighbours into some.
_CACHE_ROOM: Final = 1.25
_CACHE_SHARE: Final = 0.125
_CACHE_LEAST_BYTES: Final = 1024**2

_NAMES: Final = {
    Feature.MULTIFD: "several channels",
    Feature.ZSTD: "zstd",
    Feature.XBZRLE: "xbzrle",
    Feature.THROTTLE: "slowing vCPUs",
    Feature.POSTCOPY: "post-copy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRoom:
    """What a host has left: ``busy_fraction`` of its cores are at work; None where unknown."""

    cores: int
    busy_fraction: float | None = None
    memory_free_bytes: int | None = None

    @property
    def free_cores(self) -> float | None:
        """Cores that nobody uses now; None where nobody knows."""
        if self.busy_fraction is None:
            return None
        return self.cores * max(0.0, 1 - self.busy_fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the two hosts and the policy have to give."""

    policy: VmPolicy
    source: AbstractSet[Feature]
    destination: AbstractSet[Feature]
    rooms: tuple[HostRoom, HostRoom] | None
    throttle: Throttle
    hot_bytes: float | None

    def lacks(self, *features: Feature) -> str:
        """A sentence on the first feature that a host does not have; empty if both have all."""
        for feature in features:
            without = [
                side
                for side, has in (("source", self.source), ("destination", self.destination))
                if feature not in has
            ]
            if without:
                return f"the {' and the '.join(without)} can't do {_NAMES[feature]}"
        return ""

    @property
    def has_hint(self) -> bool:
        """Whether the bandwidth of the switch-over can be told apart from that of the copy."""
        return Feature.SWITCHOVER_HINT in self.source & self.destination

    @property
    def can_recover(self) -> bool:
        """Whether a post-copy whose stream broke can be taken up again."""
        return Feature.POSTCOPY_RECOVERY in self.source & self.destination

    def busy(self, free_cores: float) -> str:
        """A sentence on a host without so many free cores; empty if both have them."""
        if self.rooms is None:
            return "it is not known how busy the processors of the hosts are"
        for side, room in zip(("source", "destination"), self.rooms, strict=True):
            free = room.free_cores
            if free is None:
                return f"it is not known how busy the processors of the {side} are"
            if free < free_cores:
                return (
                    f"the {side} has {free:.1f} of {room.cores} cores free, and it would need"
                    f" {free_cores:g}"
                )
        return ""

    def not_permitted(self, *, throttle: bool = False, postcopy: bool = False) -> str:
        """A sentence on what the policy does not permit; empty if it permits all."""
        if throttle and not self.policy.may_throttle:
            return "the VM's policy does not permit slowing its vCPUs"
        if postcopy and not self.policy.may_postcopy:
            return "the VM's policy does not permit post-copy"
        return ""

    @property
    def xbzrle_cache_bytes(self) -> int | None:
        """Room for all that the guest writes again, as far as the source has it to spare."""
        free_bytes = self.rooms[0].memory_free_bytes if self.rooms else None
        if self.hot_bytes is None or free_bytes is None:
            return None
        wanted = 2 ** math.ceil(math.log2(max(1.0, self.hot_bytes * _CACHE_ROOM)))
        spare = 2 ** math.floor(math.log2(max(1.0, free_bytes * _CACHE_SHARE)))
        cache_bytes: int = min(max(wanted, XBZRLE_CACHE_BYTES), spare)
        return cache_bytes if cache_bytes >= _CACHE_LEAST_BYTES else None
