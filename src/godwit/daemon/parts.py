"""What all parts of the settings have in common: how strict they are, and values with a unit."""

from typing import Final

from pydantic import ConfigDict

from godwit.core.errors import BadValue
from godwit.core.units import parse_duration

__all__ = ["STRICT", "duration"]

#: An unknown key is an error, and nothing is converted.
STRICT: Final = ConfigDict(extra="forbid", frozen=True, strict=True)


def duration(value: object) -> object:
    """Read a duration. TOML has numbers of its own; text carries its unit."""
    try:
        return parse_duration(value) if isinstance(value, str) else value
    except BadValue as failure:
        raise ValueError(failure.message) from failure
