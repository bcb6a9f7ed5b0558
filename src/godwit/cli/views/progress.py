"""Progress as lines: for people where there is no terminal, and as JSON for programs."""

import time
from types import TracebackType
from typing import Final, Protocol, Self

from godwit import wire
from godwit.cli.board import Board
from godwit.cli.remaining import Left
from godwit.cli.screen import Screen
from godwit.cli.words import steps_line
from godwit.core.units import format_bytes, format_duration, format_fraction

__all__ = ["JsonLines", "ProgressView", "TextLines"]

#: Between two steps, say something this often, so that silence means that it is stuck.
_SAY_EVERY_S: Final = 5.0


class ProgressView(Protocol):
    """Shows what is going on while a command follows it."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the screen clean."""
        ...

    def show(self, board: Board, notice: wire.Notice | None) -> None:
        """Show the state after a notice; None after the state was read anew."""
        ...

    def note(self, text: str) -> None:
        """Say something that is no notice."""
        ...


class _Plain:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def note(self, text: str) -> None:
        """Say it on the error stream."""
        self._screen.note(text)


class JsonLines(_Plain):
    """Every notice as one line of JSON."""

    def show(self, board: Board, notice: wire.Notice | None) -> None:
        """Print the notice; after a new reading, the state."""
        if notice is not None:
            self._screen.event("notice", notice=notice)
            return
        for migration in board.migrations.values():
            self._screen.event("state", migration=migration)


class TextLines(_Plain):
    """A line for every phase and every round, and now and then one in between."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._said: dict[str, tuple[str, int, float]] = {}
        self._said_at_s: dict[str, float] = {}

    def show(self, board: Board, notice: wire.Notice | None) -> None:
        """Print what is new."""
        changed = None if notice is None or notice.migration is None else notice.migration.id
        for migration in board.migrations.values():
            if notice is None or migration.id == changed:
                gauge = board.gauges.get(migration.id)
                left = gauge.left if gauge is not None else None
                self._show_one(migration, board.progress.get(migration.id), left)

    def _show_one(
        self, migration: wire.Migration, progress: wire.Progress | None, left: Left | None
    ) -> None:
        step = (migration.phase, migration.rounds_done, migration.pause_limit_s)
        before = self._said.get(migration.id)
        now_s = time.monotonic()
        quiet = now_s - self._said_at_s.get(migration.id, now_s)
        if step == before and quiet < _SAY_EVERY_S:
            return
        self._said[migration.id] = step
        self._said_at_s[migration.id] = now_s
        where = f"{migration.vm_name} {migration.source} -> {migration.destination}"
        self._screen.line(
            f"{time.strftime('%H:%M:%S')} {where}: {_news(before, migration, progress, left)}"
        )


def _news(
    before: tuple[str, int, float] | None,
    migration: wire.Migration,
    progress: wire.Progress | None,
    left: Left | None,
) -> str:
    if before is not None and before[0] == migration.phase:
        if migration.rounds_done > before[1] and migration.last_round is not None:
            return _round_news(migration.last_round)
        if migration.pause_limit_s > before[2]:
            return (
                f"pause limit raised to {format_duration(migration.pause_limit_s)}"
                f" (promised: at most {format_duration(migration.pause_max_s)})"
            )
    return steps_line(migration, progress, left)


def _round_news(one: wire.Round) -> str:
    text = f"round {one.number} ended, {format_bytes(one.remaining_bytes)} left"
    if one.implied_pause_s is not None:
        text += (
            f"; stopping here would pause the guest {format_duration(one.implied_pause_s)},"
            f" the limit is {format_duration(one.pause_limit_s)}"
        )
    if one.throttle_fraction > 0:
        text += f"; vCPUs slowed by {format_fraction(one.throttle_fraction)}"
    return text
