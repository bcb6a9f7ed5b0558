"""Conversions between what people and hypervisors write and the base units of the core.

The core knows bytes, seconds, bytes per second, cores and fractions, and nothing else. Every
conversion of the project stands in this module; it deliberately knows no domain words.
"""

import re
from typing import Final

from godwit.core.errors import BadValue

__all__ = [
    "GIB",
    "KIB",
    "MIB",
    "format_bytes",
    "format_duration",
    "format_fraction",
    "format_rate",
    "parse_bytes",
    "parse_duration",
    "parse_rate",
]

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

_NUMBER: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z/]*)\s*\Z")
#: More than any hypervisor can count, and small enough for every unit to be multiplied with.
_LARGEST: Final = 2.0**63
_BYTES: Final = {
    "": 1,
    "b": 1,
    "k": KIB,
    "kib": KIB,
    "kb": 1000,
    "m": MIB,
    "mib": MIB,
    "mb": 1000**2,
    "g": GIB,
    "gib": GIB,
    "gb": 1000**3,
    "t": 1024 * GIB,
    "tib": 1024 * GIB,
    "tb": 1000**4,
}
_BITS: Final = {"bit": 1, "kbit": 1000, "mbit": 1000**2, "gbit": 1000**3, "tbit": 1000**4}
_SECONDS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}


def _split(text: str, what: str, example: str) -> tuple[float, str]:
    match = _NUMBER.match(text)
    if match is None or float(match[1]) > _LARGEST:
        raise BadValue(
            f"{text!r} is not {what}",
            remedy=f"Write a number and a unit, for example {example}.",
        )
    return float(match[1]), match[2].lower()


def parse_bytes(text: str) -> int:
    """Read a size such as ``256MiB``, ``2G`` (binary) or ``10GB`` (decimal); the default is bytes.

    Raises: BadValue when the text is not a size.
    """
    number, unit = _split(text, "a size", "512MiB or 4GiB")
    if unit not in _BYTES:
        raise BadValue(
            f"{text!r} has the unknown unit {unit!r}", remedy="Use KiB, MiB, GiB or TiB."
        )
    return round(number * _BYTES[unit])


def parse_rate(text: str) -> float:
    """Read a rate such as ``1gbit``, ``100MiB/s`` or ``50MB`` into bytes per second.

    Raises: BadValue when the text is not a rate.
    """
    number, unit = _split(text, "a rate", "1gbit or 100MiB/s")
    # "mbps" is megabytes to some tools and megabits to most people: it is not guessed at.
    unit = unit.removesuffix("/s")
    if unit in _BITS:
        return number * _BITS[unit] / 8
    if unit in _BYTES:
        return number * _BYTES[unit]
    raise BadValue(f"{text!r} has the unknown unit {unit!r}", remedy="Use mbit, gbit or MiB/s.")


def parse_duration(text: str) -> float:
    """Read a duration such as ``300ms``, ``2s``, ``10m`` or ``1h``; plain numbers are seconds.

    Raises: BadValue when the text is not a duration.
    """
    number, unit = _split(text, "a duration", "300ms or 10s")
    if unit not in _SECONDS and unit:
        raise BadValue(f"{text!r} has the unknown unit {unit!r}", remedy="Use ms, s, m or h.")
    # Divided, not multiplied by a thousandth: 59ms is then the float that a person calls 0.059.
    return number / 1000 if unit == "ms" else number * _SECONDS.get(unit, 1.0)


def format_bytes(size_bytes: float) -> str:
    """Write a size for people: three significant digits and a binary unit."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def format_rate(rate_bytes_per_s: float) -> str:
    """Write a rate for people, in binary bytes per second."""
    return f"{format_bytes(rate_bytes_per_s)}/s"


def format_duration(duration_s: float) -> str:
    """Write a duration for people: milliseconds below one second, then seconds, then m and h."""
    if abs(duration_s) < 1:
        return f"{duration_s * 1000:.0f} ms"
    if abs(duration_s) < 60:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    if minutes < 60:
        return f"{minutes} m {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} m"


def format_fraction(fraction: float) -> str:
    """Write a fraction as percent."""
    return f"{fraction * 100:.0f} %"
