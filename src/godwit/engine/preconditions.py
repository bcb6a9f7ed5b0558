"""The world as it is just before a move starts: everything the move rests on is read again."""

from godwit.core.migration import Failure
from godwit.core.model import Cluster, HostName, VmId
from godwit.core.plan import Move, Refusal
from godwit.core.planner import features_needed, features_of
from godwit.core.rules import VM_RULES, Placement, refusals_of

__all__ = ["what_broke"]


def what_broke(
    cluster: Cluster,
    move: Move,
    *,
    together_with: tuple[tuple[VmId, HostName], ...],
    goes_on: bool = False,
) -> Failure | None:
    """Say what of a move no longer holds, or None.

    ``together_with`` are the ends of the same plan: a group that moves as a whole is split for the
    time of a migration, and that is no reason to stop in the middle. ``goes_on`` says that the VM
    only stops here on its way: where its group is, counts at its end.
    """
    vm = next((one for one in cluster.vms if one.id == move.vm and one.host == move.source), None)
    if vm is None:
        return _gone(cluster, move)
    refused = [refusal for rule in VM_RULES if (refusal := rule.check(vm)) is not None]
    if not refused:
        placement = Placement(
            cluster=cluster,
            vm=vm,
            host=cluster.host(move.destination),
            final_hosts=tuple(one for one in together_with if one[0] != vm.id),
        )
        refused = [
            one for one in refusals_of(placement) if not (goes_on and one.rule == "affinity")
        ]
    return _refused(move, refused) if refused else _lacking(cluster, move)


def _lacking(cluster: Cluster, move: Move) -> Failure | None:
    """Whether the recipe needs what a host can't do (any more): an upgrade, another QEMU."""
    can = features_of(cluster, move.source, move.destination)
    lacking = sorted(one.value for one in features_needed(move.recipe) - can)
    if not lacking:
        return None
    return Failure(
        code="preconditions",
        cause=f"{move.vm_name} can't be moved in the way that was planned",
        evidence=f"{move.source} or {move.destination} can no longer do: {', '.join(lacking)}",
        remedy="Plan again: another recipe is chosen.",
    )


def _refused(move: Move, refused: list[Refusal]) -> Failure:
    return Failure(
        code="preconditions",
        cause=f"{move.vm_name} can no longer be moved to {move.destination}",
        evidence="; ".join(one.why for one in refused),
        remedy=" ".join(dict.fromkeys(one.remedy for one in refused)),
    )


def _gone(cluster: Cluster, move: Move) -> Failure:
    host = cluster.host(move.source)
    where = [one.host for one in cluster.vms if one.id == move.vm]
    if not host.is_known:
        evidence = f"{move.source} does not answer: {host.unreachable}"
    elif where:
        evidence = f"it is on {', '.join(where)} now"
    else:
        evidence = f"{move.source} has no such VM any more"
    return Failure(
        code="preconditions",
        cause=f"{move.vm_name} is not on {move.source} any more",
        evidence=evidence,
        remedy="Plan again: `godwit scan` shows where it is.",
    )
