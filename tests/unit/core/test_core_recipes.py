"""Goal: the gentlest recipe that keeps the promise, and for every other a sentence why not.

Method: forecasts made up for each stream and permission, so that one thing differs at a time; and
the real forecast for guests like those of the lab.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pytest

from godwit.core.model import (
    DirtyObservation,
    DirtySource,
    Feature,
    Forecast,
    Range,
    VmId,
    VmKnowledge,
    VmPolicy,
)
from godwit.core.plan import Alternative, Compression, Recipe, Throttle, throttled_stop_s
from godwit.core.precopy import ForecastInputs, forecast
from godwit.core.precopy.recipes import HostRoom, choose_recipe
from godwit.core.units import GIB, MIB
from tests.unit.core.builders import NOW_S, recipe

ALL = frozenset(Feature)
IDLE = HostRoom(cores=16, busy_fraction=0.1)
SLOW_LINK = 120e6
BASE = recipe(start=0.02, most=0.3, link=SLOW_LINK)


def told(keeps: float = 0.99, **figures: float) -> Forecast:
    """A forecast with this chance; outage and time in seconds, traffic in MiB."""

    def about(value: float) -> Range:
        return Range(low=value * 0.8, likely=value, high=value * 1.3)

    return Forecast(
        total_s=about(figures.get("time", 10.0)),
        pause_s=about(0.06),
        outage_s=about(figures.get("outage", 0.2)),
        sent_bytes=about(figures.get("sent", 1000.0) * MIB),
        rounds=about(5),
        converges=figures.get("converges", keeps),
        keeps_promise=keeps,
        made_at_s=NOW_S,
    )


def kind(one: Recipe) -> str:
    means = [one.stream] if one.stream != "plain" else []
    means += ["throttle"] * (one.throttle is not None) + ["post-copy"] * one.postcopy
    return "+".join(means) or "plain"


def won(found: tuple[Recipe, str, tuple[Alternative, ...]]) -> str:
    """What was chosen, without what is only kept in reserve beside it."""
    chosen, _, (first, *_) = found
    if "throttle in reserve" in first.name:
        chosen = replace(chosen, throttle=None)
    return kind(replace(chosen, postcopy=chosen.postcopy and "post-copy in" not in first.name))


def choose(
    forecasts: Mapping[str, Forecast] | None = None,
    *,
    policy: VmPolicy | None = None,
    base: Recipe = BASE,
    source: frozenset[Feature] = ALL,
    destination: frozenset[Feature] = ALL,
    rooms: tuple[HostRoom, HostRoom] | None = (IDLE, IDLE),
) -> tuple[Recipe, str, tuple[Alternative, ...]]:
    found = forecasts or {}
    return choose_recipe(
        base,
        policy or VmPolicy(may_throttle=True, may_postcopy=True),
        source,
        destination,
        lambda one: found.get(kind(one), told()),
        rooms=rooms,
    )


def excluded(weighed: tuple[Alternative, ...]) -> dict[str, str]:
    return {one.name: one.excluded for one in weighed if one.excluded}


STREAMS = ("plain", "multifd-2", "multifd-2-zstd", "xbzrle")
KINDS = (*STREAMS, "throttle", "xbzrle+throttle", "post-copy", "throttle+post-copy")
LITTLE = dict.fromkeys(STREAMS, told(0.1))


class TestPlainWins:
    def test_when_all_are_alike(self) -> None:
        found = choose()
        chosen, why, weighed = found
        assert won(found) == "plain"
        assert "none of 7 others is clearly better" in why
        assert "99 %" in why
        assert weighed[0].recipe is chosen
        assert [one.name for one in weighed if not one.excluded] == [
            "plain, throttle in reserve",
            "plain",
            "2 channels",
            "2 channels, zstd",
            "xbzrle",
            "xbzrle, throttle",
            "post-copy",
            "throttle, post-copy",
        ]

    def test_against_one_alone(self) -> None:
        _, why, _ = choose(destination=frozenset({Feature.MULTIFD}), policy=VmPolicy())
        assert "the one other is not clearly better" in why

    @pytest.mark.parametrize(
        "slightly",
        [
            told(0.99),
            told(outage=0.18),
            told(outage=0.16),
            told(time=8.5),
            told(sent=800),
            told(time=9.9, sent=900, outage=0.19),
        ],
    )
    def test_against_what_is_slightly_better(self, slightly: Forecast) -> None:
        assert won(choose({"xbzrle": slightly, "multifd-2": slightly})) == "plain"

    def test_against_a_chance_that_is_over_a_line_by_a_hair(self) -> None:
        hair = dict.fromkeys(KINDS, told(0.81))
        assert "plain pre-copy: none of" in choose({**hair, "plain": told(0.79)})[1]

    def test_small_differences_do_not_add_up_to_a_clear_loss(self) -> None:
        steps = {
            "plain": told(0.97, outage=0.4),
            "multifd-2-zstd": told(0.97, outage=0.4),
            "multifd-2": told(0.89, outage=0.29),
            "xbzrle": told(0.79, outage=0.2),
        }
        assert won(choose(steps, policy=VmPolicy())) == "multifd-2"

    def test_and_has_the_limits_it_was_given_and_no_more_than_a_reserve(self) -> None:
        base = replace(BASE, throttle=Throttle(), postcopy=True, deadline_s=60.0)
        assert choose(base=base)[0] == replace(base, postcopy=False)
        neither = choose(base=base, policy=VmPolicy())[0]
        assert neither == replace(base, throttle=None, postcopy=False)


class TestOthersWin:
    def test_by_a_clearly_shorter_outage(self) -> None:
        chosen, why, weighed = choose({"xbzrle": told(outage=0.1)})
        assert chosen.compression is Compression.XBZRLE
        assert "outage of 100 ms instead of 200 ms" in why
        assert [one.name for one in weighed[:2]] == ["xbzrle", "plain"]

    def test_by_a_clearly_shorter_time_and_then_by_traffic(self) -> None:
        assert won(choose({"multifd-2": told(time=5)})) == "multifd-2"
        assert won(choose({"multifd-2-zstd": told(sent=400)})) == "multifd-2-zstd"

    def test_by_the_promise_and_not_only_by_getting_there(self) -> None:
        long_pause = told(0.3, converges=0.97)
        found = {**dict.fromkeys(STREAMS, long_pause), "throttle": told(0.97)}
        assert choose(found)[1].startswith("throttle: ")

    def test_but_not_by_a_guess(self) -> None:
        sure = told(time=5)
        guess = replace(sure, total_s=Range(low=3, likely=5, high=12))
        assert won(choose({"xbzrle": sure})) == "xbzrle"
        assert won(choose({"xbzrle": guess})) == "plain"

    def test_but_not_by_time_at_the_price_of_outage(self) -> None:
        assert won(choose({"multifd-2": told(time=5, outage=0.4)})) == "plain"

    def test_by_a_class_of_chance_whatever_it_costs(self) -> None:
        surer = told(0.96, outage=0.5, time=30, sent=9000)
        worse = dict.fromkeys((*STREAMS, "xbzrle+throttle"), told(0.6))
        _, why, weighed = choose({**worse, "throttle": surer})
        assert weighed[0].name.startswith("throttle")
        assert "96 % instead of 60 %" in why
        assert "only when it does not converge otherwise" in why


class TestDisruption:
    def test_another_stream_before_the_throttle(self) -> None:
        assert won(choose({"plain": told(0.1)})) == "multifd-2"

    def test_the_throttle_before_postcopy(self) -> None:
        assert won(choose(LITTLE)) == "throttle"

    def test_postcopy_last_and_with_its_risk(self) -> None:
        slowed = dict.fromkeys(("throttle", "xbzrle+throttle"), told(0.3))
        found = choose({**LITTLE, **slowed})
        _chosen, why, _ = found
        assert won(found) == "post-copy"
        assert "if either host dies before the last page has arrived, the VM is lost" in why

    def test_a_throttle_that_does_as_well_is_taken_instead_of_a_quicker_postcopy(self) -> None:
        found = choose({**LITTLE, "post-copy": told(outage=0.05, time=1)})
        _chosen, _, _ = found
        assert won(found) == "throttle"

    def test_the_stream_and_the_throttle_together_where_neither_does_it_alone(self) -> None:
        found = choose({**LITTLE, "throttle": told(0.3)})
        _chosen, why, _ = found
        assert won(found) == "xbzrle+throttle"
        assert "99 % instead of 10 %" in why


class TestWithoutRecovery:
    """Hosts that can begin a post-copy, and can't take it up again when the link broke."""

    cannot = ALL - {Feature.POSTCOPY_RECOVERY}
    hot: Final = {
        **LITTLE,
        "throttle": told(0.81),
        "xbzrle+throttle": told(0.81),
        "throttle+post-copy": told(0.99),
    }

    @pytest.mark.parametrize("sides", [(cannot, ALL), (ALL, cannot)])
    def test_the_risk_is_said(self, sides: tuple[frozenset[Feature], frozenset[Feature]]) -> None:
        slowed = dict.fromkeys(("throttle", "xbzrle+throttle"), told(0.3))
        chosen, why, _ = choose({**LITTLE, **slowed}, source=sides[0], destination=sides[1])
        assert chosen.postcopy
        assert "the VM is lost; these hosts can't take a broken post-copy up again" in why
        assert "up again" not in choose({**LITTLE, **slowed})[1]

    def test_it_stands_behind_all_that_is_likely_without_it(self) -> None:
        assert choose(self.hot)[0].postcopy
        assert not choose(self.hot, source=self.cannot)[0].postcopy

    def test_it_is_not_kept_in_reserve(self) -> None:
        policy = VmPolicy(may_postcopy=True)
        likely = {**LITTLE, "plain": told(0.9), "post-copy": told(0.99)}
        assert choose(likely, policy=policy)[0].postcopy
        assert not choose(likely, policy=policy, source=self.cannot)[0].postcopy


