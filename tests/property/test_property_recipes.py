"""Goal: no recipe is chosen that is not permitted, or clearly beaten in what counts more.

Method: Hypothesis draws a forecast for each recipe, a policy and what the hosts can do.
"""

import hypothesis.strategies as st
from hypothesis import event, given, settings

from godwit.core.model import Feature, Forecast, Range, VmPolicy
from godwit.core.plan import Recipe
from godwit.core.precopy.recipes import HostRoom, choose_recipe
from godwit.core.units import MIB
from tests.unit.core.builders import NOW_S, recipe

FIGURES = st.floats(0.01, 100).map(lambda value: Range(low=value, likely=value, high=value))
FORECASTS = st.builds(
    Forecast,
    total_s=FIGURES,
    pause_s=FIGURES,
    outage_s=FIGURES,
    sent_bytes=st.floats(MIB, 1e5 * MIB).map(lambda value: Range(low=0, likely=value, high=value)),
    rounds=FIGURES,
    converges=st.floats(0, 1),
    keeps_promise=st.sampled_from([0.1, 0.3, 0.6, 0.79, 0.81, 0.9, 0.94, 0.96, 0.99]),
    made_at_s=st.just(NOW_S),
)
FEATURES = st.sets(st.sampled_from(Feature)).map(frozenset)
POLICIES = st.builds(VmPolicy, may_throttle=st.booleans(), may_postcopy=st.booleans())
ROOMS = st.none() | st.tuples(
    *[st.builds(HostRoom, cores=st.integers(1, 64), busy_fraction=st.none() | st.floats(0, 1))] * 2
)


def disruption(one: Recipe) -> int:
    return 2 if one.postcopy else 1 if one.throttle else 0


@settings(max_examples=300)
@given(st.data(), POLICIES, FEATURES, FEATURES, ROOMS, st.none() | st.floats(MIB, 4e9))
def test_the_choice_is_permitted_and_none_is_surer_or_as_sure_and_gentler(
    data: st.DataObject,
    policy: VmPolicy,
    source: frozenset[Feature],
    destination: frozenset[Feature],
    rooms: tuple[HostRoom, HostRoom] | None,
    link_bytes_per_s: float | None,
) -> None:
    def draw(_: Recipe) -> Forecast:
        return data.draw(FORECASTS)

    base = recipe(link=link_bytes_per_s)
    chosen, why, weighed = choose_recipe(base, policy, source, destination, draw, rooms=rooms)
    event(why.split(":", maxsplit=1)[0])
    assert why
    assert weighed[0].recipe == chosen
    assert policy.may_throttle or chosen.throttle is None
    assert policy.may_postcopy or not chosen.postcopy
    both = source & destination
    assert not chosen.channels or Feature.MULTIFD in both
    assert not chosen.postcopy or Feature.POSTCOPY in both
    assert (chosen.pause_start_s, chosen.pause_max_s) == (base.pause_start_s, base.pause_max_s)
    ours = weighed[0].forecast
    assert ours is not None
    for one in weighed:
        assert (one.forecast is None) == bool(one.excluded)
        if one.forecast is None:
            continue
        assert not (ours.keeps_promise < 0.95 <= one.forecast.keeps_promise - 0.1 + 1e-9)
        assert one.forecast.keeps_promise - ours.keeps_promise < 0.5
        alike = abs(one.forecast.keeps_promise - ours.keeps_promise) < 1e-9
        # What is only kept in reserve is not what was chosen by.
        if alike and "reserve" not in why and one.forecast.converges >= ours.converges:
            assert disruption(one.recipe) >= disruption(chosen)


@settings(max_examples=100)
@given(FORECASTS, POLICIES, FEATURES, ROOMS)
def test_among_equals_it_is_plain(
    alike: Forecast,
    policy: VmPolicy,
    features: frozenset[Feature],
    rooms: tuple[HostRoom, HostRoom] | None,
) -> None:
    chosen, why, _ = choose_recipe(
        recipe(), policy, features, features, lambda _: alike, rooms=rooms
    )
    assert chosen.stream == "plain"
    assert why.startswith("plain pre-copy")
    assert disruption(chosen) == 0 or "kept in reserve" in why
    # A throttle is always armed where it may be; post-copy only while there is a doubt.
    assert not chosen.postcopy or alike.keeps_promise < 0.985
    assert (chosen.throttle is not None) == (policy.may_throttle and Feature.THROTTLE in features)
