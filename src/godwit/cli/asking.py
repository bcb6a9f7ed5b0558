"""The person's yes: shown a plan first, asked on a terminal, and never assumed elsewhere."""

import typer

from godwit import wire
from godwit.cli.screen import Screen
from godwit.core.errors import BadValue

__all__ = ["confirm", "refuse_unless_asked"]


def refuse_unless_asked(screen: Screen, *, yes: bool, dry_run: bool) -> None:
    """Refuse before anything is read when nobody could say yes. Raises: BadValue."""
    if yes or dry_run or screen.can_ask:
        return
    why = "--output json asks nothing" if screen.is_json else "there is no terminal to ask on"
    raise BadValue(
        f"this would move VMs, and {why}",
        remedy="Add --yes to do it, or --dry-run to see the plan.",
    )


def confirm(question: str) -> None:
    """Ask. Raises: typer.Exit when the answer is no, or none."""
    try:
        if typer.confirm(question):
            return
        status = wire.ExitStatus.WORK_FAILED
    except (typer.Abort, KeyboardInterrupt):
        typer.echo()
        status = wire.ExitStatus.INTERRUPTED
    typer.echo("Nothing was changed.")
    raise typer.Exit(int(status))
