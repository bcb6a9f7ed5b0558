"""The arrays of the search: those of the reading, with all that the site's rules add to them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from godwit.core.planner.brief import PlaceCosts
from godwit.core.planner.reading import Reading
from godwit.core.planner.site import Site
from godwit.core.planner.weights import Weights

__all__ = ["arrays_of"]

Reals = npt.NDArray[np.float64]


def arrays_of(reading: Reading, site: Site, costs: PlaceCosts, weights: Weights) -> dict[str, Any]:
    """Return what ``build_levels`` takes of loads, rooms, places and groups."""
    scale, loads = site.load_scale, site.loads
    safe = np.tile(
        (weights.cpu_safe_fraction, weights.memory_safe_fraction), (len(reading.hosts), 1)
    )
    spread = (weights.imbalance_cpu, weights.imbalance_memory)
    hot = (weights.hot_cpu, weights.hot_memory)
    more = [0.0] * len(loads)
    kind, table = _places(site, costs)
    return {
        "need": _beside(reading.need, [one.need for one in loads]),
        "base": _beside(reading.base, [one.base for one in loads]),
        "scale": _beside(reading.scale, [one.scale for one in loads]),
        "safe": _beside(safe, [one.safe for one in loads]),
        "spread": np.array([*(scale * one for one in spread), *more]),
        "hot": np.array([*(scale * one for one in hot), *(one.points for one in loads)]),
        "unmet": np.array([scale * weights.unmet, 0.0, *more]),
        "size": site.rooms.size,
        "room": site.rooms.room,
        "kind": kind,
        "place_cost": table,
        **_groups(reading, site),
    }


def _beside(table: Reals, columns: list[Reals]) -> Reals:
    return np.column_stack((table, *columns)) if columns else table


def _places(site: Site, costs: PlaceCosts) -> tuple[npt.NDArray[np.int32], Reals]:
    """What the request makes places cost, and what the rules do: a row for each pair of the two."""
    if len(site.table) == 1:
        return costs.kind, costs.table
    pairs = np.stack((costs.kind, site.kind), axis=1)
    rows, kind = np.unique(pairs, axis=0, return_inverse=True)
    return kind.reshape(-1).astype(np.int32), costs.table[rows[:, 0]] + site.table[rows[:, 1]]


def _groups(reading: Reading, site: Site) -> dict[str, Any]:
    """The groups of the reading, of which only one may be on a place, and those of the site."""
    known, hosts = len(reading.group_names), len(reading.hosts)
    own: Sequence[Sequence[int]] = reading.bundle_groups
    if site.groups:
        found = [list(one) for one in own]
        for number, group in enumerate(site.groups):
            for bundle in group.members:
                found[bundle].append(known + number)
        own = found
    more = len(site.groups)
    return {
        "item_groups": own,
        "most": np.array([*[1] * known, *(one.most for one in site.groups)], dtype=np.int64),
        "group_cost": np.array([*[np.inf] * known, *(one.cost for one in site.groups)]),
        "place_of": np.vstack(
            (reading.place_of, np.array([one.place_of for one in site.groups]).reshape(more, hosts))
        ).astype(np.int64),
        "base_count": np.vstack(
            (reading.group_base, np.array([one.base for one in site.groups]).reshape(more, hosts))
        ).astype(np.int64),
    }
