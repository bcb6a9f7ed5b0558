"""Measuring what clients of the guests see: starts the probe, reads it live, returns its reports.

::

    with lab.meter(["web1", "web2"], seconds_max=120) as meter:
        ...                                    # migrate, break, repair
        meter.progress()["web1"]["silent_s"]   # live
    meter.report("web1").outage_in(start_s, end_s)

The measuring itself is in ``probe``, a process of its own in the client's namespace.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from godwit.lab.commands import in_network_namespace
from godwit.lab.guests import Guest
from godwit.lab.layout import CLIENT_NAMESPACE
from godwit.lab.meter_report import MeterReport
from godwit.lab.problems import LabFailed, LabMisused

__all__ = ["SECONDS_MAX_DEFAULT", "Meter"]

SECONDS_MAX_DEFAULT = 600.0
_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])
START_S = 10.0
STOP_S = 10.0


class Meter:
    """A running measurement; a context manager that stops it at the end of the block."""

    def __init__(
        self, guests: Sequence[Guest], *, seconds_max: float = SECONDS_MAX_DEFAULT
    ) -> None:
        if not guests:
            raise LabMisused("There is no guest to measure.", remedy="godwit lab guest add NAME")
        self._guests = tuple(guests)
        self._seconds_max = seconds_max
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._reports: dict[str, MeterReport] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self._end()  # its reports would hide the error that ends the block

    def start(self) -> None:
        """Start measuring and return once it measures.

        Raises: LabFailed with what the probe said when it does not start.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="godwit-meter-")
        with (Path(self._folder.name) / "error.log").open("wb") as errors:
            self._process = subprocess.Popen(
                in_network_namespace(
                    CLIENT_NAMESPACE,
                    [
                        *(sys.executable, "-m", "godwit.lab.probe"),
                        *(self._folder.name, str(self._seconds_max)),
                        *(f"{guest.name}={guest.address}" for guest in self._guests),
                    ],
                ),
                # Held open by us alone: the probe ends when it closes, also when we die.
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                # The probe must find this very package, however its parent found it.
                env={**os.environ, "PYTHONPATH": _PACKAGE_ROOT},
            )
        deadline_s = time.monotonic() + START_S
        while self._read("progress.json") is None:
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                evidence = self._errors()
                self._end()
                raise LabFailed("The meter does not start.", evidence=evidence)
            time.sleep(0.02)

    def is_measuring(self) -> bool:
        """Say whether it still measures: not stopped, not out of time."""
        return self._process is not None and self._process.poll() is None

    def progress(self) -> MappingProxyType[str, dict[str, Any]]:
        """Return guest -> the numbers so far; refreshed four times a second."""
        read = self._read("progress.json")
        return MappingProxyType(read["guests"] if read else {})

    def wait(self, duration_s: float) -> None:
        """Let it measure for a while, or until it has ended by itself."""
        deadline_s = time.monotonic() + duration_s
        while self.is_measuring() and (left_s := deadline_s - time.monotonic()) > 0:
            time.sleep(min(0.1, left_s))

    def stop(self) -> MappingProxyType[str, MeterReport]:
        """Stop measuring and return guest -> report; safe to repeat.

        Raises: LabFailed when the probe left no report.
        """
        if self._process is not None:
            if self._process.stdin:
                self._process.stdin.close()
            try:
                self._process.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            read = self._read("report.json")
            evidence = self._errors()
            self._end()
            if read is None:
                raise LabFailed("The meter ended without a report.", evidence=evidence)
            reports = [MeterReport.from_json(raw) for raw in read["reports"]]
            self._reports = {report.guest: report for report in reports}
        return self.reports

    @property
    def reports(self) -> MappingProxyType[str, MeterReport]:
        """Guest -> report; empty until it was stopped."""
        return MappingProxyType(self._reports)

    def report(self, guest: str) -> MeterReport:
        """Return the report of one guest, after ``stop``."""
        return self._reports[guest]

    def _read(self, name: str) -> dict[str, Any] | None:
        if self._folder is None:
            return None
        try:
            content: dict[str, Any] = json.loads((Path(self._folder.name) / name).read_text())
        except FileNotFoundError:
            return None
        return content

    def _errors(self) -> str:
        if self._folder is None:
            return ""
        return (Path(self._folder.name) / "error.log").read_text(errors="replace")[-2000:]

    def _end(self) -> None:
        if self._process is not None:
            if self._process.stdin:
                self._process.stdin.close()
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
        self._process = None
        if self._folder is not None:
            self._folder.cleanup()
        self._folder = None
