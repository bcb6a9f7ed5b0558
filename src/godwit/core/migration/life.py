"""One migration as a value, and the pure step from one event to the next value."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, assert_never

from godwit.core.errors import IllegalTransition
from godwit.core.migration.events import (
    Accepted,
    BandwidthOrdered,
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
    PostcopyBroke,
    PostcopyOrdered,
    PostcopyStarted,
    PreconditionsBroke,
    PreconditionsHeld,
    RecordStepped,
    RepairOrdered,
    ResumeOrdered,
    RoundEnded,
    StartOrdered,
    ThrottleOrdered,
    Traced,
    VcpusStopped,
    VerifyEnded,
    Whereabouts,
)
from godwit.core.migration.failures import lost, rolled_back, split
from godwit.core.migration.permits import check_permitted
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
    ``postcopy_ordered`` and ``postcopy_began`` are never taken back: a guest that ran at the
    destination has left stale memory at the source. ``bandwidth_bytes_per_s`` and
    ``throttle_increment_fraction`` are what was ordered last, at ``changed_at_s``. ``broke_at_s``
    is when the post-copy broke that has not gone on since.
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
    copying_since_s: float | None = None
    broke_at_s: float | None = None
    pause_limit_s: float = 0.0
    bandwidth_bytes_per_s: float | None = None
    throttle_increment_fraction: float = 0.0
    changed_at_s: float | None = None
    postcopy_ordered: bool = False
    postcopy_began: bool = False
    resume_attempts: int = 0
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
        if self.phase in {Phase.COPYING, Phase.POSTCOPY}:
            limit += _COPY_S_PER_GIB * self.move.memory_bytes / GIB
        if self.phase is Phase.RECOVERING and self.broke_at_s is not None:
            # Readings of both hosts may come between; the guest has waited since it broke.
            return self.broke_at_s + limit
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
        bandwidth_bytes_per_s=accepted.move.recipe.bandwidth_bytes_per_s,
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
    invariant or asks for what the recipe does not permit. Either changes nothing.
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
    recipe = migration.move.recipe
    match event:
        case PreconditionsHeld():
            return replace(migration, phase=Phase.CHECKING)
        case PreconditionsBroke():
            return replace(migration, phase=Phase.FAILED, failure=event.failure)
        case StartOrdered():
            return replace(migration, phase=Phase.STARTING, started_at_s=event.at_s)
        case CopyStarted():
            return replace(migration, phase=Phase.COPYING, copying_since_s=event.at_s)
        case RoundEnded():
            return replace(migration, rounds=(*migration.rounds, event.round)[-_ROUNDS_KEPT:])
        case PauseLimitOrdered():
            check_permitted(recipe, event)
            return replace(migration, pause_limit_s=event.limit_s)
        case BandwidthOrdered():
            check_permitted(recipe, event)
            return replace(
                migration, bandwidth_bytes_per_s=event.bytes_per_s, changed_at_s=event.at_s
            )
        case ThrottleOrdered():
            check_permitted(recipe, event)
            return replace(
                migration,
                throttle_increment_fraction=event.increment_fraction,
                changed_at_s=event.at_s,
            )
        case PostcopyOrdered():
            check_permitted(recipe, event)
            return replace(migration, postcopy_ordered=True)
        case VcpusStopped():
            return _stop(migration, event)
        case PostcopyStarted():
            stopped_s = migration.stopped_at_s
            begun = _run_at_destination(migration)
            return replace(begun, stopped_at_s=event.at_s if stopped_s is None else stopped_s)
        case PostcopyBroke():
            return replace(migration, phase=Phase.RECOVERING, broke_at_s=event.at_s)
        case ResumeOrdered():
            return replace(migration, resume_attempts=event.attempt)
        case CancelOrdered():
            return _cancel(migration, event)
        case CallEnded():
            return _call_ended(migration, event)
        case ControllerRestarted():
            return _restart(migration)
        case RepairOrdered() | Traced() | RecordStepped():
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


def _run_at_destination(migration: Migration) -> Migration:
    return replace(
        migration,
        phase=Phase.POSTCOPY,
        postcopy_began=True,
        could_have_switched=True,
        broke_at_s=None,
        needs_person=False,
    )


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
    if migration.phase is Phase.VERIFYING:
        # Both hosts were read since: that it failed is not true any more, whatever it says.
        return replace(ended, failure=migration.failure)
    if migration.phase in {Phase.UNKNOWN, Phase.RECOVERING}:
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


def _deadline(migration: Migration) -> Migration:  # noqa: PLR0911 - one arm a phase
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
        case Phase.POSTCOPY:
            return replace(migration, needs_person=True)
        case Phase.RECOVERING:
            return replace(migration, needs_person=True, failure=_still_broken(migration))
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


def _still_broken(migration: Migration) -> Failure:
    move = migration.move
    return Failure(
        code="postcopy_broken",
        cause=f"the post-copy of {move.vm_name} broke and could not be taken up again yet",
        evidence=f"{migration.resume_attempts} attempts; last reading: {migration.last_reading}",
        remedy=f"Mend the migration network between {move.source} and {move.destination}: it goes"
        " on by itself, once the libvirt of both can take a post-copy up again (11.2 and 11.3"
        " can't: update it, the guest runs on meanwhile). While only the source says that it broke,"
        f" the destination still waits on the dead connection: end that on {move.destination} with"
        f" 'ss -K -tn dst ADDRESS', the address of {move.source} in the migration network. Neither"
        " copy may be stopped, and the one at the source never resumed.",
    )


def _found(migration: Migration, event: Found) -> Migration:  # noqa: PLR0911 - one arm a place
    seen = replace(migration, last_reading=event.why)
    # An alarm of UNKNOWN is over as soon as both hosts have told where the guest is.
    known = replace(seen, needs_person=False)
    match event.where:
        case Whereabouts.SOURCE:
            ended = Phase.CANCELLED if migration.cancel_by_person else Phase.FAILED
            return replace(known, phase=ended, failure=migration.failure or rolled_back(event))
        case Whereabouts.DESTINATION:
            return replace(known, phase=Phase.VERIFYING, failure=None)
        case Whereabouts.IN_PROGRESS if not migration.postcopy_began:
            since_s = migration.copying_since_s
            return replace(
                known,
                phase=Phase.COPYING,
                copying_since_s=event.at_s if since_s is None else since_s,
            )
        case Whereabouts.IN_PROGRESS | Whereabouts.POSTCOPY:
            return _run_at_destination(seen)
        case Whereabouts.POSTCOPY_BROKEN:
            since_s = event.at_s if migration.broke_at_s is None else migration.broke_at_s
            return replace(
                _run_at_destination(seen),
                phase=Phase.RECOVERING,
                broke_at_s=since_s,
                needs_person=migration.needs_person,
            )
        case Whereabouts.BOTH:
            return replace(seen, phase=Phase.SPLIT, needs_person=True, failure=split(event))
        case Whereabouts.NEITHER:
            return replace(seen, phase=Phase.LOST, needs_person=True, failure=lost(event))
        case Whereabouts.CANNOT_KNOW:
            # What broke stays broken while a host is silent.
            recovering = migration.phase is Phase.RECOVERING
            return seen if recovering else replace(seen, phase=Phase.UNKNOWN)
        case _:
            assert_never(event.where)
