"""Where VMs go: the choice of a destination, and the plan of a migration or a drain.

Simple on purpose: the host with the lowest projected load that no rule refuses, one VM after the
other. It never asks a host anything and knows nothing of time.
"""

from godwit.core.planner.drain import plan_drain
from godwit.core.planner.place import choose_destination, explain
from godwit.core.planner.request import plan_migration
from godwit.core.planner.settings import PauseSettings, recipe_for

__all__ = [
    "PauseSettings",
    "choose_destination",
    "explain",
    "plan_drain",
    "plan_migration",
    "recipe_for",
]
