"""Following: from an accepted plan to its outcome, through lost connections and interruptions.

What is followed goes on by itself. A lost controller is no lost migration: attach again, read the
state, go on. Leaving early says what goes on and how to get back to it.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from types import FrameType
from typing import Final

import typer

from godwit import wire
from godwit.cli.board import NOT_STARTED, Board, Reading
from godwit.cli.screen import Screen
from godwit.cli.session import Session
from godwit.cli.views.live import LiveView
from godwit.cli.views.progress import JsonLines, ProgressView, TextLines
from godwit.cli.words import CLOSING
from godwit.client import ControllerUnreachable
from godwit.core.errors import Refused

__all__ = ["follow", "interruptible", "migration_status", "run_status"]

_LEAVING_S: Final = 0.2


@contextmanager
def interruptible() -> Iterator[None]:
    """Make a closed terminal and SIGTERM the same as Ctrl-C, as long as this lasts.

    A signal that is handled or ignored already (``nohup``) is left as it is.
    """
    taken = []
    if threading.current_thread() is threading.main_thread():  # no other thread has signals
        taken = [
            one
            for one in (signal.SIGHUP, signal.SIGTERM)
            if signal.getsignal(one) is signal.SIG_DFL
        ]
    for one in taken:
        signal.signal(one, _interrupt)
    try:
        yield
    finally:
        for one in taken:
            signal.signal(one, signal.SIG_DFL)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def follow(
    session: Session,
    screen: Screen,
    acceptance: wire.Acceptance,
    *,
    abort_on_interrupt: bool = False,
    until_started: bool = False,
) -> Board:
    """Follow what was accepted until it is over, or only until every migration of it has started.

    Returns the last state. Raises: typer.Exit with 130 when it is left to go on.
    """
    board = Board(acceptance=acceptance, until_started=until_started)
    view = _view(screen)
    try:
        with interruptible(), view:
            try:
                _follow(session, board, view)
            except KeyboardInterrupt:
                if not abort_on_interrupt:
                    raise
                view.note("Interrupted: cancelling, and waiting for the outcome.")
                _cancel_all(session, acceptance)
                _follow(session, board, view)
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError) as error:
        _say_goodbye(session, screen, board, acceptance)
        raise typer.Exit(int(wire.ExitStatus.INTERRUPTED)) from error
    return board


def _view(screen: Screen) -> ProgressView:
    if screen.is_json:
        return JsonLines(screen)
    return LiveView(screen) if screen.is_terminal else TextLines(screen)


def _follow(session: Session, board: Board, view: ProgressView) -> None:
    acceptance = board.acceptance
    # Steps between the acceptance and this reading are still in the stream: they come first, and
    # the reading counts when they have been told.
    reading = _read(session, acceptance)
    after = acceptance.last_notice if not board.migrations else reading.last_notice
    while not board.is_over():
        with suppress(ControllerUnreachable):
            _watch(session, board, view, after, reading)
        if not board.is_over():
            # The stream ended or lost something: the state itself is the only truth left.
            reading = _read_again(session, board, view)
            after = reading.last_notice


def _watch(
    session: Session, board: Board, view: ProgressView, after: int, reading: Reading
) -> None:
    """Take notices until it is over, or until the stream ends or has lost some."""
    if after >= reading.last_notice:
        _take_reading(board, view, reading)
    if board.is_over():
        return
    with closing(session.client.watch(after)) as notices:
        for notice in notices:
            if notice.kind == "reset":
                return
            if board.concerns(notice):
                board.take(notice)
                view.show(board, notice)
            if after < reading.last_notice <= notice.number:
                _take_reading(board, view, reading)
            after = notice.number
            if board.is_over():
                return
    # It ended in order, so its controller is leaving: let it go first.
    time.sleep(_LEAVING_S)


def _take_reading(board: Board, view: ProgressView, reading: Reading) -> None:
    board.take_reading(reading)
    view.show(board, None)


def _read_again(session: Session, board: Board, view: ProgressView) -> Reading:
    try:
        return _read(session, board.acceptance)
    except ControllerUnreachable:
        view.note("The controller went away; what it started goes on. Attaching to a new one.")
    session.reconnect()
    return _read(session, board.acceptance)


def _read(session: Session, acceptance: wire.Acceptance) -> Reading:
    client = session.client
    if acceptance.run is not None:
        run = client.run(acceptance.run)
        return Reading(last_notice=run.last_notice, run=run)
    migrations = tuple(client.migration(one) for one in acceptance.migrations)
    last = min((one.last_notice for one in migrations), default=acceptance.last_notice)
    return Reading(last_notice=last, migrations=migrations)


def _cancel_all(session: Session, acceptance: wire.Acceptance) -> None:
    """Order the abort of everything that was accepted, whether a notice told of it yet or not."""
    client = session.client
    if acceptance.run is not None:
        _unless_over(client.cancel_run, acceptance.run)
    for migration_id in acceptance.migrations:
        _unless_over(client.cancel_migration, migration_id)


def _unless_over(cancel: Callable[[str], object], what: str) -> None:
    # What is refused is over, or past the point of no return: following it tells which.
    with suppress(Refused):
        cancel(what)


def _say_goodbye(
    session: Session, screen: Screen, board: Board, acceptance: wire.Acceptance
) -> None:
    """Say what goes on. Nothing may go wrong here: the terminal may be gone."""
    try:
        for text in _goodbyes(board, acceptance, owned=session.owned):
            screen.note(text)
    except OSError:
        return


def _goodbyes(board: Board, acceptance: wire.Acceptance, *, owned: bool) -> Iterator[str]:
    going = [one for one in board.migrations.values() if not one.is_ended]
    for one in going:
        if owned and one.phase in NOT_STARTED:
            yield f"The migration of {one.vm_name} had not been started, and will not be."
        else:
            yield (
                f"The migration of {one.vm_name} goes on; `godwit status` to follow,"
                f" `godwit cancel {one.id}` to abort."
            )
    for unseen in acceptance.migrations:
        if unseen not in board.migrations:
            yield (
                f"Migration {unseen} was accepted; `godwit status` to follow,"
                f" `godwit cancel {unseen}` to abort."
            )
    if acceptance.run is None:
        return
    if owned:
        yield (
            f"{acceptance.run} starts no further moves, because its controller ends with this"
            f" command; {_how_to_go_on(board.run)}."
        )
    else:
        yield f"{acceptance.run} goes on; `godwit cancel {acceptance.run}` to stop it."


def _how_to_go_on(run: wire.Run | None) -> str:
    if run is None or run.kind not in CLOSING or run.host is None:
        return "plan again to go on with it"
    again = f"`godwit {run.kind} {run.host}` goes on with it"
    return f"{again}, `godwit undrain {run.host}` gives it up"


def migration_status(migration: wire.Migration) -> wire.ExitStatus:
    """Return the exit status that a migration's end stands for."""
    if migration.phase == "done":
        return wire.ExitStatus.OK
    if migration.is_ended:
        return wire.ExitStatus.WORK_FAILED
    return wire.ExitStatus.UNKNOWN


def run_status(run: wire.Run) -> wire.ExitStatus:
    """Return the exit status that a run's end stands for."""
    if any(one.needs_person for one in run.migrations) or not run.is_ended:
        return wire.ExitStatus.UNKNOWN
    if run.state == "done":
        return wire.ExitStatus.OK
    return wire.ExitStatus.WORK_FAILED
