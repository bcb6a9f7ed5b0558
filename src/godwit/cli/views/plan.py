"""A plan before it is accepted: every move with its reason, its forecast, every refusal."""

from godwit import wire
from godwit.cli.screen import Screen
from godwit.cli.views.forecast import show_forecast, show_forecast_line
from godwit.cli.views.timetable import show_makespan, show_stuck, show_when
from godwit.cli.views.worth import show_terms, show_worth
from godwit.cli.words import CLOSING, KINDS, bandwidth_of, count_words
from godwit.core.units import format_bytes, format_duration

__all__ = ["how_to_accept", "show_plan", "show_unplaced"]


def show_plan(screen: Screen, plan: wire.Plan, *, whole: bool = True) -> None:
    """Print a plan; ``whole`` adds what was weighed, and what the forecast of a move rests on."""
    alone = plan.kind == "migrate"
    if not alone:
        _show_heading(screen, plan)
    for number, move in enumerate(plan.moves, start=1):
        _show_move(screen, move, "" if alone else f"{number}. ", whole=whole)
        if plan.timed is not None:
            show_when(screen, plan.timed, number - 1, indent=3)
    show_unplaced(screen, plan.unplaced)
    if plan.timed is not None:
        show_stuck(screen, plan.timed)
    if plan.moves or plan.unplaced:
        for reason in plan.reasons:
            screen.line(f"Note: {reason}")
    for note in (*plan.notes, *(plan.timed.notes if plan.timed is not None else ())):
        screen.line(f"Note: {note}")
    if not alone:
        show_terms(screen, plan)


def how_to_accept(plan: wire.Plan) -> str:
    """What is said behind a plan that was only shown; nothing where there is nothing to do."""
    return f" Carry it out with: godwit accept {plan.id}" if plan.moves else ""


def _show_heading(screen: Screen, plan: wire.Plan) -> None:
    stuck = plan.timed.stuck if plan.timed is not None else ()
    staying = len(plan.unplaced) + len(stuck)
    hosts = " and ".join(plan.leaving)
    what = KINDS[plan.kind]
    if plan.kind in CLOSING and hosts:
        what += f" of {hosts}"
    if not plan.moves and not staying:
        _show_nothing(screen, plan, what)
        return
    moves = count_words(len(plan.moves), "move")
    at_once = (
        ", one after the other" if plan.parallel == 1 else f", at most {plan.parallel} at once"
    )
    if len(plan.moves) < 2:
        at_once = ""
    stays = f"; {staying} can't be moved" if staying else ""
    screen.line(f"{what}: {moves}{at_once}{stays}.", style="bold")
    if plan.kind == "consolidate" and hosts:
        screen.line(f"Without a VM then: {hosts}.")
    if plan.timed is not None:
        show_makespan(screen, plan.timed)


def _show_nothing(screen: Screen, plan: wire.Plan, what: str) -> None:
    """Say that nothing moves, and why: that is an answer, too."""
    if plan.kind in {"drain", "evacuate"}:
        screen.line(f"{plan.host} runs no VM: this only puts it into maintenance.")
        return
    screen.line(f"{what}: nothing is to be moved.", style="bold")
    for reason in plan.reasons:
        screen.line(f"Why: {reason}", indent=2)


def _show_move(screen: Screen, move: wire.Move, lead: str, *, whole: bool) -> None:
    size = f"{format_bytes(move.memory_bytes)}, {count_words(move.vcpus, 'vCPU')}"
    screen.line(f"{lead}{move.vm_name} ({size}): {move.source} -> {move.destination}", style="bold")
    indent = 3 if lead else 2
    screen.line(f"Why {move.destination}: {move.reason}", indent=indent)
    if move.worth is not None:
        show_worth(screen, move.worth, indent=indent)
    for candidate in move.choice.candidates:
        for refusal in candidate.refusals:
            screen.line(f"Not {candidate.host}: {refusal.why}", indent=indent)
    for warning in move.warnings:
        screen.line(f"Warning: {warning}", indent=indent, style="yellow")
    if lead:
        limit = format_duration(move.recipe.pause_max_s)
        screen.line(f"Pause at most {limit}; sends {bandwidth_of(move.recipe)}.", indent=indent)
        show_forecast_line(screen, move, indent=indent)
    else:
        show_forecast(screen, move, indent=indent, whole=whole)


def show_unplaced(screen: Screen, unplaced: tuple[wire.Unplaced, ...]) -> None:
    """Print the VMs that stay, with every reason and what would help."""
    for one in unplaced:
        screen.line(
            f"{one.vm_name} can't be moved; it stays on {one.choice.source} and runs on:",
            style="bold red",
        )
        for refusal in one.refusals:
            screen.line(refusal.why, indent=3)
            screen.line(f"Remedy: {refusal.remedy}", indent=5)