class TestReserve:
    """Plain wins, and is not as good as sure: what is permitted is armed beside it."""

    likely: Final = {"plain": told(0.96), "multifd-2": told(0.96), "xbzrle": told(0.96)}

    def test_the_throttle_first(self) -> None:
        chosen, why, weighed = choose(self.likely)
        assert kind(chosen) == "throttle"
        assert why.startswith("plain pre-copy: none of 7 others")
        assert "slowing its vCPUs is kept in reserve, as the chance without it is 96 %" in why
        names = [one.name for one in weighed]
        assert names[:2] == ["plain, throttle in reserve", "plain"]
        assert "throttle" not in names

    def test_postcopy_too_where_that_is_not_enough_and_with_its_risk(self) -> None:
        chosen, why, weighed = choose({**self.likely, "throttle": told(0.97)})
        assert kind(chosen) == "throttle+post-copy"
        assert "chance without it is 97 %: if either host dies" in why
        assert weighed[0].name == "plain, throttle in reserve, post-copy in reserve"

    def test_only_the_throttle_where_the_promise_is_as_good_as_sure(self) -> None:
        # The guest may write more than it was last seen to.
        chosen, why, _ = choose()
        assert kind(chosen) == "throttle"
        assert why.endswith("slowing its vCPUs is kept in reserve")

    def test_none_that_the_policy_or_a_host_does_not_permit(self) -> None:
        assert kind(choose(self.likely, policy=VmPolicy())[0]) == "plain"
        only = choose(self.likely, policy=VmPolicy(may_postcopy=True))[0]
        assert kind(only) == "post-copy"
        neither = ALL - {Feature.THROTTLE, Feature.POSTCOPY}
        assert kind(choose(self.likely, destination=neither)[0]) == "plain"

    @pytest.mark.parametrize("worse", [told(0.9), told(outage=0.9), told(time=60)])
    def test_none_that_costs_something_by_its_forecast(self, worse: Forecast) -> None:
        found = {**self.likely, "throttle": worse, "post-copy": worse, "throttle+post-copy": worse}
        assert kind(choose(found)[0]) == "plain"

    def test_channels_never_get_postcopy(self) -> None:
        quick = {"multifd-2": told(0.96, time=3), "multifd-2+throttle": told(0.97, time=3)}
        found = {**self.likely, **quick}
        chosen, why, _ = choose(found)
        assert kind(chosen) == "multifd-2+throttle"
        assert "post-copy" not in why


