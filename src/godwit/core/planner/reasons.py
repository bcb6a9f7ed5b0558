"""Why nothing moves, what would let a VM move after all, and whether a deadline can be kept."""

from collections import Counter
from typing import Final

import numpy as np

from godwit.core.plan import Move
from godwit.core.planner.reading import CPU, MEMORY
from godwit.core.planner.rulebook import ends_of
from godwit.core.planner.solving import Solver, Where
from godwit.core.rules import contradictions_of
from godwit.core.units import format_bytes, format_duration, format_fraction

__all__ = [
    "broken_reasons",
    "contradiction_notes",
    "deadline_reasons",
    "nothing_reasons",
    "what_would_help",
]

#: So many broken rules, and so many contradictions, are told one by one.
_TOLD_MOST: Final = 5


def nothing_reasons(solver: Solver) -> tuple[str, ...]:
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
    if solver.brief.repairs and not solver.site.is_broken:
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
            found.append(_refused_everywhere(solver, number))
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


def _refused_everywhere(solver: Solver, number: int) -> str:
    """Name the rule that stands in the way of most hosts, and what would change that."""
    bundle = solver.reading.bundles[number]
    refusals = [
        refusal
        for host, one in enumerate(solver.reading.hosts)
        if solver.counted[host] and one.name != bundle.host
        for vm in bundle.vms
        if (refusal := solver.permits.refusal(vm, one)) is not None
    ]
    if not refusals:
        return f"{bundle.name}: there is no other host that takes VMs"
    count = Counter(one.rule for one in refusals)
    most = max(refusals, key=lambda one: count[one.rule])
    return (
        f"{bundle.name}: rules refuse every host, whatever is freed there; most of them by"
        f" {most.rule}: {most.why}. {most.remedy}"
    )


def broken_reasons(solver: Solver, where: Where) -> tuple[str, ...]:
    """Say which rules a repair can't cure, by how much they are broken, and what would help."""
    if not solver.brief.joins or not solver.site.is_broken:
        return ()
    left = solver.book.breaches(ends_of(solver.reading, where))
    found = [f"not cured: {one.rule}: {one.why}. {one.remedy}" for one in left[:_TOLD_MOST]]
    if len(left) > _TOLD_MOST:
        found.append(f"not cured: {len(left) - _TOLD_MOST} more")
    return tuple(found)


def contradiction_notes(solver: Solver) -> tuple[str, ...]:
    """Name the hard rules that can't all be kept: the plan is for the VMs that they leave free.

    A request is not refused for them. They are broken by no plan and mended by none, and who has to
    empty a failing host at night is not to mend the rules of other VMs first.
    """
    if not solver.book.hard:
        return ()
    found = contradictions_of(solver.book.in_force, solver.reading.cluster)
    notes = [f"rules exclude each other: {one.why}. {one.remedy}" for one in found[:_TOLD_MOST]]
    if len(found) > _TOLD_MOST:
        notes.append(f"rules exclude each other: {len(found) - _TOLD_MOST} more, see `rules check`")
    return tuple(notes)


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
