"""What is known of the migrations and the drain that a command follows. Pure: notices in, state.

It holds nothing of how it is shown.
"""

from dataclasses import dataclass, field
from typing import Final

from godwit import wire

__all__ = ["NOT_STARTED", "Board", "RoundGauge"]

#: Phases in which no host was asked for anything yet.
NOT_STARTED: Final = frozenset({"accepted", "checking"})
#: Phases in which the copy does not yet run by itself.
_BEFORE_COPY: Final = NOT_STARTED | {"starting"}


@dataclass(slots=True)
class RoundGauge:
    """How much of the present round is done. It starts anew with each round and never runs back.

    The whole of a migration has no such share: how many rounds follow depends on the guest.
    """

    iteration: int = -1
    begun_with_bytes: int = 0
    share: float = 0.0

    def update(self, progress: wire.Progress) -> None:
        """Take a reading."""
        if progress.iteration != self.iteration:
            self.iteration = progress.iteration
            self.share = 0.0
            # The first pass sends everything; a later round what was left when we first saw it.
            first = progress.iteration <= 1
            self.begun_with_bytes = (
                progress.memory_total_bytes if first else progress.remaining_bytes
            )
        if self.begun_with_bytes > 0:
            done = 1 - progress.remaining_bytes / self.begun_with_bytes
            self.share = max(self.share, min(1.0, done))


@dataclass(slots=True)
class Board:
    """The followed migrations by id in the order of their start, and the drain, if it is one."""

    migrations: dict[str, wire.Migration] = field(default_factory=dict)
    progress: dict[str, wire.Progress] = field(default_factory=dict)
    gauges: dict[str, RoundGauge] = field(default_factory=dict)
    drain: wire.Drain | None = None
    until_started: bool = False

    def concerns(self, notice: wire.Notice) -> bool:
        """Whether a notice is about what is followed here."""
        if notice.drain is not None:
            return self.drain is not None and notice.drain.id == self.drain.id
        if notice.migration is None:
            return False
        if notice.migration.id in self.migrations:
            return True
        # A drain starts its migrations one by one.
        return self.drain is not None and notice.migration.plan == self.drain.plan_id

    def take(self, notice: wire.Notice) -> None:
        """Take a notice that concerns us."""
        if notice.migration is not None:
            self.put(notice.migration, notice.progress)
        if notice.drain is not None:
            self.put_drain(notice.drain)

    def put(self, migration: wire.Migration, progress: wire.Progress | None) -> None:
        """Take a migration; an older value than the one at hand changes nothing."""
        known = self.migrations.get(migration.id)
        if known is None or migration.generation >= known.generation:
            self.migrations[migration.id] = migration
        if progress is not None:
            self.progress[migration.id] = progress
            self.gauges.setdefault(migration.id, RoundGauge()).update(progress)

    def put_drain(self, drain: wire.Drain) -> None:
        """Take a drain with its migrations."""
        self.drain = drain
        for migration in drain.migrations:
            self.put(migration, None)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to follow: nothing will happen without a person."""
        if self.until_started:
            return all(one.phase not in _BEFORE_COPY for one in self.migrations.values())
        if self.drain is None or self.drain.is_ended:
            # Migrations of an interrupted drain were adopted, and go on.
            return all(one.is_ended or one.needs_person for one in self.migrations.values())
        stuck = sum(one.needs_person for one in self.migrations.values())
        waiting = len(self.drain.remaining) - len(self.drain.unplaced)
        # Each stuck migration holds one of the places; when it holds the last, nothing starts.
        return stuck > 0 and (stuck >= self.drain.parallel or stuck >= waiting)
