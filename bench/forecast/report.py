"""The figures and the page of the forecast benchmark."""

import math
from collections.abc import Callable
from typing import Any

from bench.forecast.baselines import Guess, constant_rate, memory_over_bandwidth
from bench.trials import quantile

__all__ = ["summary", "table"]

Rows = list[dict[str, Any]]
Figures = dict[str, Any]
_FIGURES = ("total_s", "sent_bytes", "pause_s", "outage_s")
HEADER = (
    "| | n | time error p50 / p90 | bytes error p50 / p90 | pause error p50 / p90, ms"
    " | coverage | will converge: right, precision, recall |"
)
_SHOWN = (("total_s", 1.0, 1), ("sent_bytes", 1e-6, 0), ("pause_s", 1000.0, 0))
#: The first pause limit of a recipe, which the classic model is told to stop at.
_LIMIT_S = 0.02


def figures_of(rows: Rows, guess: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Figures:
    """Errors, and how often "will converge" was right, of one way to predict."""
    errors: dict[str, list[float]] = {"total_s": [], "sent_bytes": [], "pause_ms": []}
    right = predicted = really = both = judged = 0
    for row in rows:
        said = guess(row)
        if said is None:
            continue
        judged += 1
        right += said["converges"] == row["completed"]
        predicted += said["converges"]
        really += row["completed"]
        both += said["converges"] and row["completed"]
        if not row["completed"]:
            continue
        for key in ("total_s", "sent_bytes"):
            if row[key] is not None:
                errors[key].append(min(99.0, abs(said[key] - row[key]) / row[key]))
        if row["pause_s"] is not None:
            errors["pause_ms"].append(abs(said["pause_s"] - row["pause_s"]) * 1000)
    return {
        "count": judged,
        "time_error_median": _at(errors["total_s"], 0.5),
        "time_error_p90": _at(errors["total_s"], 0.9),
        "bytes_error_median": _at(errors["sent_bytes"], 0.5),
        "bytes_error_p90": _at(errors["sent_bytes"], 0.9),
        "pause_error_ms_median": _at(errors["pause_ms"], 0.5),
        "pause_error_ms_p90": _at(errors["pause_ms"], 0.9),
        "converge_accuracy": round(right / judged, 4) if judged else None,
        "converge_precision": round(both / predicted, 4) if predicted else None,
        "converge_recall": round(both / really, 4) if really else None,
    }


def _at(values: list[float], fraction: float) -> float | None:
    return round(quantile(values, fraction), 4) if values else None


def coverage(rows: Rows) -> dict[str, float | None]:
    """How many facts lay within their 90 % ranges, by figure and in all."""
    found: dict[str, float | None] = {}
    inside_all = count_all = 0
    for key in _FIGURES:
        judged = [one for one in rows if one["completed"] and one[key] is not None]
        inside = sum(
            one["forecast"][key]["low"] <= one[key] <= one["forecast"][key]["high"]
            for one in judged
        )
        found[key] = round(inside / len(judged), 4) if judged else None
        inside_all, count_all = inside_all + inside, count_all + len(judged)
    found["all"] = round(inside_all / count_all, 4) if count_all else None
    return found


def ours(row: dict[str, Any]) -> dict[str, Any]:
    """Godwit's own forecast, the medians of its ranges."""
    forecast = row["forecast"]
    likely = {key: forecast[key]["likely"] for key in ("total_s", "sent_bytes", "pause_s")}
    return likely | {"converges": forecast["converges"] >= 0.5}


def naive(row: dict[str, Any]) -> dict[str, Any] | None:
    """Memory over bandwidth."""
    if not row["bandwidth_bytes_per_s"]:
        return None
    return _as_row(memory_over_bandwidth(row["memory_bytes"], row["bandwidth_bytes_per_s"]))


def classic(row: dict[str, Any]) -> dict[str, Any] | None:
    """The constant dirty rate."""
    if not row["bandwidth_bytes_per_s"]:
        return None
    written = row["written_bytes_per_s"]
    return _as_row(
        constant_rate(row["memory_bytes"], row["bandwidth_bytes_per_s"], written, _LIMIT_S)
    )


def _as_row(guess: Guess) -> dict[str, Any]:
    return {
        "total_s": guess.total_s if math.isfinite(guess.total_s) else 1e9,
        "sent_bytes": guess.sent_bytes if math.isfinite(guess.sent_bytes) else 1e18,
        "pause_s": guess.pause_s,
        "converges": guess.converges,
    }


def summary(rows: Rows) -> dict[str, Any]:
    """The figures that are watched over time: held-out settings, of guests never moved before."""
    apart = [one for one in rows if one["held_out"]]
    cold = [one for one in apart if one["leg"] == "cold"]
    warm = [one for one in apart if one["leg"] == "warm"]
    mine = figures_of(cold, ours)
    return {
        "time_error_median": mine["time_error_median"],
        "bytes_error_median": mine["bytes_error_median"],
        "pause_error_ms_p90": mine["pause_error_ms_p90"],
        "coverage_90": coverage(cold)["all"],
        "converge_accuracy": mine["converge_accuracy"],
        "settings": len({one["setting"] for one in rows}),
        "held_out_settings": len({one["setting"] for one in apart}),
        "migrations_made": len(rows),
        "held_out_cold": mine | {"coverage": coverage(cold)},
        "held_out_warm": figures_of(warm, ours) | {"coverage": coverage(warm)},
        "baseline_memory_over_bandwidth": figures_of(cold, naive),
        "baseline_constant_rate": figures_of(cold, classic),
    }


def table(rows: Rows, about: dict[str, str]) -> str:
    """The page that a person reads."""
    apart = [one for one in rows if one["held_out"]]
    lines = [
        "# Forecast against fact",
        "",
        (
            f"{len(rows)} migrations of {len({one['setting'] for one in rows})} guests, from idle"
            " to faster than the link; written by `bench/forecast/run.py`. *Cold*: nothing is"
            " known of the guest but a measurement of a few seconds before the move. *Warm*: its"
            " first migration has been learnt from. Held-out settings are kept out of all fitting."
            " An error is |forecast - fact| / fact of migrations that completed; coverage is the"
            " share of facts within their 90 % ranges. The baselines are given the bandwidth that"
            " the migration really had, and the rate that the guest was told to write at; no"
            " forecast knows either before."
        ),
        "",
        *[f"- {key}: {value}" for key, value in about.items()],
        "",
        HEADER,
        "|---|---|---|---|---|---|---|",
    ]
    cold = [one for one in apart if one["leg"] == "cold"]
    warm = [one for one in apart if one["leg"] == "warm"]
    fitted = [one for one in rows if not one["held_out"]]
    lines += [
        _line("**held out, cold**", figures_of(cold, ours), coverage(cold)["all"]),
        _line("held out, warm", figures_of(warm, ours), coverage(warm)["all"]),
        _line("fitted, cold and warm", figures_of(fitted, ours), coverage(fitted)["all"]),
        _line("memory / bandwidth (held out, cold)", figures_of(cold, naive), None),
        _line("constant dirty rate (held out, cold)", figures_of(cold, classic), None),
        "",
        "Coverage by figure (held out, cold): "
        + ", ".join(
            f"{key} {value:.0%}" for key, value in coverage(cold).items() if value is not None
        )
        + ".",
        "",
        *_all_rows(rows),
    ]
    return "\n".join(lines)


def _line(name: str, found: dict[str, Any], covered: float | None) -> str:
    def percent(key: str) -> str:
        return "-" if found[key] is None else f"{found[key]:.1%}"

    def number(key: str) -> str:
        return "-" if found[key] is None else f"{found[key]:.0f}"

    return (
        f"| {name} | {found['count']}"
        f" | {percent('time_error_median')} / {percent('time_error_p90')}"
        f" | {percent('bytes_error_median')} / {percent('bytes_error_p90')}"
        f" | {number('pause_error_ms_median')} / {number('pause_error_ms_p90')}"
        f" | {'-' if covered is None else f'{covered:.0%}'}"
        f" | {percent('converge_accuracy')}, {percent('converge_precision')},"
        f" {percent('converge_recall')} |"
    )


def _all_rows(rows: Rows) -> list[str]:
    lines = [
        "## Every migration",
        "",
        "Fact, and in brackets the forecast's 90 % range.",
        "",
        "| guest | | time, s | sent, MB | pause, ms | converges (forecast) |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        forecast = row["forecast"]
        leg = row["leg"] + (", held out" if row["held_out"] else "")
        cells = [
            _cell(row, forecast, key, scale, digits)
            for key, scale, digits in (
                ("total_s", 1, 1),
                ("sent_bytes", 1e-6, 0),
                ("pause_s", 1e3, 0),
            )
        ]
        ended = "yes" if row["completed"] else "no"
        lines.append(
            f"| {row['setting']} | {leg} | {' | '.join(cells)}"
            f" | {ended} ({forecast['converges']:.0%}) |"
        )
    return [*lines, ""]


def _cell(
    row: dict[str, Any], forecast: dict[str, Any], key: str, scale: float, digits: int
) -> str:
    low, high = forecast[key]["low"] * scale, forecast[key]["high"] * scale
    bounds = f"({low:.{digits}f} to {high:.{digits}f})"
    fact = "-" if row[key] is None else f"{row[key] * scale:.{digits}f}"
    return f"{fact} {bounds}"
