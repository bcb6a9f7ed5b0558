"""Steering of a running pre-copy: decides at dirty-sync iterations, and only then.

The remaining memory is a saw-tooth that means something only right after a sync. QEMU switches
over when the rest would pass within the pause limit; so a small limit makes it copy on until the
rest is small, and a stalled copy needs a larger one. What else may be done to a copy that does not
come down is tried in the order of what it does to the guest: a longer pause within the promise,
more bandwidth, slower vCPUs, post-copy, a pause beyond the promise where the owner permits one.
Where a pause is aimed at that is shorter than the promise, what is between them comes after these.
What is told to a person when nothing is left stands in ``remedies``.
"""

import math
from typing import Final

from godwit.core.model import Round
from godwit.core.plan import Recipe
from godwit.core.precopy.judging import HOPELESS, STALLED, Case
from godwit.core.precopy.orders import (
    GiveUp,
    Keep,
    Order,
    RaiseBandwidth,
    RaisePause,
    RaiseThrottle,
    Situation,
    StartPostcopy,
)
from godwit.core.precopy.remedies import remedy_of
from godwit.core.precopy.trend import read_trend
from godwit.core.units import format_duration, format_fraction, format_rate

__all__ = ["steer"]

#: The new limit is the implied pause times this: bandwidth is an average of the last 100 ms, and a
#: limit that is just missed costs a whole further round.
_MARGIN: Final = 1.15

#: A rest that fits the limit is about to switch over, unless it has not in so many rounds: the
#: hypervisor goes by its own measurement of the bandwidth, or does not know the limit.
_FITS: Final = 4

#: Raise by at least this factor, so that the number of raises is bounded by a logarithm; and while
#: the guest is not steady by at most its cube, as its next rounds may be calmer.
_STEP: Final = 1.5

#: A hopeless rest is given up after so many rounds past the first and so many seconds. The seconds
#: are for bursts, where rounds are short.
_HOPELESS_ROUNDS: Final = 3
_HOPELESS_S: Final = 4.0

#: ... but not right after a round that left less than all before it by this factor: the guest may
#: just have become calmer.
_NEWS: Final = 0.96

#: Any other stall at the highest limit is waited for: the guest has phases, or is just above.
_PATIENCE_ROUNDS: Final = 12
_PATIENCE_LEVEL_ROUNDS: Final = 5
_PATIENCE_S: Final = 20.0

#: ... and after so many in any case. Fewer than a migration keeps.
_PATIENCE_ROUNDS_MAX: Final = 150

#: The smallest step of the throttle: the hypervisor has no step of nothing.
_THROTTLE_LEAST: Final = 0.01

#: A throttle that has not moved the vCPUs by this after so many rounds and seconds takes no hold;
#: QEMU looks at it once a second, and acts at the second time.
_THROTTLE_HOLDS: Final = 0.05
_THROTTLE_ROUNDS: Final = 5
_THROTTLE_S: Final = 8.0


def steer(recipe: Recipe, rounds: tuple[Round, ...], situation: Situation) -> Order:
    """Decide after the last of ``rounds``, the oldest first.

    The first sync is the start of the copy and says nothing. From the second on, a round that
    left clearly less than the best before it is progress, and nothing is changed unless a deadline
    would be missed. Only a stall raises the limit or goes further, and only one that nothing
    permitted could end is given up.
    """
    left_s = math.inf if recipe.deadline_s is None else recipe.deadline_s - situation.copying_s
    if situation.is_held and left_s <= 0:
        return _give_up_held(recipe, situation)
    blind = situation.is_held or len(rounds) < 2
    trend = None if blind else read_trend(recipe, rounds, situation.changed_at_s)
    if trend is None:
        return Keep(why=_why_blind(rounds, situation))
    case = Case(recipe=recipe, situation=situation, trend=trend, left_s=left_s)
    order = _bound_throttle(case) or _let_it_be(case)
    if order is not None:
        return order
    if case.is_over:
        return _at_the_deadline(case)
    return _longer(case) if case.limit_s < case.most_s else _at_the_promise(case)


