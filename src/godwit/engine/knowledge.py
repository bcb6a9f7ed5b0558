"""What migrations teach: each that has ended is learnt from, and its forecast is put beside it.

What is learnt makes the next forecast better and nothing else: whatever fails here is logged, and
harms neither the migration nor its record.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Final

from godwit.core.errors import GodwitError
from godwit.core.migration import (
    Accepted,
    BandwidthOrdered,
    CallEnded,
    ControllerRestarted,
    CopyStarted,
    Event,
    Found,
    Migration,
    Phase,
    RoundEnded,
    Whereabouts,
    replay,
)
from godwit.core.model import MigrationId, PathKey, Round
from godwit.core.precopy import MoveFacts, calibrate, learn_path, learn_vm, score
from godwit.engine.record import Record
from godwit.ports import Clock, Journal, KnowledgeStore

__all__ = ["Learner", "facts_of", "link_share", "without_gaps"]

_LOG = logging.getLogger(__name__)

#: Scores that a calibration looks at, and that are searched for one of the same migration.
_REGARDED: Final = 200
#: Migrations looked through for those that used the same link at the same time.
_LOOK_BACK: Final = 50

#: Ends that say that the copy did not converge. Any other failure says nothing of a forecast.
_NOT_CONVERGED: Final = frozenset({"not_converging", "deadline"})


class Learner:
    """A companion of every migration: learns when it has ended."""

    def __init__(
        self,
        *,
        knowledge: KnowledgeStore,
        journal: Journal,
        clock: Clock,
        newest: Callable[[int], tuple[Migration, ...]],
    ) -> None:
        self._knowledge = knowledge
        self._journal = journal
        self._clock = clock
        self._newest = newest

    async def before_start(self, record: Record) -> None:
        """Nothing is learnt before the end."""

    async def switched(self, record: Record) -> None:
        """Nothing is learnt before the end."""

    async def ended(self, record: Record) -> None:
        """Learn from it. Never raises for the sake of what it could not learn."""
        try:
            self._learn(record.migration.id)
        except GodwitError as error:
            _LOG.warning("nothing was learnt from migration %s: %s", record.migration.id, error)

    def _learn(self, migration_id: MigrationId) -> None:
        if any(one == migration_id for one, _ in self._knowledge.scores(limit=_REGARDED)):
            return  # the controller before this one did, and had no time to note that
        accepted, events = self._journal.life(migration_id)
        facts = facts_of(accepted, events)
        if not facts.rounds:
            return
        move, now_s = accepted.move, self._clock.now_s()
        ended = replay(accepted, events)
        share = link_share(ended, self._newest(_LOOK_BACK), now_s=now_s)
        facts = replace(facts, link_share_fraction=share)
        known = self._knowledge.knowledge(vms=[move.vm])
        key = PathKey(source=move.source, destination=move.destination, stream=move.recipe.stream)
        learnable = facts if _is_whole(events, facts.rounds) else without_gaps(facts)
        self._knowledge.put_vm(learn_vm(known.vms.get(move.vm), move.vm, learnable, now_s))
        on_path = _without_speed(learnable) if _was_limited(events) else learnable
        self._knowledge.put_path(key, learn_path(known.paths.get(key), on_path, now_s))
        if move.forecast is not None and _tells(ended):
            self._knowledge.add_score(migration_id, score(move.forecast, facts, now_s))
            scores = [one for _, one in self._knowledge.scores(limit=_REGARDED)]
            self._knowledge.put_calibration(calibrate(scores))


def _tells(ended: Migration) -> bool:
    """Whether its end says something of the forecast: a person's wish or a broken host does not."""
    if ended.phase is Phase.DONE:
        return True
    failure = ended.failure
    return ended.phase is Phase.FAILED and failure is not None and failure.code in _NOT_CONVERGED


