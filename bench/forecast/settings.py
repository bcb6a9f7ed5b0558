"""The settings of the forecast benchmark: guests and links, some of them kept out of all fitting.

The held-out ones differ from the others in every figure: other memory sizes, other working sets,
other rates, on the same four links. They were chosen before anything was measured; four of all
were left out after a first trial, for time alone.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["LINKS", "SETTINGS", "Setting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One guest on one link. ``held_out``: nothing that is learnt from it is used for another."""

    link: str
    memory: str
    working_set: str
    dirty_rate: str
    held_out: bool = False
    may_throttle: bool = False
    may_postcopy: bool = False

    @property
    def name(self) -> str:
        """What a person reads."""
        extra = ", may throttle" if self.may_throttle else ""
        extra += ", may post-copy" if self.may_postcopy else ""
        return f"{self.memory}, {self.dirty_rate} over {self.working_set}, {self.link}{extra}"


def _at(link: str, *rows: tuple[str, str, str], held_out: bool = False) -> tuple[Setting, ...]:
    return tuple(
        Setting(link=link, memory=memory, working_set=size, dirty_rate=rate, held_out=held_out)
        for memory, size, rate in rows
    )


LINKS: Final = ("200mbit", "500mbit", "1gbit", "unlimited")

_FITTED: Final = (
    *_at("200mbit", ("512MiB", "96MiB", "6MiB/s")),
    *_at("500mbit", ("512MiB", "64MiB", "20MiB/s"), ("1GiB", "256MiB", "10MiB/s")),
    *_at("500mbit", ("512MiB", "48MiB", "150MiB/s")),
    *_at("1gbit", ("512MiB", "128MiB", "25MiB/s"), ("512MiB", "256MiB", "70MiB/s")),
    *_at("1gbit", ("1GiB", "512MiB", "40MiB/s"), ("256MiB", "96MiB", "300MiB/s")),
    *_at("1gbit", ("512MiB", "256MiB", "400MiB/s")),
    *_at("unlimited", ("512MiB", "128MiB", "50MiB/s"), ("1GiB", "256MiB", "120MiB/s")),
)

_HELD_OUT: Final = (
    *_at("200mbit", ("384MiB", "32MiB", "0"), ("384MiB", "80MiB", "9MiB/s"), held_out=True),
    *_at("200mbit", ("320MiB", "128MiB", "80MiB/s"), held_out=True),
    *_at("500mbit", ("384MiB", "96MiB", "0"), ("768MiB", "160MiB", "15MiB/s"), held_out=True),
    *_at("500mbit", ("384MiB", "112MiB", "35MiB/s"), ("640MiB", "40MiB", "90MiB/s"), held_out=True),
    *_at("1gbit", ("768MiB", "192MiB", "0"), ("384MiB", "80MiB", "15MiB/s"), held_out=True),
    *_at("1gbit", ("640MiB", "160MiB", "45MiB/s"), ("896MiB", "320MiB", "60MiB/s"), held_out=True),
    *_at("1gbit", ("384MiB", "56MiB", "200MiB/s"), ("768MiB", "384MiB", "350MiB/s"), held_out=True),
    *_at("unlimited", ("384MiB", "96MiB", "0"), ("640MiB", "192MiB", "35MiB/s"), held_out=True),
    *_at("unlimited", ("768MiB", "96MiB", "90MiB/s"), ("1GiB", "384MiB", "20MiB/s"), held_out=True),
)

_RECIPES: Final = (
    Setting(
        link="500mbit",
        memory="512MiB",
        working_set="160MiB",
        dirty_rate="180MiB/s",
        may_throttle=True,
    ),
    Setting(
        link="1gbit",
        memory="512MiB",
        working_set="224MiB",
        dirty_rate="300MiB/s",
        may_postcopy=True,
    ),
    Setting(
        link="500mbit",
        memory="384MiB",
        working_set="128MiB",
        dirty_rate="140MiB/s",
        may_throttle=True,
        held_out=True,
    ),
    Setting(
        link="1gbit",
        memory="640MiB",
        working_set="288MiB",
        dirty_rate="260MiB/s",
        may_postcopy=True,
        held_out=True,
    ),
)

SETTINGS: Final = (*_FITTED, *_HELD_OUT, *_RECIPES)
