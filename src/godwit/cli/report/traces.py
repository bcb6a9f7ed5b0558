"""The course of a migration as points: rounds and samples in one line, limits as steps.

Times are seconds after the acceptance. It draws nothing.
"""

from collections.abc import Callable, Sequence

from godwit import wire

__all__ = [
    "bandwidth_limits",
    "memory_points",
    "postcopy_span",
    "rate_points",
    "throttle_points",
]

Point = tuple[float, float]


def memory_points(migration: wire.MigrationDetail) -> list[Point]:
    """What was left to send; a sync jumps up from the sample before it. Empty without samples."""
    if not migration.samples:
        return []
    zero_s = migration.accepted_at_s
    points = [(one.taken_at_s - zero_s, float(one.remaining_bytes)) for one in migration.samples]
    points += [(one.ended_at_s - zero_s, float(one.remaining_bytes)) for one in migration.rounds]
    return sorted(points)


def rate_points(
    migration: wire.MigrationDetail, read: Callable[[wire.Sample], float]
) -> list[Point]:
    """One of the rates between the rounds; 0 means that it was not known yet."""
    zero_s = migration.accepted_at_s
    return [(one.taken_at_s - zero_s, read(one)) for one in migration.samples if read(one) > 0]


def throttle_points(migration: wire.MigrationDetail) -> list[Point]:
    """How much the vCPUs were slowed, over time; empty when they never were."""
    zero_s = migration.accepted_at_s
    seen: Sequence[tuple[float, float]] = [
        *((one.taken_at_s - zero_s, one.throttle_fraction) for one in migration.samples),
        *((one.ended_at_s - zero_s, one.throttle_fraction) for one in migration.rounds),
    ]
    points = sorted(seen)
    return points if any(fraction > 0 for _, fraction in points) else []


def bandwidth_limits(migration: wire.MigrationDetail) -> list[tuple[float, float | None]]:
    """Each limit of the memory stream from when it was in force; None is no limit."""
    limits: list[tuple[float, float | None]] = []
    for one in migration.journal:
        if one.event in {"start_ordered", "bandwidth_ordered"}:
            after_s = one.at_s - migration.accepted_at_s
            limits.append((after_s, one.bandwidth_bytes_per_s))
    return limits if any(rate is not None for _, rate in limits) else []


def postcopy_span(migration: wire.MigrationDetail) -> tuple[float, float] | None:
    """From when to when the guest ran at the destination while its memory followed."""
    zero_s = migration.accepted_at_s
    begun = [one.at_s - zero_s for one in migration.journal if one.event == "postcopy_started"]
    if not begun:
        return None
    ended = [one.at_s - zero_s for one in migration.journal if one.event == "call_ended"]
    last = max(one.at_s for one in migration.journal) - zero_s
    return begun[0], max(ended, default=last)