class TestTarget:
    """A pause of 300 ms is aimed at, and 1 s is promised."""

    base = replace(recipe(start=0.02, most=1.0, link=SLOW_LINK), pause_target_s=0.3)
    long = replace(told(0.99), pause_s=Range(low=0.8, likely=0.86, high=0.95))
    streams: Final = dict.fromkeys(STREAMS, long)

    def test_the_throttle_is_taken_for_it(self) -> None:
        found = choose(self.streams, base=self.base)
        _chosen, why, _ = found
        assert won(found) == "throttle"
        assert "a pause of 60 ms, where 300 ms is aimed at, instead of 860 ms with plain" in why

    def test_another_stream_before_the_throttle(self) -> None:
        assert won(choose({**self.streams, "xbzrle": told()}, base=self.base)) == "xbzrle"

    def test_not_without_a_target(self) -> None:
        aimless = replace(self.base, pause_target_s=None)
        assert won(choose(self.streams, base=aimless)) == "plain"

    def test_not_for_a_pause_that_is_hardly_above_it(self) -> None:
        near = replace(told(0.99), pause_s=Range(low=0.3, likely=0.36, high=0.4))
        assert won(choose(dict.fromkeys(STREAMS, near), base=self.base)) == "plain"

    def test_not_at_the_price_of_the_promise(self) -> None:
        less = dict.fromkeys(KINDS, told(0.6))
        assert won(choose({**less, **self.streams}, base=self.base)) == "plain"

    def test_where_none_comes_near_it_the_gentlest_is_taken(self) -> None:
        assert won(choose(dict.fromkeys(KINDS, self.long), base=self.base)) == "plain"


