"""The choice of a destination for one VM: rules first, then the lowest projected load."""

from godwit.core.model import Cluster, Host, HostName, Vm, VmId
from godwit.core.plan import Candidate, Choice
from godwit.core.rules import (
    VM_RULES,
    Assignment,
    Placement,
    present,
    refusals_of,
    warnings_of,
)
from godwit.core.units import format_fraction

__all__ = ["choose_destination", "explain"]


def choose_destination(
    cluster: Cluster,
    vm: Vm,
    *,
    arriving: tuple[tuple[Vm, HostName], ...] = (),
    leaving: frozenset[VmId] = frozenset(),
) -> Choice:
    """Judge every other host as a destination for ``vm``.

    ``arriving`` are the moves that the same plan makes before this one, ``leaving`` every VM that
    the plan takes away from its host. The candidates come best first: those that fit, by projected
    load and then by name; then the refused ones by name.
    """
    refused = tuple(r for rule in VM_RULES if (r := rule.check(vm)) is not None)
    now = present(cluster) if cluster.rules else None
    candidates = [
        _judge(cluster, vm, host, arriving=arriving, leaving=leaving, now=now)
        for host in cluster.hosts
        if host.name != vm.host
    ]
    candidates.sort(key=lambda one: (not one.fits, one.load_after if one.fits else 0.0, one.host))
    return Choice(
        vm=vm.id,
        vm_name=vm.name,
        source=vm.host,
        vm_refusals=refused,
        candidates=tuple(candidates),
    )


def _judge(
    cluster: Cluster,
    vm: Vm,
    host: Host,
    *,
    arriving: tuple[tuple[Vm, HostName], ...],
    leaving: frozenset[VmId],
    now: Assignment | None,
) -> Candidate:
    here = tuple(one for one, where in arriving if where == host.name)
    placement = Placement(
        cluster=cluster,
        vm=vm,
        host=host,
        arriving=here,
        leaving=leaving - {one.id for one, _ in arriving},
        final_hosts=tuple((one.id, where) for one, where in arriving),
        now=now,
    )
    promised = cluster.memory_promised_bytes(host.name, without=vm.id)
    promised += vm.memory_bytes + sum(one.memory_bytes for one in here)
    busy = cluster.busy_cores(host.name) + (vm.busy_cores or 0.0)
    busy += sum(one.busy_cores or 0.0 for one in here)
    cores = host.observed.cores if host.observed else 0
    return Candidate(
        host=host.name,
        refusals=refusals_of(placement),
        warnings=vm.warnings + warnings_of(placement),
        memory_after=promised / host.memory_for_vms_bytes if host.memory_for_vms_bytes else 1.0,
        cpu_after=min(1.0, busy / cores) if cores else 1.0,
    )


def explain(choice: Choice, chosen: Candidate) -> str:
    """Say in one sentence why this host and not the next best."""
    after = (
        f"after the move {chosen.host} has {format_fraction(chosen.memory_after)} of its memory"
        f" promised and {format_fraction(chosen.cpu_after)} of its cores busy"
    )
    others = [one for one in choice.candidates if one.fits and one.host != chosen.host]
    if not others:
        refused = sum(not one.fits for one in choice.candidates)
        only = "the only other host" if not refused else "the only host that no rule refuses"
        return f"{only}; {after}"
    best = min(others, key=lambda one: (one.load_after, one.host))
    if chosen.load_after <= best.load_after:
        return (
            f"lowest projected load; {after} (next best {best.host}:"
            f" {format_fraction(best.memory_after)}, {format_fraction(best.cpu_after)})"
        )
    return (
        f"asked for; {after} ({best.host} would have had {format_fraction(best.memory_after)}"
        f" and {format_fraction(best.cpu_after)})"
    )
