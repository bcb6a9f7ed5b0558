"""What is asked of the schedule: moves without an order, and how hard to look for a good one."""

from dataclasses import dataclass, field

from godwit.core.model import HostName, VmId
from godwit.core.schedule.effort import Effort
from godwit.core.timed import Bounds

__all__ = ["Search", "Wanted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One VM and where it shall be in the end. Where it is now, the cluster says.

    ``effort`` None: all of its memory once, at the speed of the link. ``priority`` None: that of
    its policy; a higher one goes first. ``due_s`` counts from the start of the plan.
    """

    vm: VmId
    destination: HostName
    effort: Effort | None = None
    priority: int | None = None
    due_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How much is tried. The same seed gives the same plan.

    ``tries`` orders are timed, ``states`` arrangements looked at when room is so tight that no
    simple order exists. ``good_fraction`` above the lower bound is good enough to stop.
    """

    bounds: Bounds = field(default_factory=Bounds)
    tries: int = 60
    states: int = 4000
    seed: int = 0
    good_fraction: float = 0.01
