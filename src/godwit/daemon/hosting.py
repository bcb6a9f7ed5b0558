"""A controller and its API in a thread of their own, with their own event loop, on a Unix socket.

The same for a command's own controller and for ``godwit serve``: signals stay with the main thread,
which is free to talk to a person. What is served is decided by ``godwit.api``.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import uvicorn
from fastapi import FastAPI

from godwit.api import build_app
from godwit.daemon import sockets
from godwit.daemon.compose import build_controller
from godwit.daemon.settings import Settings
from godwit.engine import Controller
from godwit.ports import Connector
from godwit.store import Database, Ownership

__all__ = ["Hosting", "hosting"]

_T = TypeVar("_T")

#: A client that thinks about a plan before it accepts it keeps its connection, and counts.
_KEEP_ALIVE_S: Final = 24 * 3600

#: How long answers that are under way may take once we leave.
_GRACE_S: Final = 2

#: How long the thread may take to end, the closing of the controller included.
_JOIN_S: Final = 10.0


class Hosting:
    """One controller behind one socket, running until ``leave``. Asked from other threads."""

    def __init__(
        self,
        settings: Settings,
        ownership: Ownership,
        *,
        path: Path,
        mode: int,
        connector: Connector | None,
    ) -> None:
        self._settings = settings
        self._ownership = ownership
        self._path = path
        self._mode = mode
        self._connector = connector
        self._loop = asyncio.new_event_loop()
        self._leaving = asyncio.Event()
        self._life = self._loop.create_task(self._live())
        self._ready: Future[tuple[Controller, uvicorn.Server]] = Future()
        # A daemon thread: a hypervisor that does not answer keeps no command from ending.
        self._thread = threading.Thread(target=self._run, name="controller", daemon=True)

    def start(self) -> None:
        """Return when the controller answers. Raises whatever kept it from starting."""
        self._thread.start()
        self._ready.result()

    def leave(self) -> bool:
        """Close the controller; whether it ended. Migrations in flight go on by themselves."""
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._leave)
        self._thread.join(_JOIN_S)
        return not self._thread.is_alive()

    def other_clients(self) -> int:
        """Count the other processes that hold a connection."""
        _, server = self._ready.result()
        pids = self._ask(lambda: {_pid_of(one) for one in server.server_state.connections})
        return len(pids - {os.getpid(), None})

    def is_busy(self) -> bool:
        """Whether migrations or runs are under way."""
        controller, _ = self._ready.result()
        return self._ask(lambda: controller.is_busy)

    def _ask(self, question: Callable[[], _T]) -> _T:
        async def answer() -> _T:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result()

    def _leave(self) -> None:
        self._leaving.set()
        if not self._ready.done():
            # Starting may wait for hosts that do not answer.
            self._life.cancel()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._life)
        except BaseException as failure:
            if self._ready.done():
                raise
            self._ready.set_exception(failure)
        finally:
            # Unlike ``asyncio.run`` this does not wait for threads that still sit in a call.
            self._loop.run_until_complete(_end_tasks())
            self._loop.close()

    async def _live(self) -> None:
        database = Database(self._ownership.directory)
        try:
            controller = build_controller(self._settings, database, connector=self._connector)
            try:
                await controller.start()
                server = _Server(build_app(controller))
                listening = sockets.bind(self._path, mode=self._mode)
                serving = asyncio.create_task(server.serve(sockets=[listening]))
                await _first(serving, self._loop.create_task(server.is_up.wait()))
                self._ownership.announce(self._path)
                self._ready.set_result((controller, server))
                await self._leaving.wait()
            finally:
                # No new client comes in; the streams of the old ones end with the controller.
                sockets.remove(self._path)
                await controller.close()
            server.leave()
            await serving
        finally:
            database.close()


class _Server(uvicorn.Server):
    """Tells when it is up, and ends when it is told to, without asking ten times a second."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="none",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self.is_up = asyncio.Event()
        self._left = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        self.is_up.set()
        await self._left.wait()

    def leave(self) -> None:
        self.should_exit = True
        self._left.set()


async def _first(*tasks: asyncio.Task[Any]) -> None:
    """Wait for the first one to end. Raises what it failed with."""
    ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in ended:
        task.result()


async def _end_tasks() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=_GRACE_S)
    await asyncio.get_running_loop().shutdown_asyncgens()


def _pid_of(connection: asyncio.BaseProtocol) -> int | None:
    transport = getattr(connection, "transport", None)
    return None if transport is None else sockets.peer_pid(transport.get_extra_info("socket"))


@contextmanager
def hosting(
    settings: Settings,
    ownership: Ownership,
    *,
    path: Path,
    mode: int,
    connector: Connector | None = None,
) -> Iterator[Hosting]:
    """Run a controller that answers on ``path`` while the block lasts.

    Gives the ownership back at the end, but only when the controller has really ended: else it is
    kept until the process ends, so that no second one writes to the same store.
    """
    it = Hosting(settings, ownership, path=path, mode=mode, connector=connector)
    try:
        sockets.remove_stale(ownership)
        it.start()
        yield it
    finally:
        if it.leave():
            ownership.release()
