"""The price of moving VMs, estimated for all at once: a forecast takes a thousand times as long."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from godwit.core.model import Cluster, Vm
from godwit.core.planner.weights import PlanSettings
from godwit.core.units import GIB
from godwit.core.worth import MovePrice

__all__ = ["Prices", "estimate_prices"]

#: Of the link, what a guest may write before its move is at risk not to keep its promise.
_CALM_FRACTION: Final = 0.3
#: A guest is never taken to write more of the link than this, or its copy would never end.
_WRITES_MOST: Final = 0.8
#: A VM that has just moved costs so many times the churn, and so soon a third of that.
_JUST_MOVED: Final = 10.0
_FORGETS_S: Final = 3600.0

_Reals = npt.NDArray[np.float64]


class Prices:
    """What each bundle costs to move: in points for all of them, and in full for the one asked for.

    What VMs that move together cost is what all of them do, and the risk that of the worst.
    """

    def __init__(self, *, time_s: _Reals, sent_bytes: _Reals, risk: _Reals, points: _Reals) -> None:
        self._time_s, self._sent_bytes, self._risk, self.points = time_s, sent_bytes, risk, points

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, bundle: int) -> MovePrice:
        return MovePrice(
            time_s=float(self._time_s[bundle]),
            sent_bytes=float(self._sent_bytes[bundle]),
            pause_risk_fraction=float(self._risk[bundle]),
            points=float(self.points[bundle]),
        )


def estimate_prices(
    cluster: Cluster,
    vms: Sequence[Vm],
    bundle: npt.NDArray[np.int64],
    links_bytes_per_s: _Reals,
    settings: PlanSettings,
) -> Prices:
    """Estimate what moves cost from VMs' memory, what they write, and the link of their host.

    ``bundle`` says for each VM the number of its bundle, and the link is that of its host.
    """
    first = np.array([min(one.memory_bytes, one.resident_bytes or one.memory_bytes) for one in vms])
    first = first.astype(np.float64)
    writes = _learnt(cluster, vms, first, links_bytes_per_s)
    time_s = first / links_bytes_per_s / (1.0 - np.minimum(writes, _WRITES_MOST))
    sent_bytes = time_s * links_bytes_per_s
    risk = np.clip((writes - _CALM_FRACTION) / (1.0 - _CALM_FRACTION), 0.0, 1.0)
    weights = settings.weights
    points = _churn(cluster, vms, settings) + weights.move_hour * time_s / 3600.0
    points += weights.move_gib * sent_bytes / GIB + weights.pause_risk * risk
    if settings.prices:
        for at, vm in enumerate(vms):
            if (known := settings.prices.get(vm.id)) is not None:
                time_s[at], sent_bytes[at] = known.time_s, known.sent_bytes
                risk[at], points[at] = known.pause_risk_fraction, known.points
    count = int(bundle[-1]) + 1 if len(bundle) else 0
    worst = np.zeros(count)
    np.maximum.at(worst, bundle, risk)
    return Prices(
        time_s=_added(bundle, time_s, count),
        sent_bytes=_added(bundle, sent_bytes, count),
        risk=worst,
        points=_added(bundle, points, count),
    )


def _added(bundle: npt.NDArray[np.int64], each: _Reals, count: int) -> _Reals:
    found = np.zeros(count)
    np.add.at(found, bundle, each)
    return found


def _learnt(
    cluster: Cluster, vms: Sequence[Vm], first: _Reals, links_bytes_per_s: _Reals
) -> _Reals:
    """What each VM writes, as a part of its link; lowers ``first`` where a first pass was seen."""
    writes = np.zeros(len(vms))
    known = cluster.known.vms
    for at, vm in enumerate(vms if known else ()):
        if (learnt := known.get(vm.id)) is None:
            continue
        if learnt.first_pass is not None:
            first[at] = min(first[at], learnt.first_pass.value)
        if learnt.observations:
            newest = learnt.observations[-1]
            writes[at] = newest.written_bytes / newest.window_s / links_bytes_per_s[at]
    return writes


def _churn(cluster: Cluster, vms: Sequence[Vm], settings: PlanSettings) -> _Reals:
    """What it costs that a VM moves at all; more, when it has just been moved."""
    churn = np.full(len(vms), settings.weights.churn)
    moved = settings.moved_at_s
    for at, vm in enumerate(vms if moved else ()):
        if (moved_s := moved.get(vm.id)) is not None:
            age_s = max(0.0, cluster.taken_at_s - moved_s)
            churn[at] *= 1.0 + _JUST_MOVED * math.exp(-age_s / _FORGETS_S)
    return churn
