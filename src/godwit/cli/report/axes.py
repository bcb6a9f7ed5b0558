"""Scales and their ticks: numbers to places, and the round numbers in between. It draws nothing."""

import math
from dataclasses import dataclass
from typing import Final

from godwit.core.units import GIB, KIB, MIB

__all__ = ["Scale", "Tick", "byte_ticks", "log_ticks", "time_ticks"]

_BYTE_UNITS: Final = ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"), (1, "B"))
#: Steps of a clock above those that are powers of ten.
_CLOCK_STEPS_S: Final = (60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A value of an axis and how it is written."""

    value: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Maps ``low .. high`` to ``first .. last`` (pixels); values outside stay at the edge."""

    low: float
    high: float
    first: float
    last: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.is_log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low) if high > low else 0.0
        return self.first + share * (self.last - self.first)


def byte_ticks(high_bytes: float, *, suffix: str = "", count: int = 4) -> list[Tick]:
    """Round sizes from 0 to at least ``high_bytes``, in one binary unit."""
    unit_bytes, name = next(
        ((size, word) for size, word in _BYTE_UNITS if high_bytes >= size), (1, "B")
    )
    step = _round_step(max(high_bytes, 1.0) / unit_bytes / count)
    steps = math.ceil(max(high_bytes, 1.0) / unit_bytes / step - 1e-9)
    return [
        Tick(value=index * step * unit_bytes, label=f"{index * step:g} {name}{suffix}")
        for index in range(steps + 1)
    ]


def time_ticks(low_s: float, high_s: float, *, count: int = 6) -> list[Tick]:
    """Round times within ``low_s .. high_s``."""
    step_s = _time_step((high_s - low_s) / count)
    first, last = math.ceil(low_s / step_s - 1e-9), math.floor(high_s / step_s + 1e-9)
    return [
        Tick(value=index * step_s, label=_time_label(index * step_s, step_s))
        for index in range(first, last + 1)
    ]


def log_ticks(low_s: float, high_s: float) -> list[Tick]:
    """Powers of ten of a second from at most ``low_s`` to at least ``high_s``."""
    first = math.floor(math.log10(low_s) + 1e-9)
    last = max(first + 1, math.ceil(math.log10(high_s) - 1e-9))
    return [
        Tick(
            value=10.0**power,
            label=f"{10.0 ** (power + 3):g} ms" if power < 0 else f"{10.0**power:g} s",
        )
        for power in range(first, last + 1)
    ]


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * one for one in (1, 2, 5, 10) if power * one >= rough * (1 - 1e-9))


def _time_step(rough_s: float) -> float:
    if rough_s <= 0:
        return 1.0
    if rough_s <= 20:
        return _round_step(rough_s)
    days = max(1, math.ceil(rough_s / 86400))
    return next((float(one) for one in _CLOCK_STEPS_S if one >= rough_s), 86400.0 * days)


def _time_label(at_s: float, step_s: float) -> str:
    if step_s < 1 and abs(at_s) < 1 and at_s:
        return f"{at_s * 1000:.0f} ms"
    if step_s >= 3600:
        return f"{at_s / 3600:g} h"
    if step_s >= 60:
        return f"{at_s / 60:g} m"
    return f"{round(at_s, 6):g} s"
