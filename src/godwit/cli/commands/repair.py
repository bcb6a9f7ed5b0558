"""``godwit repair``: cure broken rules."""

import typer

from godwit.cli.gathering import gathered
from godwit.cli.options import examples
from godwit.cli.planned import Acting, Searching, ask_for, plan_and_carry_out

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "repair",
        epilog=examples("godwit rules check", "godwit repair --dry-run", "godwit repair"),
    )(gathered(_repair))


def _repair(ctx: typer.Context, acting: Acting, searching: Searching) -> None:
    """Cure broken rules with the fewest moves; nothing moves for its load alone.

    `godwit rules check` says which rules are broken now.
    """
    from godwit.wire import RepairRequest

    plan_and_carry_out(ctx, ask_for(RepairRequest, searching), searching.output, acting)