def _why_blind(rounds: tuple[Round, ...], situation: Situation) -> str:
    if len(rounds) < 2:
        return "the first pass"
    if situation.is_held:
        return "another migration has the link for now"
    return "no bandwidth measured yet" if situation.changed_at_s is None else "waits for effect"


def _let_it_be(case: Case) -> Order | None:
    """Whether nothing is to be done: it switches over by itself, comes nearer, or is not yet clear.

    A guest that comes nearer is never given up and its limit is not raised; but where it is
    foreseen to settle far above the promise, what else is permitted is begun at once.
    """
    trend = case.trend
    if trend.last_pause_s < case.limit_s and not all(
        one.remaining_bytes < trend.bandwidth_bytes_per_s * one.pause_limit_s
        for one in trend.rounds[-_FITS:]
    ):
        return Keep(why=f"the rest fits the limit ({case.rest}): it is about to switch over")
    if case.is_over or case.is_urgent:
        return None
    if len(trend.stalled) < STALLED and case.is_foreseen:
        return _foreseen(case)
    if not trend.stalled:
        few = len(trend.rounds) < 2
        return Keep(why="one more round shows the trend" if few else _shrinks(case))
    if len(trend.stalled) < STALLED:
        return Keep(why="a round brought nothing; one more shows whether that was a burst")
    return None


def _foreseen(case: Case) -> Order:
    order = _more_bandwidth(case) or _throttle(case) or _postcopy(case)
    return order or Keep(why=f"{_shrinks(case)}, but will settle far above the promise")


def _shrinks(case: Case) -> str:
    return f"the rest shrinks ({case.rest})"


def _longer(case: Case) -> Order:
    """A longer pause: freely up to what is aimed at, and beyond it when nothing else is left."""
    has_target = case.target_s < case.most_s and not case.is_urgent
    if has_target and (_more_bandwidth(case) or _throttle(case) or _postcopy(case)):
        if case.limit_s < case.target_s:
            return _raise_within(case, case.target_s, "target")
        if (order := _at_the_target(case)) is not None:
            return order
    return _raise_within(case, case.most_s, "promise")


def _raise_within(case: Case, top_s: float, of: str) -> Order:
    """Raise the limit as far as the guest's better moments need, or as far as it may go."""
    trend = case.trend
    if trend.best_pause_s > top_s:
        if (order := _more_bandwidth(case)) is not None:
            return order
        if trend.is_level or trend.is_growing or case.is_foreseen:
            return _raise(
                case, top_s, top_s, f"and no less than before, so all of the {of} is tried"
            )
    goal_s = trend.last_pause_s if trend.is_level else trend.best_pause_s
    if not (trend.is_level or case.is_urgent):
        goal_s = min(goal_s, case.limit_s * _STEP**3 / _MARGIN)
    return _raise(case, goal_s * _MARGIN, top_s, "and no less than before")


def _raise(case: Case, goal_s: float, top_s: float, why: str) -> RaisePause:
    new_s = min(max(goal_s, case.limit_s * _STEP), top_s)
    return RaisePause(
        limit_s=new_s,
        why=f"a round leaves {case.rest}, a pause of {format_duration(case.trend.last_pause_s)},"
        f" {why}: limit {format_duration(case.limit_s)} -> {format_duration(new_s)}",
    )


def _at_the_target(case: Case) -> Order | None:
    """What else is permitted comes before a pause longer than is aimed at."""
    if (order := _more_bandwidth(case)) is not None:
        return order
    if not case.at_top:
        return Keep(why="the limit was just raised; the next round shows what it brings")
    if (order := _throttle(case)) is not None:
        return order
    if not _is_ripe(case):
        return Keep(why="at the limit that is aimed at; waiting for a calmer moment of the guest")
    return _postcopy(case)


