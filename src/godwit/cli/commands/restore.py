"""``godwit restore``: the way back."""

from pathlib import Path
from typing import Annotated

import typer

from godwit.cli.gathering import gathered
from godwit.cli.options import examples
from godwit.cli.planned import Acting, Searching, ask_for, plan_and_carry_out
from godwit.core.errors import BadValue

__all__ = ["FromOption", "RestoredHostArgument", "placement_from", "register"]

RestoredHostArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="HOST",
        help="The host that was emptied: what its last drain or evacuation moved comes back.",
        show_default=False,
    ),
]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="In place of a host: bring every VM back to where it was in this file of"
        " `godwit cluster save`.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "restore",
        epilog=examples(
            "godwit undrain kvm1 && godwit restore kvm1",
            "godwit restore kvm1 --dry-run",
            "godwit restore --from before.json",
        ),
    )(gathered(_restore))


def _restore(
    ctx: typer.Context,
    acting: Acting,
    searching: Searching,
    host: RestoredHostArgument = None,
    file: FromOption = None,
) -> None:
    """Bring VMs back to where they were before a host was emptied.

    A host in maintenance takes none: end that first, with `godwit undrain`. A VM that has gone
    since is left out; one that can't go back stays where it is, with the reason.
    """
    from godwit.wire import RestoreRequest

    asked = ask_for(RestoreRequest, searching, host=host, placement=placement_from(host, file))
    plan_and_carry_out(ctx, asked, searching.output, acting)


def placement_from(host: str | None, file: Path | None) -> dict[str, str] | None:
    """Read where VMs were, if a file was given. Raises: BadValue unless one of both was."""
    if (host is None) == (file is None):
        raise BadValue(
            "what is to be brought back?",
            remedy="Name either the host that was emptied, or a file: --from FILE.",
        )
    if file is None:
        return None
    from godwit.formats import placement_in, read_saved

    saved = read_saved(file)
    if saved.anonymised:
        raise BadValue(
            f"{file} is anonymised: its VMs can't be found in a cluster",
            remedy="Use a file that was saved without --anonymise.",
        )
    return placement_in(saved.cluster)
