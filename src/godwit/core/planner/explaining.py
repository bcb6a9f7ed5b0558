"""From an assignment to moves that say what they gain, what they cost, and why not otherwise."""

import math
from collections.abc import Sequence
from typing import Final

from godwit.core.model import Vm
from godwit.core.plan import Candidate, Choice, Move
from godwit.core.planner.brief import FORCED_POINTS
from godwit.core.planner.ledger import Ledger
from godwit.core.planner.objective import soft_name
from godwit.core.planner.reading import CPU, MEMORY
from godwit.core.planner.settings import recipe_between
from godwit.core.planner.solving import Ordered, Solver
from godwit.core.planner.weights import BROKEN_POINTS
from godwit.core.rules import Effect, Placement, Standing, warnings_of
from godwit.core.units import format_bytes, format_fraction
from godwit.core.worth import Instead, MovePrice, Worth

__all__ = ["explained_moves"]

#: So many of the next best hosts are named, of so many that are weighed: some may be refused.
_NAMED: Final = 3
_WEIGHED: Final = 6
#: Of sums of points; less is nothing.
_ROUNDING: Final = 1e-9


def explained_moves(solver: Solver, where: object) -> tuple[Move, ...]:
    """Return the moves to an assignment of bundles, in an order in which each has room."""
    reading = solver.reading
    ledger = Ledger(reading, solver.counted, solver.settings.weights)
    standing = solver.book.standing()
    moves: list[Move] = []
    for one in solver.order(where, _WEIGHED):  # type: ignore[arg-type]
        effect = _effect(solver, standing, one)
        moves += _moves_of(solver, ledger, one, effect)
        ledger.move(one.bundle, one.host)
        if standing is not None:
            for vm in reading.bundles[one.bundle].vms:
                standing.move(vm.id, reading.name(one.host))
    return tuple(moves)


def _effect(solver: Solver, standing: Standing | None, one: Ordered) -> Effect:
    """What the move changes about the rules of the book."""
    if standing is None:
        return Effect(changes=())
    host = solver.reading.name(one.host)
    return standing.weigh_all({vm.id: host for vm in solver.reading.bundles[one.bundle].vms})


def _moves_of(solver: Solver, ledger: Ledger, one: Ordered, effect: Effect) -> list[Move]:
    reading = solver.reading
    bundle, price = reading.bundles[one.bundle], reading.prices[one.bundle]
    gains = ledger.gains(one.bundle, one.host)
    gains += _by_rules(solver, ledger, one, effect)
    instead = _instead(solver, ledger, one)
    candidates = (
        _candidate(solver, ledger, one.bundle, one.host),
        *(_candidate(solver, ledger, one.bundle, reading.number[other.host]) for other in instead),
    )
    why_vm = _why_vm(solver, ledger, one, effect)
    why_host = _why_host(solver, ledger, one, instead)
    destination, home = reading.name(one.host), reading.hosts[reading.number[bundle.host]]
    found = []
    for vm in bundle.vms:
        recipe, notes = recipe_between(home, reading.hosts[one.host], vm, solver.settings.pause)
        found.append(
            Move(
                vm=vm.id,
                vm_name=vm.name,
                source=vm.host,
                destination=destination,
                memory_bytes=vm.memory_bytes,
                vcpus=vm.vcpus,
                recipe=recipe,
                reason=why_host,
                choice=Choice(
                    vm=vm.id,
                    vm_name=vm.name,
                    source=vm.host,
                    vm_refusals=(),
                    candidates=candidates,
                ),
                warnings=(*vm.warnings, *_unknown(solver, vm, one.host), *notes),
                worth=_worth(
                    vm,
                    bundle.vms,
                    gains=tuple(gains),
                    price=price,
                    why_vm=why_vm,
                    instead=instead,
                ),
            )
        )
    return found


def _unknown(solver: Solver, vm: Vm, host: int) -> tuple[str, ...]:
    """What nobody knows of the VM on that host, and what is no refusal."""
    reading = solver.reading
    return warnings_of(Placement(cluster=reading.cluster, vm=vm, host=reading.hosts[host]))


def _worth(
    vm: Vm,
    vms: Sequence[Vm],
    *,
    gains: tuple[tuple[str, float], ...],
    price: MovePrice,
    why_vm: str,
    instead: tuple[Instead, ...],
) -> Worth:
    """Of VMs that move together the first one has the worth of them all."""
    if vm is not vms[0]:
        nothing = MovePrice(time_s=0.0, sent_bytes=0.0, pause_risk_fraction=0.0, points=0.0)
        return Worth(gains=(), price=nothing, why_vm=f"it moves with {vms[0].name}")
    return Worth(gains=gains, price=price, why_vm=why_vm, instead=instead)


