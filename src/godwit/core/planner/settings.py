"""What every plan needs to know beside the cluster: how the pause limit of a recipe is set."""

from dataclasses import dataclass
from typing import Final

from godwit.core.model import Cluster, HostName, Vm
from godwit.core.plan import Recipe

__all__ = ["PAUSE_START_S", "PauseSettings", "recipe_for"]

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
    """Build the recipe of one move, and the notes a person should see about it.

    The pause limit is never above the VM's policy: a person may lower it, not raise it.
    """
    notes: list[str] = []
    pause_max_s = vm.policy.pause_max_s
    if settings.pause_max_s is not None:
        if settings.pause_max_s > pause_max_s:
            notes.append(
                f"the pause limit stays at {pause_max_s * 1000:.0f} ms, the VM's own policy;"
                f" {settings.pause_max_s * 1000:.0f} ms was asked for"
            )
        pause_max_s = min(pause_max_s, settings.pause_max_s)
    speeds = [
        speed
        for name in (vm.host, destination)
        if (speed := cluster.host(name).record.migration_link_bytes_per_s) is not None
    ]
    recipe = Recipe(
        pause_start_s=min(PAUSE_START_S, pause_max_s),
        pause_max_s=pause_max_s,
        bandwidth_bytes_per_s=settings.bandwidth_bytes_per_s,
        link_bytes_per_s=min(speeds) if speeds else None,
    )
    return recipe, tuple(notes)
