"""Migrations and runs: in lists, how they ended, and in full with every round and decision."""

from collections.abc import Sequence

from godwit import wire
from godwit.cli.screen import Screen
from godwit.cli.views.plan import show_unplaced
from godwit.cli.views.timetable import show_given_up, show_stuck
from godwit.cli.words import (
    CLOSING,
    KINDS,
    ROUND_COLUMNS,
    clock,
    count_words,
    journal_after,
    measured,
    result_rows,
    round_cells,
    where_runs,
)
from godwit.core.units import format_duration

__all__ = [
    "show_in_flight",
    "show_migration",
    "show_migrations",
    "show_outcome",
    "show_run",
    "show_run_outcome",
]


def show_in_flight(screen: Screen, migrations: Sequence[wire.Migration], now_s: float) -> None:
    """Print the migrations that are not over."""
    columns = ("MIGRATION", "VM", "FROM", "TO", "PHASE", ">SINCE", ">ROUNDS", "GUEST RUNS ON")
    rows = [
        (
            one.id,
            one.vm_name,
            one.source,
            one.destination,
            one.phase + (" (needs a person)" if one.needs_person else ""),
            format_duration(max(0.0, now_s - one.entered_at_s)),
            str(one.rounds_done),
            where_runs(one),
        )
        for one in migrations
    ]
    screen.table(columns, rows)


def show_migrations(screen: Screen, migrations: Sequence[wire.Migration]) -> None:
    """Print migrations with what they came to, in the order given."""
    columns = ("MIGRATION", "ACCEPTED", "VM", "FROM", "TO", "PHASE", ">PAUSE", ">OUTAGE", ">TIME")
    rows = [
        (
            one.id,
            # To the minute: with seconds, the names of most sites no longer fit on a line.
            clock(one.accepted_at_s).rpartition(":")[0],
            one.vm_name,
            one.source,
            one.destination,
            one.phase,
            measured(one.result.pause_s if one.result else None),
            measured(one.result.outage_s if one.result else None),
            measured(one.result.total_s if one.result else None),
        )
        for one in migrations
    ]
    screen.table(columns, rows)


def show_outcome(screen: Screen, migration: wire.Migration) -> None:
    """Print how a migration ended, or why it has not."""
    name = migration.vm_name
    if migration.phase == "done":
        screen.line(f"{name} runs on {migration.destination}, and only there.", style="bold green")
        for key, value in result_rows(migration):
            screen.line(f"{key:<8} {value}", indent=2)
        return
    if migration.phase == "cancelled":
        screen.line(f"{name} was not moved: cancelled. It runs on {migration.source}, unharmed.")
        return
    if migration.phase == "failed":
        screen.line(
            f"{name} was not moved. It runs on {migration.source}, unharmed.", style="bold red"
        )
    elif migration.needs_person:
        screen.line(
            f"{name} needs a person: {migration.phase}, {migration.phase_says}.", style="bold red"
        )
        if migration.last_reading:
            screen.line(f"Both hosts were read: {migration.last_reading}", indent=2)
    else:
        screen.line(f"{name}: {migration.phase}, {migration.phase_says}.")
    show_failure(screen, migration.failure)


def show_failure(screen: Screen, failure: wire.Failure | None) -> None:
    """Print why a migration did not do what was asked."""
    if failure is None:
        return
    screen.line(f"Cause: {failure.cause}", indent=2)
    if failure.evidence:
        screen.line(f"Evidence: {failure.evidence}", indent=2)
    if failure.remedy:
        screen.line(f"Remedy: {failure.remedy}", indent=2)


def show_run_outcome(screen: Screen, run: wire.RunDetail, *, plan_was_shown: bool = False) -> None:
    """Print how a run ended: each VM, and what became of the host."""
    last = {one.vm: one for one in run.migrations}
    if last:
        show_migrations(screen, list(last.values()))
    for migration in last.values():
        if migration.phase != "done" or (migration.result and migration.result.notes):
            show_outcome(screen, migration)
    show_given_up(screen, run.given_up)
    if not plan_was_shown:
        show_unplaced(screen, run.plan.unplaced)
        if run.plan.timed is not None:
            show_stuck(screen, run.plan.timed)
    moved = sum(one.phase == "done" for one in last.values())
    if run.kind in CLOSING and run.plan.leaving:
        _show_emptied(screen, run, moved)
    else:
        _show_done(screen, run, moved)


def _show_emptied(screen: Screen, run: wire.RunDetail, moved: int) -> None:
    hosts = " and ".join(run.plan.leaving)
    undrain = " and ".join(f"`godwit undrain {one}`" for one in run.plan.leaving)
    be = "is" if len(run.plan.leaving) == 1 else "are"
    still = ", ".join(run.remaining) or "none"
    match run.state:
        case "done":
            screen.line(
                f"{hosts} {be} empty ({count_words(moved, 'VM')} moved) and in maintenance;"
                f" {undrain} ends it.",
                style="bold green",
            )
        case "running":
            screen.line(f"It goes on; still on {hosts}: {still}.")
        case _:
            screen.line(
                f"{hosts} {be} NOT empty ({run.state}; {moved} moved; still there: {still})."
                f" It is in maintenance; {undrain} ends it.",
                style="bold red",
            )


def _show_done(screen: Screen, run: wire.RunDetail, moved: int) -> None:
    what, still = KINDS[run.kind], ", ".join(run.remaining) or "none"
    match run.state:
        case "done":
            screen.line(f"{what} done: {count_words(moved, 'VM')} moved.", style="bold green")
        case "running":
            screen.line(f"{what} goes on; still to move: {still}.")
        case _:
            screen.line(
                f"{what} NOT done ({run.state}; {moved} moved; not moved: {still}). The VMs that"
                " were not moved run on where they are.",
                style="bold red",
            )


def show_migration(screen: Screen, migration: wire.MigrationDetail) -> None:
    """Print a migration whole: why, every round, who said and decided what, and the outcome."""
    move = migration.move
    screen.line(
        f"Migration {migration.id}: {migration.vm_name}, {migration.source} ->"
        f" {migration.destination}, {migration.phase}",
        style="bold",
    )
    screen.line(f"Why {move.destination}: {move.reason}", indent=2)
    for candidate in move.choice.candidates:
        for refusal in candidate.refusals:
            screen.line(f"Not {candidate.host}: {refusal.why}", indent=2)
    screen.line(f"The guest runs on: {where_runs(migration)}", indent=2)
    if migration.rounds:
        screen.heading("Rounds")
        screen.table(ROUND_COLUMNS, [round_cells(one) for one in migration.rounds])
    screen.heading("Who said and decided what")
    rows = [
        (
            journal_after(migration, one),
            one.who,
            one.what + (f" ({one.ground})" if one.ground else ""),
        )
        for one in migration.journal
    ]
    screen.table((">AFTER", "WHO", "WHAT"), rows)
    screen.heading("Outcome")
    show_outcome(screen, migration)


def show_run(screen: Screen, run: wire.RunDetail) -> None:
    """Print a run whole."""
    what = KINDS[run.kind] + (f" of {run.host}" if run.host and run.kind in CLOSING else "")
    screen.line(
        f"{what} ({run.id}): {run.state}, accepted {clock(run.accepted_at_s)}",
        style="bold",
    )
    screen.line(
        f"{count_words(run.moves_planned, 'move')} planned,"
        f" {count_words(len(run.migrations), 'migration')} so far (plan {run.plan_id})",
        indent=2,
    )
    show_run_outcome(screen, run)
