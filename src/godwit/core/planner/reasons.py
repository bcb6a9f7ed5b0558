"""Why nothing moves, what would let a VM move after all, and whether a deadline can be kept."""

import numpy as np

from godwit.core.plan import Move
from godwit.core.planner.reading import CPU, MEMORY
from godwit.core.planner.solving import Solver, Where
from godwit.core.units import format_bytes, format_duration, format_fraction
from godwit.core.worth import Term

__all__ = ["deadline_reasons", "nothing_reasons", "what_would_help"]


def nothing_reasons(solver: Solver, terms: tuple[Term, ...]) -> tuple[str, ...]:
    """Say why nothing is worth moving: the state of the hosts, and the best move there would be."""
    reading = solver.reading
    if solver.costs.must_go:
        return ()
    found = []
    used = reading.base.copy()
    np.add.at(used, reading.at, reading.need)
    counted = np.flatnonzero(solver.counted)
    if len(counted):
        shares = used[counted] / reading.scale[counted]
        weights = solver.settings.weights
        for load, what, safe in (
            (CPU, "cores busy", weights.cpu_safe_fraction),
            (MEMORY, "memory promised", weights.memory_safe_fraction),
        ):
            top = int(shares[:, load].argmax())
            share = format_fraction(float(shares[top, load]))
            word = "above" if shares[top, load] > safe else "within"
            found.append(
                f"{reading.name(int(counted[top]))} has most of its {what}, {share}:"
                f" {word} the {format_fraction(safe)} that are safe"
            )
    broken = next((one.before for one in terms if one.name == "broken"), 0.0)
    if solver.brief.repairs and not broken:
        found.append("no rule is broken")
    if not solver.brief.is_free:
        return tuple(found)
    best = solver.best_single()
    if best is None:
        found.append("no VM may move to any other host")
    else:
        bundle, host, gain = best
        price = reading.prices[bundle].points
        found.append(
            f"the best single move, {reading.bundles[bundle].name} to {reading.name(host)}, would"
            f" gain {gain + price:.3f} points and cost {price:.3f}"
        )
    return tuple(found)


def what_would_help(solver: Solver, where: Where) -> tuple[str, ...]:
    """Say for each VM that can't be placed how little is missing, and where."""
    reading = solver.reading
    held = np.zeros_like(reading.room)
    np.add.at(held, where, reading.size)
    free = reading.room - held
    found = []
    table, kind = solver.costs.table, solver.costs.kind
    for number in solver.costs.must_go:
        bundle = reading.bundles[number]
        if table[kind[number], where[number]] <= 0 or bundle.stays:
            continue
        lacks = []
        for host, one in enumerate(reading.hosts):
            if not solver.counted[host] or host == where[number]:
                continue
            if any(solver.permits.refusal(vm, one) is not None for vm in bundle.vms):
                continue
            memory, vcpus = (reading.size[number] - free[host]).tolist()
            lacks.append((max(0, memory), max(0, vcpus), one.name))
        if not lacks:
            found.append(f"{bundle.name}: rules refuse every host, whatever is freed there")
            continue
        memory, vcpus, name = min(lacks)
        needs = [f"{format_bytes(memory)} of memory"] * bool(memory)
        needs += [f"{vcpus} vCPUs"] * bool(vcpus)
        if needs:
            found.append(
                f"{bundle.name} could go to {name} if {' and '.join(needs)} were freed there"
            )
        else:
            found.append(
                f"{bundle.name} would have room on {name}, were it not for the VMs that it must"
                " not meet there or that must come with it"
            )
    return tuple(found)


def deadline_reasons(solver: Solver, moves: tuple[Move, ...]) -> tuple[str, ...]:
    """Say whether the bytes of the moves can get out of their hosts in time at all."""
    deadline_s = solver.brief.deadline_s
    if deadline_s is None:
        return ()
    busy_s: dict[str, float] = {}
    for move in moves:
        if move.worth is not None:
            busy_s[move.source] = busy_s.get(move.source, 0.0) + move.worth.price.time_s
    late = {name: time_s for name, time_s in busy_s.items() if time_s > deadline_s}
    if not late:
        return ()
    name = max(sorted(late), key=lambda one: late[one])
    said = f"the deadline of {format_duration(deadline_s)} can't be kept: what leaves {name}"
    return (f"{said} takes its link about {format_duration(late[name])}",)
