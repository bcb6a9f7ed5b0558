"""The hypervisor's own events of one connection, handed from libvirt's thread to asyncio.

Callbacks never call libvirt: they pass a value on and return.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import libvirt

from godwit.core.model import VmId
from godwit.ports import HypervisorEvent, HypervisorEventKind, MigrationStats

__all__ = ["EventFan", "read_stats", "register_events", "unregister_events"]

#: Events kept for a reader that does not keep up. An iteration every few milliseconds for minutes
#: fits; a reader that is slower than that has stopped.
_QUEUE_MAX: Final = 10_000

_LIFECYCLE: Final = {
    (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED): (
        HypervisorEventKind.VCPUS_STOPPED
    ),
    # Sent again when a broken post-copy was taken up.
    (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY): (
        HypervisorEventKind.POSTCOPY_STARTED
    ),
    # On the source, and on the destination, where the guest runs on until it needs a page.
    (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED): (
        HypervisorEventKind.POSTCOPY_BROKE
    ),
    (libvirt.VIR_DOMAIN_EVENT_RESUMED, libvirt.VIR_DOMAIN_EVENT_RESUMED_POSTCOPY_FAILED): (
        HypervisorEventKind.POSTCOPY_BROKE
    ),
}


class EventFan:
    """Hands each event to every reader. Fed from libvirt's thread, read in the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: set[asyncio.Queue[HypervisorEvent]] = set()

    def put(self, event: HypervisorEvent) -> None:
        """Hand an event over; callable from any thread, also when the loop has ended."""
        try:
            self._loop.call_soon_threadsafe(self._deliver, event)
        except RuntimeError:
            return

    def _deliver(self, event: HypervisorEvent) -> None:
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait(event)

    async def read(self) -> AsyncIterator[HypervisorEvent]:
        """Yield events from the first call on, in order."""
        queue: asyncio.Queue[HypervisorEvent] = asyncio.Queue(_QUEUE_MAX)
        self._queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)


def register_events(connection: "libvirt.virConnect", fan: EventFan) -> tuple[int, ...]:
    """Subscribe to all that matters on a fresh connection; returns the subscriptions. Blocking."""
    any_event = connection.domainEventRegisterAny
    subscriptions = (
        any_event(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, _on_lifecycle, fan),
        any_event(None, libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, _on_iteration, fan),
        any_event(None, libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, _on_job_completed, fan),
    )
    connection.registerCloseCallback(_on_close, fan)
    return subscriptions


def unregister_events(connection: "libvirt.virConnect", subscriptions: tuple[int, ...]) -> None:
    """Unsubscribe. Each subscription holds the connection open, whoever closes it. Blocking."""
    if subscriptions:
        with contextlib.suppress(libvirt.libvirtError):
            connection.unregisterCloseCallback()
    for one in subscriptions:
        with contextlib.suppress(libvirt.libvirtError):
            connection.domainEventDeregisterAny(one)


def _on_lifecycle(
    _connection: object, domain: "libvirt.virDomain", event: int, detail: int, fan: EventFan
) -> None:
    kind = _LIFECYCLE.get((event, detail))
    if kind is None and event == libvirt.VIR_DOMAIN_EVENT_RESUMED:
        kind = HypervisorEventKind.RESUMED
    if kind is None and event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
        kind = HypervisorEventKind.STOPPED
    if kind is not None:
        fan.put(HypervisorEvent(kind=kind, vm=VmId(domain.UUIDString()), at_s=time.time()))


def _on_iteration(
    _connection: object, domain: "libvirt.virDomain", iteration: int, fan: EventFan
) -> None:
    fan.put(
        HypervisorEvent(
            kind=HypervisorEventKind.ITERATION,
            vm=VmId(domain.UUIDString()),
            at_s=time.time(),
            iteration=iteration,
        )
    )


def _on_job_completed(
    _connection: object, domain: "libvirt.virDomain", params: dict[str, Any], fan: EventFan
) -> None:
    fan.put(
        HypervisorEvent(
            kind=HypervisorEventKind.JOB_COMPLETED,
            vm=VmId(domain.UUIDString()),
            at_s=time.time(),
            stats=read_stats(params),
        )
    )


def _on_close(_connection: object, _reason: int, fan: EventFan) -> None:
    fan.put(HypervisorEvent(kind=HypervisorEventKind.DISCONNECTED, vm=None, at_s=time.time()))


def read_stats(params: dict[str, Any]) -> MigrationStats:
    """Read the statistics of a completed migration.

    libvirt's ``downtime`` is the difference of two hosts' clocks; ``downtime_net`` is free of their
    skew, but also of the time that the control message took. Where both agree within a second the
    clocks do too, and the first is the whole pause.
    """
    pause_ms = params.get("downtime")
    net_ms = params.get("downtime_net")
    if pause_ms is None or (net_ms is not None and abs(pause_ms - net_ms) > 1000):
        pause_ms = net_ms
    elapsed_ms = params.get("time_elapsed")
    return MigrationStats(
        pause_s=pause_ms / 1000 if pause_ms is not None else None,
        total_s=elapsed_ms / 1000 if elapsed_ms is not None else None,
        transferred_bytes=params.get("data_processed", params.get("memory_processed")),
        iterations=params.get("memory_iteration"),
    )
