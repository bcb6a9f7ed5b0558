"""Learning from finished migrations: what a VM writes and uses, what a path carries and costs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from godwit.core.model import (
    DirtyObservation,
    DirtySource,
    Estimate,
    PathKnowledge,
    Round,
    VmId,
    VmKnowledge,
)
from godwit.core.plan import Compression, Recipe
from godwit.core.precopy.priors import PLAIN_WIRE_FRACTION, ZERO_WIRE_FRACTION

__all__ = ["MoveFacts", "learn_path", "learn_vm", "observations_of", "with_samples"]

#: Observations kept of one VM, and taken from one migration.
_KEPT: Final = 40
_FROM_ONE_MOVE: Final = 12
#: Later sights count at least this much, so that a path may change.
_FORGETTING: Final = 0.25
#: Costs change less than links do.
_COST_FORGETTING: Final = 0.1
#: One sight moves an estimate by no more than this much of its logarithm times its weight.
_STEP_MOST: Final = 1.2
#: The reading of a round comes so much after its sync, while memory flows on.
_READ_LATE_S: Final = 0.006
#: No pass leaves more than is sent between two looks at what remains.
_TURN_S: Final = 0.05
#: A throttle below this is not felt.
_THROTTLED: Final = 0.05
#: Two syncs this near to each other are the two of one switch-over.
_SWITCHING_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveFacts:
    """What was measured of a migration that ended. None: not measured.

    ``setup_s`` runs from the order to the start of the copy, ``ending_s`` from the guest running at
    the destination to its confirmation, ``total_s`` from the order to the same. ``completed`` is
    whether the guest was moved. ``link_share_fraction`` is what other migrations left of the link.
    """

    recipe: Recipe
    rounds: tuple[Round, ...]
    memory_bytes: int
    completed: bool
    postcopy: bool = False
    total_s: float | None = None
    setup_s: float | None = None
    ending_s: float | None = None
    pause_s: float | None = None
    outage_s: float | None = None
    sent_bytes: float | None = None
    link_share_fraction: float = 1.0


def observations_of(rounds: Sequence[Round]) -> tuple[DirtyObservation, ...]:
    """What the rounds of one migration say of its guest's writing.

    A throttled round says nothing of what the guest writes when it is free. What a pass left
    unsent was not written in it; a round with much of such says nothing either.
    """
    found = []
    for before, one in pairwise(rounds):
        if one.took_s is None or one.took_s < _SWITCHING_S or one.throttle_fraction > _THROTTLED:
            continue
        left, unsure = _left_bytes(before, one)
        late = one.bandwidth_bytes_per_s * _READ_LATE_S
        written = one.remaining_bytes + late / 2 - left
        if written < 0 or left - unsure > 0.15 * one.remaining_bytes + late:
            continue
        found.append(
            DirtyObservation(
                window_s=one.took_s,
                written_bytes=written,
                source=DirtySource.COPIED,
                taken_at_s=one.ended_at_s,
                resolution_bytes=65536.0 + late + unsure,
            )
        )
    return _thinned(found)


def _left_bytes(before: Round, one: Round) -> tuple[float, float]:
    """What the pass left unsent, and how far that may be wrong.

    The first pass sent zeroes as well, so that only the most it may leave is known.
    """
    if before.took_s is None:
        most = one.bandwidth_bytes_per_s * min(one.pause_limit_s, _TURN_S)
        return min(most, one.remaining_bytes) / 2, most / 2
    sent = (one.transferred_bytes - before.transferred_bytes) / PLAIN_WIRE_FRACTION
    late = before.bandwidth_bytes_per_s * _READ_LATE_S
    left = before.remaining_bytes - sent
    return max(0.0, left - late), 0.0


def _thinned(found: list[DirtyObservation]) -> tuple[DirtyObservation, ...]:
    """At most as many as one move may leave, spread over the lengths of their windows."""
    kept = list(found)
    while len(kept) > _FROM_ONE_MOVE:
        ordered = sorted(kept, key=lambda one: one.window_s)
        gaps = [math.log(b.window_s / a.window_s) for a, b in pairwise(ordered)]
        at = gaps.index(min(gaps))
        pair = ordered[at], ordered[at + 1]
        ordered[at : at + 2] = [_mean(*pair)]
        kept = ordered
    return tuple(sorted(kept, key=lambda one: (one.taken_at_s, one.window_s)))


def _mean(a: DirtyObservation, b: DirtyObservation) -> DirtyObservation:
    return replace(
        a,
        window_s=(a.window_s + b.window_s) / 2,
        written_bytes=(a.written_bytes + b.written_bytes) / 2,
        taken_at_s=max(a.taken_at_s, b.taken_at_s),
        resolution_bytes=max(a.resolution_bytes, b.resolution_bytes),
    )


def with_samples(known: VmKnowledge, samples: Iterable[DirtyObservation]) -> VmKnowledge:
    """The same knowledge with more observations; the oldest make room."""
    every = sorted((*known.observations, *samples), key=lambda one: one.taken_at_s)
    return replace(known, observations=tuple(every[-_KEPT:]))


def learn_vm(known: VmKnowledge | None, vm: VmId, facts: MoveFacts, now_s: float) -> VmKnowledge:
    """What is known of a VM after one more migration, also one that did not get to its end."""
    before = known or VmKnowledge(vm=vm)
    learnt = with_samples(before, observations_of(facts.rounds))
    used = _used_bytes(facts)
    first_pass = learnt.first_pass
    if used is not None:
        # The newest counts most: memory in use only wanders, it is not noise.
        first_pass = _seen(first_pass, used, now_s, forgetting=0.8, prior_spread=0.01)
    again_wire = learnt.again_wire
    if facts.recipe.compression is Compression.XBZRLE and (wire := _wire(facts)) is not None:
        again_wire = _seen(again_wire, wire, now_s, prior_spread=0.2)
    return replace(
        learnt,
        first_pass=first_pass,
        again_wire=again_wire,
        migrations=before.migrations + 1,
    )


def _used_bytes(facts: MoveFacts) -> float | None:
    """Memory that was not zero, from what the first pass sent."""
    if len(facts.rounds) < 2 or facts.recipe.compression is Compression.ZSTD:
        return None
    first = facts.rounds[1]
    left = first.bandwidth_bytes_per_s * first.pause_limit_s
    if first.transferred_bytes <= 0 or left > 0.1 * first.transferred_bytes:
        return None
    late = first.bandwidth_bytes_per_s * _READ_LATE_S / 2
    zeroes = ZERO_WIRE_FRACTION
    used = (first.transferred_bytes - late - zeroes * facts.memory_bytes) / (
        PLAIN_WIRE_FRACTION - zeroes
    )
    return used if 0 < used <= facts.memory_bytes * 1.02 else None


def learn_path(known: PathKnowledge | None, facts: MoveFacts, now_s: float) -> PathKnowledge:
    """What is known of a path after one more migration over it."""
    before = known or PathKnowledge()
    later, first = _speeds(facts)
    bandwidth, first_bandwidth = before.bandwidth, before.first_bandwidth
    if first is not None:
        first_bandwidth = _seen(first_bandwidth, first, now_s, prior_spread=0.15)
    if later is None and first is not None and _first_tells(before, first):
        later = first
    if later is not None:
        bandwidth = _seen(bandwidth, later, now_s)
    learnt = replace(before, bandwidth=bandwidth, first_bandwidth=first_bandwidth)
    # What xbzrle saves is the way of one guest's writing, and learnt of that.
    wire = _wire(facts) if facts.recipe.compression is Compression.ZSTD else None
    if wire is not None:
        learnt = replace(learnt, wire=_seen(learnt.wire, wire, now_s, prior_spread=0.2))
    if facts.setup_s is not None:
        learnt = replace(
            learnt,
            setup=_seen(
                learnt.setup, facts.setup_s, now_s, forgetting=_COST_FORGETTING, prior_spread=0.15
            ),
        )
    if not facts.completed:
        return learnt
    if facts.ending_s is not None:
        ending = _seen(
            learnt.ending, facts.ending_s, now_s, forgetting=_COST_FORGETTING, prior_spread=0.1
        )
        learnt = replace(learnt, ending=ending)
    return _learn_pause(learnt, facts, now_s)


def _learn_pause(known: PathKnowledge, facts: MoveFacts, now_s: float) -> PathKnowledge:
    if facts.pause_s is None or facts.pause_s <= 0 or facts.postcopy:
        return known
    rest_s = 0.0
    if facts.rounds and known.bandwidth is not None:
        last_s = facts.rounds[-1].ended_at_s
        rest = max(
            one.remaining_bytes for one in facts.rounds if last_s - one.ended_at_s < _SWITCHING_S
        )
        rest_s = rest / known.bandwidth.value
    fixed_s = max(facts.pause_s - rest_s, 0.0)
    # When most of the pause was the rest, an error of the rest would pass for a fixed cost.
    if fixed_s > 0.3 * facts.pause_s:
        pause = _seen(
            known.pause_fixed, fixed_s, now_s, forgetting=_COST_FORGETTING, prior_spread=0.25
        )
        known = replace(known, pause_fixed=pause)
    if facts.outage_s is not None and facts.outage_s > facts.pause_s:
        extra_s = max(facts.outage_s - facts.pause_s, 0.002)
        outage = _seen(
            known.outage_extra, extra_s, now_s, forgetting=_COST_FORGETTING, prior_spread=0.4
        )
        known = replace(known, outage_extra=outage)
    return known


def _speeds(facts: MoveFacts) -> tuple[float | None, float | None]:
    """Bytes a second on the wire: in later passes, and in the first. A limit is not the path's."""
    later_bytes = later_s = 0.0
    first = None
    cap = facts.recipe.bandwidth_bytes_per_s
    for before, one in pairwise(facts.rounds):
        if one.took_s is None or one.took_s < 0.05:
            continue
        sent = one.transferred_bytes - before.transferred_bytes
        speed = sent / one.took_s
        if speed <= 0 or (cap is not None and 0.85 * cap <= speed <= 1.15 * cap):
            continue
        if before.took_s is None:
            first = speed / facts.link_share_fraction if one.took_s > 0.1 else None
        else:
            later_bytes, later_s = later_bytes + sent, later_s + one.took_s
    later = None
    if later_s >= 0.1:
        later = later_bytes / later_s / facts.link_share_fraction
    return later, first


