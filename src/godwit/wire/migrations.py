"""Migrations on the wire: short for lists and live views, whole with every round and decision."""

from godwit.core import migration as core
from godwit.core import model
from godwit.wire.journal import JournalEntry, Sample
from godwit.wire.plans import Move
from godwit.wire.recipes import Forecast, Recipe, forecast_to_wire, recipe_to_wire
from godwit.wire.shape import Reply

__all__ = [
    "Failure",
    "Migration",
    "MigrationDetail",
    "Progress",
    "Result",
    "Round",
    "failure_to_wire",
    "migration_to_wire",
    "progress_to_wire",
    "round_to_wire",
]


class Failure(Reply):
    """Why a migration did not do what was asked."""

    code: str
    cause: str
    evidence: str
    remedy: str


class Result(Reply):
    """What was measured of a migration that ended well. None means not measured, never zero.

    ``outage_causes`` says what the outage consisted of; ``forwarding`` what the forwarding tables
    said of the new place, empty where nobody can read them.
    """

    pause_s: float | None
    outage_s: float | None
    outage_resolution_s: float | None
    answers: bool | None
    total_s: float | None
    transferred_bytes: int | None
    rounds: int
    announced_again: bool
    notes: tuple[str, ...]
    outage_causes: tuple[str, ...] = ()
    forwarding: str = ""


class Round(Reply):
    """One pass of pre-copy, as it stood right after the sync that ended it."""

    number: int
    ended_at_s: float
    remaining_bytes: int
    transferred_bytes: int
    dirty_bytes_per_s: float
    bandwidth_bytes_per_s: float
    pause_limit_s: float
    implied_pause_s: float | None
    took_s: float | None = None
    throttle_fraction: float = 0.0


class Progress(Reply):
    """One reading of a running migration. ``remaining_bytes`` is of the present round alone.

    ``postcopy_requests`` counts the pages that the guest had to wait for at the destination.
    """

    taken_at_s: float
    iteration: int
    elapsed_s: float
    memory_total_bytes: int
    transferred_bytes: int
    remaining_bytes: int
    dirty_bytes_per_s: float
    bandwidth_bytes_per_s: float
    expected_pause_s: float
    throttle_fraction: float = 0.0
    postcopy_requests: int = 0


class Migration(Reply):
    """A migration as it stands. ``runner`` says who runs the guest in its phase."""

    id: str
    plan: str
    vm: str
    vm_name: str
    source: str
    destination: str
    attempt: int
    phase: str
    phase_says: str
    runner: str
    is_ended: bool
    needs_person: bool
    cancel_by_person: bool
    generation: int
    accepted_at_s: float
    entered_at_s: float
    started_at_s: float | None
    stopped_at_s: float | None
    ended_at_s: float | None
    memory_bytes: int
    pause_limit_s: float
    pause_max_s: float
    rounds_done: int
    last_round: Round | None
    last_reading: str
    failure: Failure | None
    result: Result | None
    recipe: Recipe
    forecast: Forecast | None = None


class MigrationDetail(Migration):
    """A migration with its move, its rounds, its decisions and its whole journal.

    ``samples`` are points between the rounds. ``progress`` is None unless it runs now.
    ``last_notice`` was read together with the rest: watching after it misses nothing.
    """

    move: Move
    rounds: tuple[Round, ...]
    journal: tuple[JournalEntry, ...]
    progress: Progress | None
    last_notice: int
    samples: tuple[Sample, ...] = ()


def failure_to_wire(failure: core.Failure) -> Failure:
    """Convert the reason of a failure."""
    return Failure(
        code=failure.code,
        cause=failure.cause,
        evidence=failure.evidence,
        remedy=failure.remedy,
    )


def round_to_wire(one: model.Round) -> Round:
    """Convert a round."""
    return Round(
        number=one.number,
        ended_at_s=one.ended_at_s,
        remaining_bytes=one.remaining_bytes,
        transferred_bytes=one.transferred_bytes,
        dirty_bytes_per_s=one.dirty_bytes_per_s,
        bandwidth_bytes_per_s=one.bandwidth_bytes_per_s,
        pause_limit_s=one.pause_limit_s,
        implied_pause_s=one.implied_pause_s,
        took_s=one.took_s,
        throttle_fraction=one.throttle_fraction,
    )


def progress_to_wire(progress: model.Progress) -> Progress:
    """Convert a reading of the job statistics."""
    return Progress(
        taken_at_s=progress.taken_at_s,
        iteration=progress.iteration,
        elapsed_s=progress.elapsed_s,
        memory_total_bytes=progress.memory_total_bytes,
        transferred_bytes=progress.transferred_bytes,
        remaining_bytes=progress.remaining_bytes,
        dirty_bytes_per_s=progress.dirty_bytes_per_s,
        bandwidth_bytes_per_s=progress.bandwidth_bytes_per_s,
        expected_pause_s=progress.expected_pause_s,
        throttle_fraction=progress.throttle_fraction,
        postcopy_requests=progress.postcopy_requests,
    )


def migration_to_wire(migration: core.Migration) -> Migration:
    """Convert a migration, without its rounds and its journal."""
    move = migration.move
    return Migration(
        id=migration.id,
        plan=migration.plan,
        vm=move.vm,
        vm_name=move.vm_name,
        source=move.source,
        destination=move.destination,
        attempt=migration.attempt,
        phase=migration.phase.word,
        phase_says=migration.phase.says,
        runner=migration.phase.runner.value,
        is_ended=migration.is_ended,
        needs_person=migration.needs_person,
        cancel_by_person=migration.cancel_by_person,
        generation=migration.generation,
        accepted_at_s=migration.accepted_at_s,
        entered_at_s=migration.entered_at_s,
        started_at_s=migration.started_at_s,
        stopped_at_s=migration.stopped_at_s,
        ended_at_s=migration.ended_at_s,
        memory_bytes=move.memory_bytes,
        pause_limit_s=migration.pause_limit_s,
        pause_max_s=move.recipe.pause_max_s,
        rounds_done=len(migration.rounds),
        last_round=round_to_wire(migration.rounds[-1]) if migration.rounds else None,
        last_reading=migration.last_reading,
        failure=failure_to_wire(migration.failure) if migration.failure is not None else None,
        result=_result(migration.result) if migration.result is not None else None,
        recipe=recipe_to_wire(move.recipe),
        forecast=forecast_to_wire(move.forecast),
    )


def _result(result: core.Result) -> Result:
    return Result(
        pause_s=result.pause_s,
        outage_s=result.outage_s,
        outage_resolution_s=result.outage_resolution_s,
        answers=result.answers,
        total_s=result.total_s,
        transferred_bytes=result.transferred_bytes,
        rounds=result.rounds,
        announced_again=result.announced_again,
        notes=result.notes,
        outage_causes=result.outage_causes,
        forwarding=result.forwarding,
    )
