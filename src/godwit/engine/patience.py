"""How patient a watch over a migration is."""

from dataclasses import dataclass

__all__ = ["WatchLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLimits:
    """How patient the watch is.

    ``stall_s``: no byte of memory moved for this long means that the data path is cut; libvirt has
    no time-out of its own for that. ``switch_s``: a guest that stands still for this long beyond
    its promise is better off at the source. ``abort_again_s``: an abort that came before QEMU's
    migration began is lost, so it is repeated. ``falter_s``: memory that did not move for this long
    makes the path one that no post-copy is trusted to. ``resume_s``: a call that takes a post-copy
    up again and has brought nothing in this time is given up. ``near_s``: when the rest of a round
    would pass within this time, a switch-over may follow.
    """

    poll_s: float = 0.25
    stall_s: float = 10.0
    near_s: float = 1.0
    switch_s: float = 5.0
    abort_again_s: float = 2.0
    falter_s: float = 3.0
    resume_s: float = 180.0
