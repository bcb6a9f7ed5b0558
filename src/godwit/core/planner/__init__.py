"""Where VMs go, and why: requests, the objective, the search, plans that explain themselves.

``plan_request(cluster, request, settings, clock=..., limit_s=..., seed=...)`` is the entry. A
request is one of the values of ``request.py``: ``Balance``, ``Drain``, ``Evacuate``, ``Restore``,
``Consolidate``, ``Place``, ``Repair``, or a ``Mix``. The ``Plan`` has every term of the objective
before and after, for each move what it gains and costs, why this VM, why this host and what the
next best three would have gained; for what can't be placed, what would make it possible; and where
nothing is worth moving, why. ``evaluate`` counts the same terms for any assignment.

The way of a request: ``brief`` (what it asks of the search), ``reading`` (the cluster in numbers,
with ``bundling`` for what moves together), ``permits``, ``companions`` and ``site`` (the rules in
the search's numbers), ``solving`` (arrays, the search in ``search/levelling.py``), ``polishing``
(rules that it follows only nearly), ``objective`` and ``rulebook`` (what it comes to, exactly),
``settling`` (all of it until nothing gains), ``explaining``. It never asks a host anything, and
gives moves without times: the schedule orders them.

``plan_migration`` and ``plan_drain`` are what the engine carries out today, each with the outlook
of its moves.
"""

from godwit.core.planner.drain import drain_outlook, place_drain, plan_drain
from godwit.core.planner.migrate import plan_migration
from godwit.core.planner.objective import evaluate
from godwit.core.planner.place import choose_destination, explain
from godwit.core.planner.planning import plan_request
from godwit.core.planner.request import (
    Balance,
    Consolidate,
    Drain,
    Evacuate,
    Mix,
    Place,
    PlanRequest,
    Repair,
    Restore,
)
from godwit.core.planner.settings import PauseSettings, features_needed, features_of, recipe_for
from godwit.core.planner.weights import PlanSettings, Weights

__all__ = [
    "Balance",
    "Consolidate",
    "Drain",
    "Evacuate",
    "Mix",
    "PauseSettings",
    "Place",
    "PlanRequest",
    "PlanSettings",
    "Repair",
    "Restore",
    "Weights",
    "choose_destination",
    "drain_outlook",
    "evaluate",
    "explain",
    "features_needed",
    "features_of",
    "place_drain",
    "plan_drain",
    "plan_migration",
    "plan_request",
    "recipe_for",
]
