"""The reasons: why a migration went as it did, and what decisions about a VM or a host rest on."""

from collections.abc import Sequence

from godwit import wire
from godwit.cli.forecast_words import limit_words, postcopy_risk, recipe_words, short_forecast
from godwit.cli.screen import Screen
from godwit.cli.views.accuracy import compare, show_compared
from godwit.cli.views.policy import show_policy
from godwit.cli.views.vms import show_destinations
from godwit.cli.words import ago, count_words, journal_after, measured
from godwit.core.units import format_bytes, format_duration, format_fraction, format_rate

__all__ = ["show_why_host", "show_why_migration", "show_why_vm"]


def show_why_migration(screen: Screen, migration: wire.MigrationDetail) -> None:
    """Print why this host, why this recipe, what was decided, and what came of the forecast."""
    move = migration.move
    screen.line(
        f"Migration {migration.id}: {migration.vm_name}, {migration.source} ->"
        f" {migration.destination}, {migration.phase}",
        style="bold",
    )
    screen.line(f"Why {move.destination}: {move.reason}", indent=2)
    for candidate in move.choice.candidates:
        if candidate.host != move.destination:
            screen.line(f"Not {candidate.host}: {_why_not(move, candidate)}", indent=2)
    _show_recipe(screen, move)
    # The acceptance has its reason above.
    decisions = [one for one in migration.journal if one.is_decision and one.event != "accepted"]
    screen.heading("What was decided, and on what ground")
    rows = [(journal_after(migration, one), one.who, one.what, one.ground) for one in decisions]
    screen.table((">AFTER", "WHO", "DECISION", "GROUND"), rows)
    screen.heading("Forecast against fact")
    show_compared(screen, migration)
    if migration.failure is not None:
        screen.heading("Why it did not do what was asked")
        for said in (migration.failure.cause, migration.failure.evidence):
            if said:
                screen.line(said, indent=2)
    _show_changes(screen, migration)


def _why_not(move: wire.Move, candidate: wire.Candidate) -> str:
    if candidate.refusals:
        return "; ".join(one.why for one in candidate.refusals)
    taken = next((one for one in move.choice.candidates if one.host == move.destination), None)
    if taken is None:
        return "it would do as well, and another was asked for"
    load, other = format_fraction(candidate.load_after), format_fraction(taken.load_after)
    if candidate.load_after < taken.load_after:
        return f"it would be less loaded ({load} against {other}); {move.destination} was asked for"
    return f"it would do, but be at {load} of what it has to give; {move.destination} at {other}"


def _show_recipe(screen: Screen, move: wire.Move) -> None:
    screen.line(f"Recipe: {recipe_words(move.recipe)}.", indent=2)
    if move.recipe_reason:
        screen.line(f"Why this recipe: {move.recipe_reason}", indent=2)
    if risk := postcopy_risk(move):
        screen.line(risk, indent=2)
    for one in move.alternatives[1:]:
        if one.excluded:
            screen.line(f"Not {one.name}: {one.excluded}", indent=2)
        elif one.forecast is not None:
            screen.line(f"Not {one.name}: {short_forecast(one.forecast, one.recipe)}", indent=2)


def _show_changes(screen: Screen, migration: wire.MigrationDetail) -> None:
    """Print what would lead to another answer: remedies of hosts, and of what went wrong."""
    changes = [
        f"{candidate.host}: {one.remedy}"
        for candidate in migration.move.choice.candidates
        for one in candidate.refusals
        if one.remedy
    ]
    if migration.failure is not None and migration.failure.remedy:
        changes.append(f"{migration.vm_name}: {migration.failure.remedy}")
    outside = [one for one in compare(migration) if one.verdict in {"above", "below"}]
    if outside:
        names = ", ".join(one.name for one in outside)
        changes.append(f"forecast: {names} outside of the range; the next one knows of it")
    if changes:
        screen.heading("What would change the answer")
        for one in dict.fromkeys(changes):
            screen.line(one, indent=2)


def show_why_vm(screen: Screen, insight: wire.VmInsight) -> None:
    """Print what decisions about a VM rest on."""
    show_policy(screen, insight.policy)
    now_s = insight.taken_at_s
    screen.heading("What was learnt of it")
    _show_known(screen, insight.known, now_s)
    _show_paths(screen, insight.paths, now_s, source=insight.vm.host)
    _show_moves(screen, insight.migrations, now_s)
    show_destinations(screen, insight.vm)


