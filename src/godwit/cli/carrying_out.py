"""From a plan to its outcome: shown, confirmed, accepted, followed. The same for every plan."""

import typer

from godwit import wire
from godwit.cli.asking import confirm, question_about
from godwit.cli.following import follow, migration_status, run_status
from godwit.cli.screen import Screen
from godwit.cli.session import Session
from godwit.cli.views.migration import show_outcome, show_run_outcome
from godwit.cli.views.plan import how_to_accept, show_plan
from godwit.cli.words import CLOSING
from godwit.core.errors import BadValue, OutcomeUnknown

__all__ = ["carry_out", "present", "refuse_detached_run"]


def present(screen: Screen, plan: wire.Plan, *, dry_run: bool) -> None:
    """Show a plan before anything happens. Raises: typer.Exit after a dry run."""
    if not screen.is_json:
        show_plan(screen, plan, whole=dry_run)
    elif dry_run:
        screen.document(plan)
    else:
        screen.event("plan", plan=plan)
    if dry_run:
        if not screen.is_json:
            screen.line(f"Dry run: nothing was changed.{how_to_accept(plan)}")
        raise typer.Exit(int(wire.ExitStatus.OK))


def carry_out(
    session: Session,
    screen: Screen,
    plan: wire.Plan,
    *,
    yes: bool,
    detach: bool,
    abort_on_interrupt: bool,
) -> None:
    """Have it confirmed, accept it and follow it. Raises: typer.Exit with what it came to."""
    if not plan.moves and not (plan.kind in CLOSING and plan.leaving):
        # Why nothing moves, the plan has said.
        left_out = plan.unplaced or (plan.timed is not None and plan.timed.stuck)
        raise typer.Exit(int(wire.ExitStatus.WORK_FAILED if left_out else wire.ExitStatus.OK))
    if not yes:
        confirm(question_about(plan))
    acceptance = _accept(session, plan)
    if screen.is_json:
        screen.event("accepted", acceptance=acceptance)
    if detach:
        _detach(session, screen, acceptance)
        return
    follow(session, screen, acceptance, abort_on_interrupt=abort_on_interrupt)
    if acceptance.run is not None:
        run = session.client.run(acceptance.run)
        if screen.is_json:
            screen.event("result", run=run)
        else:
            show_run_outcome(screen, run, plan_was_shown=True)
        status = run_status(run)
    else:
        status = wire.ExitStatus.OK
        for migration_id in acceptance.migrations:
            migration = session.client.migration(migration_id)
            if screen.is_json:
                screen.event("result", migration=migration)
            else:
                show_outcome(screen, migration)
            status = max(status, migration_status(migration))
    session.wait_idle()
    raise typer.Exit(int(status))


def _accept(session: Session, plan: wire.Plan) -> wire.Acceptance:
    """Accept a plan, again if the answer was lost: it is accepted once all the same."""
    try:
        return session.client.accept(plan.id)
    except OutcomeUnknown:
        session.reconnect()
        return session.client.accept(plan.id)


def _detach(session: Session, screen: Screen, acceptance: wire.Acceptance) -> None:
    if session.owned:
        # Left at once, it would never be started: its controller ends with this command.
        follow(session, screen, acceptance, until_started=True)
    if screen.is_json:
        return
    if acceptance.run is not None:
        screen.line(f"{acceptance.run} was started; `godwit status` to follow it.")
    for migration_id in acceptance.migrations:
        screen.line(f"Migration {migration_id} was started; `godwit status` to follow it.")
    if session.owned:
        screen.note(
            "The hosts carry it out by themselves. Nobody steers or verifies it until the next"
            " command, because there is no `godwit serve`."
        )


def refuse_detached_run(session: Session) -> None:
    """Refuse a run that nobody would carry on. Raises: BadValue."""
    if session.owned:
        raise BadValue(
            "a plan of several moves can't be detached: its controller would end with this command",
            remedy="Run `godwit serve` and repeat it, or leave out --detach.",
        )
