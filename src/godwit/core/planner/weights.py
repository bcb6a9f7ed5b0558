"""The objective's weights and thresholds, and what else a plan is made with.

A *point* is what everything is weighed in. A host whose cores are a tenth above what is safe costs
10 points; two hosts that differ by a fifth in their busy cores cost 0.2; an average move costs
some 0.15. So cool clusters with small differences are left alone, and a hot host never is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from godwit.core.model import VmId
from godwit.core.planner.settings import PauseSettings
from godwit.core.timed import Bounds
from godwit.core.worth import MovePrice

__all__ = ["BROKEN_POINTS", "PlanSettings", "Weights"]

#: Points for a unit of a broken hard rule: no load outweighs one.
BROKEN_POINTS: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Points for each unit of what a term counts, and the thresholds above which a host is hot."""

    cpu_safe_fraction: float = 0.8
    memory_safe_fraction: float = 0.95
    #: For the whole of a host above its threshold.
    hot_cpu: float = 100.0
    hot_memory: float = 50.0
    #: For the sum over hosts of the squared distance from the mean.
    imbalance_cpu: float = 10.0
    imbalance_memory: float = 5.0
    #: For a core that VMs want and their host does not have.
    unmet: float = 20.0
    #: For a VM that would have no room after the loss of its host.
    spare: float = 10.0
    #: For one more move, an hour of copying, a GiB sent, and a promise sure to be broken.
    churn: float = 0.1
    move_hour: float = 3.6
    move_gib: float = 0.005
    pause_risk: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """All that a plan is made with beside the cluster and the request.

    ``demand_cores`` is what a VM is expected to want over the forecast's horizon; of others it is
    what they keep busy now. ``prices`` are those that somebody has forecast; others are estimated.
    ``moved_at_s`` says when VMs were moved last: one that has just moved costs more to move again.
    ``steps`` bounds the improvement after the descent; None goes by the size of the cluster.
    ``bounds`` is what the site declares beside the groups of the cluster.
    """

    weights: Weights = field(default_factory=Weights)
    pause: PauseSettings = field(default_factory=PauseSettings)
    bounds: Bounds = field(default_factory=Bounds)
    demand_cores: Mapping[VmId, float] = field(default_factory=dict)
    prices: Mapping[VmId, MovePrice] = field(default_factory=dict)
    moved_at_s: Mapping[VmId, float] = field(default_factory=dict)
    moves_most: int | None = None
    steps: int | None = None
    parallel: int = 1
