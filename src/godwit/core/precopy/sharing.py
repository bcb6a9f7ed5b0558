"""How migrations that run at the same time share one link: who has it, and what the others keep.

Each second that a guest is copied it writes more that must be sent. So on a link that one stream
can fill, one after the other is sooner done than all at once, for the last one too; only what one
stream can't carry is left to the next. Whether one that can't fill the link goes first, with the
others beside it, is decided by what is sooner done. Those that wait keep a trickle: their
connections live, and first passes go on.

The hypervisor lifts its own limit in a switch-over and then competes with the others: their limits
are low before it begins, as they have to be, since nobody is asked again in those milliseconds. A
guest on a trickle can't switch over unless its rest is next to nothing, so no two do at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from godwit.core.model import VmId
from godwit.core.units import MIB, format_duration

__all__ = ["Flow", "LinkShare", "share"]

#: What a migration keeps that waits for its turn: enough to be seen alive (a stream that moves
#: nothing for seconds is taken for cut), little enough to lengthen no pause that anybody notices.
_TRICKLE: Final = 0.03
_TRICKLE_BYTES_PER_S: Final = float(MIB)

#: All trickles together take no more of the link than this.
_TRICKLES: Final = 0.12

#: The one that has the link keeps it unless another order costs less than this part, and in any
#: case when it is as near as this: taking it away then would cost it its whole last rounds.
_SOONER: Final = 0.85
_NEAR_S: Final = 2.0

#: A limit is left as it is while it is this near to what it should be.
_SAME: Final = 0.1

#: Passes looked ahead; a copy that takes more of them does not converge at that bandwidth.
_PASSES: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One running migration on the link.

    ``remaining_bytes`` is what was left when last counted. The guest writes ``dirty_bytes_per_s``
    of distinct memory, no more than ``working_set_bytes`` before it writes the same again.
    ``most_bytes_per_s`` is a limit that a person set or what one such stream can carry, None where
    neither is known. ``now_bytes_per_s`` and ``is_first`` are what the last ``share`` said of it,
    as they are at its start. A higher ``priority`` goes first.
    """

    vm: VmId
    remaining_bytes: float
    dirty_bytes_per_s: float
    working_set_bytes: float
    pause_limit_s: float
    priority: int = 0
    most_bytes_per_s: float | None = None
    now_bytes_per_s: float | None = None
    is_first: bool = False

    def left_s(self, bytes_per_s: float) -> float:
        """How long until its switch-over at this bandwidth; inf where it does not converge."""
        return self._copied(bytes_per_s, math.inf)[1]

    def after(self, bytes_per_s: float, window_s: float) -> "Flow":
        """The same migration when it has been copied at this bandwidth for a while."""
        return replace(self, remaining_bytes=self._copied(bytes_per_s, window_s)[0])

    def _copied(self, bytes_per_s: float, window_s: float) -> tuple[float, float]:
        """What remains after so long, or at the switch-over; and how long it took, at most that."""
        rest_bytes, took_s = self.remaining_bytes, 0.0
        fits_bytes = bytes_per_s * self.pause_limit_s
        for _ in range(_PASSES):
            if rest_bytes <= fits_bytes:
                return rest_bytes, took_s
            pass_s = (rest_bytes - fits_bytes) / bytes_per_s
            if took_s + pass_s >= window_s:
                return rest_bytes - bytes_per_s * (window_s - took_s), window_s
            took_s += pass_s
            rest_bytes = self._written(pass_s)
        return rest_bytes, window_s

    def _written(self, window_s: float) -> float:
        if self.working_set_bytes <= 0:
            return 0.0
        filled = self.dirty_bytes_per_s * window_s / self.working_set_bytes
        return self.working_set_bytes * -math.expm1(-filled)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkShare:
    """What one migration gets of the link.

    ``is_first``: it is the next to switch over. ``is_held``: it waits for its turn.
    """

    vm: VmId
    bytes_per_s: float
    is_first: bool
    is_held: bool
    why: str


def share(link_bytes_per_s: float, flows: Sequence[Flow]) -> tuple[LinkShare, ...]:
    """Divide a link, in the order of ``flows``; the shares add up to at most the link.

    The same flows get the same shares. Ask again at each round of any of them, and when one begins
    or ends: shares that should be nearly what they are stay exactly what they are.
    """
    if not flows:
        return ()
    ranked = _rank(link_bytes_per_s, flows)
    first = ranked[0]
    first_left_s = first.left_s(_can(first, link_bytes_per_s))
    given = _pour(link_bytes_per_s, ranked, spare=first_left_s < _NEAR_S)
    trickle = _trickle(link_bytes_per_s, len(flows))
    settled = _without_flapping(link_bytes_per_s, flows, given)
    return tuple(
        LinkShare(
            vm=one.vm,
            bytes_per_s=settled[one.vm],
            is_first=one is first,
            is_held=one is not first and given[one.vm] <= _can(one, trickle) < _can(one, math.inf),
            why=_why(one, first, first_left_s, alone=len(flows) == 1),
        )
        for one in flows
    )


