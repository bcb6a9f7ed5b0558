"""Which recipe a migration gets: all that come into question are forecast, and the gentlest wins.

First counts the chance of keeping the promise, in classes and not in tenths of a percent; then what
is done to the guest (slowed vCPUs, post-copy); then outage, time, bytes, and these only where the
difference is clear. So a plain stream wins unless another recipe is worth its risk. What can't be
used is named as well, with the reason.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from godwit.core.model import Feature, Forecast, Range, VmPolicy
from godwit.core.plan import Alternative, Compression, Recipe, Throttle
from godwit.core.units import format_bytes, format_duration, format_fraction, format_rate

__all__ = ["HostRoom", "choose_recipe"]

#: The lower ends of the classes of a chance: as good as sure, likely, even, unlikely; else hardly.
_CLASSES: Final = (0.95, 0.8, 0.5, 0.2)

#: Two chances on either side of such a line that are nearer than this are one class.
_CHANCE_APART: Final = 0.1

#: What is clearly better: less than this share, by at least so much, and surely so: a stream that
#: was never measured on a path has a wide range, and does not win by a guess. An outage differs by
#: 30 ms between two migrations of the same guest in the lab (bench/results/outage.md), a time by
#: 2 %.
_OUTAGE_SHARE: Final = 0.75
_OUTAGE_S: Final = 0.05
_TIME_SHARE: Final = 0.8
_TIME_S: Final = 1.0
_BYTES_SHARE: Final = 0.7
_BYTES: Final = 256.0 * 1024**2

#: One stream is bound by one core and carries about this; a link with more is worth more channels.
_STREAM_BYTES_PER_S: Final = 1.25e9
_CHANNELS_LEAST: Final = 2
_CHANNELS_MOST: Final = 8

#: What one channel compresses a second. In the lab two took 370 MB/s, and where the processors had
#: no room zstd made a pause of 70 ms one of 560 ms to 1.4 s.
_ZSTD_BYTES_PER_S: Final = 185e6

_NAMES: Final = {
    Feature.MULTIFD: "several channels",
    Feature.ZSTD: "zstd",
    Feature.XBZRLE: "xbzrle",
    Feature.THROTTLE: "slowing vCPUs",
    Feature.POSTCOPY: "post-copy",
}

_RISK: Final = "if either host dies before the last page has arrived, the VM is lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRoom:
    """The processors of a host: ``busy_fraction`` of its cores are at work; None where unknown."""

    cores: int
    busy_fraction: float | None = None

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
) -> tuple[Recipe, str, tuple[Alternative, ...]]:
    """Choose the recipe of one migration, say why, and name all that was weighed, the chosen first.

    ``base`` has the limits (pause, bandwidth, link, deadline); its stream, throttle and post-copy
    are chosen here. ``forecaster`` is asked once for each recipe that can be used. ``rooms`` are
    those of the source and the destination. The same forecasts give the same choice.
    """
    means = _Means(
        policy=policy, source=source_features, destination=destination_features, rooms=rooms
    )
    weighed = tuple(
        one if one.excluded else replace(one, forecast=forecaster(one.recipe))
        for one in _candidates(base, means)
    )
    usable = [one for one in weighed if one.forecast is not None]
    chosen, plain = _best(usable), usable[0]
    rest = tuple(one for one in weighed if one is not chosen)
    return chosen.recipe, _reason(chosen, plain, usable), (chosen, *rest)


def _candidates(base: Recipe, means: _Means) -> tuple[Alternative, ...]:
    """Every recipe that comes into question, the plain one first and the riskiest last."""
    plain = replace(
        base,
        channels=0,
        compression=Compression.NONE,
        throttle=None,
        postcopy=False,
        switchover_bytes_per_s=_hint(base, means),
    )
    throttle = base.throttle or Throttle()
    channels = _channels(base, means)
    several = replace(plain, channels=channels)
    slowed = replace(plain, throttle=throttle)
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
            recipe=replace(plain, compression=Compression.XBZRLE),
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


def _class(chance: float) -> int:
    return next((at for at, line in enumerate(_CLASSES) if chance >= line), len(_CLASSES))


def _disruption(recipe: Recipe) -> int:
    return 2 if recipe.postcopy else 1 if recipe.throttle else 0


def _surer(chance: float, than: float) -> bool:
    return _class(chance) < _class(than) and chance - than >= _CHANCE_APART


def _clearly_less(value: Range, than: Range, share: float, least: float) -> bool:
    """By far, and its bad cases are still no worse than the usual one of the other."""
    by_far = value.likely <= than.likely * share and than.likely - value.likely >= least
    return by_far and value.high <= than.likely


def _best(usable: list[Alternative]) -> Alternative:
    """The first of those that are as sure as the surest and disturb the least, if none is better.

    Each step looks at all that are left at once, so that small differences never add up.
    """
    left = usable
    for chance in (_keeps, _converges):
        most = max(chance(one) for one in left)
        left = [one for one in left if not _surer(most, chance(one))]
    least = min(_disruption(one.recipe) for one in left)
    left = [one for one in left if _disruption(one.recipe) == least]
    chosen = left[0]
    for one in left[1:]:
        if _is_better_by_figures(one, chosen):
            chosen = one
    return chosen


def _keeps(one: Alternative) -> float:
    return 0.0 if one.forecast is None else one.forecast.keeps_promise


def _converges(one: Alternative) -> float:
    return 0.0 if one.forecast is None else one.forecast.converges


def _is_better_by_figures(one: Alternative, other: Alternative) -> bool:
    if one.forecast is None or other.forecast is None:
        return False
    said = (better for better, _ in _by_figures(one.forecast, other.forecast))
    return next((better for better in said if better), 0) > 0


def _why_better(one: Alternative, other: Alternative) -> str:
    """Why one recipe is better than another, in words; empty when it is not clearly so."""
    if one.forecast is None or other.forecast is None:
        return ""
    gentler = _disruption(other.recipe) - _disruption(one.recipe)
    said = (
        _by_chance("the promise", one.forecast.keeps_promise, other.forecast.keeps_promise),
        _by_chance("getting there", one.forecast.converges, other.forecast.converges),
        (gentler, "as good a chance with less done to the guest"),
        *_by_figures(one.forecast, other.forecast),
    )
    better, why = next((each for each in said if each[0]), (0, ""))
    return why if better > 0 else ""


def _by_chance(of: str, ours: float, theirs: float) -> tuple[int, str]:
    """Positive where the first is the surer by a class, negative where the other is."""
    better = _surer(ours, theirs) - _surer(theirs, ours)
    return better, (
        f"a chance of {of} of {format_fraction(ours)} instead of {format_fraction(theirs)}"
    )


def _by_figures(ours: Forecast, theirs: Forecast) -> Iterator[tuple[int, str]]:
    """Outage, time, traffic: positive where the first is clearly the better one."""
    duration, size = format_duration, format_bytes
    for what, value, than, share, least, show in (
        ("outage", ours.outage_s, theirs.outage_s, _OUTAGE_SHARE, _OUTAGE_S, duration),
        ("time", ours.total_s, theirs.total_s, _TIME_SHARE, _TIME_S, duration),
        ("traffic", ours.sent_bytes, theirs.sent_bytes, _BYTES_SHARE, _BYTES, size),
    ):
        better = _clearly_less(value, than, share, least) - _clearly_less(than, value, share, least)
        yield better, f"{what} of {show(value.likely)} instead of {show(than.likely)}"


def _reason(chosen: Alternative, plain: Alternative, usable: list[Alternative]) -> str:
    """One sentence on the choice, with the figures that decided it."""
    if chosen is plain:
        found = plain.forecast
        chance = "" if found is None else f" ({format_fraction(found.keeps_promise)})"
        others = len(usable) - 1
        if not others:
            return f"plain pre-copy: nothing else can be used; chance of the promise{chance}"
        return (
            f"plain pre-copy: none of {others} others is clearly better in its chance of keeping"
            f" the promise{chance}, in outage, time or traffic"
        )
    why = _why_better(chosen, plain)
    said = f"{chosen.name}: {why} with plain pre-copy" if why else f"{chosen.name}: the best of all"
    if chosen.recipe.throttle is not None:
        said += "; its vCPUs are slowed only when it does not converge otherwise"
    if chosen.recipe.postcopy:
        said += f"; post-copy is begun only when nothing else helps, and then {_RISK}"
    return said
