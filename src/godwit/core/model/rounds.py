"""What is observed of a running pre-copy."""

from dataclasses import dataclass

__all__ = ["Progress", "Round", "Sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One reading of the job statistics of a migration, taken at ``taken_at_s``.

    ``iteration`` counts dirty-bitmap syncs. ``remaining_bytes`` is a saw-tooth: it means something
    only right after a sync. ``dirty_bytes_per_s`` is 0 during the whole first pass.
    """

    taken_at_s: float
    iteration: int
    elapsed_s: float
    memory_total_bytes: int
    transferred_bytes: int
    remaining_bytes: int
    dirty_bytes_per_s: float
    bandwidth_bytes_per_s: float
    expected_pause_s: float
    throttle_fraction: float = 0.0
    postcopy_requests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A point between the rounds, kept for the record: what was seen, and the limits in force."""

    taken_at_s: float
    remaining_bytes: int
    transferred_bytes: int
    dirty_bytes_per_s: float
    bandwidth_bytes_per_s: float
    throttle_fraction: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One pass of pre-copy, as it stood right after the sync that ended it.

    ``number`` counts from 1. ``remaining_bytes`` is what the guest wrote during the pass and what
    a switch-over at this instant would have to send while the guest stands still. ``took_s`` is how
    long the pass lasted; None of the first sync, which is the start of the copy.
    ``throttle_fraction`` is the part of their time that the vCPUs were kept from running.
    """

    number: int
    ended_at_s: float
    remaining_bytes: int
    transferred_bytes: int
    dirty_bytes_per_s: float
    bandwidth_bytes_per_s: float
    pause_limit_s: float
    took_s: float | None = None
    throttle_fraction: float = 0.0

    @property
    def implied_pause_s(self) -> float | None:
        """How long sending the rest would take at the measured bandwidth; None while unknown."""
        if self.bandwidth_bytes_per_s <= 0:
            return None
        return self.remaining_bytes / self.bandwidth_bytes_per_s
