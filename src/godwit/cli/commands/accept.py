"""``godwit accept``: carry out a plan that was made before."""

from typing import Annotated

import typer

from godwit.cli.options import (
    AbortOption,
    DetachOption,
    Output,
    OutputOption,
    YesOption,
    examples,
)

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("accept", epilog=examples("godwit plan balance", "godwit accept p-77c1d0"))(_accept)


def _accept(
    ctx: typer.Context,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="The id of a plan of `godwit plan` or --dry-run.")
    ],
    yes: YesOption = False,
    detach: DetachOption = False,
    abort_on_interrupt: AbortOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Carry out a plan that was made before.

    All hosts are read again first. A plan that no longer holds is refused as stale, and nothing is
    changed.
    """
    from godwit.cli.asking import refuse_unless_asked
    from godwit.cli.carrying_out import carry_out, present, refuse_detached_run
    from godwit.cli.screen import Screen
    from godwit.cli.session import open_session

    screen = Screen(output)
    refuse_unless_asked(screen, yes=yes, dry_run=False)
    with open_session(ctx, screen) as session:
        found = session.client.plan(plan)
        if detach and found.kind != "migrate":
            refuse_detached_run(session)
        present(screen, found, dry_run=False)
        carry_out(
            session,
            screen,
            found,
            yes=yes,
            detach=detach,
            abort_on_interrupt=abort_on_interrupt,
        )