def _show_known(screen: Screen, known: wire.VmKnowledge | None, now_s: float) -> None:
    if known is None:
        screen.line("Nothing yet: it is measured before its first move.", indent=2)
        return
    moves = count_words(known.migrations, "move")
    if known.first_pass is not None:
        screen.line(
            f"memory in use: {format_bytes(known.first_pass.value)} are sent in a first pass"
            f" ({moves}, the last {ago(known.first_pass.updated_at_s, now_s)})",
            indent=2,
        )
    if known.again_wire is not None:
        screen.line(
            f"sent again by xbzrle it takes {format_fraction(known.again_wire.value)} of its bytes",
            indent=2,
        )
    if known.curve:
        screen.line("memory it writes, as all observations together say:", indent=2)
        columns = [f">WITHIN {limit_words(one.window_s)}" for one in known.curve]
        screen.table(columns, [[format_bytes(one.written_bytes) for one in known.curve]])
    if known.observations:
        screen.line("the observations:", indent=2)
        rows = [
            (
                limit_words(one.window_s),
                format_bytes(one.written_bytes),
                {"sampled": "sampled before a move", "copied": "a round"}.get(
                    one.source, one.source
                ),
                ago(one.taken_at_s, now_s),
            )
            for one in known.observations
        ]
        screen.table((">WITHIN", ">WROTE", "SEEN BY", ">AGE"), rows)


def _show_paths(screen: Screen, paths: Sequence[wire.Path], now_s: float, *, source: str) -> None:
    screen.heading(f"What moves from {source} have shown")
    if not paths:
        screen.line("Nothing yet: the first move from there is forecast from experience elsewhere.")
        return
    rows = [
        (
            one.destination,
            one.stream,
            _carries(one),
            *(_cost(cost) for cost in (one.setup, one.ending, one.pause_fixed, one.outage_extra)),
            str(max((cost.count for cost in _costs(one)), default=0)),
            _age(one, now_s),
        )
        for one in paths
    ]
    screen.table(
        ("TO", "STREAM", ">CARRIES", ">START", ">END", ">PAUSE", ">OUTAGE", ">MOVES", ">AGE"), rows
    )
    screen.line("START, END, PAUSE and OUTAGE are fixed costs, beside the sending.", style="dim")


def _carries(path: wire.Path) -> str:
    # A move that came to its end in the first pass taught nothing of the later ones.
    bandwidth = path.bandwidth or path.first_bandwidth
    return "-" if bandwidth is None else format_rate(bandwidth.value)


def _costs(path: wire.Path) -> list[wire.Estimate]:
    found = (
        path.bandwidth,
        path.first_bandwidth,
        path.setup,
        path.ending,
        path.pause_fixed,
        path.outage_extra,
    )
    return [one for one in found if one is not None]


def _cost(cost: wire.Estimate | None) -> str:
    return measured(None if cost is None else cost.value)


def _age(path: wire.Path, now_s: float) -> str:
    updated_at_s = max((one.updated_at_s for one in _costs(path)), default=now_s)
    return format_duration(max(0.0, now_s - updated_at_s))


def _show_moves(screen: Screen, migrations: Sequence[wire.Migration], now_s: float) -> None:
    if not migrations:
        return
    screen.heading("Its last moves, forecast and fact")
    rows = []
    for one in migrations:
        found = {figure.name: figure for figure in compare(one)}
        said = [
            format_duration(found[name].said.likely) if name in found else "-"
            for name in ("time", "pause")
        ]
        total_s = one.result.total_s if one.result is not None else None
        pause_s = one.result.pause_s if one.result is not None else None
        row = (one.id, ago(one.accepted_at_s, now_s), one.destination, one.phase)
        rows.append((*row, said[0], measured(total_s), said[1], measured(pause_s)))
    columns = ("MIGRATION", ">WHEN", "TO", "PHASE", ">SAID", ">TIME", ">SAID", ">PAUSE")
    screen.table(columns, rows)


def show_why_host(screen: Screen, insight: wire.HostInsight) -> None:
    """Print what decisions about a host rest on: what it can, its paths, its VMs' ways out."""
    host, seen = insight.host, insight.host.observed
    state = f"does not answer: {host.unreachable}" if host.unreachable else "answers"
    if host.record.in_maintenance:
        state += "; in maintenance, so that no VM is moved to it"
    screen.line(f"{host.name}: {state}", style="bold")
    if seen is not None:
        can = ", ".join(seen.features) or "plain pre-copy only"
        screen.line(f"its hypervisor can: {can}", indent=2)
        for lack in seen.lacks:
            screen.line(f"lacks: {lack}", indent=2, style="red")
    _show_paths(screen, insight.paths, insight.taken_at_s, source=host.name)
    active = [one for one in insight.vms if one.is_active]
    screen.heading(f"What could leave {host.name}")
    if host.unreachable:
        screen.line("Not known: it does not answer.", indent=2)
        return
    if not active:
        screen.line("It runs no VM.", indent=2)
        return
    for vm in active:
        ways = [] if vm.choice.vm_refusals else [o.host for o in vm.choice.candidates if o.fits]
        if ways:
            screen.line(f"{vm.name}: to {', '.join(ways)}", indent=2)
            continue
        screen.line(f"{vm.name}: nowhere", indent=2, style="red")
        refusals = vm.choice.vm_refusals or tuple(
            one for candidate in vm.choice.candidates for one in candidate.refusals[:1]
        )
        for one in refusals:
            screen.line(f"{one.why}. {one.remedy}", indent=4)
