"""Steering of a running pre-copy: decides at dirty-sync iterations, and only then.

The remaining memory is a saw-tooth that means something only right after a sync. QEMU switches
over when the rest would pass within the pause limit; so a small limit makes it copy on until the
rest is small, and a stalled copy needs a larger one. Throttling, post-copy and a forecast before
the start are not decided here yet.
"""

from typing import Final

from godwit.core.model import Round
from godwit.core.plan import Recipe
from godwit.core.precopy.orders import GiveUp, Keep, Order, RaisePause, Situation
from godwit.core.units import format_bytes, format_duration

__all__ = ["steer"]

#: Progress is a round that leaves at most this share of what the last progress left. Slower
#: shrinking counts once it has added up to as much.
_PROGRESS: Final = 0.9

#: Rounds without progress, in a row, that make a stall. One may be a burst of the guest, and a
#: limit once raised stays raised: in simulated bursts (tests/unit/core) waiting for a second one
#: took a quarter off the mean pause for 2 % more time.
_STALLED: Final = 2

#: The new limit is the implied pause times this: bandwidth is an average of the last 100 ms, and a
#: limit that is just missed costs a whole further round.
_MARGIN: Final = 1.15

#: Raise by at least this factor, so that the number of raises is bounded by a logarithm.
_STEP: Final = 1.5

#: A stall at the highest limit ends in giving up after so many rounds in a row, if they took so
#: long: with a promise of 30 ms a round may be over in 50 ms, and a guest's burst is not.
_PATIENCE_ROUNDS: Final = 12
_PATIENCE_S: Final = 20.0

#: ... and after so many in any case. Fewer than a migration keeps.
_PATIENCE_ROUNDS_MAX: Final = 150


def steer(recipe: Recipe, rounds: tuple[Round, ...], situation: Situation) -> Order:
    """Decide after the last of ``rounds``.

    The first sync is the start of the copy and says nothing. From the second on, a round that
    left clearly less than the best before it is progress, and nothing is changed. Only a stall
    raises the limit, and only a long stall at the highest limit ends in giving up.
    """
    if len(rounds) < 3:
        return Keep(why="the first pass" if len(rounds) < 2 else "one more round shows the trend")
    last, limit_s = rounds[-1], situation.pause_limit_s
    implied_s = _implied_pause_s(recipe, last)
    if implied_s is None:
        return Keep(why="no bandwidth measured yet")
    stalled = _rounds_since_progress(rounds[1:])
    if not stalled:
        return Keep(why=f"the rest shrinks ({format_bytes(last.remaining_bytes)})")
    if len(stalled) < _STALLED:
        return Keep(why="a round brought nothing; one more shows whether that was a burst")
    if limit_s < recipe.pause_max_s:
        goal_s = max(limit_s * _STEP, min(implied_s * _MARGIN, limit_s * _STEP**3))
        new_s = min(goal_s, recipe.pause_max_s)
        return RaisePause(
            limit_s=new_s,
            why=f"a round leaves {format_bytes(last.remaining_bytes)}, a pause of"
            f" {format_duration(implied_s)}, and no less than before:"
            f" limit {format_duration(limit_s)} -> {format_duration(new_s)}",
        )
    return _at_the_limit(recipe, stalled)


def _rounds_since_progress(rounds: tuple[Round, ...]) -> tuple[Round, ...]:
    best_bytes = rounds[0].remaining_bytes
    since = 1
    for at, one in enumerate(rounds[1:], start=1):
        if one.remaining_bytes <= best_bytes * _PROGRESS:
            best_bytes, since = one.remaining_bytes, at + 1
    return rounds[since:]


def _implied_pause_s(recipe: Recipe, one: Round) -> float | None:
    """How long the rest would take; never by a bandwidth above what the path can carry."""
    if one.implied_pause_s is None or recipe.link_bytes_per_s is None:
        return one.implied_pause_s
    return max(one.implied_pause_s, one.remaining_bytes / recipe.link_bytes_per_s)


def _at_the_limit(recipe: Recipe, stalled: tuple[Round, ...]) -> Order:
    at_max = [one for one in stalled if one.pause_limit_s >= recipe.pause_max_s]
    took_s = at_max[-1].ended_at_s - at_max[0].ended_at_s if at_max else 0.0
    if len(at_max) < _PATIENCE_ROUNDS or (
        took_s < _PATIENCE_S and len(at_max) < _PATIENCE_ROUNDS_MAX
    ):
        return Keep(why="at the promised limit; waiting for a calmer moment of the guest")
    implied = [_implied_pause_s(recipe, one) for one in at_max]
    best_s = min((one for one in implied if one is not None), default=float("inf"))
    last = at_max[-1]
    return GiveUp(
        why=f"it does not converge: {len(at_max)} rounds in a row at the promised limit of"
        f" {format_duration(recipe.pause_max_s)} brought nothing; their best implied pause was"
        f" {format_duration(best_s)} (the guest writes"
        f" {format_bytes(last.dirty_bytes_per_s)}/s, the link carries"
        f" {format_bytes(last.bandwidth_bytes_per_s)}/s)",
        remedy="Move it when it writes less, give the migration more bandwidth, or allow a longer"
        " pause for this VM.",
    )
