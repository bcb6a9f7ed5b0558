"""``godwit drain``: empty a host."""

from typing import Annotated

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

__all__ = ["MakeRoomOption", "register"]

MakeRoomOption = Annotated[
    bool,
    typer.Option(
        "--make-room", help="VMs of other hosts may move too, where that lets one of these leave."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "drain",
        epilog=examples(
            "godwit drain kvm1 --dry-run",
            "godwit drain kvm1",
            "godwit drain kvm1 --within 10m --make-room",
            "godwit drain kvm1 --parallel 2 --yes -o json",
        ),
    )(gathered(_drain))


def _drain(
    ctx: typer.Context,
    host: HostArgument,
    acting: Acting,
    searching: Searching,
    within: WithinOption = None,
    make_room: MakeRoomOption = False,
) -> None:
    """Empty a host: move all its running VMs away, while their users work on.

    Shows the whole plan first: where each VM goes and why, and each VM that can't be moved, with
    its remedy. No VM is ever stopped. The host is in maintenance until `godwit undrain`;
    `godwit restore` brings its VMs back.
    """
    from godwit.wire import DrainRequest

    asked = ask_for(
        DrainRequest, searching, host=host, deadline_s=within_s(within), make_room=make_room
    )
    plan_and_carry_out(ctx, asked, searching.output, acting)
