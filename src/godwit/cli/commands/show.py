"""``godwit show``: one migration, plan or run whole."""

from typing import TYPE_CHECKING, Annotated

import typer

from godwit.cli.options import Output, OutputOption, examples

if TYPE_CHECKING:
    from godwit import wire
    from godwit.client import Client

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "show",
        epilog=examples(
            "godwit show m-3f9a2c",
            "godwit show web1         the last migration of a VM",
            "godwit show r-81b0aa     a plan that is or was carried out",
            "godwit show p-77c1d0 -o json",
        ),
    )(_show)


def _show(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="MIGRATION|PLAN|RUN", help="The id, or a VM for its last migration."
        ),
    ],
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a migration with every round, decision and who said what; or a plan, or a run of one."""
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.migration import show_migration, show_run
    from godwit.cli.views.plan import show_plan
    from godwit.wire import Plan, RunDetail

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        found = _find(session.client, what)
        if screen.is_json:
            screen.document(found)
        elif isinstance(found, Plan):
            show_plan(screen, found)
        elif isinstance(found, RunDetail):
            show_run(screen, found)
        else:
            show_migration(screen, found)


def _find(client: "Client", what: str) -> "wire.MigrationDetail | wire.Plan | wire.RunDetail":
    """Find what is meant: by its id, or the last migration of a VM. Raises: UnknownMigration."""
    from godwit.cli.finding import last_migration_of
    from godwit.core.errors import UnknownMigration, UnknownPlan

    for read in (client.migration, client.plan, client.run):
        try:
            return read(what)
        except (UnknownMigration, UnknownPlan):
            continue
    if (migration := last_migration_of(client, what)) is not None:
        return migration
    raise UnknownMigration(
        f"no migration, plan or run is {what!r}, and no VM of that name was ever moved",
        remedy="See `godwit history` for migrations; ids begin with m-, p- and r-.",
    )
