"""The plan that empties one host where all of its moves leave there.

Where each VM goes is decided by the search over all of them at once, so that one that is hard to
place has room, and equal hosts fill alike. Nobody else moves for them; a request may allow that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Unpack

from godwit.core.model import Cluster, HostName, Vm, VmId
from godwit.core.plan import Candidate, Choice, Move, Plan, Unplaced
from godwit.core.planner.objective import evaluate
from godwit.core.planner.outlook import link_share, with_outlook
from godwit.core.planner.place import choose_destination, explain
from godwit.core.planner.planning import SearchOptions, plan_request
from godwit.core.planner.request import Drain, PlanRequest
from godwit.core.planner.settings import PauseSettings, recipe_for
from godwit.core.planner.weights import PlanSettings

__all__ = ["move_outlook", "place_drain", "place_request", "plan_drain"]

#: In plans of more moves than this, a person has to wait too long for every recipe to be weighed.
_WEIGHED_MOST: Final = 8


def plan_drain(cluster: Cluster, host: HostName, *, parallel: int, settings: PauseSettings) -> Plan:
    """Plan to move every active VM off ``host``, with the outlook of each move; not timed yet."""
    plan = place_drain(cluster, host, parallel=parallel, settings=settings)
    moves = tuple(move_outlook(cluster, plan, move) for move in plan.moves)
    return replace(plan, moves=moves)


def move_outlook(cluster: Cluster, plan: Plan, move: Move) -> Move:
    """Return a move of a plan with its outlook, beside the others that share its link."""
    return with_outlook(
        cluster,
        move,
        share_fraction=link_share(cluster, move, plan),
        weigh_all=len(plan.moves) <= _WEIGHED_MOST,
    )


def place_drain(
    cluster: Cluster, host: HostName, *, parallel: int, settings: PauseSettings
) -> Plan:
    """Find a destination for every active VM of ``host``, without any outlook."""
    whole = PlanSettings(pause=settings, parallel=parallel)
    return _emptied(cluster, Drain(hosts=(host,), make_room=False), whole)


def _emptied(
    cluster: Cluster, request: Drain, whole: PlanSettings, **search: Unpack[SearchOptions]
) -> Plan:
    """Place the VMs of the one host that a request names.

    A VM that is shut off holds nothing and stays defined where it is; the plan says so in a note.
    A VM that can't move is in ``unplaced`` with its reasons and is left running. The urgent start
    first, then the large; each has every host's answer, with those there that start before it.
    """
    (host,), settings = request.hosts, whole.pause
    plan = found = plan_request(cluster, request, whole, **search)
    vms = {one.id: one for one in cluster.vms_on(host)}
    order = sorted(
        plan.moves,
        key=lambda one: (-vms[one.vm].policy.priority, -one.memory_bytes, one.vm_name),
    )
    moves, stay = _judged(cluster, order, vms, settings)
    # What has to stay after all may hold others back: judge those again, knowing that. Each turn
    # takes at least one move out of the plan, so this ends.
    while stay:
        plan = replace(plan, unplaced=(*plan.unplaced, *stay))
        stuck = {one.vm for one in stay}
        order = [one for one in order if one.vm not in stuck]
        moves, stay = _judged(cluster, order, vms, settings)
    plan = replace(plan, moves=tuple(moves))
    return plan if _ends(plan) == _ends(found) else _counted_anew(cluster, plan, whole)


def _ends(plan: Plan) -> dict[VmId, HostName]:
    return {one.vm: one.destination for one in plan.moves}


def _counted_anew(cluster: Cluster, plan: Plan, settings: PlanSettings) -> Plan:
    """The terms of what the rules left of the search's plan."""
    leaving = frozenset() if plan.host is None else frozenset({plan.host})
    terms = evaluate(cluster, _ends(plan), settings, leaving=leaving)
    misplaced = tuple(
        replace(one, after=float(len(plan.unplaced)))
        for one in plan.terms
        if one.name == "misplaced"
    )
    return replace(plan, terms=(*misplaced, *terms))


def place_request(
    cluster: Cluster,
    request: PlanRequest,
    settings: PlanSettings,
    **search: Unpack[SearchOptions],
) -> Plan:
    """Find where VMs go for any request, without any outlook. Raises: Refused."""
    if isinstance(request, Drain) and len(request.hosts) == 1 and not request.make_room:
        return _emptied(cluster, request, settings, **search)
    return plan_request(cluster, request, settings, **search)


def _judged(
    cluster: Cluster, order: Sequence[Move], vms: Mapping[VmId, Vm], settings: PauseSettings
) -> tuple[list[Move], list[Unplaced]]:
    """Give each move every host's answer, and another host where a rule refuses the chosen one.

    The search knows who is tied and who is apart; the site's other rules about several VMs speak
    here, each move after those before it.
    """
    leaving = frozenset(one.vm for one in order)
    arriving: list[tuple[Vm, HostName]] = []
    moves: list[Move] = []
    stay: list[Unplaced] = []
    for move in order:
        vm = vms[move.vm]
        choice = choose_destination(cluster, vm, arriving=tuple(arriving), leaving=leaving)
        chosen = choice.candidate(move.destination)
        if chosen is not None and chosen.fits:
            _, notes = recipe_for(cluster, vm, chosen.host, settings)
            # What its host does not tell is known only now.
            warnings, reason = chosen.warnings + notes, _reason(choice, chosen, move)
            moves.append(replace(move, choice=choice, reason=reason, warnings=warnings))
        elif (other := choice.best) is not None:
            recipe, notes = recipe_for(cluster, vm, other.host, settings)
            moves.append(
                replace(
                    move,
                    destination=other.host,
                    recipe=recipe,
                    reason=explain(choice, other),
                    choice=choice,
                    warnings=other.warnings + notes,
                    # What the search weighed was the other host.
                    worth=None,
                )
            )
        else:
            stay.append(Unplaced(vm=move.vm, vm_name=move.vm_name, choice=choice))
            continue
        arriving.append((vm, moves[-1].destination))
    return moves, stay


def _reason(choice: Choice, chosen: Candidate, move: Move) -> str:
    """The least loaded host says so; another one says what all of them together gain by it."""
    best = choice.best
    if best is not None and chosen.load_after <= best.load_after:
        return explain(choice, chosen)
    return f"{move.reason}; taken alone it would rather be on {best.host}" if best else move.reason
