"""What steering may order of a running pre-copy, and what it needs to know beside the rounds."""

from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "GiveUp",
    "Keep",
    "Order",
    "RaiseBandwidth",
    "RaisePause",
    "RaiseThrottle",
    "Situation",
    "StartPostcopy",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is in force right after the last round.

    ``copying_s`` is the time since the copy began. ``bandwidth_bytes_per_s`` is the recipe's limit
    as it stands now, not what sharing a link makes of it. ``throttle_increment_fraction`` is the
    last ordered step of the throttle, 0 while none was ordered. ``changed_at_s`` is when bandwidth
    or throttle were last ordered to change, or the share of the link did, on the clock of
    ``Round.ended_at_s``: rounds before it say nothing of the guest and the stream as they are now.
    ``path_is_healthy`` is False when the control connection to either host was lost since the
    start, or memory stopped moving for a while: then post-copy is not begun. ``is_held``: another
    migration has the link for now, so that these rounds are slow and say nothing.
    ``pause_fixed_s`` is what the pause will take beside sending the rest (device state, buffers,
    the hypervisors' turns), as learnt of this path: the limit leaves room for it. 0: not known.
    """

    pause_limit_s: float
    copying_s: float = 0.0
    bandwidth_bytes_per_s: float | None = None
    throttle_increment_fraction: float = 0.0
    changed_at_s: float | None = None
    path_is_healthy: bool = True
    is_held: bool = False
    pause_fixed_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Leave everything as it is."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisePause:
    """Raise the pause limit to ``limit_s``, which is never above the recipe's ceiling."""

    limit_s: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseBandwidth:
    """Raise the limit of the memory stream; None lifts it."""

    bytes_per_s: float | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseThrottle:
    """Slow the vCPUs by ``increment_fraction`` more at each sync from now on."""

    increment_fraction: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPostcopy:
    """Run the guest at the destination now; the rest of its memory follows."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The promise can't be kept: abort, with the guest unharmed at the source."""

    why: str
    remedy: str


Order: TypeAlias = Keep | RaisePause | RaiseBandwidth | RaiseThrottle | StartPostcopy | GiveUp
