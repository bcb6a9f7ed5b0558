"""Where VMs go and how: the destination, the recipe, and the plan of a migration or a drain.

Simple on purpose: the host with the lowest projected load that no rule refuses, one VM after the
other; then the outlook of each move. It never asks a host anything.
"""

from godwit.core.planner.drain import drain_outlook, place_drain, plan_drain
from godwit.core.planner.outlook import with_total
from godwit.core.planner.place import choose_destination, explain
from godwit.core.planner.migrate import plan_migration
from godwit.core.planner.settings import PauseSettings, features_needed, features_of, recipe_for

__all__ = [
    "PauseSettings",
    "choose_destination",
    "drain_outlook",
    "explain",
    "features_needed",
    "features_of",
    "place_drain",
    "plan_drain",
    "plan_migration",
    "recipe_for",
    "with_total",
]