def _at_the_promise(case: Case) -> Order:
    """All of the promise is in force and the rest does not fit: go on to the other means."""
    if (order := _more_bandwidth(case)) is not None:
        return order
    if not case.at_top and not case.is_urgent:
        return Keep(why="the limit was just raised; the next round shows what it brings")
    if (order := _throttle(case)) is not None:
        return order
    trend = case.trend
    if trend.is_shrinking and not case.is_foreseen and (case.left_s == math.inf or case.gets_there):
        return Keep(why=f"{_shrinks(case)}, slowly")
    if not _is_ripe(case):
        return Keep(why="at the promised limit; waiting for a calmer moment of the guest")
    return _last_means(case) or _give_up(case, "it does not converge")


def _is_hopeless(case: Case) -> bool:
    """Whether nothing of what was seen lets hope for a moment that fits."""
    trend = case.trend
    if case.is_foreseen:
        return True
    least_bytes = min(one.remaining_bytes for one in trend.rounds)
    fits_bytes = trend.bandwidth_bytes_per_s * case.limit_s
    return (trend.is_level or trend.is_growing) and least_bytes > HOPELESS * fits_bytes


def _is_ripe(case: Case) -> bool:
    """Whether the stall at this limit has lasted long enough."""
    top, trend = case.at_top, case.trend
    if len(top) >= _PATIENCE_ROUNDS_MAX:
        return True
    if case.is_near and case.trend.stalled:
        return bool(top)
    *earlier, last = (one.remaining_bytes for one in trend.rounds)
    if earlier and last < _NEWS * min(earlier):
        return False
    if _is_hopeless(case):
        return len(trend.stalled) >= _HOPELESS_ROUNDS and trend.stalled_s >= _HOPELESS_S
    enough = _PATIENCE_LEVEL_ROUNDS if trend.is_level or trend.is_growing else _PATIENCE_ROUNDS
    return len(top) >= enough and top[-1].ended_at_s - top[0].ended_at_s >= _PATIENCE_S


def _more_bandwidth(case: Case) -> Order | None:
    cap, link = case.situation.bandwidth_bytes_per_s, case.recipe.link_bytes_per_s
    if cap is None or case.recipe.bandwidth_is_hard or (link is not None and cap >= link):
        return None
    to = "no limit" if link is None else format_rate(link)
    return RaiseBandwidth(
        bytes_per_s=link,
        why=f"a round leaves {case.rest}, a pause of {format_duration(case.trend.last_pause_s)} of"
        f" {format_duration(case.recipe.pause_max_s)} promised: bandwidth {format_rate(cap)}"
        f" -> {to}",
    )


def _bound_throttle(case: Case) -> Order | None:
    """Shorten the step before the next one would slow the guest more than is permitted."""
    throttle, step = case.recipe.throttle, case.situation.throttle_increment_fraction
    if throttle is None or step <= _THROTTLE_LEAST:
        return None
    room = throttle.most_fraction - case.trend.rounds[-1].throttle_fraction
    if room >= step:
        return None
    # In whole percent, rounded down, as hypervisors take it.
    least = max(_THROTTLE_LEAST, math.floor(room * 100 + 1e-6) / 100)
    if least >= step:
        return None
    return RaiseThrottle(
        increment_fraction=least,
        why=f"no more than {format_fraction(throttle.most_fraction)} is permitted",
    )


