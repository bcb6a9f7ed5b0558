"""``godwit rules``: which rules hold, which exclude each other, which are broken."""

from typing import Annotated

import typer

from godwit.cli.options import Output, OutputOption, examples

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command and the one below it."""
    rules = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    rules.command(
        "check",
        epilog=examples(
            "godwit rules check             what is wrong, and below it every rule in force",
            "godwit rules check --strict    a broken soft rule fails, too",
            "godwit rules check -o json",
        ),
    )(_check)
    app.add_typer(rules, name="rules", help="Where VMs may be, and how they may move.")


def _check(
    ctx: typer.Context,
    strict: Annotated[
        bool, typer.Option("--strict", help="Count broken soft rules as failures.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Hold all rules against each other and against the cluster as it is. Changes nothing.

    Rules come from Godwit itself (room on hosts, CPU, storage, networks, maintenance, N+1), from
    the rules and groups of godwit.toml, and from the VMs' metadata. A hard rule is never broken by
    a plan; a soft one costs its price for each unit by which it is broken.

    Rules that exclude each other are named with the VMs they meet in, before anything is planned.
    What the cluster breaks already is told with its numbers and what would cure it: a plan never
    makes it worse.

    Exit status: 0 when no hard rule is broken and none excludes another, else 1.
    """
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session
    from godwit.cli.views.rules import show_rules_check

    screen = Screen(output)
    with open_session(ctx, screen) as session:
        found = session.client.check_rules()
        if screen.is_json:
            screen.document(found)
        else:
            show_rules_check(screen, found)
    if found.contradictions or any(strict or one.hard for one in found.breaches):
        raise typer.Exit(1)
