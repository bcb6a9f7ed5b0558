"""The plan of one migration, as a person asked for it."""

from godwit.core.errors import NoDestination, Refused
from godwit.core.model import Cluster, HostName, PlanId, Vm
from godwit.core.plan import Candidate, Choice, Move, Plan, PlanKind
from godwit.core.planner.outlook import link_share, with_outlook
from godwit.core.planner.place import choose_destination, explain
from godwit.core.planner.planning import plan_request
from godwit.core.planner.request import Place
from godwit.core.planner.settings import PauseSettings, recipe_for
from godwit.core.planner.weights import PlanSettings, Weights

__all__ = ["plan_migration"]


def plan_migration(
    cluster: Cluster,
    vm: Vm,
    *,
    destination: HostName | None,
    settings: PauseSettings,
    weights: Weights | None = None,
) -> Plan:
    """Plan to move one VM, to ``destination`` or to the host where the objective gains most.

    Nobody else moves for it: a host where others would have to make room is not taken.

    Raises: NoDestination with the reason of every host when none may take the VM, or when the one
    asked for may not; Refused when the VM is on that host already.
    """
    if destination == vm.host:
        raise Refused(
            f"{vm.name} is on {vm.host} already", remedy="Name another host, or none at all."
        )
    choice = choose_destination(cluster, vm)
    chosen = choice.best if destination is None else choice.candidate(destination)
    if chosen is None or choice.vm_refusals or not chosen.fits:
        raise _no_destination(choice, destination)
    reason = explain(choice, chosen)
    if destination is None and sum(one.fits for one in choice.candidates) > 1:
        chosen, reason = _searched(cluster, vm, choice, chosen, weights or Weights())
    recipe, notes = recipe_for(cluster, vm, chosen.host, settings)
    move = Move(
        vm=vm.id,
        vm_name=vm.name,
        source=vm.host,
        destination=chosen.host,
        memory_bytes=vm.memory_bytes,
        vcpus=vm.vcpus,
        recipe=recipe,
        reason=reason,
        choice=choice,
        warnings=chosen.warnings + notes,
    )
    move = with_outlook(cluster, move, share_fraction=link_share(cluster, move))
    return Plan(
        id=PlanId(""),
        kind=PlanKind.MIGRATE,
        generation=cluster.generation,
        made_at_s=cluster.taken_at_s,
        moves=(move,),
    )


def _searched(
    cluster: Cluster, vm: Vm, choice: Choice, least: Candidate, weights: Weights
) -> tuple[Candidate, str]:
    """The host of those that fit where the objective gains most, and why that."""
    found = plan_request(cluster, Place(vm=vm.id), PlanSettings(weights=weights))
    move = next((one for one in found.moves if one.vm == vm.id), None)
    chosen = choice.candidate(move.destination) if move is not None else None
    if move is None or chosen is None or not chosen.fits or chosen.load_after <= least.load_after:
        return least, explain(choice, least)
    return chosen, move.reason


def _no_destination(choice: Choice, asked: HostName | None) -> NoDestination:
    where = f"to {asked}" if asked is not None else "to any host"
    if choice.vm_refusals:
        return NoDestination(
            f"{choice.vm_name} can't be moved {where}",
            evidence="; ".join(one.why for one in choice.vm_refusals),
            remedy=" ".join(one.remedy for one in choice.vm_refusals),
        )
    judged = [one for one in choice.candidates if asked is None or one.host == asked]
    if not judged:
        return NoDestination(
            f"{choice.vm_name} can't be moved {where}",
            evidence=f"{choice.source} is the only host in the inventory",
            remedy="Add another host with `godwit host add`.",
        )
    fitting = [one.host for one in choice.candidates if one.fits]
    remedies = list(dict.fromkeys(r.remedy for one in judged for r in one.refusals[:1]))
    if asked is not None and fitting:
        remedies.append(f"Hosts that could take it: {', '.join(fitting)}.")
    return NoDestination(
        f"{choice.vm_name} can't be moved {where}",
        evidence="; ".join(_about(one.host, r.why) for one in judged for r in one.refusals),
        remedy=" ".join(remedies),
    )


def _about(host: HostName, why: str) -> str:
    """Name the host where the reason does not: a local disk is a reason of its own source."""
    named = {word.strip(",;:()") for word in why.split()}
    return why if host in named else f"{host}: {why}"