class TestCache:
    """What xbzrle keeps of the pages that it sent."""

    def cache(self, hot_mib: float | None, free_gib: float | None) -> int | None:
        free_bytes = None if free_gib is None else round(free_gib * GIB)
        source = replace(IDLE, memory_free_bytes=free_bytes)
        _, _, weighed = choose_recipe(
            BASE,
            VmPolicy(may_throttle=True),
            ALL,
            ALL,
            lambda _: told(),
            rooms=(source, replace(IDLE, memory_free_bytes=0)),
            hot_bytes=None if hot_mib is None else hot_mib * MIB,
        )
        caches = {
            one.recipe.xbzrle_cache_bytes
            for one in weighed
            if one.recipe.compression is Compression.XBZRLE
        }
        assert len(caches) == 1
        plain = next(one for one in weighed if one.name == "plain")
        assert plain.recipe.xbzrle_cache_bytes is None
        return caches.pop()

    @pytest.mark.parametrize(
        ("hot_mib", "cache_mib"),
        [(0, 64), (10, 64), (96, 128), (120, 256), (200, 256), (900, 2048)],
    )
    def test_is_a_power_of_two_with_room_for_what_is_written_again(
        self, hot_mib: float, cache_mib: int
    ) -> None:
        assert self.cache(hot_mib, 64) == cache_mib * MIB

    @pytest.mark.parametrize(("free_gib", "cache_mib"), [(4, 512), (3, 256), (0.1, 8)])
    def test_takes_no_more_of_the_source_than_it_has_to_spare(
        self, free_gib: float, cache_mib: int
    ) -> None:
        assert self.cache(900, free_gib) == cache_mib * MIB

    def test_is_left_to_the_hypervisor_where_nothing_is_known(self) -> None:
        assert self.cache(None, 64) is None
        assert self.cache(200, None) is None
        assert self.cache(200, 0) is None

    def test_is_of_xbzrle_alone(self) -> None:
        with pytest.raises(ValueError, match="only xbzrle has a cache"):
            replace(BASE, xbzrle_cache_bytes=2**26)


