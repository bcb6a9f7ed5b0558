"""Draws what clients saw: a lane for each guest, its round trips over time, the outages marked.

Takes reports and windows, writes one SVG. Matplotlib is imported when something is drawn, since it
takes longer to load than the rest of the lab.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from godwit.core.units import format_duration
from godwit.lab.meter_report import MeterReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Window", "draw_outages"]

WIDTH_INCHES = 11.0
LANE_INCHES = 1.3
LABELLED_S_MIN = 0.1
RTT_MS_RANGE = (0.3, 3000.0)
RTT_MS_TICKS = (1, 10, 100, 1000)
RTT_COLOUR, OUTAGE_COLOUR, WINDOW_COLOUR = "#2b6cb0", "#c53030", "#ecc94b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time to shade, such as a migration; of one guest, or of all if none is named."""

    label: str
    start_s: float
    end_s: float
    guest: str | None = None


def draw_outages(
    reports: Sequence[MeterReport], file: Path, *, windows: Sequence[Window] = (), title: str = ""
) -> None:
    """Write the picture as SVG; the time axis starts when the first measurement did."""
    import matplotlib as mpl  # noqa: PLC0415 - see the module's text
    from matplotlib.figure import Figure  # noqa: PLC0415

    zero_s = min(report.started_s for report in reports)
    # Names drawn as text, not as shapes, and nothing in the file that depends on when it was made.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "godwit"}):
        figure = Figure(
            figsize=(WIDTH_INCHES, 1.0 + LANE_INCHES * len(reports)), layout="constrained"
        )
        lanes = figure.subplots(len(reports), 1, sharex=True, sharey=True, squeeze=False)
        for report, (lane,) in zip(reports, lanes, strict=True):
            _draw_lane(lane, report, windows, zero_s)
        lanes[-1][0].set_xlabel("seconds")
        if title:
            figure.suptitle(title)
        figure.savefig(file, format="svg", metadata={"Date": None})


def _draw_lane(lane: "Axes", report: MeterReport, windows: Sequence[Window], zero_s: float) -> None:
    for window in windows:
        if window.guest in {None, report.guest}:
            lane.axvspan(
                window.start_s - zero_s, window.end_s - zero_s, color=WINDOW_COLOUR, alpha=0.25
            )
            middle_s = (window.start_s + window.end_s) / 2 - zero_s
            lane.annotate(
                window.label,
                (middle_s, 1.0),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
                fontsize=7,
            )
    times_s = [
        report.started_s - zero_s + (step + 0.5) * report.rtt_step_s
        for step in range(len(report.rtt_s))
    ]
    rtt_ms = [float("nan") if rtt_s is None else rtt_s * 1000 for rtt_s in report.rtt_s]
    lane.plot(times_s, rtt_ms, color=RTT_COLOUR, linewidth=0.7)
    for outage in report.outages:
        start_s = outage.start_s - zero_s
        lane.axvspan(start_s, start_s + outage.duration_s, color=OUTAGE_COLOUR, alpha=0.8, lw=0.5)
        if outage.duration_s >= LABELLED_S_MIN:
            lane.annotate(
                format_duration(outage.duration_s),
                (start_s + outage.duration_s, 0.85),
                xycoords=("data", "axes fraction"),
                fontsize=7,
                color=OUTAGE_COLOUR,
                xytext=(3, 0),
                textcoords="offset points",
            )
    lane.set_yscale("log")
    # The same range in every picture, so that two of them can be compared at a glance.
    lane.set_ylim(RTT_MS_RANGE)
    lane.set_yticks(RTT_MS_TICKS, labels=[str(tick) for tick in RTT_MS_TICKS])
    lane.minorticks_off()
    lane.set_ylabel(f"{report.guest}\nround trip, ms", fontsize=8)
    lane.tick_params(labelsize=7)
    lane.spines[["top", "right"]].set_visible(False)
