"""Recipes and forecasts on the wire: how a migration is to be done, and what is expected of it."""

from godwit.core import model, plan
from godwit.wire.shape import Reply

__all__ = [
    "Alternative",
    "Forecast",
    "Range",
    "Recipe",
    "Throttle",
    "alternative_to_wire",
    "forecast_to_wire",
    "range_to_wire",
    "recipe_to_wire",
]


class Range(Reply):
    """A forecast figure: it will lie between ``low`` and ``high`` in nine of ten cases."""

    low: float
    likely: float
    high: float


class Forecast(Reply):
    """What is expected of a migration that comes to its switch-over, and the chance that it does.

    ``keeps_promise`` is the chance that it does so within the VM's own pause limit and deadline.
    ``grounds`` are sentences: what the forecast rests on.
    """

    total_s: Range
    pause_s: Range
    outage_s: Range
    sent_bytes: Range
    rounds: Range
    converges: float
    keeps_promise: float
    made_at_s: float
    grounds: tuple[str, ...]


class Throttle(Reply):
    """How far vCPUs may be slowed, as fractions of their time."""

    initial_fraction: float
    increment_fraction: float
    most_fraction: float


class Recipe(Reply):
    """The parameters of one migration. ``channels`` 0 is one plain stream.

    ``stream`` names the kind of stream, by which bandwidth is learnt.
    ``throttle`` and ``postcopy`` permit: they are used only when the copy does not converge.
    ``pause_longer_s`` is what the VM's owner permits as the last resort. ``pause_target_s`` is the
    pause that is aimed at: what is permitted comes before a longer one. ``xbzrle_cache_bytes`` is
    what the source keeps of pages that it sent; None leaves it to the hypervisor.
    """

    pause_start_s: float
    pause_max_s: float
    pause_longer_s: float | None = None
    pause_target_s: float | None = None
    bandwidth_bytes_per_s: float | None
    bandwidth_is_hard: bool = False
    link_bytes_per_s: float | None
    switchover_bytes_per_s: float | None = None
    channels: int = 0
    compression: str = "none"
    throttle: Throttle | None = None
    postcopy: bool = False
    deadline_s: float | None = None
    stream: str = "plain"
    xbzrle_cache_bytes: int | None = None


class Alternative(Reply):
    """A recipe that was weighed: ``excluded`` says why it can't be used, or it has a forecast."""

    name: str
    recipe: Recipe
    forecast: Forecast | None
    excluded: str


def range_to_wire(figure: model.Range) -> Range:
    """Convert a range."""
    return Range(low=figure.low, likely=figure.likely, high=figure.high)


def forecast_to_wire(forecast: model.Forecast | None) -> Forecast | None:
    """Convert a forecast, where there is one."""
    if forecast is None:
        return None
    return Forecast(
        total_s=range_to_wire(forecast.total_s),
        pause_s=range_to_wire(forecast.pause_s),
        outage_s=range_to_wire(forecast.outage_s),
        sent_bytes=range_to_wire(forecast.sent_bytes),
        rounds=range_to_wire(forecast.rounds),
        converges=forecast.converges,
        keeps_promise=forecast.keeps_promise,
        made_at_s=forecast.made_at_s,
        grounds=forecast.grounds,
    )


def recipe_to_wire(recipe: plan.Recipe) -> Recipe:
    """Convert a recipe."""
    throttle = recipe.throttle
    return Recipe(
        pause_start_s=recipe.pause_start_s,
        pause_max_s=recipe.pause_max_s,
        pause_longer_s=recipe.pause_longer_s,
        pause_target_s=recipe.pause_target_s,
        bandwidth_bytes_per_s=recipe.bandwidth_bytes_per_s,
        bandwidth_is_hard=recipe.bandwidth_is_hard,
        link_bytes_per_s=recipe.link_bytes_per_s,
        switchover_bytes_per_s=recipe.switchover_bytes_per_s,
        channels=recipe.channels,
        compression=recipe.compression.value,
        throttle=None
        if throttle is None
        else Throttle(
            initial_fraction=throttle.initial_fraction,
            increment_fraction=throttle.increment_fraction,
            most_fraction=throttle.most_fraction,
        ),
        postcopy=recipe.postcopy,
        deadline_s=recipe.deadline_s,
        stream=recipe.stream,
        xbzrle_cache_bytes=recipe.xbzrle_cache_bytes,
    )


def alternative_to_wire(one: plan.Alternative) -> Alternative:
    """Convert a recipe that was weighed."""
    return Alternative(
        name=one.name,
        recipe=recipe_to_wire(one.recipe),
        forecast=forecast_to_wire(one.forecast),
        excluded=one.excluded,
    )