class TestExcluded:
    def test_what_the_policy_does_not_permit(self) -> None:
        _, _, weighed = choose(policy=VmPolicy())
        said = excluded(weighed)
        assert said["throttle"] == "the VM's policy does not permit slowing its vCPUs"
        assert said["post-copy"] == "the VM's policy does not permit post-copy"
        assert all(one.forecast is None for one in weighed if one.excluded)

    @pytest.mark.parametrize(
        ("feature", "name", "words"),
        [
            (Feature.MULTIFD, "2 channels", "several channels"),
            (Feature.ZSTD, "2 channels, zstd", "zstd"),
            (Feature.XBZRLE, "xbzrle", "xbzrle"),
            (Feature.THROTTLE, "throttle", "slowing vCPUs"),
            (Feature.POSTCOPY, "post-copy", "post-copy"),
        ],
    )
    def test_what_a_host_lacks(self, feature: Feature, name: str, words: str) -> None:
        without = ALL - {feature}
        for source, destination, who in (
            (without, ALL, "the source"),
            (ALL, without, "the destination"),
            (without, without, "the source and the destination"),
        ):
            _, _, weighed = choose(source=source, destination=destination)
            assert excluded(weighed)[name] == f"{who} can't do {words}"

    def test_compression_without_free_processors(self) -> None:
        busy = HostRoom(cores=16, busy_fraction=0.9)
        said = excluded(choose(rooms=(IDLE, busy))[2])
        assert said["2 channels, zstd"] == (
            "the destination has 1.6 of 16 cores free, and it would need 3"
        )
        assert "xbzrle" not in said
        unknown = excluded(choose(rooms=(IDLE, HostRoom(cores=16)))[2])
        assert "not known how busy the processors of the destination are" in unknown["xbzrle"]
        assert "processors of the hosts" in excluded(choose(rooms=None)[2])["xbzrle"]

    def test_compression_where_the_link_is_faster_than_it(self) -> None:
        fast = excluded(choose(base=recipe(link=1.25e9))[2])
        assert "carries" in fast["2 channels, zstd"]
        assert "not known" in excluded(choose(base=recipe())[2])["2 channels, zstd"]
        capped = replace(recipe(link=1.25e9), bandwidth_bytes_per_s=50.0 * MIB)
        assert "2 channels, zstd" not in excluded(choose(base=capped)[2])

    def test_channels_with_postcopy_where_both_could_be(self) -> None:
        assert "exclude each other" in excluded(choose()[2])["2 channels, post-copy"]
        assert "2 channels, post-copy" not in excluded(choose(policy=VmPolicy())[2])

    def test_channels_that_one_stream_makes_needless(self) -> None:
        capped = replace(BASE, bandwidth_bytes_per_s=50.0 * MIB)
        assert "one channel fills the 50.0 MiB/s" in excluded(choose(base=capped)[2])["2 channels"]

    def test_hosts_of_which_nothing_is_known_migrate_plainly(self) -> None:
        none: frozenset[Feature] = frozenset()
        found = choose(source=none, destination=none, rooms=None)
        _chosen, why, weighed = found
        assert won(found) == "plain"
        assert "nothing else can be used" in why
        assert len(excluded(weighed)) == len(weighed) - 1


