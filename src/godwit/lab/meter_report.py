"""What the client saw, as values: outages, losses, broken connections, what the guest counted.

All times are seconds of CLOCK_MONOTONIC, which every process of this machine shares, so that they
can be laid over the times of a migration. Written as JSON by ``probe``, read by ``meter``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["OUTAGE_S_MIN", "MeterReport", "Outage"]

# Shorter gaps between two answers are the ordinary jitter of guests that share two processors.
OUTAGE_S_MIN = 0.020


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One stretch without an answer, from the last answer before it to the first one after."""

    start_s: float
    duration_s: float

    @property
    def end_s(self) -> float:
        """When the first answer came again, or when measuring ended."""
        return self.start_s + self.duration_s


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReport:
    """Everything measured about one guest.

    ``rtt_s`` is the largest round trip in each step of ``rtt_step_s`` from ``started_s`` on, None
    where no answer came. ``meter_late_s_max`` is how late the meter itself was at worst: gaps no
    longer than that say nothing about the guest.
    """

    guest: str
    started_s: float
    ended_s: float
    udp_sent: int
    udp_lost: int
    outages: tuple[Outage, ...]
    tcp_requests: int
    tcp_broken: int
    tcp_latency_s_max: float
    http_requests: int
    http_lost: int
    memory_corruptions: int
    disk_corruptions: int
    disk_errors: int
    disk_sequence: int
    counters_seen: int
    meter_late_s_max: float
    rtt_step_s: float
    rtt_s: tuple[float | None, ...]

    @property
    def outage_s_max(self) -> float:
        """The worst outage of all; 0 when there was none."""
        return max((outage.duration_s for outage in self.outages), default=0.0)

    @property
    def is_intact(self) -> bool:
        """Whether the guest's own checks found nothing wrong, and it could be asked at all."""
        found = self.memory_corruptions + self.disk_corruptions + self.disk_errors
        return self.counters_seen > 0 and found == 0

    def outages_in(self, start_s: float, end_s: float) -> tuple[Outage, ...]:
        """Return the outages that touch a window, whole."""
        return tuple(
            outage for outage in self.outages if outage.start_s <= end_s and outage.end_s >= start_s
        )

    def outage_in(self, start_s: float, end_s: float) -> float:
        """Return the length of the longest outage that touches a window; 0 when none does."""
        touching = self.outages_in(start_s, end_s)
        return max((outage.duration_s for outage in touching), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with the worst outage added for readers that want only that."""
        return {**asdict(self), "outage_s_max": self.outage_s_max}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "MeterReport":
        """Read what ``to_json`` wrote."""
        fields = {key: value for key, value in raw.items() if key != "outage_s_max"}
        fields["outages"] = tuple(Outage(**outage) for outage in fields["outages"])
        fields["rtt_s"] = tuple(fields["rtt_s"])
        return cls(**fields)
