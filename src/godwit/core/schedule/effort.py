"""What a move asks of its links, and how long it takes at a given share of them.

The model is a fluid: ``first_bytes`` have to be sent, and while they are, the guest writes
``dirty_bytes_per_s`` that have to be sent again. At a steady rate *r* the copy takes
``first_bytes / (r - dirty_bytes_per_s)``, which is the sum of all rounds of a guest that writes at
a constant rate. So half the link costs more than double the time, and copies that run one after
the other end sooner than copies side by side, except for the set-up that goes on beside others.
It deliberately knows nothing of pauses, recipes and ranges: the forecast has said all that.
"""

import math
from dataclasses import dataclass
from typing import Final

from godwit.core.model import Forecast

__all__ = ["Effort", "effort_of_forecast", "effort_of_memory"]

#: The guest is never taken to write more than this share of what its stream can carry: beyond that
#: the recipe slows it down or switches to post-copy, and the forecast has that time in it.
_DIRTY_MOST: Final = 0.8

#: A stream that reaches this share of its link is limited by the link, not by itself.
_FILLS: Final = 0.9

#: Set-up and ending together, where only the whole time was forecast: at most this share of it.
_FIXED_MOST: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """One move, as its links feel it.

    Nothing goes over the link in ``setup_s`` and ``ending_s``. ``stream_bytes_per_s`` is what one
    stream can carry, None where only the link limits it. The time may be anything between
    ``low_fraction`` and ``high_fraction`` times what the model says.
    """

    first_bytes: float
    dirty_bytes_per_s: float = 0.0
    setup_s: float = 1.0
    ending_s: float = 1.0
    stream_bytes_per_s: float | None = None
    low_fraction: float = 0.8
    high_fraction: float = 1.5

    def __post_init__(self) -> None:
        in_order = 0 < self.low_fraction <= 1 <= self.high_fraction
        if self.first_bytes <= 0 or not in_order or min(self.setup_s, self.ending_s) < 0:
            msg = f"{self} can't be timed"
            raise ValueError(msg)

    def full_bytes_per_s(self, link_bytes_per_s: float) -> float:
        """What it takes of a link that it has to itself."""
        return min(link_bytes_per_s, self.stream_bytes_per_s or math.inf)

    def written_bytes_per_s(self, link_bytes_per_s: float) -> float:
        """What has to be sent again for each second of the copy."""
        return min(self.dirty_bytes_per_s, _DIRTY_MOST * self.full_bytes_per_s(link_bytes_per_s))

    def copy_s(self, link_bytes_per_s: float) -> float:
        """How long the copy takes when nobody else uses its links."""
        full = self.full_bytes_per_s(link_bytes_per_s)
        return self.first_bytes / (full - self.written_bytes_per_s(link_bytes_per_s))

    def sent_bytes(self, link_bytes_per_s: float) -> float:
        """What goes over the link then: the least that can, since any other copy takes longer."""
        return self.copy_s(link_bytes_per_s) * self.full_bytes_per_s(link_bytes_per_s)

    def total_s(self, link_bytes_per_s: float) -> float:
        """The whole move, when nobody else uses its links."""
        return self.setup_s + self.copy_s(link_bytes_per_s) + self.ending_s


def effort_of_memory(memory_bytes: int) -> Effort:
    """The effort of a VM of which nothing is known: all of its memory, once."""
    return Effort(first_bytes=float(max(1, memory_bytes)))


def effort_of_forecast(
    forecast: Forecast,
    *,
    memory_bytes: int,
    link_bytes_per_s: float,
    setup_s: float = 1.0,
    ending_s: float = 1.0,
) -> Effort:
    """Read the effort from a forecast that was made for the whole link.

    The rate of writing is what makes the model send the bytes, and take the time, of the forecast.
    """
    total_s, sent_bytes = forecast.total_s.likely, max(1.0, forecast.sent_bytes.likely)
    if total_s <= 0:
        return effort_of_memory(memory_bytes)
    scale = min(1.0, _FIXED_MOST * total_s / max(1e-9, setup_s + ending_s))
    copy_s = total_s - scale * (setup_s + ending_s)
    rate = sent_bytes / copy_s
    first_bytes = min(float(max(1, memory_bytes)), sent_bytes)
    return Effort(
        first_bytes=max(first_bytes, sent_bytes * (1 - _DIRTY_MOST)),
        dirty_bytes_per_s=max(0.0, rate * (1 - first_bytes / sent_bytes)),
        setup_s=scale * setup_s,
        ending_s=scale * ending_s,
        stream_bytes_per_s=None if rate >= _FILLS * link_bytes_per_s else rate,
        low_fraction=min(1.0, max(0.01, forecast.total_s.low / total_s)),
        high_fraction=max(1.0, forecast.total_s.high / total_s),
    )
