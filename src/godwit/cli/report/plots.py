"""The plots over time: memory left, the two rates, the limits. Pure drawing, no judgement.

What a sync told is a dot. The fine line goes through the samples in between; without samples it is
drawn from dot to dot, and was not measured.
"""

import math
from collections.abc import Sequence
from typing import Final

from godwit import wire
from godwit.cli.report.axes import Tick, byte_ticks, log_ticks
from godwit.cli.report.canvas import Canvas, both_widths, picture, polyline, svg_text
from godwit.cli.report.markup import Markup, element, join
from godwit.cli.report.story import limit_steps, shown_span
from godwit.cli.report.traces import (
    bandwidth_limits,
    memory_points,
    postcopy_span,
    rate_points,
    throttle_points,
)
from godwit.core.units import format_bytes, format_duration, format_rate

__all__ = ["limit_plot", "memory_plot", "rate_plot", "throttle_plot"]

_HEIGHT: Final = 240.0
_LOW: Final = 150.0
#: Numbers of rounds nearer to each other than this (pixels) can't be read.
_APART: Final = 18.0
_LABEL_WIDTH: Final = 100.0


def memory_plot(migration: wire.MigrationDetail) -> Markup:
    """Draw what was left after each sync, and the saw-tooth in between."""
    rounds, zero_s = migration.rounds, migration.accepted_at_s
    sampled = [left for _, left in memory_points(migration)]
    ticks = byte_ticks(max([*(float(one.remaining_bytes) for one in rounds), *sampled]))

    def draw(width: float) -> Markup:
        canvas = Canvas.make(width, _HEIGHT, shown_span(migration), ticks)
        corners = _sampled(migration, canvas) or _saw_tooth(migration, canvas)
        floor = canvas.y.first
        area = [(corners[0][0], floor), *corners, (corners[-1][0], floor)]
        dots = [
            _dot(
                canvas.x.at(one.ended_at_s - zero_s),
                canvas.y.at(one.remaining_bytes),
                f"round {one.number}: {format_bytes(one.remaining_bytes)} left",
                "dot memory",
            )
            for one in rounds
        ]
        return picture(
            width,
            _HEIGHT,
            "Memory left over time",
            canvas.axes(),
            _postcopy_band(migration, canvas),
            polyline(area, "area memory", close=True),
            polyline(corners, "line memory"),
            _uprights(migration, canvas),
            *dots,
            _round_numbers(migration, canvas),
        )

    return both_widths(draw)


def _sampled(migration: wire.MigrationDetail, canvas: Canvas) -> list[tuple[float, float]]:
    """Corners in pixels through what was measured between the syncs; none without samples."""
    points = memory_points(migration)
    corners = [(canvas.x.at(after_s), canvas.y.at(left)) for after_s, left in points]
    if corners and migration.phase == "done":
        corners.append((canvas.x.last, canvas.y.first))
    return corners


def _postcopy_band(migration: wire.MigrationDetail, canvas: Canvas) -> Markup:
    span_s = postcopy_span(migration)
    if span_s is None:
        return Markup()
    first, last = (canvas.x.at(one) for one in span_s)
    top = canvas.y.last
    return join(
        element(
            "rect",
            class_="postcopy",
            x=first,
            y=top,
            width=max(2.0, last - first),
            height=canvas.y.first - top,
        ),
        svg_text((first + last) / 2, top + 14, "post-copy", anchor="middle"),
    )


def _saw_tooth(migration: wire.MigrationDetail, canvas: Canvas) -> list[tuple[float, float]]:
    """Corners in pixels: down to nothing until the next sync, which finds what was written."""
    rounds, zero_s = migration.rounds, migration.accepted_at_s
    corners: list[tuple[float, float]] = []
    for one in rounds:
        at = canvas.x.at(one.ended_at_s - zero_s)
        if corners:
            corners.append((at, canvas.y.first))
        corners.append((at, canvas.y.at(one.remaining_bytes)))
    progress = migration.progress
    if migration.phase == "done":
        corners.append((canvas.x.last, canvas.y.first))
    elif progress is not None and progress.taken_at_s > rounds[-1].ended_at_s:
        now = canvas.x.at(progress.taken_at_s - zero_s)
        corners.append((now, canvas.y.at(progress.remaining_bytes)))
    return corners


