"""The person's yes: shown a plan first, asked on a terminal, and never assumed elsewhere."""

import typer

from godwit import wire
from godwit.cli.screen import Screen
from godwit.cli.words import CLOSING, count_words
from godwit.core.errors import BadValue

__all__ = ["confirm", "question_about", "refuse_unless_asked"]


def refuse_unless_asked(screen: Screen, *, yes: bool, dry_run: bool) -> None:
    """Refuse before anything is read when nobody could say yes. Raises: BadValue."""
    if yes or dry_run or screen.can_ask:
        return
    why = "--output json asks nothing" if screen.is_json else "there is no terminal to ask on"
    raise BadValue(
        f"this would move VMs, and {why}",
        remedy="Add --yes to do it, or --dry-run to see the plan.",
    )


def question_about(plan: wire.Plan) -> str:
    """What a person is asked before a plan is carried out."""
    count = len({one.vm for one in plan.moves})
    vms = count_words(count, "VM")
    if plan.kind == "migrate":
        return f"Move {plan.moves[0].vm_name} to {plan.moves[0].destination}?"
    if plan.kind in CLOSING and plan.leaving:
        hosts = " and ".join(plan.leaving)
        if count == 0:
            return f"Put {hosts} into maintenance?"
        left = len(plan.unplaced) + (len(plan.timed.stuck) if plan.timed is not None else 0)
        stays = f", leaving {left} there" if left else ""
        return f"Move {vms} away from {hosts}{stays}?"
    return f"Move {vms}?"


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
