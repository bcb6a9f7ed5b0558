"""What is predicted of one migration before it starts, and how the prediction is scored."""

from dataclasses import dataclass, field

from godwit.core.model.knowledge import Calibration

__all__ = ["Forecast", "Range", "Score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A forecast figure: it will lie between ``low`` and ``high`` in nine of ten cases.

    ``likely`` is the median. ``0 <= low <= likely <= high``.
    """

    low: float
    likely: float
    high: float

    def covers(self, value: float) -> bool:
        """Whether the value lies within the range."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The forecast of one migration under one recipe, made at ``made_at_s`` (epoch seconds).

    ``total_s`` runs from the order to the guest confirmed at the destination. ``converges`` is the
    chance that the copy comes to its switch-over within all limits of the recipe,
    ``keeps_promise`` that it does so within the VM's own pause limit and deadline. The ranges are
    those of a migration that converges. ``grounds`` are sentences for people: what it rests on.
    ``calibration`` is what the ranges were widened by. ``pause_fixed_s`` is what the pause will
    take beside sending the rest, in nine of ten cases: steering leaves room for so much.
    """

    total_s: Range
    pause_s: Range
    outage_s: Range
    sent_bytes: Range
    rounds: Range
    converges: float
    keeps_promise: float
    made_at_s: float
    grounds: tuple[str, ...] = ()
    calibration: Calibration = field(default_factory=Calibration)
    pause_fixed_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A forecast beside the fact. A fact that was not measured is None.

    ``completed`` says whether the guest was moved; one that a person cancelled is never scored.
    """

    forecast: Forecast
    scored_at_s: float
    completed: bool
    total_s: float | None = None
    pause_s: float | None = None
    outage_s: float | None = None
    sent_bytes: float | None = None
    rounds: int | None = None
