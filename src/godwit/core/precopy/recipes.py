"""Which recipe a migration gets: all that come into question are forecast, and the gentlest wins.

How they are compared stands in ``weighing``: a plain stream wins unless another recipe is worth its
risk. What is permitted and costs nothing is armed beside it where the promise is not as good as
sure. What can't be used is named as well, with the reason.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from godwit.core.model import Feature, Forecast, VmPolicy
from godwit.core.plan import Alternative, Compression, Recipe, Throttle
from godwit.core.precopy.means import HostRoom, Means
from godwit.core.precopy.weighing import best, costs_nothing, keeps, why_better
from godwit.core.units import format_fraction, format_rate

__all__ = ["HostRoom", "choose_recipe"]

#: One stream is bound by one core and carries about this; a link with more is worth more channels.
_STREAM_BYTES_PER_S: Final = 1.25e9
_CHANNELS_LEAST: Final = 2

#: What encoding takes of a core: at 1 Gbit/s it is not all of one.
_XBZRLE_CORES: Final = 0.75
_CHANNELS_MOST: Final = 8

#: What one channel compresses a second. In the lab two took 370 MB/s, and where the processors had
#: no room zstd made a pause of 70 ms one of 560 ms to 1.4 s.
_ZSTD_BYTES_PER_S: Final = 185e6

_RISK: Final = "if either host dies before the last page has arrived, the VM is lost"
_NO_RECOVERY: Final = (
    "these hosts can't take a broken post-copy up again, so that it is lost if the link breaks, too"
)

#: Below this chance of the promise a permitted post-copy is kept in reserve. None is called surer
#: than 98.9 to 99.4 %, by the number of scenarios.
_SURE: Final = 0.985


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
    means = Means(
        policy=policy,
        source=source_features,
        destination=destination_features,
        rooms=rooms,
        throttle=base.throttle or Throttle.within(base.pause_max_s),
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
    means: Means,
    forecaster: Callable[[Recipe], Forecast],
) -> tuple[Alternative, str]:
    """Arm what is permitted beside the choice; the gentlest first, none that costs anything.

    A throttle always: guests change, and one that writes more than it was last seen to would else
    leave steering nothing. Post-copy only while the promise is not as good as sure without.
    """
    kept, said = chosen, ""
    for short, what, arm in (
        ("throttle", "slowing its vCPUs", _throttle_in_reserve),
        ("post-copy", "post-copy", _postcopy_in_reserve),
    ):
        recipe = arm(kept.recipe, means)
        is_sure = keeps(kept) >= _SURE
        if recipe is None or (is_sure and recipe.postcopy):
            continue
        same = next((one.forecast for one in usable if one.recipe == recipe), None)
        name = f"{kept.name}, {short} in reserve"
        armed = Alternative(name=name, recipe=recipe, forecast=same or forecaster(recipe))
        if costs_nothing(armed, kept):
            chance = f", as the chance without it is {format_fraction(keeps(kept))}"
            said += f"; {what} is kept in reserve{'' if is_sure else chance}"
            if recipe.postcopy:
                said += f": {_risk(means)}"
            kept = armed
    return kept, said


def _throttle_in_reserve(recipe: Recipe, means: Means) -> Recipe | None:
    """Armed at a hundredth of their time, which no guest feels."""
    if recipe.throttle or means.not_permitted(throttle=True) or means.lacks(Feature.THROTTLE):
        return None
    return replace(recipe, throttle=means.throttle)


def _postcopy_in_reserve(recipe: Recipe, means: Means) -> Recipe | None:
    """Only where it could be taken up again, and beside a plain stream, which is what was tried."""
    if recipe.postcopy or recipe.stream != "plain" or means.not_permitted(postcopy=True):
        return None
    if means.lacks(Feature.POSTCOPY) or not means.can_recover:
        return None
    return replace(recipe, postcopy=True)


def _candidates(base: Recipe, means: Means) -> tuple[Alternative, ...]:
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
    differences = replace(
        plain, compression=Compression.XBZRLE, xbzrle_cache_bytes=means.xbzrle_cache_bytes
    )
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
            recipe=differences,
            forecast=None,
            excluded=means.lacks(Feature.XBZRLE) or means.busy(_XBZRLE_CORES),
        ),
        *_permitted(plain, differences, means),
        *_never(several, means),
    )


def _permitted(plain: Recipe, differences: Recipe, means: Means) -> tuple[Alternative, ...]:
    """What needs the permission of the VM's policy."""
    slowed = replace(plain, throttle=means.throttle)
    return (
        Alternative(
            name="throttle",
            recipe=slowed,
            forecast=None,
            excluded=means.not_permitted(throttle=True) or means.lacks(Feature.THROTTLE),
        ),
        Alternative(
            name="xbzrle, throttle",
            recipe=replace(differences, throttle=means.throttle),
            forecast=None,
            excluded=means.not_permitted(throttle=True)
            or means.lacks(Feature.XBZRLE, Feature.THROTTLE)
            or means.busy(_XBZRLE_CORES),
        ),
        Alternative(
            name="post-copy",
            recipe=replace(plain, postcopy=True),
            forecast=None,
            excluded=means.not_permitted(postcopy=True) or means.lacks(Feature.POSTCOPY),
        ),
        Alternative(
            name="throttle, post-copy",
            recipe=replace(slowed, postcopy=True),
            forecast=None,
            excluded=means.not_permitted(throttle=True, postcopy=True)
            or means.lacks(Feature.THROTTLE, Feature.POSTCOPY),
        ),
    )


def _never(several: Recipe, means: Means) -> tuple[Alternative, ...]:
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


def _hint(base: Recipe, means: Means) -> float | None:
    """What to tell of the path where the stream is limited and the switch-over is not."""
    if base.bandwidth_bytes_per_s is None or not means.has_hint:
        return None
    return base.switchover_bytes_per_s or base.link_bytes_per_s


def _channels(base: Recipe, means: Means) -> int:
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


def _risk(means: Means) -> str:
    return _RISK if means.can_recover else f"{_RISK}; {_NO_RECOVERY}"


def _reason(chosen: Alternative, usable: list[Alternative], means: Means) -> str:
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
