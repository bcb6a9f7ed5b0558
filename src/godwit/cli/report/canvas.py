"""The frame of a plot: its size, its two axes and the marks that all plots share.

Every plot is drawn twice, for wide and for narrow screens, so that its text can be read on both.
It holds no data and no colours: those are classes of the style sheet.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from godwit.cli.report.axes import Scale, Tick, time_ticks
from godwit.cli.report.markup import Markup, element, join

__all__ = ["Canvas", "both_widths", "picture", "polyline", "svg_text"]

_WIDE: Final = 760.0
_NARROW: Final = 340.0
_LEFT: Final = 74.0
_RIGHT: Final = 14.0
_TOP: Final = 26.0
_BOTTOM: Final = 26.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """A plot's frame; ``x`` is in seconds after the acceptance."""

    width: float
    height: float
    x: Scale
    y: Scale
    y_ticks: tuple[Tick, ...]

    @classmethod
    def make(
        cls,
        width: float,
        height: float,
        span_s: tuple[float, float],
        y_ticks: Sequence[Tick],
        *,
        is_log: bool = False,
    ) -> "Canvas":
        """Frame a plot whose axes reach from the first tick to the last."""
        return cls(
            width=width,
            height=height,
            x=Scale(low=span_s[0], high=span_s[1], first=_LEFT, last=width - _RIGHT),
            y=Scale(
                low=y_ticks[0].value,
                high=y_ticks[-1].value,
                first=height - _BOTTOM,
                last=_TOP,
                is_log=is_log,
            ),
            y_ticks=tuple(y_ticks),
        )

    def axes(self) -> Markup:
        """Draw the grid and its numbers."""
        x, y = self.x, self.y
        parts = []
        for tick in self.y_ticks:
            at = y.at(tick.value)
            parts.append(element("line", class_="grid", x1=x.first, x2=x.last, y1=at, y2=at))
            parts.append(svg_text(x.first - 8, at + 4, tick.label, anchor="end"))
        for tick in time_ticks(x.low, x.high, count=6 if self.width > _NARROW else 3):
            at = x.at(tick.value)
            parts.append(element("line", class_="tick", x1=at, x2=at, y1=y.first, y2=y.first + 4))
            parts.append(svg_text(at, y.first + 18, tick.label, anchor="middle"))
        return join(*parts)

    def upright(self, after_s: float, label: str) -> Markup:
        """Draw a moment as an upright line with its name on top."""
        at = self.x.at(after_s)
        anchor = "end" if at > (self.x.first + self.x.last) / 2 else "start"
        return join(
            element("line", class_="moment", x1=at, x2=at, y1=_TOP - 6, y2=self.y.first),
            svg_text(at, _TOP - 11, label, anchor=anchor),
        )

    def level(self, value: float, label: str, class_: str) -> Markup:
        """Draw a value as a level line with its name."""
        at = self.y.at(value)
        return join(
            element("line", class_=class_, x1=self.x.first, x2=self.x.last, y1=at, y2=at),
            svg_text(self.x.first + 6, at + 15, label),
        )


def svg_text(
    x: float, y: float, content: str, *, anchor: str = "start", class_: str | None = None
) -> Markup:
    """Write into a picture."""
    return element("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


def polyline(points: Sequence[tuple[float, float]], class_: str, *, close: bool = False) -> Markup:
    """Draw straight lines from point to point."""
    places = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return element("path", class_=class_, d=f"M{places}" + (" Z" if close else ""))


def picture(width: float, height: float, label: str, *parts: str) -> Markup:
    """Put a drawing together; ``label`` is what a screen reader says of it."""
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        aria_label=label,
        class_="wide" if width > _NARROW else "narrow",
    )


def both_widths(draw: Callable[[float], Markup]) -> Markup:
    """Draw for a wide and for a narrow screen; the style sheet shows one of them."""
    return join(draw(_WIDE), draw(_NARROW))
