"""A migration with all that can be plotted: samples, throttle, limits of the stream, post-copy."""

from api_scene import MIB, T0

from godwit import wire


def _sample(after_s: float, left_mib: float, **changes: float) -> wire.Sample:
    fields: dict[str, float] = {
        "dirty_bytes_per_s": 60.0 * MIB if after_s > 6 else 0.0,
        "bandwidth_bytes_per_s": (105 + 8 * (after_s % 0.7)) * MIB,
    }
    return wire.Sample(
        taken_at_s=T0 + after_s,
        remaining_bytes=round(left_mib * MIB),
        transferred_bytes=round(after_s * 100 * MIB),
        **(fields | changes),  # type: ignore[arg-type]
    )


def _entry(after_s: float, event: str, who: str, what: str, **more: object) -> wire.JournalEntry:
    return wire.JournalEntry(
        at_s=T0 + after_s, event=event, who=who, what=what, is_decision=who == "godwit", **more
    )  # type: ignore[arg-type]


_ENDS = ((2.0, 512.0), (6.2, 260.0), (8.6, 240.0), (10.8, 90.0), (11.7, 12.0))
_STOPPED_S = 11.9


def _rounds_and_samples() -> tuple[list[wire.Round], list[wire.Sample]]:
    rounds, samples = [], []
    for number, (ended_s, left) in enumerate(_ENDS, start=1):
        throttle = 0.0 if number < 4 else 0.4
        rounds.append(
            wire.Round(
                number=number,
                ended_at_s=T0 + ended_s,
                remaining_bytes=round(left * MIB),
                transferred_bytes=round(ended_s * 100 * MIB),
                dirty_bytes_per_s=0.0 if number < 2 else 60.0 * MIB,
                bandwidth_bytes_per_s=108.0 * MIB,
                pause_limit_s=0.02 if number < 5 else 0.11,
                implied_pause_s=left / 108.0,
                throttle_fraction=throttle,
            )
        )
        until_s = _ENDS[number][0] if number < len(_ENDS) else _STOPPED_S
        samples += [
            _sample(
                ended_s + (until_s - ended_s) * step / 8,
                left * (1 - step / 8.5),
                throttle_fraction=throttle,
            )
            for step in range(1, 8)
        ]
    return rounds, samples


def _orders() -> list[wire.JournalEntry]:
    return [
        _entry(
            1.9, "start_ordered", "godwit", "tells kvm1 to start", pause_limit_s=0.02,
            bandwidth_bytes_per_s=110.0 * MIB,
        ),
        _entry(
            8.6, "bandwidth_ordered", "godwit", "limits the stream to 114 MiB/s",
            ground="the link has room", bandwidth_bytes_per_s=114.0 * MIB,
        ),
        _entry(8.7, "throttle_ordered", "godwit", "slows the vCPUs", ground="it will not converge"),
        _entry(
            10.8, "pause_limit_ordered", "godwit", "sets the pause limit to 110 ms",
            ground="a round leaves 12 MiB", pause_limit_s=0.11,
        ),
        _entry(_STOPPED_S, "vcpus_stopped", "kvm1", "stopped the vCPUs for the switch-over"),
    ]  # fmt: skip


def with_traces(migration: wire.MigrationDetail, *, postcopy: bool = False) -> wire.MigrationDetail:
    """Give a migration the trace of a copy that is slow to converge."""
    rounds, samples = _rounds_and_samples()
    journal = [migration.journal[0], *_orders()]
    ended_s = 12.1
    if postcopy:
        journal.append(_entry(12.0, "postcopy_started", "kvm2", "runs the guest"))
        samples += [_sample(12.0 + step / 4, 240 * (1 - step / 8)) for step in range(8)]
        ended_s = 14.2
    journal += [
        _entry(ended_s, "call_ended", "kvm1", "the call ended: it succeeded"),
        _entry(ended_s + 0.1, "found", "hosts", "say that kvm2 runs the guest, and only it"),
        _entry(ended_s + 1, "verify_ended", "godwit", "verified the guest on kvm2"),
    ]
    assert migration.result is not None
    measured = {
        "total_s": 3.1,
        "pause_s": 0.07,
        "outage_s": 0.19,
        "rounds": 5,
        "outage_causes": (
            "the vCPUs stood still for 70 ms",
            "120 ms more passed until the guest was reached again over the network",
        ),
        "forwarding": "kvm2's bridge had learnt the guest's address",
    }
    return migration.model_copy(
        update={
            "started_at_s": T0 + 1.9,
            "stopped_at_s": T0 + _STOPPED_S,
            "ended_at_s": T0 + ended_s + 1,
            "rounds": tuple(rounds),
            "samples": tuple(samples),
            "journal": tuple(journal),
            "pause_limit_s": 0.11,
            "result": migration.result.model_copy(update=measured),
        }
    )
