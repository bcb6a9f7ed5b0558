"""``godwit history``: the migrations there were."""

from typing import Annotated

import typer

from godwit.cli.options import Output, OutputOption, examples

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("history", epilog=examples("godwit history", "godwit history --limit 100 -o json"))(
        _history
    )


def _history(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 20,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the migrations, the newest first, with what was measured of each.

    A dash means not measured, never zero.
    """
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.migration import show_migrations

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        migrations = session.client.migrations(limit=limit)
        if screen.is_json:
            screen.document(migrations)
        elif migrations:
            show_migrations(screen, migrations)
        else:
            screen.line("No migration yet. Start one: godwit migrate VM")
