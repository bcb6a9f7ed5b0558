"""An assignment problem as plain arrays: items in bins, what a bin holds, what may lie together.

It knows no VM and no host: whoever compiles one into it says what an item, a bin, a resource
and a group stand for. All numbers are whole, so that a sum doesn't depend on its order.

*Hard*: each bin's capacity per resource; items per bin, and bins' locations, of a group; a group
that needs another one in each neighbourhood where it has an item; the bins that an item may use.
A moved item also holds the *transient* resources in the bin that it comes from: that counts
against the capacity of that bin, never in its cost.

*Cost*: load above what is safe, a pair of resources that is out of balance, each item away from
its origin, the most moved group, the distance of each move.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from godwit.core.errors import BadValue

type_of_index: Final = np.int32
#: A group without a limit of its items in one bin.
NO_LIMIT: Final = int(np.iinfo(np.int32).max)

Numbers = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


class Problem(NamedTuple):
    """What doesn't change during a search. A named tuple, because compiled code takes those."""

    #: [item, resource] what an item needs, and [item] the bin that it comes from.
    need: Numbers
    origin: Indices
    #: [bin, resource]
    capacity: Numbers
    safe: Numbers
    #: [resource]
    weight: Numbers
    transient: Flags
    #: [balance, 4]: of how much is free, target x the first - the second should be 0 at most;
    #: the fourth is the weight.
    balance: Numbers
    #: The groups of an item: ``groups[groups_at[item] : groups_at[item + 1]]``.
    groups_at: Indices
    groups: Indices
    #: [group]
    most_per_bin: Indices
    fewest_locations: Indices
    #: The groups that a group needs near it, and those that need it, the same way.
    needs_at: Indices
    needs: Indices
    needed_by_at: Indices
    needed_by: Indices
    #: [bin]
    location: Indices
    neighbourhood: Indices
    #: [item], and for each further moved item of the most moved group, and [bin, bin].
    move_cost: Numbers
    group_move_cost: int
    pair_cost: Numbers
    #: [item] a class of items, and [class, bin] where they may lie.
    allowed_class: Indices
    allowed: Flags
    #: The items in the order of their size, and [item] its position there.
    by_size: Indices
    size_rank: Indices


def _table(values: object, shape: tuple[int, ...], name: str) -> Numbers:
    table = np.ascontiguousarray(values, dtype=np.int64)
    if table.shape != shape:
        raise BadValue(f"{name} has the wrong shape", evidence=f"{table.shape}, not {shape}")
    if table.size and int(np.abs(table).max()) > 1 << 53:
        raise BadValue(f"{name} has numbers that sums could overflow", remedy="scale them down")
    return table


def _indices(values: object, count: int, limit: int, name: str) -> Indices:
    table = np.ascontiguousarray(values, dtype=type_of_index)
    if table.shape != (count,):
        raise BadValue(f"{name} has the wrong shape", evidence=f"{table.shape}, not {(count,)}")
    if count and not 0 <= int(table.min()) <= int(table.max()) < limit:
        raise BadValue(f"{name} has an index out of range", evidence=f"not in 0..{limit - 1}")
    return table


def _lists(pairs: list[tuple[int, int]], count: int) -> tuple[Indices, Indices]:
    """Pack pairs (owner, value) into the values of each owner, one after the other."""
    ordered = np.array(sorted(set(pairs)), dtype=np.int64).reshape(-1, 2)
    sizes = np.bincount(ordered[:, 0], minlength=count)
    at = np.concatenate(([0], np.cumsum(sizes)))
    return at.astype(type_of_index), np.ascontiguousarray(ordered[:, 1], dtype=type_of_index)


def build_problem(
    *,
    need: object,
    origin: object,
    capacity: object,
    safe: object | None = None,
    weight: object | None = None,
    transient: object | None = None,
    balance: object = (),
    item_groups: Sequence[Sequence[int]] | None = None,
    most_per_bin: object = (),
    fewest_locations: object | None = None,
    dependencies: Sequence[tuple[int, int]] = (),
    location: object | None = None,
    neighbourhood: object | None = None,
    move_cost: object | None = None,
    group_move_cost: int = 0,
    pair_cost: object | None = None,
    allowed_class: object | None = None,
    allowed: object | None = None,
) -> Problem:
    """Check and pack the arrays of a problem; what is left out costs and forbids nothing.

    ``dependencies`` are pairs (group, group that it needs in its neighbourhoods).
    """
    items, resources = _two_dimensions(need, "need")
    bins, _ = _two_dimensions(capacity, "capacity")
    room = _table(capacity, (bins, resources), "capacity")
    needed = _not_negative(_table(need, (items, resources), "need"), "need")
    group_count = len(np.asarray(most_per_bin))
    return Problem(
        need=needed,
        origin=_indices(origin, items, bins, "origin"),
        capacity=room,
        safe=room if safe is None else _table(safe, (bins, resources), "safe"),
        weight=_costs(weight, (resources,), "weight"),
        transient=_flags(transient, (resources,), "transient", default=False),
        balance=_balances(balance, resources),
        **_packed_groups(item_groups, most_per_bin, fewest_locations, items, group_count),
        **_packed_dependencies(dependencies, group_count),
        location=_places(location, bins, "location"),
        neighbourhood=_places(neighbourhood, bins, "neighbourhood"),
        move_cost=_costs(move_cost, (items,), "move_cost"),
        group_move_cost=int(_costs([group_move_cost], (1,), "group_move_cost")[0]),
        pair_cost=_costs(pair_cost, (bins, bins), "pair_cost"),
        **_packed_permissions(allowed_class, allowed, items, bins),
        **_ordered(needed),
    )


