"""The plan that empties one host, as the engine carries it out today: all of its moves leave there.

Where each VM goes is decided by the search over all of them at once, so that one that is hard to
place has room, and equal hosts fill alike. Nobody else moves for them; a request may allow that.
"""

from dataclasses import replace
from typing import Final

from godwit.core.model import Cluster, HostName, Vm
from godwit.core.plan import Choice, Move, Plan
from godwit.core.planner.outlook import link_share, with_outlook, with_total
from godwit.core.planner.place import choose_destination, explain
from godwit.core.planner.planning import plan_request
from godwit.core.planner.request import Drain
from godwit.core.planner.settings import PauseSettings
from godwit.core.planner.weights import PlanSettings

__all__ = ["drain_outlook", "place_drain", "plan_drain"]

#: In plans of more moves than this, a person has to wait too long for every recipe to be weighed.
_WEIGHED_MOST: Final = 8


def plan_drain(cluster: Cluster, host: HostName, *, parallel: int, settings: PauseSettings) -> Plan:
    """Plan to move every active VM off ``host``, with the outlook of each move and of them all."""
    plan = place_drain(cluster, host, parallel=parallel, settings=settings)
    moves = tuple(drain_outlook(cluster, plan, move) for move in plan.moves)
    return with_total(replace(plan, moves=moves))


def drain_outlook(cluster: Cluster, plan: Plan, move: Move) -> Move:
    """Return a move of a drain with its outlook: all of them leave over the same link."""
    return with_outlook(
        cluster,
        move,
        share_fraction=link_share(cluster, move, plan),
        weigh_all=len(plan.moves) <= _WEIGHED_MOST,
    )


def place_drain(
    cluster: Cluster, host: HostName, *, parallel: int, settings: PauseSettings
) -> Plan:
    """Find a destination for every active VM of ``host``, without any outlook.

    A VM that is shut off holds nothing and stays defined where it is; the plan says so in a note.
    A VM that can't move is in ``unplaced`` with its reasons and is left running. The urgent start
    first, then the large; each has every host's answer, with those there that start before it.
    """
    plan = plan_request(
        cluster,
        Drain(hosts=(host,), make_room=False),
        PlanSettings(pause=settings, parallel=parallel),
    )
    vms = {one.id: one for one in cluster.vms_on(host)}
    order = sorted(
        plan.moves,
        key=lambda one: (-vms[one.vm].policy.priority, -one.memory_bytes, one.vm_name),
    )
    leaving = frozenset(one.vm for one in order)
    arriving: list[tuple[Vm, HostName]] = []
    moves = []
    for move in order:
        choice = choose_destination(
            cluster, vms[move.vm], arriving=tuple(arriving), leaving=leaving
        )
        moves.append(replace(move, choice=choice, reason=_reason(choice, move)))
        arriving.append((vms[move.vm], move.destination))
    return replace(plan, moves=tuple(moves))


def _reason(choice: Choice, move: Move) -> str:
    """The least loaded host says so; another one says what all of them together gain by it."""
    chosen, best = choice.candidate(move.destination), choice.best
    if chosen is None:
        return move.reason
    if best is not None and chosen.load_after <= best.load_after:
        return explain(choice, chosen)
    return f"{move.reason}; taken alone it would rather be on {best.host}" if best else move.reason
