"""The magnifying glass: the switch-over, moment by moment, counted from the stop of the vCPUs.

One row a moment, so that nothing is written over anything however near two moments are. Below it
the promise, the limit, the pause and the outage as bars of one scale. It draws nothing when no
stop was seen.
"""

from typing import Final

from godwit import wire
from godwit.cli.report.axes import Scale
from godwit.cli.report.canvas import both_widths, picture, svg_text
from godwit.cli.report.markup import Markup, element, join
from godwit.cli.report.story import Moment, switch_moments
from godwit.core.units import format_duration

__all__ = ["glass_plot", "length_bars", "since_stop"]

_ROW: Final = 38.0
_TOP: Final = 30.0
#: The least that is shown on either side of the switch-over.
_MARGIN_S: Final = 0.05
_NAMES: Final = 300.0


def since_stop(moment_s: float) -> str:
    """Write a distance from the stop with its sign."""
    if abs(moment_s) < 0.0005:
        return "0 ms"
    sign = "+" if moment_s > 0 else "\N{MINUS SIGN}"
    return f"{sign}{format_duration(abs(moment_s))}"


def glass_plot(migration: wire.MigrationDetail) -> Markup:
    """Draw the moments around the switch-over."""
    moments = switch_moments(migration)
    if migration.stopped_at_s is None:
        return Markup()
    stop_s = migration.stopped_at_s - migration.accepted_at_s
    window_s = _window(migration, moments, stop_s)

    def draw(width: float) -> Markup:
        is_wide = width > 2 * _NAMES
        height = _TOP + _ROW * len(moments) + 8
        left = _NAMES + 20 if is_wide else 12.0
        x = Scale(low=window_s[0], high=window_s[1], first=left, last=width - 14)
        rows = [
            _row(one, one.after_s - stop_s, x, _TOP + _ROW * (index + 0.5), is_wide=is_wide)
            for index, one in enumerate(moments)
        ]
        return picture(
            width,
            height,
            "The switch-over, moment by moment",
            _pause_band(migration, x, height),
            *rows,
        )

    return both_widths(draw)


def _window(
    migration: wire.MigrationDetail, moments: tuple[Moment, ...], stop_s: float
) -> tuple[float, float]:
    """From when to when the glass goes, in seconds after the stop."""
    pause_s = (migration.result.pause_s if migration.result is not None else None) or 0.0
    ends = [one.after_s - stop_s for one in moments if one.event in {"call_ended", "found"}]
    core_s = max([pause_s, *(ends[:2])])
    margin_s = max(_MARGIN_S, 0.6 * core_s)
    return -margin_s, core_s + margin_s


def _pause_band(migration: wire.MigrationDetail, x: Scale, height: float) -> Markup:
    stopped = x.at(0.0)
    parts = [element("line", class_="moment", x1=stopped, x2=stopped, y1=_TOP - 8, y2=height)]
    pause_s = migration.result.pause_s if migration.result is not None else None
    if pause_s is None:
        parts.append(svg_text(stopped + 4, _TOP - 14, "vCPUs stopped; pause not known"))
        return join(*parts)
    width = max(1.5, x.at(pause_s) - stopped)
    says = f"pause {format_duration(pause_s)}"
    parts.insert(
        0,
        element(
            "rect", class_="pause", x=stopped, y=_TOP - 8, width=width, height=height - _TOP + 8
        ),
    )
    parts.append(svg_text(stopped + 4, _TOP - 14, says, class_="strong"))
    return join(*parts)


def _row(moment: Moment, after_stop_s: float, x: Scale, y: float, *, is_wide: bool) -> Markup:
    at = x.at(after_stop_s)
    time = since_stop(after_stop_s)
    line_y = y if is_wide else y + 9
    parts = [element("line", class_="grid", x1=x.first, x2=x.last, y1=line_y, y2=line_y)]
    if after_stop_s < x.low:
        parts.append(_arrow(x.first, line_y, -1))
    elif after_stop_s > x.high:
        parts.append(_arrow(x.last, line_y, 1))
    else:
        parts.append(element("circle", class_="dot glass", cx=at, cy=line_y, r=4))
    if is_wide:
        parts.append(svg_text(0, y + 4, _cut(moment.says, 38)))
        parts.append(svg_text(_NAMES, y + 4, time, anchor="end", class_="strong"))
    else:
        parts.append(svg_text(0, y - 2, _cut(moment.says, 38)))
        parts.append(svg_text(x.last + 14, y - 2, time, anchor="end", class_="strong"))
    return join(*parts)


def _cut(says: str, length: int) -> str:
    return says if len(says) <= length else says[: length - 1] + "…"


def _arrow(x: float, y: float, way: int) -> Markup:
    tip, back = x + 5 * way, x - 3 * way
    return element(
        "polygon",
        class_="dot glass",
        points=f"{tip:.1f},{y:.1f} {back:.1f},{y - 4:.1f} {back:.1f},{y + 4:.1f}",
    )


def length_bars(migration: wire.MigrationDetail) -> Markup:
    """Draw promise, limit in force, pause and outage under each other, to one scale."""
    result = migration.result
    lengths = [
        ("promise", migration.pause_max_s, "promise"),
        ("limit at the end", migration.pause_limit_s, "limit"),
        ("pause", result.pause_s if result is not None else None, "pause"),
        ("outage", result.outage_s if result is not None else None, "outage"),
    ]
    longest_s = max(length_s or 0.0 for _, length_s, _ in lengths)

    def draw(width: float) -> Markup:
        x = Scale(low=0.0, high=longest_s, first=0.0, last=width - 200)
        parts: list[Markup] = []
        for index, (name, length_s, class_) in enumerate(lengths):
            y = 8.0 + 26 * index
            parts.append(svg_text(0, y + 12, name))
            if length_s is None:
                parts.append(svg_text(112, y + 12, "not known"))
                continue
            parts.append(
                element(
                    "rect",
                    class_=f"bar {class_}",
                    x=112,
                    y=y,
                    width=max(1.5, x.at(length_s)),
                    height=16,
                    rx=2,
                )
            )
            end = 112 + x.at(length_s) + 8
            parts.append(svg_text(end, y + 12, format_duration(length_s), class_="strong"))
        return picture(width, 8 + 26.0 * len(lengths), "Promise, limit, pause and outage", *parts)

    return both_widths(draw)
