"""The part of the settings that says what a plan is worth: thresholds and weights, all optional."""

from dataclasses import fields
from typing import Annotated

from pydantic import BaseModel, Field

from godwit.core.planner import Weights
from godwit.daemon.parts import STRICT

__all__ = ["PlannerPart"]

_Threshold = Annotated[float, Field(gt=0, le=1)] | None
#: Far below what a broken rule costs, so that no weight can outweigh one.
_Points = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] | None


class PlannerPart(BaseModel):
    """``[planner]``: see ``Weights`` for what each counts. What is left out has its default."""

    model_config = STRICT

    cpu_safe: _Threshold = None
    memory_safe: _Threshold = None
    hot_cpu: _Points = None
    hot_memory: _Points = None
    imbalance_cpu: _Points = None
    imbalance_memory: _Points = None
    unmet: _Points = None
    spare: _Points = None
    churn: _Points = None
    move_hour: _Points = None
    move_gib: _Points = None
    pause_risk: _Points = None

    def weights(self) -> Weights:
        """The weights, with the defaults for what is not said."""
        named = {
            "cpu_safe_fraction": self.cpu_safe,
            "memory_safe_fraction": self.memory_safe,
        }
        own = {one.name for one in fields(Weights)}
        named |= {name: getattr(self, name) for name in own & set(type(self).model_fields)}
        return Weights(**{name: value for name, value in named.items() if value is not None})
