"""Progress on a terminal: redrawn in place, and gone when it is over.

The bar is of the whole migration, as far as that can be known: while the rounds do not shrink, it
stands still, and it never runs back.
"""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from godwit import wire
from godwit.cli.board import Board
from godwit.cli.remaining import Gauge, converging_words, left_words
from godwit.cli.screen import Screen
from godwit.cli.words import CLOSING, COPIES, KINDS, rate_parts, where_runs
from godwit.core.units import format_bytes, format_duration

__all__ = ["LiveView", "render_board"]

_REDRAWS_PER_S: Final = 4
_BAR_WIDTH: Final = 10
#: More would push the top of the display out of a small terminal.
_ENDED_SHOWN: Final = 8

_STYLES = {"done": "green", "failed": "red", "split": "bold red", "lost": "bold red"}


class LiveView:
    """The live display. Between notices the times go on."""

    def __init__(self, screen: Screen) -> None:
        self._board: Board | None = None
        self._live = Live(
            get_renderable=self._render,
            console=screen.console,
            refresh_per_second=_REDRAWS_PER_S,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        return Text("") if self._board is None else render_board(self._board, time.time())

    def show(self, board: Board, notice: wire.Notice | None) -> None:
        """Keep the board; the next redraw shows it."""
        del notice
        self._board = board

    def note(self, text: str) -> None:
        """Say it above the display."""
        self._live.console.print(text)


def render_board(board: Board, now_s: float) -> RenderableType:
    """Draw the board as it stands at ``now_s``."""
    # A list, because the board grows in another thread than the one that draws.
    migrations = list(board.migrations.values())
    active = [one for one in migrations if not one.is_ended]
    ended = [one for one in migrations if one.is_ended]
    lines: list[RenderableType] = []
    if board.run is not None:
        lines.append(Text(_run_line(board.run, now_s), style="bold"))
        lines += [_ended_line(one) for one in ended[-_ENDED_SHOWN:]]
    for migration in active:
        progress = board.progress.get(migration.id)
        gauge = board.gauges.get(migration.id)
        lines += _draw(migration, progress, gauge, now_s)
    return Group(*lines)


def _run_line(run: wire.Run, now_s: float) -> str:
    left = len(run.remaining) - len(run.unplaced)
    what = KINDS[run.kind] + (f" of {run.host}" if run.host and run.kind in CLOSING else "")
    text = f"{what}: {run.moves_planned - left} of {run.moves_planned} moved"
    if run.unplaced:
        text += f", {len(run.unplaced)} can't be moved"
    return f"{text}, {format_duration(max(0.0, now_s - run.accepted_at_s))}"


def _ended_line(migration: wire.Migration) -> Text:
    text = f"  {migration.vm_name} -> {migration.destination}: {migration.phase}"
    if migration.result is not None and migration.result.pause_s is not None:
        text += f", pause {format_duration(migration.result.pause_s)}"
    if migration.failure is not None:
        text += f", {migration.failure.cause}"
    return Text(text, style=_STYLES.get(migration.phase, ""), overflow="ellipsis", no_wrap=True)


def _draw(
    migration: wire.Migration,
    progress: wire.Progress | None,
    gauge: Gauge | None,
    now_s: float,
) -> Iterator[RenderableType]:
    title = Text(f"{migration.vm_name}  {migration.source} -> {migration.destination}  ", "bold")
    title.append(migration.phase, style=_STYLES.get(migration.phase, "cyan"))
    since_s = migration.started_at_s or migration.accepted_at_s
    title.append(f"  {format_duration(max(0.0, now_s - since_s))}", style="dim")
    yield title
    if migration.phase not in COPIES or progress is None or gauge is None:
        yield Text(f"  {migration.phase_says}; the guest runs on: {where_runs(migration)}")
        return
    yield _bar_line(migration, progress, gauge)
    yield Padding(Text(", ".join(rate_parts(migration, progress))), (0, 0, 0, 2))
    if migration.phase == "postcopy":
        yield Text(f"  the guest runs on {migration.destination}; there is no way back")
        return
    last = migration.last_round
    # The first sync is the start of the copy: everything is left.
    if last is not None and last.number > 1 and last.implied_pause_s is not None:
        yield Text(
            f"  after round {last.number}: {format_bytes(last.remaining_bytes)} were left,"
            f" a pause of {format_duration(last.implied_pause_s)}",
            style="dim",
        )


def _bar_line(migration: wire.Migration, progress: wire.Progress, gauge: Gauge) -> RenderableType:
    says = [f"{format_bytes(progress.remaining_bytes)} left"]
    if migration.phase == "copying":
        says = [f"round {max(1, progress.iteration)}", *says, converging_words(gauge.left)]
    text = ", ".join(says)
    if words := left_words(gauge.left):
        text += f"; {words}"
    grid = Table.grid(padding=(0, 1, 0, 0))
    bar = ProgressBar(total=1.0, completed=gauge.share, width=_BAR_WIDTH)
    grid.add_row(Text(" "), bar, Text(text))
    return grid
