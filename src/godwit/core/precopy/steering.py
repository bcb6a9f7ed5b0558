"""Steering of a running pre-copy: decides at dirty-sync iterations, and only then.

The remaining memory is a saw-tooth that means something only right after a sync. QEMU switches
over when the rest would pass within the pause limit; so a small limit makes it copy on until the
rest is small, and a stalled copy needs a larger one. Throttling, post-copy and a forecast before
the start are not decided here yet.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from godwit.core.model import Round
from godwit.core.plan import Recipe
from godwit.core.units import format_bytes, format_duration

__all__ = ["GiveUp", "Keep", "Order", "RaisePause", "steer"]

#: A round must leave at most this share of what the best one before it left, or it has stalled.
_PROGRESS: Final = 0.9

#: The new limit is the implied pause times this: bandwidth is an average of the last 100 ms, and a
#: limit that is just missed costs a whole further round.
_MARGIN: Final = 1.15

#: Raise by at least this factor, so that the number of raises is bounded by a logarithm.
_STEP: Final = 1.5

#: Rounds that may stall at the highest limit before the migration is given up.
_STALLED_AT_MAX: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Leave the limit as it is."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisePause:
    """Raise the pause limit to ``limit_s``, which is never above the recipe's maximum."""

    limit_s: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The promise can't be kept: abort, with the guest unharmed at the source."""

    why: str
    remedy: str


Order: TypeAlias = Keep | RaisePause | GiveUp


def steer(recipe: Recipe, rounds: tuple[Round, ...], limit_s: float) -> Order:
    """Decide after the last of ``rounds``; ``limit_s`` is the limit in force.

    The first sync is the start of the copy and says nothing. From the second on, a round that
    left clearly less than the best before it is progress, and nothing is changed.
    """
    if len(rounds) < 2:
        return Keep(why="the first pass")
    last, before = rounds[-1], rounds[1:-1]
    implied_s = last.implied_pause_s
    if implied_s is None:
        return Keep(why="no bandwidth measured yet")
    if not before:
        return Keep(why="the first pass is over; one more shows the trend")
    best_bytes = min(one.remaining_bytes for one in before)
    if last.remaining_bytes <= best_bytes * _PROGRESS:
        return Keep(why=f"the rest shrinks ({format_bytes(last.remaining_bytes)})")
    if limit_s < recipe.pause_max_s:
        goal_s = max(limit_s * _STEP, min(implied_s * _MARGIN, limit_s * _STEP**3))
        new_s = min(goal_s, recipe.pause_max_s)
        return RaisePause(
            limit_s=new_s,
            why=f"a round leaves {format_bytes(last.remaining_bytes)}, a pause of"
            f" {format_duration(implied_s)}, and no less than before:"
            f" limit {format_duration(limit_s)} -> {format_duration(new_s)}",
        )
    return _at_the_limit(recipe, rounds)


def _at_the_limit(recipe: Recipe, rounds: tuple[Round, ...]) -> Order:
    at_max = [one for one in rounds if one.pause_limit_s >= recipe.pause_max_s]
    if len(at_max) < _STALLED_AT_MAX:
        return Keep(why="at the promised limit; waiting for a calmer moment of the guest")
    implied = [one.implied_pause_s for one in at_max if one.implied_pause_s is not None]
    best_s = min(implied, default=float("inf"))
    if best_s <= recipe.pause_max_s:
        return Keep(why="a recent round would have met the limit")
    last = rounds[-1]
    return GiveUp(
        why=f"it does not converge: in {len(at_max)} rounds at the promised limit of"
        f" {format_duration(recipe.pause_max_s)} the best implied pause was"
        f" {format_duration(best_s)} (the guest writes"
        f" {format_bytes(last.dirty_bytes_per_s)}/s, the link carries"
        f" {format_bytes(last.bandwidth_bytes_per_s)}/s)",
        remedy="Move it when it writes less, give the migration more bandwidth, or allow a longer"
        " pause for this VM.",
    )
