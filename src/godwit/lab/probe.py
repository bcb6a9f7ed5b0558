"""The measuring process: runs in the client's namespace and asks every guest, again and again.

One thread, one clock: every 2 ms an UDP echo to each guest, every 10 ms a request on the connection
that is kept open, five times a second a short request of its own (every fifth asks for the
counters). Between two ticks the process sleeps. Answers carry the kernel's time of arrival, so
that it need not wake up for each, and its own delays do not look like the guest's.

It ends at the end of its standard input, which its parent holds open: a parent that dies takes it
along. Started by ``meter``, never by hand; what it writes is described in ``meter_report``.
"""

import contextlib
import gc
import json
import os
import select
import socket
import struct
import sys
import time
from array import array
from pathlib import Path
from typing import Any

from godwit.lab.meter_report import OUTAGE_S_MIN, MeterReport, Outage
from godwit.lab.probe_streams import KeptConnection, ShortRequest

__all__ = ["main"]

TICK_S = 0.002
TICKS_PER_KEPT_REQUEST = 5
TICKS_PER_SHORT_REQUEST = 100
SHORT_REQUESTS_PER_COUNTERS = 5
TICKS_PER_PROGRESS = 125
GRACE_S = 0.3
RTT_STEP_S = 0.020
RTT_POINTS_MAX = 2400
OUTAGES_MAX = 10_000
ECHO_PORT = 7
# Above every guest and host of the lab, and of no matter to them: it needs a few percent.
REALTIME_PRIORITY = 5

_STAMP = struct.Struct("=Qd")
_TIMESPEC = struct.Struct("=qq")
_SO_TIMESTAMPNS = 35


