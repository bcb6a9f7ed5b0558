"""The plan of a request: search, weigh it all once more, and say why and why not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypedDict

from godwit.core.model import Cluster, HostName, PlanId, Vm
from godwit.core.plan import Choice, Move, Plan, Refusal, Unplaced
from godwit.core.planner.brief import Brief, brief_of
from godwit.core.planner.consolidating import consolidated
from godwit.core.planner.explaining import explained_moves
from godwit.core.planner.limit import TimeLimit
from godwit.core.planner.place import choose_destination
from godwit.core.planner.reasons import (
    broken_reasons,
    contradiction_notes,
    deadline_reasons,
    nothing_reasons,
    what_would_help,
)
from godwit.core.planner.request import PlanRequest
from godwit.core.planner.settling import settled_plan
from godwit.core.planner.solving import Solver, Where
from godwit.core.planner.weights import PlanSettings
from godwit.core.rules import Breach

__all__ = ["SearchOptions", "plan_request"]


class SearchOptions(TypedDict, total=False):
    """How long a plan may be searched for, by which clock, and with which seed."""

    clock: Callable[[], float] | None
    limit_s: float
    seed: int


#: The longest that a plan may take to be found, unless told otherwise.
_LIMIT_S: Final = 10.0
#: Of so many VMs that can't be placed, every host's answer is given.
_ANSWERED_MOST: Final = 20


def plan_request(
    cluster: Cluster,
    request: PlanRequest,
    settings: PlanSettings | None = None,
    *,
    clock: Callable[[], float] | None = None,
    limit_s: float = _LIMIT_S,
    seed: int = 0,
) -> Plan:
    """Plan what is asked for. The same input and seed give the same plan to the byte.

    With a ``clock`` the search ends in time for ``limit_s``; a plan that was cut off says so, and
    is the only one that may come out otherwise another time.

    Raises: Refused when the request names what does not exist.
    """
    settings = settings or PlanSettings()
    goes_on = TimeLimit(clock, limit_s)
    brief = brief_of(cluster, request)
    if brief.hosts_least is not None:
        brief = consolidated(cluster, brief, settings, seed, goes_on)
    found = settled_plan(cluster, brief, settings, seed, goes_on)
    solver, where, terms, reasons = found.solver, found.where, found.terms, found.reasons
    moves = explained_moves(solver, where)
    unplaced = _unplaced(solver, where, moves)
    if not moves:
        reasons += nothing_reasons(solver)
    if unplaced:
        reasons += what_would_help(solver, where)
    reasons += broken_reasons(solver, where)
    if goes_on.was_reached:
        reasons += (f"the search was cut off after {limit_s:g} s; more time may find more",)
    return Plan(
        id=PlanId(""),
        kind=brief.kind,
        generation=cluster.generation,
        made_at_s=cluster.taken_at_s,
        moves=moves,
        unplaced=unplaced,
        host=_one_host(brief),
        parallel=settings.parallel,
        notes=_notes(cluster, brief) + contradiction_notes(solver),
        terms=terms,
        reasons=reasons + deadline_reasons(solver, moves),
        deadline_s=brief.deadline_s,
        leaving=tuple(sorted(brief.leaving)),
    )


def _one_host(brief: Brief) -> HostName | None:
    return next(iter(brief.leaving)) if len(brief.leaving) == 1 else None


def _notes(cluster: Cluster, brief: Brief) -> tuple[str, ...]:
    off = sorted(one.name for one in cluster.vms if one.host in brief.leaving and not one.is_active)
    return (f"shut off, and stays defined here: {', '.join(off)}",) if off else ()


def _unplaced(solver: Solver, where: Where, moves: tuple[Move, ...]) -> tuple[Unplaced, ...]:
    reading = solver.reading
    left = sorted(
        solver.left(where),
        key=lambda one: (-reading.bundles[one].vms[0].policy.priority, -reading.size[one, 0], one),
    )
    found = []
    for at, number in enumerate(left):
        bundle = reading.bundles[number]
        for vm in bundle.vms:
            choice = _choice(solver, number, vm, moves, answered=at < _ANSWERED_MOST)
            found.append(Unplaced(vm=vm.id, vm_name=vm.name, choice=choice))
    return tuple(found)


def _choice(
    solver: Solver, number: int, vm: Vm, moves: tuple[Move, ...], *, answered: bool
) -> Choice:
    """What every host answers, with those there that the plan brings there."""
    reading, bundle = solver.reading, solver.reading.bundles[number]
    moving = {one.vm: one.destination for one in moves}
    by_id = {one.id: one for one in reading.cluster.vms}
    choice = Choice(vm=vm.id, vm_name=vm.name, source=vm.host, vm_refusals=(), candidates=())
    if answered:
        choice = choose_destination(
            reading.cluster,
            vm,
            arriving=tuple((by_id[one], host) for one, host in moving.items()),
            leaving=frozenset(moving) | frozenset(one.id for one in bundle.vms if not bundle.stays),
        )
    if choice.vm_refusals:
        return choice
    if bundle.stays and (not choice.candidates or any(one.fits for one in choice.candidates)):
        return replace(choice, vm_refusals=(_stays(bundle.stays),))
    only = solver.costs.only.get(number)
    if only is not None:
        name = reading.name(only)
        kept = tuple(one for one in choice.candidates if one.host == name)
        choice = replace(choice, candidates=kept)
    if not answered or any(one.fits for one in choice.candidates):
        against = solver.held_back.get(number)
        refusal = _together(bundle.name) if against is None else _against(against)
        return replace(choice, vm_refusals=(refusal,))
    return choice


def _stays(why: str) -> Refusal:
    return Refusal(rule="stays", why=why, remedy="See to that first, then plan again.")


def _together(name: str) -> Refusal:
    return Refusal(
        rule="room",
        why=f"no host has room for {name} beside all others that must move",
        remedy="Free memory or cores, or let fewer VMs move at once.",
    )


def _against(breach: Breach) -> Refusal:
    """The rule about several VMs that the move would have broken."""
    return Refusal(
        rule=breach.kind.replace("-", "_"),
        why=f"{breach.why} (rule {breach.rule!r})",
        remedy=breach.remedy,
    )
