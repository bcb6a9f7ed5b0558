"""``godwit resolve``: after a person did what only a person may, read both hosts again."""

from typing import Annotated

import typer

from godwit.cli.options import Output, OutputOption, examples

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("resolve", epilog=examples("godwit resolve m-3f9a2c"))(_resolve)


def _resolve(
    ctx: typer.Context,
    migration: Annotated[str, typer.Argument(metavar="MIGRATION", help="Its id.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Read both hosts again for a migration that waits for a person. Stops and starts nothing.

    Needed when both hosts run a guest, when neither does, or when a host did not answer for long:
    put it right on the hosts first, as `godwit show MIGRATION` says, then run this.
    """
    from godwit.cli.following import follow
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.migration import show_outcome
    from godwit.wire import Acceptance, ExitStatus

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        last_notice = session.client.status().last_notice
        asked = session.client.resolve_migration(migration)
        going = Acceptance(
            plan=asked.plan, migrations=(asked.id,), run=None, last_notice=last_notice
        )
        follow(session, screen, going)
        end = session.client.migration(asked.id)
        if screen.is_json:
            screen.event("result", migration=end)
        else:
            show_outcome(screen, end)
        # The question is answered when it has ended, wherever the guest turned out to be.
        raise typer.Exit(int(ExitStatus.OK if end.is_ended else ExitStatus.UNKNOWN))
