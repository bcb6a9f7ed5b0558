"""``godwit balance``: move what gains more than it costs."""

from typing import Annotated

import typer

from godwit.cli.gathering import gathered
from godwit.cli.options import examples
from godwit.cli.planned import Acting, Searching, ask_for, plan_and_carry_out

__all__ = ["MovesMaxOption", "register"]

MovesMaxOption = Annotated[
    int | None,
    typer.Option("--moves-max", help="Move no more VMs than this.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "balance",
        epilog=examples(
            "godwit balance --dry-run      what would move, what it would gain and cost",
            "godwit balance",
            "godwit balance --moves-max 3 --yes",
        ),
    )(gathered(_balance))


def _balance(
    ctx: typer.Context,
    acting: Acting,
    searching: Searching,
    moves_max: MovesMaxOption = None,
) -> None:
    """Level the load of the hosts with as few moves as pay for themselves.

    A move has its price: its time, the bytes it sends, the risk for its promise. What gains less
    than that stays where it is, and "nothing is worth moving" is an answer, with its reasons.
    """
    from godwit.wire import BalanceRequest

    asked = ask_for(BalanceRequest, searching, moves_most=moves_max)
    plan_and_carry_out(ctx, asked, searching.output, acting)
