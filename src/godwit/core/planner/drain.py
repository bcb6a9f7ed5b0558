"""The plan that empties a host: a destination and a reason for each VM, and every VM that stays.

Larger VMs choose first, because they are the ones that run out of room. Deadlines, the way back
and the order by urgency are not planned here yet.
"""

from dataclasses import replace
from typing import Final

from godwit.core.model import Cluster, HostName, PlanId, Vm, VmId
from godwit.core.plan import Move, Plan, PlanKind, Unplaced
from godwit.core.planner.outlook import link_share, with_outlook
from godwit.core.planner.place import choose_destination, explain
from godwit.core.planner.settings import PauseSettings, recipe_for

__all__ = ["drain_outlook", "place_drain", "plan_drain"]

#: In plans of more moves than this, a person has to wait too long for every recipe to be weighed.
_WEIGHED_MOST: Final = 8


def plan_drain(cluster: Cluster, host: HostName, *, parallel: int, settings: PauseSettings) -> Plan:
    """Plan to move every active VM off ``host``, with the outlook of each move; not timed yet."""
    plan = place_drain(cluster, host, parallel=parallel, settings=settings)
    moves = tuple(drain_outlook(cluster, plan, move) for move in plan.moves)
    return replace(plan, moves=moves)


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
    A VM that can't move is in ``unplaced`` with its reasons and is left running.
    """
    active = [vm for vm in cluster.vms_on(host) if vm.is_active]
    leaving = frozenset(vm.id for vm in active)
    moves, unplaced = _place(cluster, active, leaving, settings)
    # What can't leave after all holds its affinity groups back: place the others again, knowing
    # that. Each turn takes at least one VM out of ``leaving``, so this ends.
    while stuck := leaving & {one.vm for one in unplaced}:
        leaving -= stuck
        moves, unplaced = _place(cluster, active, leaving, settings)
    shut_off = sorted(vm.name for vm in cluster.vms_on(host) if not vm.is_active)
    notes = (f"shut off, and stays defined here: {', '.join(shut_off)}",) if shut_off else ()
    return Plan(
        id=PlanId(""),
        kind=PlanKind.DRAIN,
        generation=cluster.generation,
        made_at_s=cluster.taken_at_s,
        moves=tuple(moves),
        unplaced=tuple(unplaced),
        host=host,
        parallel=parallel,
        notes=notes,
    )


def _place(
    cluster: Cluster, active: list[Vm], leaving: frozenset[VmId], settings: PauseSettings
) -> tuple[list[Move], list[Unplaced]]:
    moves: list[Move] = []
    unplaced: list[Unplaced] = []
    arriving: list[tuple[Vm, HostName]] = []
    for vm in sorted(active, key=lambda one: (-one.policy.priority, -one.memory_bytes, one.name)):
        choice = choose_destination(cluster, vm, arriving=tuple(arriving), leaving=leaving)
        chosen = choice.best
        if chosen is None:
            unplaced.append(Unplaced(vm=vm.id, vm_name=vm.name, choice=choice))
            continue
        recipe, notes = recipe_for(cluster, vm, chosen.host, settings)
        moves.append(
            Move(
                vm=vm.id,
                vm_name=vm.name,
                source=vm.host,
                destination=chosen.host,
                memory_bytes=vm.memory_bytes,
                vcpus=vm.vcpus,
                recipe=recipe,
                reason=explain(choice, chosen),
                choice=choice,
                warnings=chosen.warnings + notes,
            )
        )
        arriving.append((vm, chosen.host))
    return moves, unplaced
