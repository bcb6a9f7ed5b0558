"""``godwit evacuate``: save what can be saved from a failing host."""

import typer

from godwit.cli.gathering import gathered
from godwit.cli.options import examples
from godwit.cli.planned import (
    Acting,
    HostArgument,
    Searching,
    WithinOption,
    ask_for,
    plan_and_carry_out,
    within_s,
)

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "evacuate",
        epilog=examples(
            "godwit evacuate kvm1 --dry-run",
            "godwit evacuate kvm1 --parallel 3 --within 5m --yes",
        ),
    )(gathered(_evacuate))


def _evacuate(
    ctx: typer.Context,
    host: HostArgument,
    acting: Acting,
    searching: Searching,
    within: WithinOption = None,
) -> None:
    """Empty a host that is going to fail, by priority: the urgent first where room is scarce.

    Unlike a drain it lets VMs of other hosts move to make room, and may start while a balance is
    under way. The host is in maintenance until `godwit undrain`.
    """
    from godwit.wire import EvacuateRequest

    asked = ask_for(EvacuateRequest, searching, host=host, deadline_s=within_s(within))
    plan_and_carry_out(ctx, asked, searching.output, acting)
