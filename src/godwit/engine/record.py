"""The written life of one migration: the only place where ``step`` is applied to live events.

The order is always the same: judge the event, write it, take it over, tell the observers. So what
observers see is in the journal, and an effect that is ordered afterwards has its intent there.
"""

from collections.abc import Callable

from godwit.core.migration import Event, Migration, Phase, is_ended, step
from godwit.core.model import Progress
from godwit.engine.notices import NoticeKind, Notices
from godwit.ports import Clock, Journal

__all__ = ["Record"]


class Record:
    """Owns the value of one migration."""

    def __init__(
        self, migration: Migration, *, journal: Journal, notices: Notices, clock: Clock
    ) -> None:
        self.migration = migration
        self.progress: Progress | None = None
        self._journal = journal
        self._notices = notices
        self._clock = clock
        self._follower: Callable[[], None] | None = None

    def keep_open(self, follower: Callable[[], None]) -> None:
        """Call this after each event; the journal holds the migration as unfinished until close."""
        self._follower = follower

    def close(self) -> None:
        """Nothing more will be done about a migration that has ended."""
        self._journal.mark_ended(self.migration.id)

    @property
    def phase(self) -> Phase:
        """Where it is."""
        return self.migration.phase

    def now_s(self) -> float:
        """The wall clock, for the time of an event."""
        return self._clock.now_s()

    def write(self, event: Event, text: str = "") -> Migration:
        """Take one event. When this returns, it is durable and the observers know.

        Raises: IllegalTransition, Bug, or the store's error; then nothing has changed.
        """
        changed = step(self.migration, event)
        self._journal.append(self.migration.id, event)
        self.migration = changed
        if is_ended(changed.phase):
            self.progress = None
            if self._follower is None:
                self.close()
        self._notices.publish(
            NoticeKind.MIGRATION,
            at_s=event.at_s,
            text=text or type(event).__name__,
            migration=changed,
        )
        if self._follower is not None:
            self._follower()
        return changed

    def show_progress(self, progress: Progress) -> None:
        """Tell the observers of new statistics; these are not journalled."""
        self.progress = progress
        self._notices.publish(
            NoticeKind.PROGRESS,
            at_s=progress.taken_at_s,
            migration=self.migration,
            progress=progress,
        )

    def is_overdue(self) -> bool:
        """Whether its phase has lasted too long."""
        deadline_s = self.migration.deadline_s
        return deadline_s is not None and self._clock.now_s() > deadline_s
