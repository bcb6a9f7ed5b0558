"""The price of moving a VM, estimated at once: a forecast takes a thousand times as long."""

import math
from typing import Final

from godwit.core.model import Cluster, Vm
from godwit.core.planner.weights import PlanSettings
from godwit.core.units import GIB
from godwit.core.worth import MovePrice

__all__ = ["estimate_price"]

#: Of the link, what a guest may write before its move is at risk not to keep its promise.
_CALM_FRACTION: Final = 0.3
#: A guest is never taken to write more of the link than this, or its copy would never end.
_WRITES_MOST: Final = 0.8
#: A VM that has just moved costs so many times the churn, and so soon a third of that.
_JUST_MOVED: Final = 10.0
_FORGETS_S: Final = 3600.0


def estimate_price(
    cluster: Cluster, vm: Vm, link_bytes_per_s: float, settings: PlanSettings
) -> MovePrice:
    """Estimate what a move costs from the VM's memory, what it writes, and the link of its host."""
    if (known := settings.prices.get(vm.id)) is not None:
        return known
    learnt = cluster.known.vms.get(vm.id)
    first = float(min(vm.memory_bytes, vm.resident_bytes or vm.memory_bytes))
    if learnt is not None and learnt.first_pass is not None:
        first = min(first, learnt.first_pass.value)
    writes = 0.0
    if learnt is not None and learnt.observations:
        newest = learnt.observations[-1]
        writes = newest.written_bytes / newest.window_s / link_bytes_per_s
    time_s = first / link_bytes_per_s / (1.0 - min(writes, _WRITES_MOST))
    sent_bytes = time_s * link_bytes_per_s
    risk = min(1.0, max(0.0, (writes - _CALM_FRACTION) / (1.0 - _CALM_FRACTION)))
    weights = settings.weights
    churn = weights.churn
    if (moved_s := settings.moved_at_s.get(vm.id)) is not None:
        age_s = max(0.0, cluster.taken_at_s - moved_s)
        churn *= 1.0 + _JUST_MOVED * math.exp(-age_s / _FORGETS_S)
    points = churn + weights.move_hour * time_s / 3600.0
    points += weights.move_gib * sent_bytes / GIB + weights.pause_risk * risk
    return MovePrice(time_s=time_s, sent_bytes=sent_bytes, pause_risk_fraction=risk, points=points)
