"""``godwit cancel``: abort a migration or a run, and say whether it came in time."""

from typing import TYPE_CHECKING, Annotated

import typer

from godwit.cli.ids import RUN_ID
from godwit.cli.options import DetachOption, Output, OutputOption, examples

if TYPE_CHECKING:
    from godwit import wire
    from godwit.cli.screen import Screen
    from godwit.client import Client

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "cancel",
        epilog=examples("godwit cancel m-3f9a2c", "godwit cancel web1", "godwit cancel r-81b0aa"),
    )(_cancel)


def _cancel(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(metavar="MIGRATION|VM|RUN", help="The id, or the VM that is migrating."),
    ],
    detach: DetachOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Cancel a migration or a whole run, and wait for its confirmed end.

    A cancelled VM runs on where it was. An abort can come too late: then the VM has moved, and the
    exit status is 1. After a cancelled drain or evacuation the host stays in maintenance.
    """
    from godwit.cli.following import follow
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.wire import Acceptance

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        client = session.client
        last_notice = client.status().last_notice
        if _is_run(what):
            run = client.cancel_run(what)
            going = Acceptance(plan=run.plan_id, migrations=(), run=run.id, last_notice=last_notice)
        else:
            migration = client.cancel_migration(_migration_id(client, what))
            going = Acceptance(
                plan=migration.plan,
                migrations=(migration.id,),
                run=None,
                last_notice=last_notice,
            )
        if detach:
            if screen.is_json:
                screen.event("accepted", acceptance=going)
            screen.note("The abort was ordered; `godwit status` shows what comes of it.")
            return
        follow(session, screen, going)
        raise typer.Exit(int(_end(client=session.client, screen=screen, going=going)))


def _is_run(what: str) -> bool:
    # Ids carry their kind in front; a VM of such a name is still found by its UUID.
    return RUN_ID.fullmatch(what) is not None


def _migration_id(client: "Client", what: str) -> str:
    """Find the migration that is meant. Raises: UnknownMigration."""
    from godwit.core.errors import UnknownMigration
    from godwit.wire.near import did_you_mean

    in_flight = client.status().migrations
    for one in in_flight:
        if what in {one.id, one.vm_name, one.vm}:
            return one.id
    try:
        return client.migration(what).id
    except UnknownMigration as error:
        known = [one.vm_name for one in in_flight] + [one.id for one in in_flight]
        raise UnknownMigration(
            f"no migration in flight is {what!r}, or moves a VM of that name",
            evidence=f"in flight: {', '.join(known)}" if known else "nothing is in flight",
            remedy=did_you_mean(what, known) or "See `godwit history`.",
        ) from error


def _end(*, client: "Client", screen: "Screen", going: "wire.Acceptance") -> "wire.ExitStatus":
    from godwit.cli.views.migration import show_outcome, show_run_outcome
    from godwit.wire import ExitStatus

    if going.run is not None:
        run = client.run(going.run)
        if screen.is_json:
            screen.event("result", run=run)
        else:
            show_run_outcome(screen, run)
        if any(one.needs_person for one in run.migrations):
            return ExitStatus.UNKNOWN
        return ExitStatus.OK if run.state == "cancelled" else ExitStatus.WORK_FAILED
    migration = client.migration(going.migrations[0])
    if screen.is_json:
        screen.event("result", migration=migration)
    else:
        show_outcome(screen, migration)
        if migration.phase == "done":
            screen.line("The abort came too late.")
    if not migration.is_ended:
        return ExitStatus.UNKNOWN
    return ExitStatus.WORK_FAILED if migration.phase == "done" else ExitStatus.OK
