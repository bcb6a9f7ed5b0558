"""What a plan is worth: the terms of the objective, and what each move gains and costs."""

import math

from godwit import wire
from godwit.cli.screen import Screen
from godwit.core.units import format_bytes, format_duration, format_fraction

__all__ = ["show_terms", "show_worth"]

#: From here on points stand for "must", not for a load: no sum of loads comes near.
_FORCED: int = 100_000


def show_worth(screen: Screen, worth: wire.Worth, *, indent: int) -> None:
    """Print why this VM, what the move gains by which term, its price, and the next best hosts."""
    screen.line(f"Why this VM: {worth.why_vm}", indent=indent)
    if not worth.gains:
        return
    told = [one for one in worth.gains if abs(one.points) >= 0.005]
    gains = ", ".join(f"{one.term} {one.points:+.2f}" for one in told if abs(one.points) < _FORCED)
    if any(one.points >= _FORCED for one in told):
        gains = f"what must be{', ' if gains else ''}{gains}"
    price = worth.price
    risk = format_fraction(price.pause_risk_fraction)
    screen.line(
        f"Gains: {gains or 'nothing by itself'}. Costs: {price.points:.2f} points (about"
        f" {format_duration(price.time_s)}, {format_bytes(price.sent_bytes)}, risk for the promise"
        f" {risk})",
        indent=indent,
    )
    for other in worth.instead:
        screen.line(f"Why not {other.host}: {other.why}", indent=indent)


def show_terms(screen: Screen, plan: wire.Plan) -> None:
    """Print every term of the objective that counts here, before and after."""
    told = [one for one in plan.terms if one.before or one.after]
    if not told:
        return
    screen.heading("What it is worth, in points")
    rows = [
        (
            one.name,
            one.counts,
            _number(one.before),
            _number(one.after),
            _number(one.bound) if one.bound is not None else "",
            _points(one.gain),
        )
        for one in told
    ]
    columns = ("TERM", "COUNTS", ">BEFORE", ">AFTER", ">AT BEST", ">GAIN")
    # What must be outweighs everything: beside it a sum would say nothing.
    gain = sum(one.gain for one in told if abs(one.gain) < _FORCED)
    screen.table(columns, [*rows, ("all loads and prices", "", "", "", "", _points(gain))])


def _number(amount: float) -> str:
    return f"{amount:.0f}" if amount == math.floor(amount) else f"{amount:.3g}"


def _points(points: float) -> str:
    if abs(points) >= _FORCED:
        return "it must" if points > 0 else "it must not"
    return f"{points:+.2f}" if points else "0"
