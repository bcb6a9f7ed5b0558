"""What is known of the migrations and the run that a command follows. Pure: notices in, state.

It holds nothing of how it is shown.
"""

from dataclasses import dataclass, field
from typing import Final

from godwit import wire
from godwit.cli.remaining import Gauge

__all__ = ["NOT_STARTED", "Board", "Reading"]

#: Phases in which no host was asked for anything yet.
NOT_STARTED: Final = frozenset({"accepted", "checking"})
#: Phases in which the copy does not yet run by itself.
_BEFORE_COPY: Final = NOT_STARTED | {"starting"}
#: Rounds of one migration that are kept to judge its trend.
_ROUNDS_KEPT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The state of all that is followed, as new as the notice of that number."""

    last_notice: int
    migrations: tuple[wire.MigrationDetail, ...] = ()
    run: wire.RunDetail | None = None


@dataclass(slots=True, kw_only=True)
class Board:
    """What an acceptance set going: its migrations by id in the order of their start, its run.

    It fills up by notices, so that no step is missed, and by readings, where notices were lost.
    """

    acceptance: wire.Acceptance
    until_started: bool = False
    migrations: dict[str, wire.Migration] = field(default_factory=dict)
    progress: dict[str, wire.Progress] = field(default_factory=dict)
    gauges: dict[str, Gauge] = field(default_factory=dict)
    rounds: dict[str, list[wire.Round]] = field(default_factory=dict)
    run: wire.Run | None = None

    def concerns(self, notice: wire.Notice) -> bool:
        """Whether a notice is about what is followed here."""
        if notice.run is not None:
            return notice.run.id == self.acceptance.run
        if notice.migration is None:
            return False
        if self.acceptance.run is not None:
            # A run starts its migrations one by one.
            return notice.migration.plan == self.acceptance.plan
        return notice.migration.id in self.acceptance.migrations

    def take_reading(self, reading: Reading) -> None:
        """Take the state itself."""
        if reading.run is not None:
            self.put_run(reading.run)
        for migration in reading.migrations:
            self.rounds[migration.id] = list(migration.rounds[:-1])
            self.put(migration, migration.progress)

    def take(self, notice: wire.Notice) -> None:
        """Take a notice that concerns us."""
        if notice.migration is not None:
            self.put(notice.migration, notice.progress)
        if notice.run is not None:
            self.put_run(notice.run)

    def put(self, migration: wire.Migration, progress: wire.Progress | None) -> None:
        """Take a migration; an older value than the one at hand changes nothing."""
        known = self.migrations.get(migration.id)
        if known is None or migration.generation >= known.generation:
            self.migrations[migration.id] = migration
            self._put_round(migration)
        if progress is not None:
            self.progress[migration.id] = progress
            newest = self.migrations[migration.id]
            gauge = self.gauges.setdefault(migration.id, Gauge())
            gauge.update(newest, progress, self.rounds[migration.id])

    def _put_round(self, migration: wire.Migration) -> None:
        rounds, last = self.rounds.setdefault(migration.id, []), migration.last_round
        if last is not None and (not rounds or rounds[-1].number < last.number):
            rounds.append(last)
            del rounds[:-_ROUNDS_KEPT]

    def put_run(self, run: wire.Run) -> None:
        """Take a run with its migrations."""
        self.run = run
        for migration in run.migrations:
            self.put(migration, None)

    def is_over(self) -> bool:
        """Whether there is nothing more to follow: nothing will happen without a person."""
        known = list(self.migrations.values())
        if not self.migrations.keys() >= set(self.acceptance.migrations):
            return False
        if self.acceptance.run is not None and self.run is None:
            return False
        if self.until_started:
            return all(one.phase not in _BEFORE_COPY for one in known)
        if self.run is None or self.run.is_ended:
            # Migrations of an interrupted run were adopted, and go on.
            return all(one.is_ended or one.needs_person for one in known)
        stuck = sum(one.needs_person for one in known)
        waiting = len(self.run.remaining) - len(self.run.unplaced)
        # Each stuck migration holds one of the places; when it holds the last, nothing starts.
        return stuck > 0 and (stuck >= self.run.parallel or stuck >= waiting)
