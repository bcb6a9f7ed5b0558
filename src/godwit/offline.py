"""Plans for a cluster that is in a file: by the same core, and no host is asked.

Nothing is kept, and nothing can be carried out: what such a plan is made from was true once.
"""

import time
from collections.abc import Callable

from godwit import wire
from godwit.core.errors import BadValue, UnknownHost
from godwit.core.model import Cluster, HostName
from godwit.core.planner import place_request
from godwit.core.timetable import with_outlooks, with_times
from godwit.engine.auditing import refuse_unsound
from godwit.engine.lookup import with_vm_ids
from godwit.wire.near import did_you_mean

__all__ = ["plan_offline"]


def plan_offline(
    cluster: Cluster,
    asked: wire.SearchedRequest,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> wire.Plan:
    """Plan what is asked for, with times, and audit it.

    Raises: UnknownHost, UnknownVm, BadValue when only a controller could answer, Refused.
    """
    if isinstance(asked, wire.RestoreRequest) and asked.placement is None:
        raise BadValue(
            f"what the last drain of {asked.host} moved away, only its controller knows",
            remedy="Name a file of the cluster as it was before: --from FILE.",
        )
    settings = wire.plan_settings_from_wire(asked)
    plan = place_request(
        cluster,
        with_vm_ids(cluster, wire.request_from_wire(asked, lambda name: _host(cluster, name))),
        settings,
        clock=clock,
        limit_s=asked.limit_s,
        seed=asked.seed,
    )
    timed = with_times(cluster, with_outlooks(cluster, plan), settings.pause)
    refuse_unsound(cluster, timed)
    return wire.plan_to_wire(timed)


def _host(cluster: Cluster, name: str) -> HostName:
    known = [one.name for one in cluster.hosts]
    if name not in known:
        raise UnknownHost(
            f"no host {name!r} is in the file",
            remedy=did_you_mean(name, known) or "See `godwit cluster load FILE`.",
        )
    return HostName(name)
