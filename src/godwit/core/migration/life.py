"""One migration as a value, and the pure step from one event to the next value."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, assert_never

from godwit.core.errors import Bug, IllegalTransition
from godwit.core.migration.events import (
    Accepted,
    CallEnded,
    CallOutcome,
    CancelOrdered,
    ControllerRestarted,
    CopyStarted,
    DeadlinePassed,
    Event,
    Failure,
    Found,
    PauseLimitOrdered,
    PersonAsked,
    PreconditionsBroke,
    PreconditionsHeld,
    RepairOrdered,
    RoundEnded,
    StartOrdered,
    VcpusStopped,
    VerifyEnded,
    Whereabouts,
)
from godwit.core.migration.phases import DEADLINES_S, Phase, is_ended
from godwit.core.migration.result import Result
from godwit.core.migration.table import TABLE
from godwit.core.model import MigrationId, PlanId, Round
from godwit.core.plan import Move
from godwit.core.units import GIB

__all__ = ["Migration", "begin", "replay", "step"]

#: Seconds of copying allowed for each GiB of memory, above the floor. A 64 GiB guest over a link
#: of 1 Gbit/s needs about 9 s per GiB and round: this leaves room for a dozen rounds.
_COPY_S_PER_GIB: Final = 120.0

#: Rounds kept in the value. The journal has them all; a migration of a hundred rounds has told
#: all it has to tell.
_ROUNDS_KEPT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A migration: the fold of its events. ``generation`` counts them, and grows by one each.

    ``could_have_switched`` is False only while it is certain that the vCPUs never stopped for a
    switch-over, which is what allows a verdict when the destination does not answer.
    """

    id: MigrationId
    plan: PlanId
    move: Move
    attempt: int
    phase: Phase
    accepted_at_s: float
    entered_at_s: float
    generation: int = 1
    started_at_s: float | None = None
    stopped_at_s: float | None = None
    ended_at_s: float | None = None
    pause_limit_s: float = 0.0
    rounds: tuple[Round, ...] = ()
    cancel_by_person: bool = False
    failure: Failure | None = None
    result: Result | None = None
    last_reading: str = ""
    could_have_switched: bool = False
    needs_person: bool = False

    @property
    def is_ended(self) -> bool:
        """Whether it is over and nothing is in doubt."""
        return is_ended(self.phase)

    @property
    def deadline_s(self) -> float | None:
        """Until when (epoch seconds) it may stay in its phase; None where it may stay for ever."""
        limit = DEADLINES_S.get(self.phase)
        if limit is None:
            return None
        if self.phase is Phase.COPYING:
            limit += _COPY_S_PER_GIB * self.move.memory_bytes / GIB
        return self.entered_at_s + limit


def begin(accepted: Accepted) -> Migration:
    """Make the migration that an accepted move is the birth of."""
    return Migration(
        id=accepted.id,
        plan=accepted.plan,
        move=accepted.move,
        attempt=accepted.attempt,
        phase=Phase.ACCEPTED,
        accepted_at_s=accepted.at_s,
        entered_at_s=accepted.at_s,
        pause_limit_s=accepted.move.recipe.pause_start_s,
    )


def replay(accepted: Accepted, events: Iterable[Event]) -> Migration:
    """Fold journalled events into the migration they describe; the only recovery there is."""
    migration = begin(accepted)
    for event in events:
        migration = step(migration, event)
    return migration


def step(migration: Migration, event: Event) -> Migration:
    """Return the migration after one event.

    Raises: IllegalTransition when the phase has no row for the event, Bug when an event breaks an
    invariant (a pause limit above the promise). Either changes nothing.
    """
    allowed = TABLE[migration.phase].get(type(event))
    if allowed is None:
        raise IllegalTransition(
            f"{type(event).__name__} can't happen to a migration that is {migration.phase.word}",
            evidence=f"migration {migration.id}, generation {migration.generation}",
        )
    changed = _apply(migration, event)
    if changed.phase not in allowed:
        raise IllegalTransition(
            f"{type(event).__name__} can't lead from {migration.phase.word}"
            f" to {changed.phase.word}",
            evidence=f"migration {migration.id}, generation {migration.generation}",
        )
    changed = replace(changed, generation=migration.generation + 1)
    if changed.phase is not migration.phase:
        changed = replace(changed, entered_at_s=event.at_s)
    if changed.is_ended and changed.ended_at_s is None:
        changed = replace(changed, ended_at_s=event.at_s)
    return changed


def _apply(migration: Migration, event: Event) -> Migration:  # noqa: C901, PLR0911, PLR0912 - one arm an event
    match event:
        case PreconditionsHeld():
            return replace(migration, phase=Phase.CHECKING)
        case PreconditionsBroke():
            return replace(migration, phase=Phase.FAILED, failure=event.failure)
        case StartOrdered():
            return replace(migration, phase=Phase.STARTING, started_at_s=event.at_s)
        case CopyStarted():
            return replace(migration, phase=Phase.COPYING)
        case RoundEnded():
            return replace(migration, rounds=(*migration.rounds, event.round)[-_ROUNDS_KEPT:])
        case PauseLimitOrdered():
            return _set_pause_limit(migration, event)
        case VcpusStopped():
            return _stop(migration, event)
        case CancelOrdered():
            return _cancel(migration, event)
        case CallEnded():
            return _call_ended(migration, event)
        case ControllerRestarted():
            return _restart(migration)
        case RepairOrdered():
            return migration
        case Found():
            return _found(migration, event)
        case VerifyEnded():
            return replace(migration, phase=Phase.DONE, result=event.result)
        case DeadlinePassed():
            return _deadline(migration)
        case PersonAsked():
            return replace(migration, phase=Phase.CONFIRMING, needs_person=False)
        case _:
            assert_never(event)


