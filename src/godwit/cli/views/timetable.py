"""When the moves of a plan run: what waits for what, how long all of it takes, what has no way."""

from collections.abc import Sequence
from typing import Final

from godwit import wire
from godwit.cli.screen import Screen
from godwit.cli.words import join_names
from godwit.core.units import format_duration

__all__ = ["show_given_up", "show_makespan", "show_stuck", "show_when"]

_NO_WAY: Final = {
    "impossible": "has no way to {0}, in any order of these moves",
    "not found": "has no way to {0} that was found",
    "refused": "can't be moved to {0} now",
}


def show_makespan(screen: Screen, timed: wire.TimedPlan) -> None:
    """Print how long all moves take, beside what no order of them could be faster than."""
    if len(timed.moves) < 2:
        return
    line = f"All of it takes {_about(timed.makespan_s)}"
    if timed.lower_bound_s > 0:
        line += (
            f"; no order of these moves could take less than"
            f" {format_duration(timed.lower_bound_s)} (set by {timed.bound_by})"
        )
    screen.line(f"{line}.")


def show_when(screen: Screen, timed: wire.TimedPlan, number: int, *, indent: int) -> None:
    """Print when the move of that place in the plan runs, and what it waits for."""
    if len(timed.moves) < 2:
        return
    move = timed.moves[number]
    places = {one.id: str(place) for place, one in enumerate(timed.moves, start=1)}
    starts = "at once"
    if move.after:
        others = join_names([places[one] for one in move.after])
        starts = f"after {others}, from {_about(move.starts_s)}"
    screen.line(f"When: {starts}, until {_about(move.ends_s)}.", indent=indent)
    if move.after:
        screen.line(f"{move.vm_name} {move.why}.", indent=indent)


def _about(range_s: wire.Range) -> str:
    low, likely, high = map(format_duration, (range_s.low, range_s.likely, range_s.high))
    return f"about {likely}" if low == high else f"about {likely} ({low} to {high})"


def show_stuck(screen: Screen, timed: wire.TimedPlan) -> None:
    """Print the VMs that have a place to go to and no way there, and what would help."""
    for one in timed.stuck:
        says = _NO_WAY[one.kind].format(one.destination)
        screen.line(
            f"{one.vm_name} {says}; it stays on {one.source} and runs on:", style="bold red"
        )
        screen.line(one.why, indent=3)
        screen.line(f"Remedy: {one.remedy}", indent=5)


def show_given_up(screen: Screen, given_up: Sequence[wire.GivenUp]) -> None:
    """Print the moves that were never tried, each with what it waited for in vain."""
    for one in given_up:
        screen.line(
            f"{one.vm_name} was not moved to {one.destination}: that move was not started."
            f" It runs on {one.source}, unharmed.",
            style="bold red",
        )
        screen.line(f"Cause: {one.why}", indent=2)