def _by_rules(
    solver: Solver, ledger: Ledger, one: Ordered, effect: Effect
) -> list[tuple[str, float]]:
    """What the loads don't explain: a place that it had to leave, and rules that were broken."""
    costs, here = solver.costs, ledger.where[one.bundle]
    row = costs.table[costs.kind[one.bundle]]
    hard = ledger.mended(one.bundle, one.host) - effect.hard_amount
    found = [("broken", BROKEN_POINTS * hard)]
    if one.bundle not in costs.joining:
        found.append(("misplaced", float(row[here] - row[one.host])))
    found += [(soft_name(by.rule.name), -by.price) for by in effect.changes if not by.rule.hard]
    return [(name, points) for name, points in found if abs(points) > _ROUNDING]


def _instead(solver: Solver, ledger: Ledger, one: Ordered) -> tuple[Instead, ...]:
    reading = solver.reading
    found = []
    for host, points in one.instead:
        vms = reading.bundles[one.bundle].vms
        if any(solver.permits.refusal(vm, reading.hosts[host]) is not None for vm in vms):
            continue
        less = one.gain_points - points
        price = float(solver.levels_price[one.bundle])
        if host == reading.at[one.bundle]:
            continue
        would = f"it would have {ledger.text(host, beside=one.bundle)}"
        said = f"{_points(less)} less: {would}" if math.isfinite(less) else would
        found.append(Instead(host=reading.name(host), gain=points + price, why=said))
        if len(found) == _NAMED:
            break
    return tuple(found)


def _candidate(solver: Solver, ledger: Ledger, bundle: int, host: int) -> Candidate:
    return Candidate(
        host=solver.reading.name(host),
        refusals=(),
        warnings=(),
        memory_after=ledger.share(host, MEMORY, beside=bundle),
        cpu_after=min(1.0, ledger.share(host, CPU, beside=bundle)),
    )


def _why_vm(solver: Solver, ledger: Ledger, one: Ordered, effect: Effect) -> str:
    reading, weights = solver.reading, solver.settings.weights
    bundle, source = reading.bundles[one.bundle], ledger.where[one.bundle]
    if (why := solver.costs.must_go.get(one.bundle)) is not None:
        return why
    cured = [by.rule for by in effect.changes if by.by < -_ROUNDING]
    if cured:
        names = ", ".join(repr(rule.name) for rule in cured)
        return f"where it is it breaks {names}, and elsewhere less so"
    if ledger.mended(one.bundle, one.host) > _ROUNDING:
        return f"{bundle.host} has {ledger.trouble(one.bundle)}"
    needs = f"{format_bytes(int(reading.size[one.bundle, 0]))} of memory"
    needs += f" and {reading.need[one.bundle, CPU]:.1f} busy cores"
    if not solver.brief.is_free and one.gain_points < FORCED_POINTS / 10:
        return f"with {needs} it makes room for one that has to move"
    for load, what, safe in (
        (CPU, "cores busy", weights.cpu_safe_fraction),
        (MEMORY, "memory promised", weights.memory_safe_fraction),
    ):
        share = ledger.share(source, load)
        if share > safe:
            return (
                f"{bundle.host} has {format_fraction(share)} of its {what}, above the"
                f" {format_fraction(safe)} that are safe; with {needs} it gains most for its price"
            )
    return (
        f"{bundle.host} has {ledger.text(source)}; with {needs} it brings the hosts closer to"
        " their mean than any other for its price"
    )


def _why_host(solver: Solver, ledger: Ledger, one: Ordered, instead: tuple[Instead, ...]) -> str:
    name = solver.reading.name(one.host)
    said = (
        f"it gains most there; after the move {name} has {ledger.text(one.host, beside=one.bundle)}"
    )
    if one.bundle in solver.costs.only:
        said = f"the host that was asked for; after the move {name} has"
        said += f" {ledger.text(one.host, beside=one.bundle)}"
    elif not instead:
        said = f"the only host with room that no rule refuses; after the move {name} has"
        said += f" {ledger.text(one.host, beside=one.bundle)}"
    if not one.in_turn:
        said += "; it has room there only when others of the plan have moved"
    return said


def _points(points: float) -> str:
    return f"{points:.2f} points" if abs(points) < 100 else f"{points:.0f} points"