def _first_tells(known: PathKnowledge, first: float) -> bool:
    """Whether a lone first pass says something of the bandwidth: it may be slower than the path."""
    if known.bandwidth is None:
        return False
    usual = known.first_bandwidth.value if known.first_bandwidth else known.bandwidth.value
    return first > 0.9 * known.bandwidth.value or first < 0.6 * min(usual, known.bandwidth.value)


def _wire(facts: MoveFacts) -> float | None:
    """Wire bytes for a byte of memory that was sent again."""
    if facts.recipe.compression is Compression.NONE:
        return None
    # The second pass of xbzrle fills its cache and sends all pages whole.
    again = facts.rounds[2 if facts.recipe.compression is Compression.XBZRLE else 1 :]
    wire_bytes = memory_bytes = 0.0
    for before, one in pairwise(again):
        if one.took_s is None or one.took_s < 0.1 or before.remaining_bytes <= 0:
            continue
        wire_bytes += one.transferred_bytes - before.transferred_bytes
        memory_bytes += before.remaining_bytes
    return wire_bytes / memory_bytes if memory_bytes > 0 and wire_bytes > 0 else None


def _seen(
    known: Estimate | None,
    value: float,
    now_s: float,
    *,
    forgetting: float = _FORGETTING,
    prior_spread: float = 0.05,
) -> Estimate | None:
    """The estimate after one more sight: a mean of logarithms that forgets.

    No single sight moves it by more than a bounded step.
    """
    if value <= 0 or not math.isfinite(value):
        return known
    if known is None or known.value <= 0:
        return Estimate(value=value, spread_fraction=prior_spread, count=1, updated_at_s=now_s)
    weight = max(1 / (known.count + 1), forgetting)
    off = math.log(value / known.value)
    bound = max(4 * known.spread_fraction, 0.3)
    step = max(-_STEP_MOST, min(_STEP_MOST, off if abs(off) < bound else math.copysign(bound, off)))
    varied = (1 - weight) * known.spread_fraction**2 + weight * (1 - weight) * step**2
    return Estimate(
        value=known.value * math.exp(weight * step),
        spread_fraction=math.sqrt(varied),
        count=known.count + 1,
        updated_at_s=now_s,
    )
