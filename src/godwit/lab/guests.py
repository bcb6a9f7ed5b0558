"""One guest of the lab: what it counts, changing its workload, making it check itself.

Talks to the workload inside the guest over the guest network, from this machine's own end of it.
Where the guest runs is the hosts' to say, see ``lab.Lab.where``.
"""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any

from godwit.lab.problems import LabFailed
from godwit.lab.state import GuestRecord

__all__ = ["Guest", "Integrity"]

ANSWER_S = 5.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """What a guest's own checks have found since it booted."""

    memory_corruptions: int
    disk_corruptions: int
    disk_errors: int

    @property
    def is_intact(self) -> bool:
        """Whether nothing was found."""
        return self.memory_corruptions == self.disk_corruptions == self.disk_errors == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A guest, by its record; it may be anywhere, or off."""

    record: GuestRecord

    @property
    def name(self) -> str:
        """The name of its domain in libvirt."""
        return self.record.name

    @property
    def address(self) -> str:
        """Its address on the guest network."""
        return self.record.address

    @property
    def mac(self) -> str:
        """The address of its network card."""
        return self.record.mac

    @property
    def uuid(self) -> str:
        """The UUID of its domain."""
        return self.record.uuid

    def get(self, path: str, *, timeout_s: float = ANSWER_S) -> str:
        """Ask the guest's web server for a path and return the body.

        Raises: LabFailed when it does not answer in time or answers with an error.
        """
        connection = http.client.HTTPConnection(self.address, 80, timeout=timeout_s)
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise LabFailed(
                f"The guest {self.name} does not answer at {self.address}.", evidence=str(error)
            ) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise LabFailed(f"The guest {self.name} refused {path}.", evidence=body.strip())
        return body

    def counters(self) -> dict[str, Any]:
        """Return everything the guest counts; the keys are those of ``guest/agent.c``."""
        counters: dict[str, Any] = json.loads(self.get("/counters"))
        return counters

    def integrity(self) -> Integrity:
        """Return what its checks have found so far."""
        return integrity_of(self.counters())

    def set_workload(
        self,
        *,
        dirty_bytes_per_s: float | None = None,
        working_set_bytes: int | None = None,
        timeout_s: float = 20.0,
    ) -> None:
        """Change what the running guest does, and wait until it does.

        Raises: LabFailed when the working set does not fit into the guest's memory.
        """
        wishes = []
        if dirty_bytes_per_s is not None:
            wishes.append(f"dirty_rate={round(dirty_bytes_per_s)}")
        if working_set_bytes is not None:
            wishes.append(f"working_set={working_set_bytes // 4096 * 4096}")
        refused = self.counters()["memory"]["refused"]
        if not wishes:
            return
        self.get("/set?" + "&".join(wishes))
        deadline_s = time.monotonic() + timeout_s
        while True:
            memory = self.counters()["memory"]
            if memory["refused"] > refused:
                raise LabFailed(
                    f"A working set of {working_set_bytes} bytes does not fit into {self.name}.",
                    remedy="Give the guest more memory, or ask for less.",
                )
            if memory["working_set_bytes"] == memory["wanted_working_set_bytes"]:
                return
            if time.monotonic() > deadline_s:
                raise LabFailed(f"{self.name} did not take up its new working set in time.")
            time.sleep(POLL_S)

    def plant(self, what: str) -> None:
        """Damage the guest's ``memory`` or ``disk`` behind its back, to prove that it notices."""
        self.get(f"/set?plant={what}")

    def verify(self, *, timeout_s: float = 60.0) -> Integrity:
        """Make the guest check its whole working set and disk now; return what is found by then.

        Raises: LabFailed when it does not finish in time.
        """
        asked = json.loads(self.get("/verify"))
        deadline_s = time.monotonic() + timeout_s
        while True:
            counters = self.counters()
            has_disk = counters["disk"]["present"]
            if counters["memory"]["sweeps"] >= asked["memory_sweep"] and (
                not has_disk or counters["disk"]["sweeps"] >= asked["disk_sweep"]
            ):
                return integrity_of(counters)
            if time.monotonic() > deadline_s:
                raise LabFailed(f"{self.name} did not finish checking itself in {timeout_s:g} s.")
            time.sleep(POLL_S)

    def wait_answering(self, *, timeout_s: float = 60.0) -> None:
        """Wait until the guest answers and works: its disk is read, its working set is filled.

        Raises: LabFailed when it does not in time.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                counters = json.loads(self.get("/counters", timeout_s=1.0))
                if _is_at_work(counters, has_disk=self.record.disk != "none"):
                    return
            except LabFailed:
                if time.monotonic() > deadline_s:
                    raise
            if time.monotonic() > deadline_s:
                raise LabFailed(f"{self.name} answers, but has no disk or no working set.")
            time.sleep(POLL_S)


def _is_at_work(counters: dict[str, Any], *, has_disk: bool) -> bool:
    memory = counters["memory"]
    is_filled = memory["working_set_bytes"] == memory["wanted_working_set_bytes"]
    return bool(counters["disk"]["present"]) == has_disk and is_filled


def integrity_of(counters: dict[str, Any]) -> Integrity:
    """Read the findings out of a guest's counters."""
    return Integrity(
        memory_corruptions=counters["memory"]["corruptions"],
        disk_corruptions=counters["disk"]["corruptions"],
        disk_errors=counters["disk"]["io_errors"],
    )
