"""The two baselines: memory over bandwidth, and the classic model of a constant dirty rate.

Both are given the bandwidth that the stream really had in this migration, and the rate that the
guest was told to write at, which no forecast knows before: they are judged for their model alone.
"""

import math
from dataclasses import dataclass

__all__ = ["Guess", "constant_rate", "memory_over_bandwidth"]

#: The pause limit that both assume in the end: the promise of the guests.
_LIMIT_S = 1.0
_ROUNDS_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What a baseline says."""

    total_s: float
    sent_bytes: float
    pause_s: float
    converges: bool


def memory_over_bandwidth(memory_bytes: float, bandwidth_bytes_per_s: float) -> Guess:
    """All of the memory goes over once; nothing is written meanwhile."""
    total_s = memory_bytes / bandwidth_bytes_per_s
    return Guess(total_s=total_s, sent_bytes=memory_bytes, pause_s=0.0, converges=True)


def constant_rate(
    memory_bytes: float, bandwidth_bytes_per_s: float, dirty_bytes_per_s: float, limit_s: float
) -> Guess:
    """Clark et al. (NSDI 2005), in the closed form of Liu et al. (HPDC 2011).

    Rounds of V(i) = M * l**i with l = D / B, until V(n) passes within the pause limit.
    """
    ratio = dirty_bytes_per_s / bandwidth_bytes_per_s
    fits_bytes = bandwidth_bytes_per_s * limit_s
    if ratio >= 1:
        return Guess(total_s=math.inf, sent_bytes=math.inf, pause_s=_LIMIT_S, converges=False)
    rounds = 0
    if ratio > 0 and memory_bytes > fits_bytes:
        rounds = min(_ROUNDS_MAX, math.ceil(math.log(fits_bytes / memory_bytes, ratio)))
    sent = memory_bytes * (1 - ratio ** (rounds + 1)) / (1 - ratio)
    rest = memory_bytes * ratio**rounds if rounds else memory_bytes * ratio
    return Guess(
        total_s=sent / bandwidth_bytes_per_s,
        sent_bytes=sent,
        pause_s=min(rest / bandwidth_bytes_per_s, limit_s),
        converges=True,
    )
