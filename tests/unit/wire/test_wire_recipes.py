"""Goal: nothing of a recipe, of a forecast or of what was learnt is lost on the wire.

Method: values in which every field differs from its default, walked field by field.
"""

import dataclasses

import pytest

from godwit import wire
from godwit.core import model, plan
from godwit.wire.recipes import alternative_to_wire, recipe_to_wire

_RECIPE = plan.Recipe(
    pause_start_s=0.02,
    pause_max_s=0.5,
    bandwidth_bytes_per_s=1e7,
    link_bytes_per_s=1e8,
    pause_longer_s=2.0,
    bandwidth_is_hard=True,
    switchover_bytes_per_s=9e7,
    compression=plan.Compression.XBZRLE,
    throttle=plan.Throttle(initial_fraction=0.02, increment_fraction=0.1, most_fraction=0.7),
    postcopy=True,
    deadline_s=60.0,
)


def _range(first: float) -> model.Range:
    return model.Range(low=first, likely=first + 1, high=first + 2)


_FORECAST = model.Forecast(
    total_s=_range(1),
    pause_s=_range(4),
    outage_s=_range(7),
    sent_bytes=_range(10),
    rounds=_range(13),
    converges=0.9,
    keeps_promise=0.8,
    made_at_s=5.0,
    grounds=("a", "b"),
)


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(plan.Recipe)])
def test_every_field_of_a_recipe_is_sent(name: str) -> None:
    sent, own = getattr(recipe_to_wire(_RECIPE), name), getattr(_RECIPE, name)
    match own:
        case plan.Compression():
            assert sent == own.value
        case plan.Throttle():
            assert sent.model_dump() == dataclasses.asdict(own)
        case _:
            assert sent == own


def test_the_kind_of_stream_is_named() -> None:
    several = dataclasses.replace(
        _RECIPE, channels=2, compression=plan.Compression.ZSTD, postcopy=False
    )
    assert recipe_to_wire(several).stream == "multifd-2-zstd"
    assert recipe_to_wire(several).channels == 2


def test_a_forecast_is_sent_whole() -> None:
    sent = wire.forecast_to_wire(_FORECAST)
    assert sent is not None
    told = sent.model_dump()
    own = dataclasses.asdict(_FORECAST)
    assert told == {name: own[name] for name in told}
    assert wire.forecast_to_wire(None) is None


def test_an_excluded_recipe_keeps_its_reason() -> None:
    one = plan.Alternative(name="x", recipe=_RECIPE, forecast=None, excluded="no")
    sent = alternative_to_wire(one)
    assert (sent.name, sent.forecast, sent.excluded) == ("x", None, "no")


def test_paths_come_sorted_with_all_that_was_learnt() -> None:
    def figure(value: float) -> model.Estimate:
        return model.Estimate(value=value, spread_fraction=0.1, count=2, updated_at_s=3.0)

    names = [one.name for one in dataclasses.fields(model.PathKnowledge)]
    known = model.PathKnowledge(**{name: figure(at) for at, name in enumerate(names, 1)})
    keys = [
        model.PathKey(source=model.HostName("a"), destination=model.HostName(name))
        for name in ("c", "b")
    ]
    sent = wire.paths_to_wire(dict.fromkeys(keys, known))
    assert [one.destination for one in sent] == ["b", "c"]
    values = [getattr(sent[0], name).value for name in names]
    assert values == list(range(1, len(names) + 1))
