"""The control connection of one host: opened when first needed, replaced when it died.

Every blocking call of the driver goes through ``ask``, which bounds it in time and in number and
maps its failure.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import libvirt

from godwit.core.errors import DriverError, HostUnreachable
from godwit.core.model import HostRecord
from godwit.drivers.libvirt.calls import CallLimit, call, leave, start_event_loop
from godwit.drivers.libvirt.capabilities import Capabilities, read_capabilities
from godwit.drivers.libvirt.failures import map_failure
from godwit.drivers.libvirt.watching import EventFan, register_events, unregister_events
from godwit.ports import HypervisorEvent, HypervisorEventKind

__all__ = ["CALL_S", "LOCKED_CALL_S", "HostConnection", "close_connection"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: A control call that takes longer than this is a host in trouble: unknown, not absent.
CALL_S: Final = 15.0
#: A domain whose job lock is taken answers after libvirt's own 30 s.
LOCKED_CALL_S: Final = 45.0
_OPEN_S: Final = 8.0

_KEEPALIVE_INTERVAL_S: Final = 5
_KEEPALIVE_COUNT: Final = 3


class HostConnection:
    """The way to one host's libvirt. Used from one event loop only."""

    def __init__(self, record: HostRecord) -> None:
        start_event_loop()
        self.record = record
        self.fan = EventFan(asyncio.get_running_loop())
        self._connection: libvirt.virConnect | None = None
        self._opening = asyncio.Lock()
        self._limit = CallLimit()
        self._capabilities: Capabilities | None = None
        self._subscriptions: tuple[int, ...] = ()
        self._failure: DriverError | None = None
        self._failed_at_s = 0.0

    @property
    def capabilities(self) -> Capabilities:
        """What the host said when it was connected to."""
        assert self._capabilities is not None, "a control connection has read them"
        return self._capabilities

    async def control(self) -> "libvirt.virConnect":
        """Return the connection for control calls. Raises: HostUnreachable."""
        asked_at_s = time.monotonic()
        async with self._opening:
            if self._connection is not None and self._connection.isAlive():
                return self._connection
            if self._connection is not None:
                self._drop(self._connection)
            if self._failure is not None and self._failed_at_s > asked_at_s:
                # Who waited while it was tried has the answer, and does not try it all again.
                raise self._failure
            try:
                self._connection = await self._connect()
            except DriverError as error:
                self._failure, self._failed_at_s = error, time.monotonic()
                raise
            return self._connection

    def _drop(self, dead: "libvirt.virConnect") -> None:
        self._connection = None
        # Told here too: its own close callback may not come any more once it is closed.
        event = HypervisorEventKind.DISCONNECTED
        self.fan.put(HypervisorEvent(kind=event, vm=None, at_s=time.time()))
        leave(close_connection, dead, self._subscriptions)

    async def _connect(self) -> "libvirt.virConnect":
        connection = await self.open()
        try:
            self._capabilities = await call(read_capabilities, CALL_S, connection)
            self._subscriptions = await call(register_events, CALL_S, connection, self.fan)
        except libvirt.libvirtError as error:
            leave(close_connection, connection)
            raise map_failure(error, host=self.record.name, doing="connecting") from error
        except BaseException:
            leave(close_connection, connection)
            raise
        return connection

    async def open(self) -> "libvirt.virConnect":
        """Open a connection of its own; who asks for it closes it. Raises: HostUnreachable."""
        try:
            return await call(_open, _OPEN_S, self.record.uri)
        except libvirt.libvirtError as error:
            raise HostUnreachable(
                f"{self.record.name} can't be reached",
                evidence=f"{self.record.uri}: {error.get_error_message()}",
                remedy=f"Check that `virsh -c {self.record.uri} list` works from this machine.",
            ) from error

    async def ask(
        self,
        doing: str,
        function: Callable[_P, _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Make one call on the control connection; its failure becomes ours."""
        return await self.ask_within(CALL_S, doing, function, *args, **kwargs)

    async def ask_within(
        self,
        timeout_s: float,
        doing: str,
        function: Callable[_P, _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Make one call that may take longer."""
        async with self._limit.free:
            try:
                return await call(function, timeout_s, *args, **kwargs)
            except libvirt.libvirtError as error:
                raise map_failure(error, host=self.record.name, doing=doing) from error

    async def close(self) -> None:
        """Close the control connection; never waits for a host that hangs."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await call(close_connection, 2.0, connection, self._subscriptions)
            except HostUnreachable:
                return


def _open(uri: str) -> "libvirt.virConnect":
    connection = libvirt.open(uri)
    try:
        connection.setKeepAlive(_KEEPALIVE_INTERVAL_S, _KEEPALIVE_COUNT)
    except libvirt.libvirtError:
        return connection  # a local connection has none, and needs none
    return connection


def close_connection(connection: "libvirt.virConnect", subscriptions: tuple[int, ...] = ()) -> None:
    """Close a connection and what holds it open. Blocking."""
    unregister_events(connection, subscriptions)
    with contextlib.suppress(libvirt.libvirtError):
        connection.close()