def _throttle(case: Case) -> Order | None:
    """Slow the guest's vCPUs, or wait for what that brings; None when it is spent."""
    throttle = case.recipe.throttle
    if throttle is None:
        return None
    now_fraction = case.trend.rounds[-1].throttle_fraction
    if case.situation.throttle_increment_fraction == 0:
        step = min(throttle.increment_fraction, throttle.most_fraction - now_fraction)
        if step < _THROTTLE_LEAST:
            return None
        return RaiseThrottle(
            increment_fraction=step,
            why=f"a round leaves {case.rest}, a pause of"
            f" {format_duration(case.trend.last_pause_s)} of"
            f" {format_duration(case.recipe.pause_max_s)} promised: the vCPUs are slowed by"
            f" {format_fraction(step)} a step, at most {format_fraction(throttle.most_fraction)}",
        )
    if now_fraction >= throttle.most_fraction - 2 * _THROTTLE_LEAST:
        return None
    stalled = case.trend.stalled
    risen = now_fraction - min(one.throttle_fraction for one in stalled) if stalled else 0.0
    is_slow = len(stalled) >= _THROTTLE_ROUNDS and case.trend.stalled_s >= _THROTTLE_S
    if case.is_near or (is_slow and risen < _THROTTLE_HOLDS):
        return None
    return Keep(why=f"the vCPUs are slowed by {format_fraction(now_fraction)}; it takes effect")


def _last_means(case: Case) -> Order | None:
    """What touches the guest most: post-copy, then a pause longer than promised."""
    recipe, trend = case.recipe, case.trend
    if (order := _postcopy(case)) is not None:
        return order
    longer_s = case.longest_s
    if case.limit_s < longer_s and trend.best_pause_s <= longer_s:
        needs_s = trend.last_pause_s if trend.is_level else trend.best_pause_s
        return _raise(
            case,
            max(needs_s * _MARGIN, math.nextafter(case.most_s, math.inf)),
            longer_s,
            f"and nothing else that is permitted brought it within the promise of"
            f" {format_duration(recipe.pause_max_s)}; as the last resort the VM's owner permits a"
            f" pause of {format_duration(recipe.pause_ceiling_s)}",
        )
    return None


def _postcopy(case: Case) -> Order | None:
    if not (case.recipe.postcopy and case.situation.path_is_healthy):
        return None
    return StartPostcopy(
        why=f"the rest is {case.rest}, a pause of {format_duration(case.trend.last_pause_s)} of"
        f" {format_duration(case.recipe.pause_max_s)} promised, and comes down no further: it goes"
        " on at the destination and the rest follows; if either host dies before the last page,"
        " the VM is lost"
    )


def _at_the_deadline(case: Case) -> Order:
    """The time is up: end it now, within what the policy permits."""
    recipe, trend = case.recipe, case.trend
    if trend.last_pause_s <= case.most_s and case.limit_s < case.most_s:
        return _raise(case, trend.last_pause_s * _MARGIN, case.most_s, "and the deadline is here")
    return _last_means(case) or _give_up(
        case, f"the deadline of {format_duration(recipe.deadline_s or 0.0)} is here"
    )


def _give_up_held(recipe: Recipe, situation: Situation) -> GiveUp:
    """Its rounds tell nothing of the guest, so that nothing else is tried at its cost."""
    return GiveUp(
        why=f"the deadline of {format_duration(recipe.deadline_s or 0.0)} is here, after"
        f" {format_duration(situation.copying_s)} of copying, and another migration still has the"
        " link before it",
        remedy="Move it when the others on this link are done; allow it more time; or move fewer"
        " at once.",
    )


def _give_up(case: Case, cause: str) -> GiveUp:
    trend, recipe = case.trend, case.recipe
    last, count = trend.rounds[-1], len(trend.stalled)
    moved = f"the last {count} rounds brought nothing" if count else "the rest still shrinks"
    return GiveUp(
        why=f"{cause}: {moved} ({format_duration(trend.stalled_s)},"
        f" {len(case.at_top)} of them with a limit of {format_duration(case.limit_s)});"
        f" the rest stays at {case.rest}, and the best pause was"
        f" {format_duration(trend.best_pause_s)} of {format_duration(recipe.pause_max_s)} promised"
        f" (the guest writes {format_rate(last.dirty_bytes_per_s)}, the link carries"
        f" {format_rate(trend.bandwidth_bytes_per_s)})",
        remedy=remedy_of(recipe, case.situation, trend, limit_s=case.most_s),
    )
