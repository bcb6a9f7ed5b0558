"""What a recipe permits to be ordered of a running migration; anything else is a fault of ours."""

from godwit.core.errors import Bug
from godwit.core.migration.events import (
    BandwidthOrdered,
    PauseLimitOrdered,
    PostcopyOrdered,
    ThrottleOrdered,
)
from godwit.core.plan import Recipe

__all__ = ["check_permitted"]


def check_permitted(
    recipe: Recipe,
    event: PauseLimitOrdered | BandwidthOrdered | ThrottleOrdered | PostcopyOrdered,
) -> None:
    """Raises: Bug when the recipe does not permit the order."""
    match event:
        case PauseLimitOrdered():
            _check_pause(recipe, event)
        case BandwidthOrdered():
            _check_bandwidth(recipe, event)
        case ThrottleOrdered():
            bounds = recipe.throttle
            if bounds is None or not 0 < event.increment_fraction <= bounds.most_fraction:
                raise Bug(
                    "a throttle was ordered that the recipe does not permit",
                    evidence=f"{event.increment_fraction} more at each sync, permitted: {bounds}",
                )
        case PostcopyOrdered() if not recipe.postcopy:
            raise Bug("a post-copy was ordered that the recipe does not permit", evidence=event.why)


def _check_pause(recipe: Recipe, event: PauseLimitOrdered) -> None:
    # Asked this way round, so that a limit that is not a number is refused too.
    if not 0 < event.limit_s <= recipe.pause_ceiling_s:
        raise Bug(
            "a pause limit above the promise was ordered, or none at all",
            evidence=f"{event.limit_s} s, permitted {recipe.pause_ceiling_s} s",
        )


def _check_bandwidth(recipe: Recipe, event: BandwidthOrdered) -> None:
    limit, most = event.bytes_per_s, recipe.bandwidth_bytes_per_s
    if limit is not None and not limit > 0:
        raise Bug("a stream of no bandwidth was ordered", evidence=f"{limit} bytes/s")
    if recipe.bandwidth_is_hard and most is not None and (limit is None or limit > most):
        raise Bug(
            "more bandwidth was ordered than a person permitted",
            evidence=f"{limit} bytes/s, permitted {most} bytes/s",
        )