class Lane:
    """One guest, seen from the client."""

    def __init__(self, name: str, address: str, poller: select.epoll, now_s: float) -> None:
        self.name = name
        self._address = address
        self._poller = poller
        self.echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.echo.settimeout(0.0)
        self.echo.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.echo.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.echo.connect((address, ECHO_PORT))
        poller.register(self.echo, select.EPOLLIN)
        self.kept = KeptConnection(address, poller)
        self.short: list[ShortRequest] = []
        self.started_s = now_s
        self.sent = 0
        self.received = 0
        self.last_answer_s = now_s
        self.late_since_answer_s = 0.0
        self.outages: list[Outage] = []
        self.rtt_s = array("f")
        self.short_asked = 0
        self.short_lost = 0
        self.counters_seen = 0
        self.counters: dict[str, Any] = {}

    def send_echo(self, now_s: float) -> None:
        """Send the next echo request; a send that the network refuses is a lost one."""
        self.sent += 1
        with contextlib.suppress(OSError):
            self.echo.send(_STAMP.pack(self.sent, now_s))

    def take_echoes(self, wall_to_monotonic_s: float) -> None:
        """Take the answers that have come."""
        while True:
            try:
                packet, ancillary, _, _ = self.echo.recvmsg(64, 64)
            except OSError:
                return  # none left, or the guest's port was unreachable: then there is no answer
            if len(packet) != _STAMP.size or not ancillary:
                continue
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            number, sent_s = _STAMP.unpack(packet)
            self._take_answer(sent_s, seconds + nanoseconds * 1e-9 + wall_to_monotonic_s)
            if number == self.sent:
                return  # the newest one: nothing else is on its way

    def _take_answer(self, sent_s: float, answered_s: float) -> None:
        self.received += 1
        gap_s = answered_s - self.last_answer_s
        if gap_s > OUTAGE_S_MIN:
            self._note_gap(gap_s)
        if gap_s > 0:
            self.last_answer_s = answered_s
        self.late_since_answer_s = 0.0
        step = int((answered_s - self.started_s) / RTT_STEP_S)
        rtt_s = answered_s - sent_s
        if step >= len(self.rtt_s):
            self._extend_series(step)
        self.rtt_s[step] = max(self.rtt_s[step], rtt_s)

    def _note_gap(self, gap_s: float) -> None:
        # What the meter itself slept through is no outage of the guest's.
        if gap_s - self.late_since_answer_s > OUTAGE_S_MIN and len(self.outages) < OUTAGES_MAX:
            self.outages.append(Outage(start_s=self.last_answer_s, duration_s=gap_s))

    def _extend_series(self, step: int) -> None:
        missing = step + 1 - len(self.rtt_s)
        if missing > 0:
            self.rtt_s.extend([-1.0] * missing)

    def on_time(self, tick: int, now_s: float) -> None:
        """Do what is due besides the echo."""
        self.kept.on_time(now_s)
        if tick % TICKS_PER_SHORT_REQUEST == 0:
            wants_counters = self.short_asked % SHORT_REQUESTS_PER_COUNTERS == 0
            path = "/counters" if wants_counters else "/"
            self.short_asked += 1
            self.short.append(ShortRequest(self._address, path, self._poller, now_s))
        if self.short:
            self._collect_short(now_s)

    def on_ready(self, descriptor: int, events: int, now_s: float) -> None:
        """Hand an event to the connection that it belongs to."""
        if descriptor == self.kept.fileno():
            self.kept.on_ready(events, now_s)
            return
        for request in self.short:
            if request.descriptor == descriptor and not request.is_done:
                request.on_ready(events)
                return

    def _collect_short(self, now_s: float) -> None:
        for request in self.short:
            request.on_time(now_s)
        for request in [request for request in self.short if request.is_done]:
            self.short.remove(request)
            if not request.is_answered:
                self.short_lost += 1
            elif (counters := request.counters()) is not None:
                self.counters = counters
                self.counters_seen += 1

    def finish(self, asked_until_s: float, now_s: float) -> None:
        """Close everything; an outage that has not ended ends with the last question."""
        self._note_gap(asked_until_s - self.last_answer_s)
        self.kept.finish(now_s)
        # Unfinished ones were not out of time yet: they are neither answered nor lost.
        self.short_asked -= len(self.short)
        for request in self.short:
            request.finish()
        self._extend_series(int((asked_until_s - self.started_s) / RTT_STEP_S) - 1)

    def report(self, ended_s: float, late_s_max: float) -> MeterReport:
        """Return what was seen."""
        memory, disk = self.counters.get("memory", {}), self.counters.get("disk", {})
        per_point = max(1, -(-len(self.rtt_s) // RTT_POINTS_MAX))
        points = [
            max(self.rtt_s[start : start + per_point])
            for start in range(0, len(self.rtt_s), per_point)
        ]
        return MeterReport(
            guest=self.name,
            started_s=self.started_s,
            ended_s=ended_s,
            udp_sent=self.sent,
            udp_lost=max(0, self.sent - self.received),
            outages=tuple(self.outages),
            tcp_requests=self.kept.requests,
            tcp_broken=self.kept.broken,
            tcp_latency_s_max=self.kept.latency_s_max,
            http_requests=self.short_asked,
            http_lost=self.short_lost,
            memory_corruptions=memory.get("corruptions", 0),
            disk_corruptions=disk.get("corruptions", 0),
            disk_errors=disk.get("io_errors", 0),
            disk_sequence=disk.get("sequence", 0),
            counters_seen=self.counters_seen,
            meter_late_s_max=late_s_max,
            rtt_step_s=per_point * RTT_STEP_S,
            rtt_s=tuple(None if value < 0 else round(value, 6) for value in points),
        )

    def progress(self, now_s: float) -> dict[str, Any]:
        """Return the few numbers that a live view needs."""
        return {
            "udp_sent": self.sent,
            "udp_received": self.received,
            "silent_s": max(0.0, now_s - self.last_answer_s),
            "outage_s_max": max((outage.duration_s for outage in self.outages), default=0.0),
            "outages": len(self.outages),
            "tcp_requests": self.kept.requests,
            "tcp_broken": self.kept.broken,
            "http_requests": self.short_asked,
            "http_lost": self.short_lost,
            "memory_corruptions": self.counters.get("memory", {}).get("corruptions", 0),
            "disk_corruptions": self.counters.get("disk", {}).get("corruptions", 0),
        }


class Probe:
    """All lanes and the clock that drives them."""

    def __init__(self, guests: list[tuple[str, str]], folder: Path, seconds_max: float) -> None:
        self._poller = select.epoll()
        self._poller.register(sys.stdin, select.EPOLLIN | select.EPOLLHUP)
        self._folder = folder
        now_s = time.monotonic()
        self._end_s = now_s + seconds_max
        self._lanes = [Lane(name, address, self._poller, now_s) for name, address in guests]
        self._echoes = {lane.echo.fileno(): lane for lane in self._lanes}
        self._late_s_max = 0.0
        self._is_ended = False

    def run(self) -> None:
        """Measure until the parent or the time says stop, then write the reports."""
        tick = 0
        next_s = time.monotonic()
        while not self._is_ended and next_s < self._end_s:
            now_s = time.monotonic()
            if now_s < next_s:
                time.sleep(next_s - now_s)
                now_s = time.monotonic()
            self._note_lateness(now_s - next_s)
            if now_s - next_s > TICK_S:
                next_s = now_s  # ticks that were slept through are not made up for
            self._take_events(now_s)
            for lane in self._lanes:
                lane.send_echo(now_s)
            if tick % TICKS_PER_KEPT_REQUEST == 0:
                for lane in self._lanes:
                    lane.on_time(tick, now_s)
            if tick % TICKS_PER_PROGRESS == 0:
                self._write_progress(now_s)
            tick += 1
            next_s += TICK_S
        self._finish()

    def _note_lateness(self, late_s: float) -> None:
        self._late_s_max = max(self._late_s_max, late_s)
        if late_s > TICK_S:
            for lane in self._lanes:
                lane.late_since_answer_s += late_s

    def _take_events(self, now_s: float) -> None:
        wall_to_monotonic_s = time.monotonic() - time.time()
        for descriptor, events in self._poller.poll(0):
            if (lane := self._echoes.get(descriptor)) is not None:
                lane.take_echoes(wall_to_monotonic_s)
            elif descriptor == sys.stdin.fileno():
                self._is_ended = True
            else:
                for lane in self._lanes:
                    lane.on_ready(descriptor, events, now_s)

    def _finish(self) -> None:
        # The last answers are still on their way; what comes within the grace is not lost.
        ended_s = time.monotonic()
        until_s = ended_s + GRACE_S
        while time.monotonic() < until_s:
            time.sleep(TICK_S)
            self._take_events(time.monotonic())
        now_s = time.monotonic()
        reports = []
        for lane in self._lanes:
            lane.finish(ended_s, now_s)
            reports.append(lane.report(ended_s, self._late_s_max).to_json())
        self._write("report.json", {"reports": reports})

    def _write_progress(self, now_s: float) -> None:
        guests = {lane.name: lane.progress(now_s) for lane in self._lanes}
        self._write("progress.json", {"now_s": now_s, "guests": guests})

    def _write(self, name: str, content: dict[str, Any]) -> None:
        temporary = self._folder / f"{name}.new"
        temporary.write_text(json.dumps(content))
        temporary.replace(self._folder / name)


def main(arguments: list[str]) -> None:
    """Measure: FOLDER SECONDS_MAX NAME=ADDRESS..."""
    folder, seconds_max, *guests = arguments
    pairs = []
    for guest in guests:
        name, _, address = guest.partition("=")
        pairs.append((name, address))
    # Not allowed in some containers; the meter then runs like any other process.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REALTIME_PRIORITY))
    probe = Probe(pairs, Path(folder), float(seconds_max))
    # Nothing here makes cycles, and a collection would be a pause of the meter's own.
    gc.disable()
    probe.run()


if __name__ == "__main__":
    main(sys.argv[1:])