class TestBandwidth:
    capped = replace(BASE, bandwidth_bytes_per_s=50.0 * MIB, bandwidth_is_hard=True)

    def test_a_limited_stream_is_told_what_the_path_carries(self) -> None:
        assert choose(base=self.capped)[0].switchover_bytes_per_s == SLOW_LINK
        assert choose()[0].switchover_bytes_per_s is None

    def test_unless_a_host_can_not_be_told(self) -> None:
        chosen, _, weighed = choose(base=self.capped, source=ALL - {Feature.SWITCHOVER_HINT})
        assert chosen.switchover_bytes_per_s is None
        assert "limited bandwidth" in excluded(weighed)["plain, switch-over hint"]

    def test_more_channels_for_a_link_that_needs_them_and_cores_that_carry_them(self) -> None:
        big = HostRoom(cores=64, busy_fraction=0.1)
        for rooms, channels in (((big, big), 5), ((IDLE, big), 4), (None, 2)):
            weighed = choose(base=recipe(link=5e9), rooms=rooms)[2]
            assert max(one.recipe.channels for one in weighed) == channels


class TestWithTheRealForecast:
    """512 MiB over 1 Gbit/s between hosts of two cores, as in the lab."""

    lab = (HostRoom(cores=2, busy_fraction=0.5), HostRoom(cores=2, busy_fraction=0.2))

    def choose(
        self, rate: float, hot: float, **permitted: bool
    ) -> tuple[Recipe, str, tuple[Alternative, ...]]:
        seen = VmKnowledge(
            vm=VmId("id-web1"),
            observations=tuple(
                DirtyObservation(
                    window_s=window_s,
                    written_bytes=min(rate * window_s, hot) * MIB,
                    source=DirtySource.SAMPLED,
                    taken_at_s=NOW_S - 10,
                )
                for window_s in (1.0, 2.0, 5.0)
            ),
        )
        inputs = ForecastInputs(
            memory_bytes=GIB // 2,
            vcpus=1,
            now_s=NOW_S,
            resident_bytes=GIB // 2,
            vm=seen,
            link_bytes_per_s=125e6,
        )
        return choose_recipe(
            recipe(start=0.02, most=0.3, link=125e6),
            VmPolicy(may_throttle=permitted.get("throttle", False)),
            ALL,
            ALL,
            lambda one: forecast(inputs, one),
            rooms=self.lab,
        )

    @pytest.mark.parametrize(("rate", "hot"), [(0, 64), (5, 128), (25, 128), (70, 256)])
    def test_plain_wins(self, rate: float, hot: float) -> None:
        found = self.choose(rate, hot, throttle=True)
        _, _, weighed = found
        assert won(found) == "plain"
        assert "cores free" in excluded(weighed)["2 channels, zstd"]

    def test_a_guest_that_is_too_hot_gets_what_the_policy_permits(self) -> None:
        without, _, _ = self.choose(200, 100)
        assert without.throttle is None
        chosen, why, weighed = self.choose(200, 100, throttle=True)
        plain = next(one for one in weighed if one.name == "plain").forecast
        assert plain is not None
        assert plain.keeps_promise < 0.5
        assert chosen.throttle is not None
        assert "instead of" in why


@pytest.mark.parametrize("pause_max_s", [0.01, 0.1, 0.3, 1.0, 5.0, 60.0])
def test_a_throttle_never_stops_a_vcpu_for_what_the_promise_would_notice(
    pause_max_s: float,
) -> None:
    bounds = Throttle.within(pause_max_s)
    assert throttled_stop_s(bounds.most_fraction) <= max(0.1 * pause_max_s, 0.0012)
    assert bounds.increment_fraction <= bounds.most_fraction


def test_at_ninety_nine_percent_a_vcpu_stands_still_for_a_second() -> None:
    assert throttled_stop_s(0.99) == pytest.approx(0.99)
    assert Throttle.within(1.0).most_fraction == 0.9
