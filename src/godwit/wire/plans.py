"""Plans on the wire: what is asked for, and what would be done."""

from typing import Annotated, Final, Literal

from pydantic import Field

from godwit.core import plan as core
from godwit.core.planner import PauseSettings
from godwit.wire.choices import Choice, Refusal, choice_to_wire, refusal_to_wire
from godwit.wire.recipes import (
    Alternative,
    Forecast,
    Recipe,
    alternative_to_wire,
    forecast_to_wire,
    recipe_to_wire,
)
from godwit.wire.shape import Reply, Request
from godwit.wire.timed import TimedPlan, timed_to_wire

__all__ = [
    "Acceptance",
    "DrainRequest",
    "MigrateRequest",
    "Move",
    "Plan",
    "PlanRequest",
    "Unplaced",
    "move_to_wire",
    "pause_settings_from_wire",
    "plan_to_wire",
]

#: More moves at once than this share one link to nobody's good.
PARALLEL_MAX: Final = 64


class _Asked(Request):
    """What every plan can be asked for.

    ``measure`` permits to watch for some seconds how a VM writes its memory, where that is not
    known; without, the forecast is wider.
    """

    pause_max_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    bandwidth_bytes_per_s: Annotated[float, Field(gt=0)] | None = None
    measure: bool = True


class MigrateRequest(_Asked):
    """Move one VM, to ``destination`` or to the best host."""

    kind: Literal["migrate"] = "migrate"
    vm: Annotated[str, Field(min_length=1)]
    destination: Annotated[str, Field(min_length=1)] | None = None


class DrainRequest(_Asked):
    """Empty a host, at most ``parallel`` moves at once."""

    kind: Literal["drain"] = "drain"
    host: Annotated[str, Field(min_length=1)]
    parallel: Annotated[int, Field(ge=1, le=PARALLEL_MAX)] = 1


PlanRequest = Annotated[MigrateRequest | DrainRequest, Field(discriminator="kind")]


class Move(Reply):
    """One planned move, with the reason for its destination and every host's answer.

    ``recipe_reason`` says why this recipe, ``alternatives`` what was weighed, the chosen first.
    """

    vm: str
    vm_name: str
    source: str
    destination: str
    memory_bytes: int
    vcpus: int
    recipe: Recipe
    reason: str
    warnings: tuple[str, ...]
    choice: Choice
    forecast: Forecast | None = None
    recipe_reason: str = ""
    alternatives: tuple[Alternative, ...] = ()


class Unplaced(Reply):
    """A VM that stays where it is and runs on, and why."""

    vm: str
    vm_name: str
    refusals: tuple[Refusal, ...]
    choice: Choice


class Plan(Reply):
    """Moves in the order in which they start, at most ``parallel`` at once.

    ``timed`` has the times of each of them, at the same place in its own row; null for a single
    migration.
    """

    id: str
    kind: Literal["migrate", "drain"]
    generation: int
    made_at_s: float
    moves: tuple[Move, ...]
    unplaced: tuple[Unplaced, ...]
    host: str | None
    parallel: int
    notes: tuple[str, ...]
    timed: TimedPlan | None = None


class Acceptance(Reply):
    """What accepting a plan set going.

    ``last_notice`` was read before anything started: watching after it misses nothing.
    """

    plan: str
    migrations: tuple[str, ...]
    drain: str | None
    last_notice: int


def pause_settings_from_wire(asked: MigrateRequest | DrainRequest) -> PauseSettings:
    """Take the settings of the pause and of the bandwidth out of a request."""
    return PauseSettings(
        pause_max_s=asked.pause_max_s, bandwidth_bytes_per_s=asked.bandwidth_bytes_per_s
    )


def plan_to_wire(plan: core.Plan) -> Plan:
    """Convert a plan."""
    return Plan(
        id=plan.id,
        kind="drain" if plan.kind is core.PlanKind.DRAIN else "migrate",
        generation=plan.generation,
        made_at_s=plan.made_at_s,
        moves=tuple(move_to_wire(one) for one in plan.moves),
        unplaced=tuple(_unplaced(one) for one in plan.unplaced),
        host=plan.host,
        parallel=plan.parallel,
        notes=plan.notes,
        timed=timed_to_wire(plan.timed) if plan.timed is not None else None,
    )


def move_to_wire(move: core.Move) -> Move:
    """Convert a move."""
    return Move(
        vm=move.vm,
        vm_name=move.vm_name,
        source=move.source,
        destination=move.destination,
        memory_bytes=move.memory_bytes,
        vcpus=move.vcpus,
        recipe=recipe_to_wire(move.recipe),
        reason=move.reason,
        warnings=move.warnings,
        choice=choice_to_wire(move.choice),
        forecast=forecast_to_wire(move.forecast),
        recipe_reason=move.recipe_reason,
        alternatives=tuple(alternative_to_wire(one) for one in move.alternatives),
    )


def _unplaced(unplaced: core.Unplaced) -> Unplaced:
    return Unplaced(
        vm=unplaced.vm,
        vm_name=unplaced.vm_name,
        refusals=tuple(refusal_to_wire(one) for one in unplaced.refusals),
        choice=choice_to_wire(unplaced.choice),
    )
