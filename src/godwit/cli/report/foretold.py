"""Forecast against fact: each figure as a band with the fact as a mark, and what was weighed."""

from typing import Final

from godwit import wire
from godwit.cli.forecast_words import range_words
from godwit.cli.report.axes import Scale
from godwit.cli.report.canvas import both_widths, picture, svg_text
from godwit.cli.report.markup import Markup, element, join
from godwit.cli.views.accuracy import Compared, compare

__all__ = ["forecast_plot"]

_ROW: Final = 46.0
_NAMES: Final = 70.0
#: A drawing narrower than this has no room for whole sentences.
_ROOMY: Final = 500.0


def forecast_plot(migration: wire.MigrationDetail) -> Markup:
    """Draw each figure's range on a scale of its own, and the fact on it."""
    figures = compare(migration)
    if not figures:
        return Markup()

    def draw(width: float) -> Markup:
        rows = [
            _row(
                one,
                Scale(low=0.0, high=_high(one), first=_NAMES, last=width - 12),
                _ROW * index,
                is_wide=width > _ROOMY,
            )
            for index, one in enumerate(figures)
        ]
        return picture(width, _ROW * len(figures) + 4, "Forecast against fact", *rows)

    return both_widths(draw)


def _high(figure: Compared) -> float:
    return 1.12 * max(figure.said.high, figure.fact or 0.0, 1e-9)


def _row(figure: Compared, x: Scale, top: float, *, is_wide: bool) -> Markup:
    low, likely, high = (
        x.at(one) for one in (figure.said.low, figure.said.likely, figure.said.high)
    )
    y = top + 30
    says = range_words(figure.said, figure.say)
    says = f"forecast {says}" if is_wide else says
    parts = [
        svg_text(0, y + 4, figure.name, class_="strong"),
        svg_text(x.first, top + 14, says),
        element("line", class_="grid", x1=x.first, x2=x.last, y1=y, y2=y),
        element("rect", class_="band", x=low, y=y - 7, width=max(2.0, high - low), height=14, rx=3),
        element("line", class_="likely", x1=likely, x2=likely, y1=y - 7, y2=y + 7),
    ]
    fact = figure.fact_words if figure.fact is None else f"fact {figure.fact_words}"
    tone = "strong" if figure.verdict in {"", "within"} else "strong off"
    if is_wide and figure.verdict in {"above", "below"}:
        fact += f", {figure.verdict} the range"
    parts.append(svg_text(x.last, top + 14, fact, anchor="end", class_=tone))
    if figure.fact is not None:
        at = x.at(figure.fact)
        shape = (
            f"{at:.1f},{y - 9:.1f} {at + 6:.1f},{y:.1f} {at:.1f},{y + 9:.1f} {at - 6:.1f},{y:.1f}"
        )
        parts.append(element("polygon", class_="fact-mark", points=shape))
    return join(*parts)