def _set_pause_limit(migration: Migration, event: PauseLimitOrdered) -> Migration:
    # Asked this way round, so that a limit that is not a number is refused too.
    if not 0 < event.limit_s <= migration.move.recipe.pause_ceiling_s:
        raise Bug(
            "a pause limit above the promise was ordered, or none at all",
            evidence=f"{event.limit_s} s, permitted {migration.move.recipe.pause_ceiling_s} s",
        )
    return replace(migration, pause_limit_s=event.limit_s)


def _stop(migration: Migration, event: VcpusStopped) -> Migration:
    stopped = replace(migration, stopped_at_s=event.at_s, could_have_switched=True)
    if migration.phase is Phase.CANCELLING:
        return stopped
    return replace(stopped, phase=Phase.SWITCHING)


def _cancel(migration: Migration, event: CancelOrdered) -> Migration:
    asked = replace(
        migration,
        cancel_by_person=migration.cancel_by_person or event.by_person,
        failure=migration.failure or event.failure,
    )
    match migration.phase:
        case Phase.ACCEPTED | Phase.CHECKING:
            return replace(asked, phase=Phase.CANCELLED)
        case Phase.CONFIRMING | Phase.UNKNOWN:
            return asked
        case _:
            return replace(asked, phase=Phase.CANCELLING)


def _call_ended(migration: Migration, event: CallEnded) -> Migration:
    # A reason noted earlier (a stall, a deadline) explains more than the abort it led to.
    ended = replace(migration, failure=migration.failure or event.failure)
    if event.outcome is CallOutcome.UNKNOWN or not event.watched:
        ended = replace(ended, could_have_switched=True)
    if migration.phase in {Phase.UNKNOWN, Phase.VERIFYING}:
        return ended
    return replace(ended, phase=Phase.CONFIRMING)


def _restart(migration: Migration) -> Migration:
    if migration.phase in {Phase.SPLIT, Phase.LOST}:
        return migration
    if migration.phase in {Phase.ACCEPTED, Phase.CHECKING}:
        failure = Failure(
            code="not_started",
            cause="the controller ended before the migration was started",
            evidence="the journal holds no order to any host",
            remedy="Ask for it again.",
        )
        return replace(migration, phase=Phase.FAILED, failure=failure)
    # Nobody watched: the vCPUs may have stopped meanwhile.
    return replace(migration, phase=Phase.CONFIRMING, could_have_switched=True)


def _deadline(migration: Migration) -> Migration:
    match migration.phase:
        case Phase.ACCEPTED | Phase.CHECKING:
            return replace(migration, phase=Phase.FAILED, failure=_too_long(migration))
        case Phase.STARTING | Phase.COPYING:
            failure = migration.failure or _too_long(migration)
            return replace(migration, phase=Phase.CANCELLING, failure=failure)
        case Phase.SWITCHING | Phase.CANCELLING:
            # The abort or the switch-over was never answered: what came of it is not certain.
            failure = migration.failure or _too_long(migration)
            return replace(
                migration, phase=Phase.CONFIRMING, failure=failure, could_have_switched=True
            )
        case Phase.VERIFYING:
            result = Result(rounds=len(migration.rounds), notes=("not verified in time",))
            return replace(migration, phase=Phase.DONE, result=result)
        case _:
            return replace(migration, phase=Phase.UNKNOWN, needs_person=True)


def _too_long(migration: Migration) -> Failure:
    limit = (migration.deadline_s or migration.entered_at_s) - migration.entered_at_s
    return Failure(
        code="deadline",
        cause=f"the phase {migration.phase.word!r} lasted longer than {limit:.0f} s",
        evidence=f"entered at {migration.entered_at_s:.0f}, {len(migration.rounds)} rounds done",
        remedy="See `godwit show` for the rounds; more bandwidth or a longer pause may help.",
    )


def _found(migration: Migration, event: Found) -> Migration:
    seen = replace(migration, last_reading=event.why)
    # An alarm of UNKNOWN is over as soon as both hosts have told where the guest is.
    known = replace(seen, needs_person=False)
    match event.where:
        case Whereabouts.SOURCE:
            ended = Phase.CANCELLED if migration.cancel_by_person else Phase.FAILED
            return replace(known, phase=ended, failure=migration.failure or _rolled_back(event))
        case Whereabouts.DESTINATION:
            return replace(known, phase=Phase.VERIFYING, failure=None)
        case Whereabouts.IN_PROGRESS:
            return replace(known, phase=Phase.COPYING)
        case Whereabouts.BOTH:
            return replace(seen, phase=Phase.SPLIT, needs_person=True, failure=_split(event))
        case Whereabouts.NEITHER:
            return replace(seen, phase=Phase.LOST, needs_person=True, failure=_lost(event))
        case Whereabouts.CANNOT_KNOW:
            return replace(seen, phase=Phase.UNKNOWN)
        case _:
            assert_never(event.where)


def _rolled_back(event: Found) -> Failure:
    return Failure(
        code="rolled_back",
        cause="the migration ended without moving the guest",
        evidence=event.why,
        remedy="The guest runs at the source. See the libvirt logs of both hosts, then try again.",
    )


def _split(event: Found) -> Failure:
    return Failure(
        code="split",
        cause="both hosts run the guest",
        evidence=event.why,
        remedy="Stop one copy now with `virsh destroy` on its host (keep the one whose disk lease"
        " or writes you trust), check the file system, then run `godwit resolve`.",
    )


def _lost(event: Found) -> Failure:
    return Failure(
        code="lost",
        cause="neither host runs the guest",
        evidence=event.why,
        remedy="Start it on one host with `virsh start`, then run `godwit resolve`.",
    )
