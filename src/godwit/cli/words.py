"""The sentences and cells that several screens share. Pure: values in, text out."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from godwit import wire
from godwit.cli.forecast_words import limit_words, span_words
from godwit.cli.remaining import Left, converging_words, left_words
from godwit.core.units import format_bytes, format_duration, format_fraction, format_rate

__all__ = [
    "CLOSING",
    "COPIES",
    "KINDS",
    "ROUND_COLUMNS",
    "ago",
    "bandwidth_of",
    "clock",
    "count_words",
    "disk_words",
    "join_names",
    "journal_after",
    "measured",
    "memory_words",
    "outage_words",
    "pause_words",
    "rate_parts",
    "result_rows",
    "round_cells",
    "steps_line",
    "verdict_words",
    "where_runs",
]

#: The table of rounds; a column that begins with > is set to the right.
ROUND_COLUMNS = (">ROUND", ">LEFT", ">SENT", ">WRITES", ">CARRIES", ">IMPLIED PAUSE", ">LIMIT")

#: Phases in which memory is sent.
COPIES = frozenset({"copying", "postcopy"})

_RUNNERS = {
    "nobody": "nobody",
    "both": "BOTH hosts",
    "uncertain": "not known yet",
}


#: What was asked for, as people call it.
KINDS: Final = {
    "migrate": "Migration",
    "drain": "Drain",
    "balance": "Balance",
    "evacuate": "Evacuation",
    "restore": "Way back",
    "consolidate": "Consolidation",
    "place": "Placement",
    "repair": "Repair",
    "mix": "Plan",
}
#: Those that put the hosts which they empty into maintenance.
CLOSING: Final = frozenset({"drain", "evacuate", "mix"})


def clock(at_s: float) -> str:
    """Write a time of day with its date, in the zone of this machine."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))


def ago(at_s: float, now_s: float) -> str:
    """Write how long ago something was."""
    return f"{format_duration(max(0.0, now_s - at_s))} ago"


def count_words(count: int, what: str) -> str:
    """Write how many of something there are."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def join_names(names: Sequence[str]) -> str:
    """Write names one after the other, or that there is none."""
    return ", ".join(names) or "none"


def where_runs(migration: wire.Migration) -> str:
    """Say who runs the guest in the migration's phase."""
    if migration.runner == "source":
        return migration.source
    if migration.runner == "destination":
        return migration.destination
    return _RUNNERS.get(migration.runner, migration.runner)


def memory_words(host: wire.Host) -> str:
    """Say how much of a host's memory is promised."""
    if host.observed is None:
        return "?"
    promised, total = host.memory_promised_bytes, host.memory_for_vms_bytes
    share = format_fraction(promised / total) if total else format_bytes(promised)
    return f"{share} of {format_bytes(total)}"


def disk_words(disk: wire.Disk) -> str:
    """Say whether a disk lies on storage that other hosts see too."""
    if disk.source is None:
        return f"{disk.target} empty"
    seen = set(disk.seen_by.values())
    if "local" in seen:
        return f"{disk.target} local"
    if "missing" in seen:
        lacking = [host for host, what in sorted(disk.seen_by.items()) if what == "missing"]
        return f"{disk.target} shared, not on {', '.join(lacking)}"
    if seen:
        declared = " (declared)" if "declared" in seen else ""
        return f"{disk.target} shared{declared}"
    return f"{disk.target} ?"


def bandwidth_of(recipe: wire.Recipe) -> str:
    """Say what a migration may send."""
    if recipe.bandwidth_bytes_per_s is not None:
        return f"at most {format_rate(recipe.bandwidth_bytes_per_s)}"
    return "all that the link carries"


def steps_line(migration: wire.Migration, progress: wire.Progress | None, left: Left | None) -> str:
    """Say in one line where a migration is, with the numbers of its round while it copies."""
    if migration.phase not in COPIES or progress is None:
        says = migration.phase_says
        return says if says.startswith(migration.phase) else f"{migration.phase}: {says}"
    rest = format_bytes(progress.remaining_bytes)
    if migration.phase == "copying":
        parts = [f"copying, round {max(1, progress.iteration)}: {rest} left"]
        parts.append(converging_words(left))
    else:
        parts = [f"post-copy: {rest} still to follow"]
    if words := left_words(left):
        parts.append(words)
    return ", ".join([*parts, *rate_parts(migration, progress)])