def _two_dimensions(values: object, name: str) -> tuple[int, int]:
    shape = np.asarray(values).shape
    if len(shape) != 2 or not shape[1]:
        raise BadValue(f"{name} is no table with a column for each resource", evidence=f"{shape}")
    return shape[0], shape[1]


def _not_negative(values: Numbers, name: str) -> Numbers:
    if values.size and int(values.min()) < 0:
        raise BadValue(f"{name} has a negative number", evidence=str(int(values.min())))
    return values


def _costs(values: object | None, shape: tuple[int, ...], name: str) -> Numbers:
    if values is None:
        return np.zeros(shape, dtype=np.int64)
    return _not_negative(_table(values, shape, name), name)


def _flags(values: object | None, shape: tuple[int, ...], name: str, *, default: bool) -> Flags:
    if values is None:
        return np.full(shape, default, dtype=np.bool_)
    flags = np.ascontiguousarray(values, dtype=np.bool_)
    if flags.shape != shape:
        raise BadValue(f"{name} has the wrong shape", evidence=f"{flags.shape}, not {shape}")
    return flags


def _places(values: object | None, bins: int, name: str) -> Indices:
    if values is None:
        return np.zeros(bins, dtype=type_of_index)
    # Numbered anew without gaps, because the counts are tables with a column for each of them.
    _, numbered = np.unique(np.asarray(values), return_inverse=True)
    return _indices(numbered, bins, max(1, bins), name)


def _balances(values: object, resources: int) -> Numbers:
    table = np.asarray(values, dtype=np.int64).reshape(-1, 4)
    for column in (0, 1):
        _indices(table[:, column], len(table), resources, "a resource of balance")
    return np.ascontiguousarray(_not_negative(table, "balance"))


def _packed_groups(
    item_groups: Sequence[Sequence[int]] | None,
    most_per_bin: object,
    fewest_locations: object | None,
    items: int,
    group_count: int,
) -> dict[str, Any]:
    memberships = item_groups if item_groups is not None else [()] * items
    if len(memberships) != items:
        raise BadValue("item_groups needs an entry for each item", evidence=f"{len(memberships)}")
    at, groups = _lists([(i, int(g)) for i, own in enumerate(memberships) for g in own], items)
    _indices(groups, len(groups), group_count, "item_groups")
    fewest = np.zeros(group_count, int) if fewest_locations is None else fewest_locations
    return {
        "groups_at": at,
        "groups": groups,
        "most_per_bin": _indices(most_per_bin, group_count, NO_LIMIT + 1, "most_per_bin"),
        "fewest_locations": _indices(fewest, group_count, NO_LIMIT, "fewest_locations"),
    }


def _packed_dependencies(pairs: Sequence[tuple[int, int]], group_count: int) -> dict[str, Any]:
    # A group that needs itself is always near itself.
    apart = [(int(one), int(other)) for one, other in pairs if one != other]
    ends = np.array([end for pair in apart for end in pair], dtype=np.int64)
    _indices(ends, len(ends), group_count, "dependencies")
    needs_at, needs = _lists(apart, group_count)
    needed_by_at, needed_by = _lists([(other, one) for one, other in apart], group_count)
    return {
        "needs_at": needs_at,
        "needs": needs,
        "needed_by_at": needed_by_at,
        "needed_by": needed_by,
    }


def _packed_permissions(
    allowed_class: object | None, allowed: object | None, items: int, bins: int
) -> dict[str, Any]:
    classes = 1 if allowed is None else _two_dimensions(allowed, "allowed")[0]
    kinds = np.zeros(items, int) if allowed_class is None else allowed_class
    return {
        "allowed_class": _indices(kinds, items, classes, "allowed_class"),
        "allowed": _flags(allowed, (classes, bins), "allowed", default=True),
    }


def _ordered(need: Numbers) -> dict[str, Any]:
    """Order the items by what share they have of all that is needed, over all resources."""
    whole = np.maximum(1, need.sum(axis=0))
    by_size = np.argsort((need / whole).sum(axis=1), kind="stable").astype(type_of_index)
    rank = np.empty_like(by_size)
    rank[by_size] = np.arange(len(by_size), dtype=type_of_index)
    return {"by_size": by_size, "size_rank": rank}
