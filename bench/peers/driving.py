"""Carries a peer's policy out over libvirt, as its manager would: peer to peer and live."""

import contextlib
import queue
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import libvirt

from bench.peers.ladders import Abort, Ladder, Order, Seen, SetLimit
from godwit.drivers.libvirt.calls import start_event_loop
from godwit.drivers.libvirt.watching import read_stats
from godwit.lab.lab import Lab
from godwit.ports import MigrationStats

__all__ = ["Outcome", "drive"]

_FLAGS: Final = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PEER2PEER
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
)
#: QEMU's own limit, set back before each migration.
_QEMU_LIMIT_MS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one migration ended. Times are of the monotonic clock of this machine.

    What was sent is of the whole migration, or as last seen before it was aborted.
    """

    begun_s: float
    ended_s: float
    completed: bool
    why_not: str
    pause_s: float | None
    sent_bytes: int | None
    last_limit_ms: int


class _Drive:
    def __init__(self, lab: Lab, guest: str, source: str, destination: str) -> None:
        start_event_loop()
        self._connection = libvirt.open(lab.host(source).uri)
        self._caller = libvirt.open(lab.host(source).uri)
        self._guest = guest
        self._address = lab.host(destination).address
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._domain = self._connection.lookupByName(guest)
        self._stats: dict[str, Any] | None = None
        self._sent_bytes: int | None = None
        self._subscriptions = [
            self._connection.domainEventRegisterAny(
                None,
                libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
                lambda _c, _d, count, events: events.put(("iteration", count)),
                self._events,
            ),
            self._connection.domainEventRegisterAny(
                None,
                libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
                lambda _c, _d, stats, events: events.put(("completed", dict(stats))),
                self._events,
            ),
        ]

    def close(self) -> None:
        for one in self._subscriptions:
            with contextlib.suppress(libvirt.libvirtError):
                self._connection.domainEventDeregisterAny(one)
        self._connection.close()
        self._caller.close()

    def run(self, ladder: Ladder, time_limit_s: float) -> Outcome:
        limit_ms = ladder.first_limit_ms or _QEMU_LIMIT_MS
        self._domain.migrateSetMaxDowntime(limit_ms, 0)
        ended: list[str] = []
        call = threading.Thread(target=self._call, args=(ladder, ended))
        begun_s = time.monotonic()
        call.start()
        why_not, polled_s = "", begun_s
        while call.is_alive():
            is_iteration = self._wait(polled_s + ladder.poll_s)
            is_turn = time.monotonic() >= polled_s + ladder.poll_s
            elapsed_s = time.monotonic() - begun_s
            order: Order = None
            if is_iteration or is_turn:
                polled_s = time.monotonic() if is_turn else polled_s
                seen = self._see(elapsed_s, is_iteration=is_iteration)
                order = ladder.decide(seen) if seen is not None else None
            if elapsed_s > time_limit_s:
                order = Abort("the time limit of the benchmark")
            with contextlib.suppress(libvirt.libvirtError):
                if isinstance(order, SetLimit):
                    self._domain.migrateSetMaxDowntime(order.limit_ms, 0)
                    limit_ms = order.limit_ms
                elif isinstance(order, Abort) and not why_not:
                    self._domain.abortJob()
                    why_not = order.why
        ended_s = time.monotonic()
        stats = self._final_stats() if not ended else None
        return Outcome(
            begun_s=begun_s,
            ended_s=ended_s,
            completed=not ended,
            why_not=(why_not or ended[0]) if ended else "",
            pause_s=stats.pause_s if stats else None,
            sent_bytes=stats.transferred_bytes if stats else self._sent_bytes,
            last_limit_ms=limit_ms,
        )

    def _call(self, ladder: Ladder, ended: list[str]) -> None:
        flags = _FLAGS
        parameters: dict[str, object] = {"migrate_uri": f"tcp://{self._address.migration}"}
        if ladder.throttles:
            flags |= libvirt.VIR_MIGRATE_AUTO_CONVERGE
        if ladder.xbzrle:
            flags |= libvirt.VIR_MIGRATE_COMPRESSED
            parameters["compression"] = "xbzrle"
        try:
            domain = self._caller.lookupByName(self._guest)
            domain.migrateToURI3(self._address.peer_uri, parameters, flags)
        except libvirt.libvirtError as error:
            ended.append(str(error))

    def _wait(self, until_s: float) -> bool:
        """Wait for an iteration, no longer than until then, half a second at most."""
        left_s = min(0.5, max(0.01, until_s - time.monotonic()))
        try:
            kind, what = self._events.get(timeout=left_s)
        except queue.Empty:
            return False
        if kind == "completed":
            self._stats = what
        return kind == "iteration"

    def _see(self, elapsed_s: float, *, is_iteration: bool) -> Seen | None:
        try:
            stats = self._domain.jobStats()
        except libvirt.libvirtError:
            return None
        if stats.get("memory_total", 0) == 0:
            return None
        self._sent_bytes = stats.get("data_processed", 0)
        return Seen(
            elapsed_s=elapsed_s,
            iteration=stats.get("memory_iteration", 0),
            is_iteration=is_iteration,
            remaining_bytes=stats.get("memory_remaining", 0),
            transferred_bytes=stats.get("data_processed", 0),
            bandwidth_bytes_per_s=float(stats.get("memory_bps", 0)),
            memory_bytes=stats.get("memory_total", 0),
        )

    def _final_stats(self) -> MigrationStats | None:
        """The statistics come as an event, often just after the call."""
        deadline_s = time.monotonic() + 2.0
        while self._stats is None and time.monotonic() < deadline_s:
            self._wait(deadline_s)
        return read_stats(self._stats) if self._stats is not None else None


def drive(
    lab: Lab, guest: str, source: str, destination: str, ladder: Ladder, *, time_limit_s: float
) -> Outcome:
    """Migrate one guest under one policy. Raises libvirtError when it can't even be asked."""
    one = _Drive(lab, guest, source, destination)
    try:
        return one.run(ladder, time_limit_s)
    finally:
        one.close()
