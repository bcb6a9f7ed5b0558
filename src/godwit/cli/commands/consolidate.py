"""``godwit consolidate``: empty as many hosts as is safe."""

from typing import Annotated

import typer

from godwit.cli.gathering import gathered
from godwit.cli.options import examples
from godwit.cli.planned import Acting, Searching, ask_for, plan_and_carry_out

__all__ = ["KeepOption", "register"]

KeepOption = Annotated[
    int, typer.Option("--keep", help="Leave so many hosts in use.", min=1, metavar="HOSTS")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "consolidate",
        epilog=examples("godwit consolidate --dry-run", "godwit consolidate --keep 3 --parallel 2"),
    )(gathered(_consolidate))


def _consolidate(
    ctx: typer.Context,
    acting: Acting,
    searching: Searching,
    keep: KeepOption = 2,
) -> None:
    """Empty as many hosts as is safe, to switch them off or to work on them.

    Safe: no host gets above its thresholds, no rule is broken, and the loss of a host can be
    absorbed as far as before. The emptied hosts stay in service: `godwit drain` one of them before
    it is switched off, so that nothing comes back.
    """
    from godwit.wire import ConsolidateRequest

    asked = ask_for(ConsolidateRequest, searching, hosts_least=keep)
    plan_and_carry_out(ctx, asked, searching.output, acting)
