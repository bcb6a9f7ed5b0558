"""Made-up forecasts and recipes, for what is done with them above the engine."""

from dataclasses import replace

from api_scene import MIB, T0

from godwit.core.model import Forecast, Range
from godwit.core.plan import Alternative, Compression, Move, Plan, Recipe, Throttle


def make_range(low: float, likely: float, high: float) -> Range:
    return Range(low=low, likely=likely, high=high)


def make_forecast(slower: float = 1.0, keeps_promise: float = 0.99) -> Forecast:
    return Forecast(
        total_s=make_range(2.6 * slower, 2.9 * slower, 3.4 * slower),
        pause_s=make_range(0.05, 0.06, 0.09),
        outage_s=make_range(0.12, 0.16, 0.24),
        sent_bytes=make_range(500 * MIB, 520 * MIB, 560 * MIB),
        rounds=make_range(3, 4, 5),
        converges=0.999,
        keeps_promise=keeps_promise,
        made_at_s=T0,
        grounds=(
            "the guest wrote 38 MiB within 1 s, sampled 3 m ago",
            "kvm1 to kvm2 carried 112 MiB/s in 7 migrations",
        ),
    )


def forecast_move(move: Move, *, postcopy: bool = False) -> Move:
    """Give a move what the planner would: a forecast, and what was weighed."""
    recipe = replace(
        move.recipe, throttle=Throttle(most_fraction=0.8), postcopy=postcopy, deadline_s=600.0
    )
    forecast = make_forecast()
    channels = Recipe(
        pause_start_s=recipe.pause_start_s,
        pause_max_s=recipe.pause_max_s,
        channels=2,
        compression=Compression.ZSTD,
    )
    return replace(
        move,
        recipe=recipe,
        forecast=forecast,
        recipe_reason="the plain stream is the fastest: the link carries all that a core sends",
        alternatives=(
            Alternative(name="plain", recipe=recipe, forecast=forecast),
            Alternative(
                name="multifd-2", recipe=replace(channels, compression=Compression.NONE),
                forecast=make_forecast(1.1, 0.7),
            ),
            Alternative(
                name="multifd-2-zstd", recipe=channels, forecast=None,
                excluded="kvm1 has 0.4 idle cores; compression at that rate takes 2",
            ),
        ),
    )  # fmt: skip


def forecast_plan(plan: Plan, *, postcopy: bool = False) -> Plan:
    moves = tuple(forecast_move(one, postcopy=postcopy) for one in plan.moves)
    return replace(plan, moves=moves)
