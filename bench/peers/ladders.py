"""The published migration policies of other systems, as decisions on what they would see.

Each is carried out by ``driving`` on the same hypervisors as Godwit. They are written from the
documents and sources named at each class, with the defaults found there; time-outs beyond the time
limit of the benchmark never strike, and that is said in its table. Nothing here knows libvirt.
"""

from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

__all__ = ["LADDERS", "Abort", "Ladder", "Order", "Seen", "SetLimit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a manager sees of a running migration."""

    elapsed_s: float
    iteration: int
    is_iteration: bool
    remaining_bytes: int
    transferred_bytes: int
    bandwidth_bytes_per_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class SetLimit:
    """Set QEMU's downtime limit."""

    limit_ms: int


@dataclass(frozen=True, slots=True)
class Abort:
    """Give the migration up."""

    why: str


Order: TypeAlias = SetLimit | Abort | None


class Ladder(Protocol):
    """One policy over one migration; made anew for each."""

    name: str
    #: The limit set before the start; None: QEMU's own 300 ms.
    first_limit_ms: int | None
    throttles: bool
    xbzrle: bool
    poll_s: float

    def decide(self, seen: Seen) -> Order:
        """Look at one reading, taken every ``poll_s`` and at each iteration."""
        ...


@dataclass
class Virsh:
    """``virsh migrate --live``: nothing is decided."""

    name: str = "virsh"
    first_limit_ms: int | None = None
    throttles: bool = False
    xbzrle: bool = False
    poll_s: float = 1.0

    def decide(self, seen: Seen) -> Order:
        """Leave it to QEMU."""


@dataclass
class Nova:
    """OpenStack Nova: nova/conf/libvirt.py and virt/libvirt/migration.py, defaults.

    500 ms in 10 steps, 75 s apart per GiB (of at least 2); 800 s per GiB to complete.
    """

    name: str = "Nova"
    first_limit_ms: int | None = 50
    throttles: bool = False
    xbzrle: bool = False
    poll_s: float = 0.5
    _step: int = 0

    def decide(self, seen: Seen) -> Order:
        """Take the next linear step when its time has come."""
        size_gib = max(2, round(seen.memory_bytes / 2**30))
        if seen.elapsed_s > 800 * size_gib:
            return Abort("completion time-out")
        step = min(10, int(seen.elapsed_s / (75 * size_gib)))
        if step > self._step:
            self._step = step
            return SetLimit(50 + 45 * step)
        return None


#: Iterations without success, and the limit then: ovirt-engine, "Minimal downtime".
_OVIRT_STEPS: Final = {1: 150, 2: 200, 3: 300, 4: 400, 6: 500}


@dataclass
class Ovirt:
    """oVirt's policy "Minimal downtime", as vdsm carries it out; auto-converge is on.

    ovirt-engine's configuration; vdsm lib/vdsm/virt/migration.py: looks every 10 s, acts when the
    iteration grew, counts from the first one seen.
    """

    name: str = "oVirt"
    first_limit_ms: int | None = 100
    throttles: bool = True
    xbzrle: bool = False
    poll_s: float = 10.0
    _first: int | None = None
    _last: int = 0

    def decide(self, seen: Seen) -> Order:
        """Take the step of the schedule that belongs to the iterations without success."""
        if seen.is_iteration:
            return None  # it polls
        if self._first is None:
            self._first = self._last = seen.iteration
            return None
        if seen.iteration <= self._last:
            return None
        self._last = seen.iteration
        stalled = seen.iteration - self._first
        if stalled > max(_OVIRT_STEPS):
            return Abort("still not converged after the last step")
        limits = [limit for step, limit in _OVIRT_STEPS.items() if step <= stalled]
        return SetLimit(limits[-1]) if limits else None


@dataclass
class Kubevirt:
    """KubeVirt's stall detector (VEP 248), without permission to disrupt the workload.

    pkg/virt-launcher/virtwrap/stall-detector.go, as the design describes it; 900 ms of downtime.
    """

    name: str = "KubeVirt"
    first_limit_ms: int | None = None
    throttles: bool = False
    xbzrle: bool = False
    poll_s: float = 0.4
    _bandwidth: float = 0.0
    _minima: list[tuple[float, int]] = field(default_factory=list)
    _stalled_s: float | None = None
    _best: int = 0
    _patience_s: float = 40.0
    _ordered: bool = False

    def decide(self, seen: Seen) -> Order:
        """Once stalled, wait for a good moment; then stop and copy if that is short enough."""
        if seen.elapsed_s > 150 * max(1.0, seen.memory_bytes / 2**30) * 2:
            return Abort("completion time-out")
        if not seen.is_iteration or self._ordered:
            return None
        now_s, rest = seen.elapsed_s, seen.remaining_bytes
        fresh = seen.bandwidth_bytes_per_s
        self._bandwidth = 0.4 * fresh + 0.6 * (self._bandwidth or fresh)
        self._minima.append((now_s, rest))
        if self._stalled_s is None:
            before = [left for at_s, left in self._minima if at_s < now_s - 40]
            if before and rest >= 0.96 * min(before):
                self._stalled_s, self._best = now_s, min(left for _, left in self._minima)
            else:
                return None
        if now_s - self._stalled_s > self._patience_s:
            since = [left for at_s, left in self._minima if at_s >= self._stalled_s]
            self._stalled_s, self._best = now_s, min(since)
            self._patience_s /= 2
        if rest > 1.04 * self._best or self._bandwidth <= 0:
            return None
        self._ordered = True
        if rest / self._bandwidth <= 1.5 * 0.9:
            return SetLimit(1350)
        return Abort("the downtime would be longer than 1.5 times the limit")


@dataclass
class Proxmox:
    """Proxmox VE: qemu-server src/PVE/QemuMigrate.pm; auto-converge and xbzrle are on.

    Starts at 100 ms; each time the remaining memory was seen to have grown six times, the limit
    doubles, up to 2,000 s.
    """

    name: str = "Proxmox"
    first_limit_ms: int | None = 100
    throttles: bool = True
    xbzrle: bool = True
    poll_s: float = 1.0
    _limit_ms: int = 100
    _count: int = 0
    _turns: int = 0
    _last_rest: int | None = None
    _last_sent: int = 0

    def decide(self, seen: Seen) -> Order:
        """Count the times that the rest has grown."""
        if seen.is_iteration:
            return None  # it polls
        self._turns += 1
        average = self._last_sent / self._turns
        if seen.transferred_bytes == self._last_sent:
            return None
        if average and seen.remaining_bytes < average:
            self.poll_s = 0.1
        if (self._last_rest and seen.remaining_bytes > self._last_rest) or not seen.remaining_bytes:
            self._count += 1
        self._last_rest, self._last_sent = seen.remaining_bytes, seen.transferred_bytes
        if self._count <= 5:
            return None
        self._count = 0
        self._limit_ms = min(self._limit_ms * 2, 2_000_000)
        return SetLimit(self._limit_ms)


LADDERS: Final = (Virsh, Nova, Ovirt, Kubevirt, Proxmox)