def rate_plot(migration: wire.MigrationDetail) -> Markup:
    """Draw what the link carried and what the guest wrote, as known at each sync."""
    caps = bandwidth_limits(migration)
    zero_s = migration.accepted_at_s
    # It is 0 during the whole first pass, which means that it is not known yet.
    lines = (
        (
            "bandwidth",
            "link carries",
            rate_points(migration, lambda one: one.bandwidth_bytes_per_s),
            [(one.ended_at_s - zero_s, one.bandwidth_bytes_per_s) for one in migration.rounds],
        ),
        (
            "dirty",
            "guest writes",
            rate_points(migration, lambda one: one.dirty_bytes_per_s),
            [(one.ended_at_s - zero_s, one.dirty_bytes_per_s) for one in migration.rounds],
        ),
    )
    rates = [rate for *_, fine, dots in lines for _, rate in (*fine, *dots)]
    ticks = byte_ticks(max([*rates, *(rate or 0.0 for _, rate in caps), 1.0]), suffix="/s")

    def draw(width: float) -> Markup:
        canvas = Canvas.make(width, _HEIGHT, shown_span(migration), ticks)
        return picture(
            width,
            _HEIGHT,
            "Bandwidth and dirty rate over time",
            canvas.axes(),
            _postcopy_band(migration, canvas),
            _uprights(migration, canvas),
            _caps(canvas, caps),
            *(
                _rate_line(canvas, fine, [one for one in dots if one[1] > 0], says, class_)
                for class_, says, fine, dots in lines
            ),
        )

    return both_widths(draw)


def _caps(canvas: Canvas, caps: Sequence[tuple[float, float | None]]) -> Markup:
    """Draw each limit of the stream for as long as it was in force."""
    parts = []
    ends = [*(after_s for after_s, _ in caps[1:]), canvas.x.high]
    for (begin_s, rate), end_s in zip(caps, ends, strict=False):
        if rate is None:
            continue
        y = canvas.y.at(rate)
        parts.append(
            element(
                "line", class_="level", x1=canvas.x.at(begin_s), x2=canvas.x.at(end_s), y1=y, y2=y
            )
        )
    return join(*parts)


def _rate_line(
    canvas: Canvas,
    fine: Sequence[tuple[float, float]],
    points: Sequence[tuple[float, float]],
    says: str,
    class_: str,
) -> Markup:
    if not points and not fine:
        return Markup()
    places = [(canvas.x.at(after_s), canvas.y.at(rate)) for after_s, rate in points]
    shape = _dot if class_ == "bandwidth" else _diamond
    dots = [
        shape(x, y, f"{says} {format_rate(rate)}", f"dot {class_}")
        for (x, y), (_, rate) in zip(places, points, strict=True)
    ]
    traced = [(canvas.x.at(after_s), canvas.y.at(rate)) for after_s, rate in fine] or places
    return join(polyline(traced, f"line {class_}"), *dots)


