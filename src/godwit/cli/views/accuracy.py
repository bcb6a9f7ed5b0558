"""Forecasts beside facts: of one migration, and of all that were scored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from godwit import wire
from godwit.cli.forecast_words import range_words
from godwit.cli.screen import Screen
from godwit.core.units import format_bytes, format_duration, format_fraction

__all__ = ["Compared", "compare", "show_accuracy", "show_compared"]

#: Fewer scores say little of how right the next forecast will be.
_FEW: Final = 20

_NAMES: Final = {"total": "time", "sent": "sent", "pause": "pause", "outage": "outage"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One figure of a forecast and what came of it; ``fact`` is None where it is not known."""

    name: str
    said: wire.Range
    fact: float | None
    say: Callable[[float], str]

    @property
    def fact_words(self) -> str:
        """Write the fact."""
        return "not measured" if self.fact is None else self.say(self.fact)

    @property
    def verdict(self) -> str:
        """Say whether the fact lies within the range."""
        if self.fact is None:
            return ""
        if self.said.low <= self.fact <= self.said.high:
            return "within"
        return "above" if self.fact > self.said.high else "below"


def compare(migration: wire.Migration) -> tuple[Compared, ...]:
    """Put each figure of a migration's forecast beside its fact; nothing without a forecast."""
    forecast, result = migration.forecast, migration.result
    if forecast is None:
        return ()
    total_s = pause_s = outage_s = sent_bytes = rounds = None
    if result is not None:
        total_s, pause_s, outage_s = result.total_s, result.pause_s, result.outage_s
        sent_bytes, rounds = result.transferred_bytes, result.rounds
    figures: tuple[tuple[str, wire.Range, float | None, Callable[[float], str]], ...] = (
        ("time", forecast.total_s, total_s, format_duration),
        ("pause", forecast.pause_s, pause_s, format_duration),
        ("outage", forecast.outage_s, outage_s, format_duration),
        ("sent", forecast.sent_bytes, sent_bytes, format_bytes),
        ("rounds", forecast.rounds, rounds, lambda one: f"{one:.0f}"),
    )
    return tuple(
        Compared(name=name, said=said, fact=fact, say=say) for name, said, fact, say in figures
    )


def show_compared(screen: Screen, migration: wire.Migration) -> None:
    """Print the forecast of a migration beside the facts."""
    found = compare(migration)
    if not found:
        screen.line("No forecast was made.", indent=2)
        return
    rows = [
        (one.name, range_words(one.said, one.say), one.fact_words, one.verdict) for one in found
    ]
    screen.table(("FIGURE", "FORECAST (NINE IN TEN)", "FACT", ""), rows)


def show_accuracy(screen: Screen, accuracy: wire.Accuracy) -> None:
    """Print how right forecasts were, figure by figure."""
    if not accuracy.count:
        screen.line("No forecast has been scored yet: each migration that ends is scored.")
        return
    moves = "migration" if accuracy.count == 1 else "migrations"
    screen.line(
        f"Forecasts of {accuracy.count} {moves}, {accuracy.completed} of them moved their guest.",
        style="bold",
    )
    rows = [
        (
            _NAMES.get(one.name, one.name),
            _error(one, one.error_median),
            _error(one, one.error_p90),
            _share(one.coverage_fraction),
            str(one.count),
        )
        for one in accuracy.figures
    ]
    rows.append(("all", "", "", _share(accuracy.coverage_fraction), ""))
    columns = ("FIGURE", ">MEDIAN ERROR", ">90TH PERCENTILE", ">WITHIN THE RANGE", ">COUNT")
    screen.table(columns, rows)
    screen.line("A range is meant to hold nine facts in ten.")
    right = accuracy.converge_right_fraction
    if right is not None:
        screen.line(
            f'"Will converge" was right in {format_fraction(right)} (precision'
            f" {_share(accuracy.converge_precision_fraction)}, recall"
            f" {_share(accuracy.converge_recall_fraction)})."
        )
    if accuracy.count < _FEW:
        screen.line(f"Fewer than {_FEW} are too few to judge the next one by.")


def _error(figure: wire.AccuracyFigure, error: float | None) -> str:
    if error is None:
        return "-"
    return f"{error * 100:.1f} %" if figure.is_relative else format_duration(error)


def _share(fraction: float | None) -> str:
    return "-" if fraction is None else format_fraction(fraction)
