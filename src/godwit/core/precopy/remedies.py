"""What a person can do about a migration that was given up, each with what it would have brought.

The figures come from the rounds of that migration, none from a model.
"""

from godwit.core.plan import Recipe
from godwit.core.precopy.orders import Situation
from godwit.core.precopy.trend import Trend
from godwit.core.units import format_bytes, format_duration, format_fraction, format_rate

__all__ = ["remedy_of"]


def remedy_of(recipe: Recipe, situation: Situation, trend: Trend, *, limit_s: float) -> str:
    """Name what the policy could permit, the least disturbing first.

    ``limit_s`` is what the promise leaves for sending the rest.
    """
    rest_bytes = trend.best_pause_s * trend.bandwidth_bytes_per_s
    options = ["move it when it writes less"]
    if recipe.bandwidth_is_hard and situation.bandwidth_bytes_per_s is not None:
        options.append(
            f"lift the bandwidth limit of {format_rate(situation.bandwidth_bytes_per_s)} (the"
            f" promise needs {format_rate(rest_bytes / limit_s)})"
        )
    else:
        options.append(
            f"give it a link with {format_rate(rest_bytes / limit_s)} of bandwidth, for"
            f" {format_bytes(rest_bytes)} within {format_duration(limit_s)}"
        )
    if recipe.throttle is None:
        share = max(0.0, 1 - limit_s / trend.best_pause_s)
        options.append(
            f"permit slowing its vCPUs (it must leave {format_fraction(share)} less in a round)"
        )
    if not recipe.postcopy:
        options.append(
            f"permit post-copy (the last {format_bytes(rest_bytes)} would follow in"
            f" {format_duration(trend.best_pause_s)} while it runs at the destination; if either"
            " host dies meanwhile, the VM is lost)"
        )
    elif not situation.path_is_healthy:
        options.append(
            "mend the path between the hosts: it was not healthy, so post-copy, though permitted,"
            " was not begun"
        )
    longer_s = trend.best_pause_s * 1.15 + situation.pause_fixed_s
    options.append(f"allow a pause of {format_duration(longer_s)} for this VM")
    return f"{options[0].capitalize()}; {'; '.join(options[1:-1])}; or {options[-1]}."
