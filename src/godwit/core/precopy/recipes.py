"""Which recipe a migration gets: all that come into question are forecast, and the gentlest wins.

How they are compared stands in ``weighing``: a plain stream wins unless another recipe is worth its
risk. What is permitted and costs nothing is armed beside it where the promise is not as good as
sure. What can't be used is named as well, with the reason.
"""

import math
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from godwit.core.model import Feature, Forecast, VmPolicy
from godwit.core.plan import Alternative, Compression, Recipe, Throttle
from godwit.core.precopy.priors import XBZRLE_CACHE_BYTES
from godwit.core.precopy.weighing import best, costs_nothing, keeps, why_better
from godwit.core.units import format_fraction, format_rate

__all__ = ["HostRoom", "choose_recipe"]

#: One stream is bound by one core and carries about this; a link with more is worth more channels.
_STREAM_BYTES_PER_S: Final = 1.25e9
_CHANNELS_LEAST: Final = 2
_CHANNELS_MOST: Final = 8

#: What one channel compresses a second. In the lab two took 370 MB/s, and where the processors had
#: no room zstd made a pause of 70 ms one of 560 ms to 1.4 s.
_ZSTD_BYTES_PER_S: Final = 185e6

#: The cache of xbzrle beside what the guest was seen to write again: one just as large missed 8 %
#: of its pages in the lab. And the share of the source's free memory that it may take: a guest in
#: trouble is no reason to bring its neighbours into some.
_CACHE_ROOM: Final = 1.25
_CACHE_SHARE: Final = 0.125
_CACHE_LEAST_BYTES: Final = 1024**2

_NAMES: Final = {
    Feature.MULTIFD: "several channels",
    Feature.ZSTD: "zstd",
    Feature.XBZRLE: "xbzrle",
    Feature.THROTTLE: "slowing vCPUs",
    Feature.POSTCOPY: "post-copy",
}

_RISK: Final = "if either host dies before the last page has arrived, the VM is lost"
_NO_RECOVERY: Final = (
    "these hosts can't take a broken post-copy up again, so that it is lost if the link breaks, too"
)

