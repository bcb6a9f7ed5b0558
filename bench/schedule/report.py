"""The figures and the page of the benchmark of schedules."""

from collections.abc import Sequence
from typing import Any

from bench.trials import quantile

__all__ = ["figures_of", "outcome_of", "table"]

HEADER = (
    "| | cases | moves | found (over transit) | impossible | not found | over the bound p50 / p90 |"
    " two at a time: found | its over the bound p50 / p90 | how many times sooner, p50 |"
    " violations | planning, s p50 / worst |"
)
Rows = Sequence[dict[str, Any]]
Figures = dict[str, Any]


def figures_of(rows: Rows) -> Figures:
    """What was found, and how far above the lower bound, of some cases."""
    found = [one for one in rows if one["outcome"] == "found"]
    both = [one for one in found if one["two_at_a_time_s"] is not None]
    ours = [one["makespan_s"] / one["lower_bound_s"] - 1 for one in found]
    theirs = [one["two_at_a_time_s"] / one["lower_bound_s"] - 1 for one in both]
    return {
        "cases": len(rows),
        "moves": sum(one["wanted"] for one in rows),
        "found": len(found),
        "found_with_transit": sum(one["transits"] > 0 for one in found),
        "proven_impossible": sum(one["outcome"] == "impossible" for one in rows),
        "not_found": sum(one["outcome"] == "not found" for one in rows),
        "over_bound_median": _at(ours, 0.5),
        "over_bound_p90": _at(ours, 0.9),
        "two_at_a_time_found": sum(one["two_at_a_time_s"] is not None for one in rows),
        "two_at_a_time_over_bound_median": _at(theirs, 0.5),
        "two_at_a_time_over_bound_p90": _at(theirs, 0.9),
        "over_bound_median_where_both": _at(
            [one["makespan_s"] / one["lower_bound_s"] - 1 for one in both], 0.5
        ),
        "sooner_than_two_at_a_time_median": _at(
            [one["two_at_a_time_s"] / one["makespan_s"] for one in both], 0.5
        ),
        "audit_violations": sum(one["violations"] for one in rows),
        "planning_s_median": _at([one["planning_s"] for one in rows], 0.5),
        "planning_s_worst": round(max((one["planning_s"] for one in rows), default=0.0), 3),
    }


def _at(values: Sequence[float], fraction: float) -> float | None:
    return round(quantile(list(values), fraction), 4) if values else None


def table(results: dict[str, Any]) -> str:
    """The page that a person reads."""
    lines = [
        "# Drains and swaps",
        "",
        (
            "Clusters made from a seed, with tight memory, VMs kept apart, groups of which one may"
            " be in flight, and rings of full hosts; written by `bench/schedule/run.py`. *Over the"
            " bound*: the makespan beyond what the bytes on the links, the longest chain and the"
            " limits need in any order. Each plan is judged by `core/audit`, in every state that"
            " its order allows. *Two at a time*: moves in the order of their names, at most two per"
            " host, copies sharing their links alike; no detours. It is timed by the same model."
            " *Impossible*: every arrangement that the VMs to be moved can take was looked at, or"
            " the end itself has no room."
        ),
        "",
        *[f"- {key}: {value}" for key, value in results["about"].items()],
        "",
        HEADER,
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in [*results["families"].items(), ("**all**", results["all"])]:
        lines.append(_line(name, found))
    return "\n".join([*lines, ""])


def _line(name: str, found: Figures) -> str:
    def percent(key: str) -> str:
        return "-" if found[key] is None else f"{found[key]:.1%}"

    sooner = found["sooner_than_two_at_a_time_median"]
    return (
        f"| {name} | {found['cases']} | {found['moves']}"
        f" | {found['found']} ({found['found_with_transit']})"
        f" | {found['proven_impossible']} | {found['not_found']}"
        f" | {percent('over_bound_median')} / {percent('over_bound_p90')}"
        f" | {found['two_at_a_time_found']}"
        f" | {percent('two_at_a_time_over_bound_median')}"
        f" / {percent('two_at_a_time_over_bound_p90')}"
        f" | {'-' if sooner is None else f'{sooner:.2f}'} | {found['audit_violations']}"
        f" | {found['planning_s_median']:.2f} / {found['planning_s_worst']:.2f} |"
    )


def outcome_of(kinds: Sequence[str]) -> str:
    """One word for a case, from the kinds of its stuck moves."""
    if not kinds:
        return "found"
    return "impossible" if set(kinds) == {"impossible"} else "not found"
