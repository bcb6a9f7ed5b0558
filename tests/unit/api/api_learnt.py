"""What a fake controller has learnt, and the policies it keeps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any

from api_forecasts import make_forecast
from api_scene import MIB, T0

from godwit.core.errors import BadValue
from godwit.core.migration import Migration
from godwit.core.model import (
    Calibration,
    Cluster,
    DirtyObservation,
    DirtySource,
    Estimate,
    HostName,
    Knowledge,
    MigrationId,
    PathKey,
    PathKnowledge,
    Score,
    Vm,
    VmKnowledge,
    VmPolicy,
)
from godwit.core.planner import choose_destination
from godwit.core.rules import PolicyRule, apply_policy_rules
from godwit.engine import VmInsight
from godwit.engine.lookup import find_vm


def make_estimate(value: float, count: int = 7) -> Estimate:
    return Estimate(value=value, spread_fraction=0.1, count=count, updated_at_s=T0 - 3600)


def make_knowledge(cluster: Cluster) -> Knowledge:
    """Know web1 well, web2 not at all, and one path."""
    web1 = find_vm(cluster, "web1")
    observations = tuple(
        DirtyObservation(
            window_s=window_s, written_bytes=written * MIB, source=source, taken_at_s=T0 - age_s
        )
        for window_s, written, source, age_s in (
            (0.5, 20, DirtySource.SAMPLED, 7200),
            (2.0, 60, DirtySource.SAMPLED, 7190),
            (4.5, 90, DirtySource.COPIED, 180),
        )
    )
    path = PathKey(source=HostName("kvm1"), destination=HostName("kvm2"))
    return Knowledge(
        vms={
            web1.id: VmKnowledge(
                vm=web1.id,
                observations=observations,
                first_pass=make_estimate(420.0 * MIB),
                migrations=3,
            )
        },
        paths={
            path: PathKnowledge(
                bandwidth=make_estimate(112.0 * MIB),
                setup=make_estimate(0.31),
                pause_fixed=make_estimate(0.041),
                outage_extra=make_estimate(0.09),
            )
        },
        calibration=Calibration(total_factor=1.2, count=14),
    )


def make_score(total_s: float | None, *, completed: bool = True, **facts: Any) -> Score:
    return Score(
        forecast=make_forecast(), scored_at_s=T0, completed=completed, total_s=total_s, **facts
    )


@dataclass
class Learnt(ABC):
    """The part of the controller's facade that tells what decisions rest on."""

    cluster: Cluster = field(init=False)
    policy_rules: tuple[PolicyRule, ...] = ()
    scores: tuple[Score, ...] = ()

    @abstractmethod
    def _newest(self) -> tuple[Migration, ...]:
        """Return all migrations, the newest first."""

    async def knowledge_of(self, vm: str) -> VmInsight:
        cluster = replace(self.cluster, known=make_knowledge(self.cluster))
        found = apply_policy_rules(self.policy_rules, find_vm(cluster, vm))
        paths = cluster.known.paths
        return VmInsight(
            vm=found,
            cluster=cluster,
            choice=choose_destination(cluster, found),
            known=cluster.known.vms.get(found.id),
            paths={key: paths[key] for key in paths if key.source == found.host},
            calibration=cluster.known.calibration,
            migrations=tuple(one for one in self._newest() if one.move.vm == found.id),
        )

    def accuracy(self, *, limit: int = 1000) -> tuple[tuple[MigrationId, Score], ...]:
        return tuple((MigrationId(f"m-{n}"), one) for n, one in enumerate(self.scores[:limit]))

    async def put_policy(self, vm: str, policy: VmPolicy) -> Vm:
        found = find_vm(self.cluster, vm)
        if found.name == "gpu1":
            raise BadValue("the VM's Godwit metadata can't be understood: two probes")
        kept = {name: getattr(found.policy, name) for name in found.policy.given - policy.given}
        written = {name: getattr(policy, name) for name in policy.given}
        written = {name: one for name, one in written.items() if one not in (None, {}, ())}
        given = frozenset(kept | written)
        changed = replace(found, policy=VmPolicy(**(kept | written), given=given))
        vms = tuple(changed if one.id == found.id else one for one in self.cluster.vms)
        self.cluster = replace(self.cluster, vms=vms)
        return apply_policy_rules(self.policy_rules, changed)