#: Below this chance of the promise a permitted means is kept in reserve. None is ever called surer
#: than 98.9 to 99.4 %, by the number of scenarios.
_SURE: Final = 0.985


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRoom:
    """What a host has left: ``busy_fraction`` of its cores are at work; None where unknown."""

    cores: int
    busy_fraction: float | None = None
    memory_free_bytes: int | None = None

    @property
    def free_cores(self) -> float | None:
        """Cores that nobody uses now; None where nobody knows."""
        if self.busy_fraction is None:
            return None
        return self.cores * max(0.0, 1 - self.busy_fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Means:
    """What the two hosts and the policy have to give."""

    policy: VmPolicy
    source: AbstractSet[Feature]
    destination: AbstractSet[Feature]
    rooms: tuple[HostRoom, HostRoom] | None
    throttle: Throttle
    hot_bytes: float | None

    def lacks(self, *features: Feature) -> str:
        """A sentence on the first feature that a host does not have; empty if both have all."""
        for feature in features:
            without = [
                side
                for side, has in (("source", self.source), ("destination", self.destination))
                if feature not in has
            ]
            if without:
                return f"the {' and the '.join(without)} can't do {_NAMES[feature]}"
        return ""

    @property
    def has_hint(self) -> bool:
        """Whether the bandwidth of the switch-over can be told apart from that of the copy."""
        return Feature.SWITCHOVER_HINT in self.source & self.destination

    @property
    def can_recover(self) -> bool:
        """Whether a post-copy whose stream broke can be taken up again."""
        return Feature.POSTCOPY_RECOVERY in self.source & self.destination

    def busy(self, free_cores: float) -> str:
        """A sentence on a host without so many free cores; empty if both have them."""
        if self.rooms is None:
            return "it is not known how busy the processors of the hosts are"
        for side, room in zip(("source", "destination"), self.rooms, strict=True):
            free = room.free_cores
            if free is None:
                return f"it is not known how busy the processors of the {side} are"
            if free < free_cores:
                return (
                    f"the {side} has {free:.1f} of {room.cores} cores free, and it would need"
                    f" {free_cores:.0f}"
                )
        return ""


def choose_recipe(
    base: Recipe,
    policy: VmPolicy,
    source_features: AbstractSet[Feature],
    destination_features: AbstractSet[Feature],
    forecaster: Callable[[Recipe], Forecast],
    *,
    rooms: tuple[HostRoom, HostRoom] | None = None,
    hot_bytes: float | None = None,
) -> tuple[Recipe, str, tuple[Alternative, ...]]:
    """Choose the recipe of one migration, say why, and name all that was weighed, the chosen first.

    ``base`` has the limits (pause, bandwidth, link, deadline); its stream, throttle and post-copy
    are chosen here. ``forecaster`` is asked once for each recipe that can be used. ``rooms`` are
    those of the source and the destination, ``hot_bytes`` what the guest writes again and again,
    where that is known. The same forecasts give the same choice.
    """
    means = _Means(
        policy=policy,
        source=source_features,
        destination=destination_features,
        rooms=rooms,
        throttle=base.throttle or Throttle(),
        hot_bytes=hot_bytes,
    )
    weighed = tuple(
        one if one.excluded else replace(one, forecast=forecaster(one.recipe))
        for one in _candidates(base, means)
    )
    usable = [one for one in weighed if one.forecast is not None]
    chosen = best(usable, can_recover=means.can_recover)
    kept, said = _with_reserve(chosen, usable, means, forecaster)
    rest = tuple(one for one in weighed if one.excluded or one.recipe != kept.recipe)
    return kept.recipe, _reason(chosen, usable, means) + said, (kept, *rest)


def _with_reserve(
    chosen: Alternative,
    usable: list[Alternative],
    means: _Means,
    forecaster: Callable[[Recipe], Forecast],
) -> tuple[Alternative, str]:
    """Arm what is permitted beside the choice, while the promise is not as good as sure without.

    The gentlest first, and none that costs anything by its forecast.
    """
    kept, said = chosen, ""
    for short, what, arm in (
        ("throttle", "slowing its vCPUs", _throttle_in_reserve),
        ("post-copy", "post-copy", _postcopy_in_reserve),
    ):
        recipe = arm(kept.recipe, means)
        if recipe is None or keeps(kept) >= _SURE:
            continue
        same = next((one.forecast for one in usable if one.recipe == recipe), None)
        name = f"{kept.name}, {short} in reserve"
        armed = Alternative(name=name, recipe=recipe, forecast=same or forecaster(recipe))
        if costs_nothing(armed, kept):
            chance = format_fraction(keeps(kept))
            said += f"; {what} is kept in reserve, as the chance without it is {chance}"
            if recipe.postcopy:
                said += f": {_risk(means)}"
            kept = armed
    return kept, said


def _throttle_in_reserve(recipe: Recipe, means: _Means) -> Recipe | None:
    """Armed at a hundredth of their time, which no guest feels."""
    if recipe.throttle or _not_permitted(means, throttle=True) or means.lacks(Feature.THROTTLE):
        return None
    return replace(recipe, throttle=means.throttle)


def _postcopy_in_reserve(recipe: Recipe, means: _Means) -> Recipe | None:
    """Only where it could be taken up again, and beside a plain stream, which is what was tried."""
    if recipe.postcopy or recipe.stream != "plain" or _not_permitted(means, postcopy=True):
        return None
    if means.lacks(Feature.POSTCOPY) or not means.can_recover:
        return None
    return replace(recipe, postcopy=True)


def _candidates(base: Recipe, means: _Means) -> tuple[Alternative, ...]:
    """Every recipe that comes into question, the plain one first and the riskiest last."""
    plain = replace(
        base,
        channels=0,
        compression=Compression.NONE,
        xbzrle_cache_bytes=None,
        throttle=None,
        postcopy=False,
        switchover_bytes_per_s=_hint(base, means),
    )
    channels = _channels(base, means)
    several = replace(plain, channels=channels)
    slowed = replace(plain, throttle=means.throttle)
    return (
        Alternative(name="plain", recipe=plain, forecast=None),
        Alternative(
            name=f"{channels} channels",
            recipe=several,
            forecast=None,
            excluded=means.lacks(Feature.MULTIFD) or _too_slow_for_channels(base),
        ),
        Alternative(
            name=f"{channels} channels, zstd",
            recipe=replace(several, compression=Compression.ZSTD),
            forecast=None,
            excluded=means.lacks(Feature.MULTIFD, Feature.ZSTD)
            or _too_fast_for_zstd(base, channels)
            or means.busy(channels + 1),
        ),
        Alternative(
            name="xbzrle",
            recipe=_with_xbzrle(plain, means),
            forecast=None,
            excluded=means.lacks(Feature.XBZRLE) or means.busy(1),
        ),
        Alternative(
            name="throttle",
            recipe=slowed,
            forecast=None,
            excluded=_not_permitted(means, throttle=True) or means.lacks(Feature.THROTTLE),
        ),
        Alternative(
            name="xbzrle, throttle",
            recipe=_with_xbzrle(slowed, means),
            forecast=None,
            excluded=_not_permitted(means, throttle=True)
            or means.lacks(Feature.XBZRLE, Feature.THROTTLE)
            or means.busy(1),
        ),
        Alternative(
            name="post-copy",
            recipe=replace(plain, postcopy=True),
            forecast=None,
            excluded=_not_permitted(means, postcopy=True) or means.lacks(Feature.POSTCOPY),
        ),
        Alternative(
            name="throttle, post-copy",
            recipe=replace(slowed, postcopy=True),
            forecast=None,
            excluded=_not_permitted(means, throttle=True, postcopy=True)
            or means.lacks(Feature.THROTTLE, Feature.POSTCOPY),
        ),
        *_never(several, means),
    )


def _never(several: Recipe, means: _Means) -> tuple[Alternative, ...]:
    """What both hosts could do alone and not together, or not in this case."""
    found = []
    if several.bandwidth_bytes_per_s is not None and not means.has_hint:
        found.append(
            Alternative(
                name="plain, switch-over hint",
                recipe=replace(several, channels=0),
                forecast=None,
                excluded="the hosts can't be told what the path carries in the switch-over: its"
                " rest must fit the pause at the limited bandwidth",
            )
        )
    if not means.policy.may_postcopy or means.lacks(Feature.MULTIFD, Feature.POSTCOPY):
        return tuple(found)
    found.append(
        Alternative(
            name=f"{several.channels} channels, post-copy",
            recipe=several,
            forecast=None,
            excluded="channels and post-copy exclude each other: QEMU before 10.1 refuses them"
            " together, and 7.2 loses the guest",
        )
    )
    return tuple(found)


def _with_xbzrle(recipe: Recipe, means: _Means) -> Recipe:
    """With room for all that the guest writes again, as far as the source has it to spare."""
    free_bytes = means.rooms[0].memory_free_bytes if means.rooms else None
    cache_bytes = None
    if means.hot_bytes is not None and free_bytes is not None:
        wanted = 2 ** math.ceil(math.log2(max(1.0, means.hot_bytes * _CACHE_ROOM)))
        spare = 2 ** math.floor(math.log2(max(1.0, free_bytes * _CACHE_SHARE)))
        cache_bytes = min(max(wanted, XBZRLE_CACHE_BYTES), spare)
        if cache_bytes < _CACHE_LEAST_BYTES:
            cache_bytes = None
    return replace(recipe, compression=Compression.XBZRLE, xbzrle_cache_bytes=cache_bytes)


def _not_permitted(means: _Means, *, throttle: bool = False, postcopy: bool = False) -> str:
    if throttle and not means.policy.may_throttle:
        return "the VM's policy does not permit slowing its vCPUs"
    if postcopy and not means.policy.may_postcopy:
        return "the VM's policy does not permit post-copy"
    return ""


def _hint(base: Recipe, means: _Means) -> float | None:
    """What to tell of the path where the stream is limited and the switch-over is not."""
    if base.bandwidth_bytes_per_s is None or not means.has_hint:
        return None
    return base.switchover_bytes_per_s or base.link_bytes_per_s


def _channels(base: Recipe, means: _Means) -> int:
    """More than two only for a link that needs them, and never more than a quarter of the cores."""
    wanted = int((base.link_bytes_per_s or 0.0) / _STREAM_BYTES_PER_S) + 1
    cores = min((room.cores for room in means.rooms), default=0) if means.rooms else 0
    return max(_CHANNELS_LEAST, min(wanted, cores // 4, _CHANNELS_MOST))


def _too_slow_for_channels(base: Recipe) -> str:
    cap = base.bandwidth_bytes_per_s
    if cap is None or cap >= _STREAM_BYTES_PER_S:
        return ""
    return f"one channel fills the {format_rate(cap)} that the stream is limited to"


def _too_fast_for_zstd(base: Recipe, channels: int) -> str:
    """Compression helps a link that is slower than it."""
    path = min(
        (one for one in (base.link_bytes_per_s, base.bandwidth_bytes_per_s) if one is not None),
        default=None,
    )
    if path is None:
        return "the speed of the link is not known, and compression may be slower than it"
    compresses = channels * _ZSTD_BYTES_PER_S
    if path < compresses:
        return ""
    return (
        f"the link carries {format_rate(path)}, and {channels} channels compress no more than"
        f" {format_rate(compresses)}"
    )


def _risk(means: _Means) -> str:
    return _RISK if means.can_recover else f"{_RISK}; {_NO_RECOVERY}"


def _reason(chosen: Alternative, usable: list[Alternative], means: _Means) -> str:
    """One sentence on the choice, with the figures that decided it."""
    plain = usable[0]
    if chosen is plain:
        found = plain.forecast
        chance = "" if found is None else f" ({format_fraction(found.keeps_promise)})"
        others = len(usable) - 1
        if not others:
            return f"plain pre-copy: nothing else can be used; chance of the promise{chance}"
        none = "the one other is not" if others == 1 else f"none of {others} others is"
        return (
            f"plain pre-copy: {none} clearly better in its chance of keeping"
            f" the promise{chance}, in outage, time or traffic"
        )
    why = why_better(chosen, plain)
    said = f"{chosen.name}: {why} with plain pre-copy" if why else f"{chosen.name}: the best of all"
    if chosen.recipe.throttle is not None:
        said += "; its vCPUs are slowed only when it does not converge otherwise"
    if chosen.recipe.postcopy:
        said += f"; post-copy is begun only when nothing else helps, and then {_risk(means)}"
    return said
