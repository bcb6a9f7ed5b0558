"""What every plan needs to know beside the cluster, and the recipe before anything is weighed."""

from dataclasses import dataclass
from typing import Final

from godwit.core.model import Cluster, Feature, Host, HostName, Vm
from godwit.core.plan import Compression, Recipe, Throttle

__all__ = [
    "PAUSE_START_S",
    "PauseSettings",
    "features_needed",
    "features_of",
    "recipe_between",
    "recipe_for",
]

#: The first pause limit. In the lab, on a moderate guest over 1 Gbit/s, 20 ms gave a median outage
#: of 152 ms and 70 ms one of 201 ms, at the same time and bytes within 2 %. A lower one gains
#: little: the fixed cost of a switch-over (about 50 ms of pause there) dominates.
PAUSE_START_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSettings:
    """What a person asked for this time. None leaves it to the VM's policy or to the default."""

    pause_max_s: float | None = None
    bandwidth_bytes_per_s: float | None = None


def recipe_for(
    cluster: Cluster, vm: Vm, destination: HostName, settings: PauseSettings
) -> tuple[Recipe, tuple[str, ...]]:
    """Build the plain recipe of one move by the names of its hosts: see ``recipe_between``."""
    return recipe_between(cluster.host(vm.host), cluster.host(destination), vm, settings)


def recipe_between(
    source: Host, destination: Host, vm: Vm, settings: PauseSettings
) -> tuple[Recipe, tuple[str, ...]]:
    """Build the plain recipe of one move, and the notes a person should see about it.

    It has the limits of the VM's policy, the pause that this aims at, and all that the policy
    permits and both hosts can do. The pause limit is never above the policy: a person may lower it,
    not raise it. Who lowers it asks for that and no more, so that the policy's last resort is off.
    """
    policy, asked_s = vm.policy, settings.pause_max_s
    target_s = policy.pause_target_s
    notes: list[str] = []
    pause_max_s, longer_s = policy.pause_max_s, policy.pause_longer_s
    if asked_s is not None:
        if asked_s > pause_max_s:
            notes.append(
                f"the pause limit stays at {pause_max_s * 1000:.0f} ms, the VM's own policy;"
                f" {asked_s * 1000:.0f} ms was asked for"
            )
        elif asked_s < pause_max_s:
            longer_s = None
        pause_max_s = min(pause_max_s, asked_s)
    both = _features(source) & _features(destination)
    for permitted, feature, what in (
        (policy.may_throttle, Feature.THROTTLE, "slowing its vCPUs"),
        (policy.may_postcopy, Feature.POSTCOPY, "post-copy"),
    ):
        if permitted and feature not in both:
            notes.append(
                f"its policy permits {what}, which {source.name} or {destination.name} can't do"
            )
    cap = settings.bandwidth_bytes_per_s
    link = _link_bytes_per_s(source, destination)
    recipe = Recipe(
        pause_start_s=min(PAUSE_START_S, target_s or PAUSE_START_S, pause_max_s),
        pause_max_s=pause_max_s,
        pause_target_s=target_s if target_s is not None and target_s < pause_max_s else None,
        pause_longer_s=longer_s if longer_s is not None and longer_s > pause_max_s else None,
        bandwidth_bytes_per_s=cap,
        bandwidth_is_hard=cap is not None,
        link_bytes_per_s=link,
        switchover_bytes_per_s=link if cap and Feature.SWITCHOVER_HINT in both else None,
        throttle=(
            Throttle.within(pause_max_s)
            if policy.may_throttle and Feature.THROTTLE in both
            else None
        ),
        postcopy=policy.may_postcopy and Feature.POSTCOPY in both,
        deadline_s=policy.deadline_s,
    )
    return recipe, tuple(notes)


def features_of(cluster: Cluster, source: HostName, destination: HostName) -> frozenset[Feature]:
    """What both hosts can do in a migration; nothing, where one of them is not known."""
    return _features(cluster.host(source)) & _features(cluster.host(destination))


def _features(host: Host) -> frozenset[Feature]:
    return host.observed.features if host.observed is not None else frozenset()


def features_needed(recipe: Recipe) -> frozenset[Feature]:
    """What both hosts must be able to do for this recipe."""
    needs = {
        Feature.MULTIFD: recipe.channels > 0,
        Feature.ZSTD: recipe.compression is Compression.ZSTD,
        Feature.XBZRLE: recipe.compression is Compression.XBZRLE,
        Feature.THROTTLE: recipe.throttle is not None,
        Feature.POSTCOPY: recipe.postcopy,
        Feature.SWITCHOVER_HINT: recipe.switchover_bytes_per_s is not None,
    }
    return frozenset(feature for feature, needed in needs.items() if needed)


def _link_bytes_per_s(source: Host, destination: Host) -> float | None:
    """The speed of the slower end, where it is declared."""
    speeds = [
        speed
        for host in (source, destination)
        if (speed := host.record.migration_link_bytes_per_s) is not None
    ]
    return min(speeds, default=None)