def limit_plot(migration: wire.MigrationDetail) -> Markup:
    """Draw the limit in force, the promise above it, and what each round would have cost."""
    steps = limit_steps(migration)
    zero_s = migration.accepted_at_s
    implied = [
        (one.ended_at_s - zero_s, one.implied_pause_s, one.number)
        for one in migration.rounds
        if one.implied_pause_s
    ]
    values = [one.limit_s for one in steps] + [pause_s for _, pause_s, _ in implied]
    longer_s = migration.recipe.pause_longer_s
    permitted = [migration.pause_max_s, *([] if longer_s is None else [longer_s])]
    values += permitted
    ticks = log_ticks(max(min(values), 1e-4), max(values))

    def draw(width: float) -> Markup:
        span_s = shown_span(migration)
        canvas = Canvas.make(width, _HEIGHT, span_s, ticks, is_log=True)
        promise = f"promise: {format_duration(migration.pause_max_s)}"
        corners: list[tuple[float, float]] = []
        for step in steps:
            at = canvas.x.at(step.after_s)
            if corners:
                corners.append((at, corners[-1][1]))
            corners.append((at, canvas.y.at(step.limit_s)))
        if corners:
            corners.append((canvas.x.last, corners[-1][1]))
        dots = [
            _ring(
                canvas.x.at(after_s),
                canvas.y.at(pause_s),
                f"stopping at round {number} would have paused for {format_duration(pause_s)}",
            )
            for after_s, pause_s, number in implied
        ]
        return picture(
            width,
            _HEIGHT,
            "Pause limit over time",
            canvas.axes(),
            canvas.level(migration.pause_max_s, promise, "level promise"),
            ""
            if longer_s is None
            else canvas.level(
                longer_s, f"permitted as the last resort: {format_duration(longer_s)}", "level"
            ),
            _uprights(migration, canvas),
            polyline(corners, "line limit") if corners else "",
            *dots,
        )

    return both_widths(draw)


def throttle_plot(migration: wire.MigrationDetail) -> Markup:
    """Draw how much the vCPUs were slowed; nothing when they never were."""
    points = throttle_points(migration)
    if not points:
        return Markup()
    ticks = [Tick(value=one / 4, label=f"{25 * one} %") for one in range(5)]

    def draw(width: float) -> Markup:
        canvas = Canvas.make(width, _LOW, shown_span(migration), ticks)
        corners: list[tuple[float, float]] = []
        for after_s, fraction in points:
            at = canvas.x.at(after_s)
            if corners:
                corners.append((at, corners[-1][1]))
            corners.append((at, canvas.y.at(fraction)))
        return picture(
            width,
            _LOW,
            "How much the vCPUs were slowed",
            canvas.axes(),
            _postcopy_band(migration, canvas),
            _uprights(migration, canvas),
            polyline(corners, "line throttle"),
        )

    return both_widths(draw)


def _uprights(migration: wire.MigrationDetail, canvas: Canvas) -> Markup:
    """Draw the stop of the vCPUs and the first order to abort; no two names over each other."""
    names = {"vcpus_stopped": "vCPUs stopped", "cancel_ordered": "abort ordered"}
    seen: dict[str, float] = {}
    for one in migration.journal:
        if one.event in names:
            seen.setdefault(one.event, one.at_s - migration.accepted_at_s)
    parts: list[Markup] = []
    last = -math.inf
    for event, after_s in sorted(seen.items(), key=lambda one: one[1]):
        at = canvas.x.at(after_s)
        parts.append(canvas.upright(after_s, names[event] if at - last > _LABEL_WIDTH else ""))
        last = at
    return join(*parts)


def _round_numbers(migration: wire.MigrationDetail, canvas: Canvas) -> Markup:
    parts: list[Markup] = []
    last = -math.inf
    for one in migration.rounds:
        at = canvas.x.at(one.ended_at_s - migration.accepted_at_s)
        if at - last < _APART:
            continue
        last = at
        y = canvas.y.at(one.remaining_bytes) - 9
        parts.append(svg_text(at + 3, y, str(one.number), class_="number"))
    return join(*parts)


def _dot(x: float, y: float, says: str, class_: str) -> Markup:
    return element("circle", element("title", says), class_=class_, cx=x, cy=y, r=3.2)


def _diamond(x: float, y: float, says: str, class_: str) -> Markup:
    points = (
        f"{x:.1f},{y - 4.5:.1f} {x + 4.5:.1f},{y:.1f} {x:.1f},{y + 4.5:.1f} {x - 4.5:.1f},{y:.1f}"
    )
    return element("polygon", element("title", says), class_=class_, points=points)


def _ring(x: float, y: float, says: str) -> Markup:
    return element("circle", element("title", says), class_="ring", cx=x, cy=y, r=3.6)
