"""Forecasts and recipes in words: ranges, chances, and what a recipe may do to the guest.

Pure: values in, text out. Where it is printed, and in what order, is up to the screens.
"""

from collections.abc import Callable
from typing import Final

from godwit import wire
from godwit.core.units import format_bytes, format_duration, format_fraction, format_rate

__all__ = [
    "ALTERNATIVE_COLUMNS",
    "alternative_cells",
    "chance_words",
    "forecast_words",
    "limit_words",
    "postcopy_risk",
    "promise_words",
    "range_words",
    "recipe_words",
    "short_forecast",
    "span_words",
]

#: A chance nearer to certainty than this is said as "more than 99 of 100".
_NEARLY: Final = 0.995

ALTERNATIVE_COLUMNS: Final = ("RECIPE", "TIME", "PAUSE", "OUTAGE", ">SENT", ">KEEPS")


def range_words(figure: wire.Range, say: Callable[[float], str]) -> str:
    """Write the likely value and, in brackets, the range of nine in ten cases."""
    texts = [say(one) for one in (figure.low, figure.likely, figure.high)]
    low, likely, high = texts
    if low == likely == high:
        return likely
    units = {one.rpartition(" ")[2].removesuffix("s") or "s" for one in texts}
    if len(units) == 1 and all(one.count(" ") == 1 for one in texts):
        low, high = low.partition(" ")[0], high.partition(" ")[0]
    return f"{likely} ({low} to {high})"


def span_words(figure: wire.Range, say: Callable[[float], str]) -> str:
    """Write a range alone, as short as it can be read."""
    low, high = say(figure.low), say(figure.high)
    if low == high:
        return low
    (number, _, unit), (_, _, other) = low.partition(" "), high.partition(" ")
    return f"{number if unit == other else low}-{high}"


def _rounds(value: float) -> str:
    return f"{value:.0f} round{'' if round(value) == 1 else 's'}"


def limit_words(duration_s: float) -> str:
    """Write a duration that somebody set: without the zeroes of what was measured."""
    return format_duration(duration_s).removesuffix(" 00 s").removesuffix(" 00 m").replace(".0", "")


def chance_words(chance: float) -> str:
    """Write a chance as so many of a hundred."""
    if chance >= _NEARLY:
        return "more than 99 of 100"
    if chance < 1 - _NEARLY:
        return "fewer than 1 of 100"
    return f"{chance * 100:.0f} of 100"


def promise_words(recipe: wire.Recipe) -> str:
    """Name what was promised: the pause, and the deadline where there is one."""
    text = f"the {limit_words(recipe.pause_max_s)} promise"
    if recipe.deadline_s is not None:
        text += f" within {limit_words(recipe.deadline_s)}"
    return text


def forecast_words(forecast: wire.Forecast, recipe: wire.Recipe) -> str:
    """Write a forecast as one sentence."""
    said = [
        f"about {range_words(forecast.total_s, format_duration)}",
        f"pause {range_words(forecast.pause_s, format_duration)}",
        f"clients see {range_words(forecast.outage_s, format_duration)}",
        f"{range_words(forecast.sent_bytes, format_bytes)} sent",
        range_words(forecast.rounds, _rounds),
    ]
    chance = f"keeps {promise_words(recipe)} in {chance_words(forecast.keeps_promise)}"
    if forecast.converges < _NEARLY:
        chance = f"converges in {chance_words(forecast.converges)}, {chance}"
    return f"{', '.join(said)}; {chance}"


def short_forecast(forecast: wire.Forecast, recipe: wire.Recipe) -> str:
    """Write time, pause and chance: enough for one of many moves."""
    return (
        f"about {format_duration(forecast.total_s.likely)},"
        f" pause {format_duration(forecast.pause_s.likely)};"
        f" keeps the {limit_words(recipe.pause_max_s)} promise"
        f" in {chance_words(forecast.keeps_promise)}"
    )


def alternative_cells(one: wire.Alternative, *, chosen: bool) -> tuple[str, ...]:
    """Write a recipe that has a forecast under ``ALTERNATIVE_COLUMNS``, to fit 80 columns."""
    name = f"{one.name}*" if chosen else one.name
    forecast = one.forecast
    if forecast is None:
        return (name, "no forecast", "", "", "", "")
    return (
        name,
        span_words(forecast.total_s, format_duration),
        span_words(forecast.pause_s, format_duration),
        span_words(forecast.outage_s, format_duration),
        format_bytes(forecast.sent_bytes.likely),
        chance_words(forecast.keeps_promise)
        .removesuffix(" of 100")
        .replace("more than ", ">")
        .replace("fewer than ", "<")
        + " %",
    )


def recipe_words(recipe: wire.Recipe) -> str:
    """Say what a recipe does, and what it may do when the copy does not converge."""
    streams = "one stream" if not recipe.channels else f"{recipe.channels} channels"
    if recipe.compression != "none":
        streams += f", {recipe.compression}"
    if recipe.xbzrle_cache_bytes is not None:
        streams += f" with a cache of {format_bytes(recipe.xbzrle_cache_bytes)}"
    said = [f"pre-copy over {streams}", f"sends {_sends(recipe)}"]
    start, most = limit_words(recipe.pause_start_s), limit_words(recipe.pause_max_s)
    limit = f"at most {most}" if start == most else f"{start}, raised to {most} if it must be"
    said.append(f"pause limit {limit}")
    if recipe.pause_target_s is not None:
        said.append(f"aims at a pause of {limit_words(recipe.pause_target_s)}")
    if recipe.pause_longer_s is not None and recipe.pause_longer_s > recipe.pause_max_s:
        said.append(f"as the last resort {limit_words(recipe.pause_longer_s)}")
    if recipe.throttle is not None:
        most_fraction = format_fraction(recipe.throttle.most_fraction)
        said.append(f"may slow the vCPUs by up to {most_fraction}")
    if recipe.postcopy:
        said.append("may go over to post-copy")
    if recipe.deadline_s is not None:
        said.append(f"given up after {limit_words(recipe.deadline_s)}")
    return "; ".join(said)


def _sends(recipe: wire.Recipe) -> str:
    if recipe.bandwidth_bytes_per_s is None:
        return "all that the link carries"
    hard = "" if recipe.bandwidth_is_hard else " at first"
    return f"at most {format_rate(recipe.bandwidth_bytes_per_s)}{hard}"


def postcopy_risk(move: wire.Move) -> str:
    """Say plainly what post-copy risks; empty where the recipe does not permit it."""
    if not move.recipe.postcopy:
        return ""
    return (
        f"Risk of post-copy: only if the copy does not converge, {move.vm_name} goes on at"
        f" {move.destination} before all its memory is there. From then on it can't be cancelled,"
        " and it lives on both hosts: if the path between them breaks, it stands still until the"
        " path is back and the copy is taken up again (libvirt 11.2 and 11.3 can't do that); if"
        f" {move.source} or {move.destination} dies before the end, {move.vm_name} ends as in a"
        " power failure."
    )
