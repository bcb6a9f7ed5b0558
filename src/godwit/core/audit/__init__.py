"""Replays a timed plan against the cluster and judges it, with no code of those who make plans.

``audit`` returns what it found; a plan with nothing found keeps every rule at every instant, not
only at the times that are expected but in any course of events that its order allows. It imports
the rules about one VM on one host; who else is there, it follows by itself.
"""

from collections.abc import Callable, Iterator
from typing import Final

from godwit.core.audit.flight import check_groups, check_hosts, check_links, check_whole
from godwit.core.audit.replay import Replay, replayed
from godwit.core.audit.room import (
    check_apart,
    check_cores,
    check_memory,
    check_place,
    check_together,
)
from godwit.core.audit.shape import (
    check_bandwidth,
    check_copies,
    check_destination,
    check_generation,
    check_movable,
    check_names,
    check_order,
    check_source,
    check_times,
)
from godwit.core.audit.violation import Kind, Violation
from godwit.core.model import Cluster
from godwit.core.timed import Bounds, TimedPlan

__all__ = ["CHECKS", "Check", "Kind", "Violation", "audit"]

#: Yields what it finds against the kind that it is entered under.
Check = Callable[[Replay, Bounds], Iterator[Violation]]

#: One check for each kind of violation.
CHECKS: Final[dict[Kind, Check]] = {
    Kind.STALE: check_generation,
    Kind.UNKNOWN: check_names,
    Kind.ORDER: check_order,
    Kind.UNMOVABLE: check_movable,
    Kind.SOURCE: check_source,
    Kind.DESTINATION: check_destination,
    Kind.COPIES: check_copies,
    Kind.MEMORY: check_memory,
    Kind.CORES: check_cores,
    Kind.APART: check_apart,
    Kind.TOGETHER: check_together,
    Kind.PLACE: check_place,
    Kind.FLIGHT_HOST: check_hosts,
    Kind.FLIGHT_LINK: check_links,
    Kind.FLIGHT_GROUP: check_groups,
    Kind.FLIGHT_WHOLE: check_whole,
    Kind.BANDWIDTH: check_bandwidth,
    Kind.TIMES: check_times,
}


def audit(cluster: Cluster, plan: TimedPlan, bounds: Bounds) -> tuple[Violation, ...]:
    """Return all that is wrong with a plan; nothing, when it may be carried out.

    ``bounds`` are those that shall hold, not those that the plan says it was made for.
    """
    replay = replayed(cluster, plan)
    return tuple(found for check in CHECKS.values() for found in check(replay, bounds))