def _can(flow: Flow, bytes_per_s: float) -> float:
    return min(bytes_per_s, flow.most_bytes_per_s or math.inf)


def _trickle(link_bytes_per_s: float, count: int) -> float:
    """What each of so many keeps at least; never more than an equal share."""
    most = max(link_bytes_per_s * _TRICKLE, _TRICKLE_BYTES_PER_S)
    return min(most, link_bytes_per_s * _TRICKLES / max(1, count - 1), link_bytes_per_s / count)


def _pour(
    link_bytes_per_s: float, ranked: Sequence[Flow], *, spare: bool = False
) -> dict[VmId, float]:
    """Give each a trickle, and the rest in their order; ``spare``: to nobody but the first."""
    trickle = _trickle(link_bytes_per_s, len(ranked))
    free = link_bytes_per_s - sum(_can(one, trickle) for one in ranked)
    given: dict[VmId, float] = {}
    for at, one in enumerate(ranked):
        base = _can(one, trickle)
        more = 0.0 if at and spare else max(0.0, min(_can(one, math.inf) - base, free))
        # Whole bytes, so that no rounding makes the sum more than the link.
        given[one.vm] = float(math.floor(base + more))
        free -= more
    return given


def _rank(link_bytes_per_s: float, flows: Sequence[Flow]) -> list[Flow]:
    """The order in which they get the link: the present one, unless another is worth the change."""
    left_s = {one.vm: one.left_s(_can(one, link_bytes_per_s)) for one in flows}
    soonest = sorted(flows, key=lambda one: (-one.priority, left_s[one.vm], one.vm))
    holder = next((one for one in soonest if one.is_first), None)
    if holder is not None and left_s[holder.vm] <= _NEAR_S:
        return [holder, *(one for one in soonest if one is not holder)]
    # Those that leave some of the link to others, before those that would leave none.
    beside = sorted(
        soonest,
        key=lambda one: (
            -one.priority,
            left_s[one.vm] == math.inf,
            _can(one, link_bytes_per_s) >= link_bytes_per_s,
        ),
    )
    best = min(soonest, beside, key=lambda order: _cost_s(link_bytes_per_s, order))
    if holder is None or left_s[holder.vm] == math.inf or holder.priority < best[0].priority:
        return best
    present = [holder, *(one for one in best if one is not holder)]
    is_worth = _cost_s(link_bytes_per_s, best) < _SOONER * _cost_s(link_bytes_per_s, present)
    return best if is_worth else present


def _cost_s(link_bytes_per_s: float, ranked: Sequence[Flow]) -> float:
    """When the last and, in the mean, each of them is done in this order; without the hopeless."""
    left, now_s, ends_s = list(ranked), 0.0, []
    while left:
        given = _pour(link_bytes_per_s, left)
        left_s = [one.left_s(given[one.vm]) for one in left]
        step_s = min(left_s)
        if step_s == math.inf:
            break
        now_s += step_s
        ends_s += [now_s for each_s in left_s if each_s <= step_s]
        left = [
            one.after(given[one.vm], step_s)
            for one, each_s in zip(left, left_s, strict=True)
            if each_s > step_s
        ]
    return max(ends_s) + sum(ends_s) / len(ends_s) if ends_s else 0.0


def _without_flapping(
    link_bytes_per_s: float, flows: Sequence[Flow], given: dict[VmId, float]
) -> dict[VmId, float]:
    """Leave each share that is nearly right as it is, if all of them together still fit."""
    settled = {
        one.vm: one.now_bytes_per_s
        if one.now_bytes_per_s is not None
        and one.now_bytes_per_s <= _can(one, math.inf)
        and abs(one.now_bytes_per_s - given[one.vm]) <= _SAME * given[one.vm]
        else given[one.vm]
        for one in flows
    }
    return settled if sum(settled.values()) <= link_bytes_per_s else given


def _why(flow: Flow, first: Flow, first_left_s: float, *, alone: bool) -> str:
    if alone:
        return "it has the link to itself"
    soon = "" if first_left_s == math.inf else f" (in about {format_duration(first_left_s)})"
    if flow is first:
        return f"it is the next to switch over{soon}"
    return f"{first.vm} is the next to switch over{soon}"
