"""Plans on the wire: what would be done, what it is worth, and why."""

from typing import Literal

from godwit.core import plan as core
from godwit.core import worth as core_worth
from godwit.wire.choices import Choice, Refusal, choice_to_wire, refusal_to_wire
from godwit.wire.recipes import (
    Alternative,
    Forecast,
    Recipe,
    alternative_to_wire,
    forecast_to_wire,
    recipe_to_wire,
)
from godwit.wire.shape import Reply
from godwit.wire.timed import TimedPlan, timed_to_wire

__all__ = [
    "Acceptance",
    "Gain",
    "Instead",
    "Move",
    "MovePrice",
    "Plan",
    "PlanKind",
    "Term",
    "Unplaced",
    "Worth",
    "move_to_wire",
    "plan_to_wire",
]

PlanKind = Literal[
    "migrate",
    "drain",
    "balance",
    "evacuate",
    "restore",
    "consolidate",
    "place",
    "repair",
    "mix",
]


class Term(Reply):
    """One term of the objective: ``points`` for each of what it counts, before and after the plan.

    ``gain`` is in points, below zero where the plan costs by it. No plan at all could bring it
    below ``bound``; null where that is not known.
    """

    name: str
    counts: str
    points: float
    before: float
    after: float
    gain: float
    bound: float | None


class Gain(Reply):
    """What a move gains by one term, in points."""

    term: str
    points: float


class MovePrice(Reply):
    """What a move costs: ``points`` is all of it in the objective.

    ``pause_risk_fraction`` is how likely it is not to keep its promise.
    """

    time_s: float
    sent_bytes: float
    pause_risk_fraction: float
    points: float


class Instead(Reply):
    """Another host that the VM could have gone to, and the points that the move had gained."""

    host: str
    gain: float
    why: str


class Worth(Reply):
    """What a move gains in its turn and costs; ``instead`` has the next best hosts."""

    gains: tuple[Gain, ...]
    gain: float
    price: MovePrice
    why_vm: str
    instead: tuple[Instead, ...]


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
    worth: Worth | None = None


class Unplaced(Reply):
    """A VM that stays where it is and runs on, and why."""

    vm: str
    vm_name: str
    refusals: tuple[Refusal, ...]
    choice: Choice


class Plan(Reply):
    """Moves in the order in which they start, at most ``parallel`` at once.

    ``timed`` has the times of each of them, at the same place in its own row; null for a single
    migration. ``leaving`` are the hosts that are to be emptied, ``host`` the one where it is one.
    ``terms`` are those of the objective, and ``gain`` their sum in points, with the price of all
    moves taken off. ``reasons`` say why no more is moved, or nothing.
    """

    id: str
    kind: PlanKind
    generation: int
    made_at_s: float
    moves: tuple[Move, ...]
    unplaced: tuple[Unplaced, ...]
    host: str | None
    parallel: int
    notes: tuple[str, ...]
    timed: TimedPlan | None = None
    leaving: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    gain: float = 0.0
    reasons: tuple[str, ...] = ()
    deadline_s: float | None = None


class Acceptance(Reply):
    """What accepting a plan set going: one migration, or a run that carries all moves out.

    ``last_notice`` was read before anything started: watching after it misses nothing.
    """

    plan: str
    migrations: tuple[str, ...]
    run: str | None
    last_notice: int


def plan_to_wire(plan: core.Plan) -> Plan:
    """Convert a plan."""
    return Plan(
        id=plan.id,
        kind=plan.kind.value,
        generation=plan.generation,
        made_at_s=plan.made_at_s,
        moves=tuple(move_to_wire(one) for one in plan.moves),
        unplaced=tuple(_unplaced(one) for one in plan.unplaced),
        host=plan.host,
        parallel=plan.parallel,
        notes=plan.notes,
        timed=timed_to_wire(plan.timed) if plan.timed is not None else None,
        leaving=plan.leaving,
        terms=tuple(_term(one) for one in plan.terms),
        gain=plan.gain,
        reasons=plan.reasons,
        deadline_s=plan.deadline_s,
    )


def _term(term: core_worth.Term) -> Term:
    return Term(
        name=term.name,
        counts=term.counts,
        points=term.points,
        before=term.before,
        after=term.after,
        gain=term.gain,
        bound=term.bound,
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
        worth=_worth(move.worth) if move.worth is not None else None,
    )


def _worth(worth: core_worth.Worth) -> Worth:
    price = worth.price
    return Worth(
        gains=tuple(Gain(term=name, points=points) for name, points in worth.gains),
        gain=worth.gain,
        price=MovePrice(
            time_s=price.time_s,
            sent_bytes=price.sent_bytes,
            pause_risk_fraction=price.pause_risk_fraction,
            points=price.points,
        ),
        why_vm=worth.why_vm,
        instead=tuple(Instead(host=one.host, gain=one.gain, why=one.why) for one in worth.instead),
    )


def _unplaced(unplaced: core.Unplaced) -> Unplaced:
    return Unplaced(
        vm=unplaced.vm,
        vm_name=unplaced.vm_name,
        refusals=tuple(refusal_to_wire(one) for one in unplaced.refusals),
        choice=choice_to_wire(unplaced.choice),
    )