def facts_of(accepted: Accepted, events: Iterable[Event]) -> MoveFacts:
    """What was measured of a migration, from its journal."""
    told = tuple(events)
    ended = replay(accepted, told)
    rounds = tuple(one.round for one in told if isinstance(one, RoundEnded))
    started_s, result = ended.started_at_s, ended.result
    confirmed_s = _confirmed_at_s(told)
    pause_s = result.pause_s if result is not None else None
    total_s = setup_s = ending_s = None
    if started_s is not None:
        if (copying_s := _copying_at_s(told, rounds)) is not None:
            setup_s = max(0.0, copying_s - started_s)
        if confirmed_s is not None:
            total_s = confirmed_s - started_s
    ran_at_s = _ran_at_s(ended, pause_s)
    if confirmed_s is not None and ran_at_s is not None:
        ending_s = max(0.0, confirmed_s - ran_at_s)
    return MoveFacts(
        recipe=accepted.move.recipe,
        rounds=rounds,
        memory_bytes=accepted.move.memory_bytes,
        completed=ended.phase is Phase.DONE,
        postcopy=ended.postcopy_began,
        total_s=total_s,
        setup_s=setup_s,
        ending_s=ending_s,
        pause_s=pause_s,
        outage_s=result.outage_s if result is not None else None,
        sent_bytes=result.transferred_bytes if result is not None else None,
    )


def _ran_at_s(ended: Migration, pause_s: float | None) -> float | None:
    """When the guest ran at the destination; after a post-copy that says nothing of the end."""
    if ended.stopped_at_s is None or pause_s is None or ended.postcopy_began:
        return None
    return ended.stopped_at_s + pause_s


def _copying_at_s(events: tuple[Event, ...], rounds: tuple[Round, ...]) -> float | None:
    """When memory began to flow. The first sync is that instant; statistics are read after it."""
    times = [one.at_s for one in events if isinstance(one, CopyStarted)]
    if rounds and rounds[0].number == 1 and rounds[0].took_s is None:
        times.append(rounds[0].ended_at_s)
    return min(times, default=None)


def _confirmed_at_s(events: tuple[Event, ...]) -> float | None:
    """When both hosts said that the guest runs at the destination."""
    for one in events:
        if isinstance(one, Found) and one.where is Whereabouts.DESTINATION:
            return one.at_s
    return None


def _is_whole(events: tuple[Event, ...], rounds: tuple[Round, ...]) -> bool:
    """Whether one controller watched it from the start to the end, and missed no round."""
    return len(_unbroken(rounds)) == len(rounds) and not any(
        isinstance(one, ControllerRestarted) or (isinstance(one, CallEnded) and not one.watched)
        for one in events
    )


def without_gaps(facts: MoveFacts) -> MoveFacts:
    """Only what was seen before the first round that nobody watched; of its end, nothing."""
    return replace(facts, rounds=_unbroken(facts.rounds), completed=False)


def _unbroken(rounds: tuple[Round, ...]) -> tuple[Round, ...]:
    """The rounds from the first on, up to one that is missing.

    None where the first itself was missed: another would pass for it, with all that was sent
    before in its one pass.
    """
    if not rounds or rounds[0].number != 1:
        return ()
    gaps = (at for at, (a, b) in enumerate(pairwise(rounds), 1) if b.number != a.number + 1)
    return rounds[: next(gaps, len(rounds))]


def _was_limited(events: tuple[Event, ...]) -> bool:
    """Whether its stream was limited on the way: it had its turn on the link, and then not."""
    return any(isinstance(one, BandwidthOrdered) for one in events)


def _without_speed(facts: MoveFacts) -> MoveFacts:
    """What does not depend on how fast memory went: an ordered limit is not the path's speed."""
    return replace(facts, rounds=(), pause_s=None)


def link_share(ended: Migration, others: Iterable[Migration], *, now_s: float) -> float:
    """The share of its link that the other migrations left to one, over the time of its copy.

    Two share a link when they leave from the same host or arrive at the same one.
    """
    begun_s, over_s = _copying_span_s(ended, now_s)
    if over_s <= begun_s:
        return 1.0
    leaving = arriving = 0.0
    for one in others:
        if one.id == ended.id or one.started_at_s is None:
            continue
        from_s, to_s = _copying_span_s(one, now_s)
        overlap = max(0.0, min(over_s, to_s) - max(begun_s, from_s)) / (over_s - begun_s)
        leaving += overlap * (one.move.source == ended.move.source)
        arriving += overlap * (one.move.destination == ended.move.destination)
    return 1.0 / (1.0 + max(leaving, arriving))


def _copying_span_s(one: Migration, now_s: float) -> tuple[float, float]:
    begun_s = one.copying_since_s or one.started_at_s or one.accepted_at_s
    rounds_end_s = one.rounds[-1].ended_at_s if one.rounds else begun_s
    # Memory flows until the guest stops; what comes after that carries next to nothing.
    over_s = one.stopped_at_s or (max(rounds_end_s, begun_s) if one.is_ended else now_s)
    return begun_s, over_s