def rate_parts(migration: wire.Migration, progress: wire.Progress) -> list[str]:
    """Name the rates and the limits in force while memory is sent."""
    parts = []
    if progress.bandwidth_bytes_per_s > 0:
        parts.append(f"link carries {format_rate(progress.bandwidth_bytes_per_s)}")
    if migration.phase == "postcopy":
        parts.append(f"{progress.postcopy_requests} pages waited for")
        return parts
    if progress.iteration > 1:
        parts.append(f"guest writes {format_rate(progress.dirty_bytes_per_s)}")
    limit, promise = format_duration(migration.pause_limit_s), limit_words(migration.pause_max_s)
    parts.append(f"pause limit {limit} of {promise}")
    if progress.throttle_fraction > 0:
        parts.append(f"vCPUs slowed by {format_fraction(progress.throttle_fraction)}")
    return parts


def measured(duration_s: float | None) -> str:
    """Write a duration, or a dash for what was not measured."""
    return "-" if duration_s is None else format_duration(duration_s)


def round_cells(one: wire.Round) -> tuple[str, ...]:
    """Write a round under ``ROUND_COLUMNS``."""
    return (
        str(one.number),
        format_bytes(one.remaining_bytes),
        format_bytes(one.transferred_bytes),
        format_rate(one.dirty_bytes_per_s),
        format_rate(one.bandwidth_bytes_per_s),
        measured(one.implied_pause_s),
        format_duration(one.pause_limit_s),
    )


def journal_after(migration: wire.MigrationDetail, entry: wire.JournalEntry) -> str:
    """Write how long after its acceptance something happened to a migration."""
    return f"{entry.at_s - migration.accepted_at_s:.1f} s"


def pause_words(migration: wire.Migration) -> str:
    """Say how long the guest stood still, against what was promised."""
    result = migration.result
    promised = f"promised: at most {format_duration(migration.pause_max_s)}"
    if result is None or result.pause_s is None:
        return f"not measured: the hypervisors did not report it ({promised})"
    return f"{format_duration(result.pause_s)} ({promised}{verdict_words(migration)})"


def verdict_words(migration: wire.Migration) -> str:
    """Say that a pause was longer than promised, and whether the policy permits that."""
    result, longer_s = migration.result, migration.recipe.pause_longer_s
    if result is None or result.pause_s is None or result.pause_s <= migration.pause_max_s:
        return ""
    if longer_s is not None and result.pause_s <= longer_s:
        return f", up to {limit_words(longer_s)} permitted as the last resort"
    return ", NOT KEPT"


def outage_words(result: wire.Result) -> str:
    """Say how long the guest did not answer over the network, or why nobody knows."""
    if result.outage_s is not None:
        exact = ""
        if result.outage_resolution_s is not None:
            exact = f" (to within {format_duration(result.outage_resolution_s)})"
        return f"{format_duration(result.outage_s)}{exact}"
    if result.answers is None:
        heard = next((one for one in result.notes if "answer" in one), "")
        return "not measured: " + (heard or "no address of the guest is known to Godwit")
    if result.answers:
        return "not measured: the guest answers, but was not watched during the switch-over"
    return "not over: the guest does not answer from its new place"


def _foretold(
    forecast: wire.Forecast | None,
) -> Callable[[str, Callable[[float], str]], str]:
    """Return what names the forecast of a figure behind its fact; nothing where none was made."""

    def words(name: str, say: Callable[[float], str]) -> str:
        return "" if forecast is None else f"; forecast: {span_words(getattr(forecast, name), say)}"

    return words


def result_rows(migration: wire.Migration) -> list[tuple[str, str]]:
    """Name and value of everything that was measured of a migration that is done."""
    result = migration.result
    if result is None:
        return []
    total = "not measured" if result.total_s is None else format_duration(result.total_s)
    sent = "not measured"
    if result.transferred_bytes is not None:
        sent = format_bytes(result.transferred_bytes)
    rounds = count_words(result.rounds, "round")
    foretold = _foretold(migration.forecast)
    rows = [
        ("pause", pause_words(migration) + foretold("pause_s", format_duration)),
        ("outage", outage_words(result) + foretold("outage_s", format_duration)),
    ]
    # Without an outage they say no more than the pause does.
    if result.outage_s is not None and result.outage_causes:
        rows.append(("because", "; ".join(result.outage_causes)))
    rows += [
        ("time", f"{total}, {rounds}" + foretold("total_s", format_duration)),
        ("sent", sent + foretold("sent_bytes", format_bytes)),
    ]
    if result.announced_again:
        rows.append(("network", "the guest was announced again"))
    # What went wrong with the tables is a note as well.
    found = result.forwarding.partition(": ")[2]
    if result.forwarding and not (found and any(found in one for one in result.notes)):
        rows.append(("tables", result.forwarding))
    outage = outage_words(result)
    rows += [("note", one) for one in result.notes if one not in outage]
    return rows
