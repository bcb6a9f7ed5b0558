"""Places for those that levelling left where they must not be, where bins are nearly full.

Levelling moves and exchanges one or two at a time, each for what it gains. What fits only when many
change places together is looked for by the other search, which is made for full bins and hard
limits and is measured on the machine reassignment problem of Google (``bench/roadef``).
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from godwit.core.planner.brief import FORCED_POINTS, PlaceCosts
from godwit.core.planner.levelling import Levels

__all__ = ["may_help", "packed", "prepare"]

Where = npt.NDArray[np.int32]

#: What one that is left where it must not be costs; a move costs its price.
_LEFT_COST: Final = 1_000_000
#: Kinds of places that are forbidden to some, at most: a column of the problem for each.
_KINDS_MOST: Final = 4
#: Larger problems than this many pairs of item and bin are not tried.
_PAIRS_MOST: Final = 4_000_000
_EVALUATIONS_PER_ITEM: Final = 20_000
_EVALUATIONS_LEAST: Final = 100_000
_EVALUATIONS_MOST: Final = 4_000_000
_SLICE: Final = 20_000


def packed(
    levels: Levels, costs: PlaceCosts, *, seed: int, goes_on: Callable[[], bool]
) -> Where | None:
    """Find an assignment in which as few are left as can be; None where it has no such form.

    What it finds keeps the rooms; other rules are to be asked of it. Who is fixed stays.
    """
    from godwit.core.planner.search import (  # noqa: PLC0415 - takes most of a second
        back_to_best,
        build_problem,
        descend,
        heat_for,
        improve,
        start,
    )

    free = np.flatnonzero(~levels.fixed)
    hosts = len(levels.room)
    wishes = _wishes(costs, free, hosts)
    if wishes is None or len(free) * hosts > _PAIRS_MOST:
        return None
    needs, safe = wishes
    room = np.maximum(0, levels.room - _held_by_fixed(levels))
    limit = np.full((hosts, needs.shape[1]), int(needs.sum()) + 1, dtype=np.int64)
    forced = needs.any(axis=1)
    classes, rows = _places(levels, free)
    groups, most = _groups(levels, free)
    problem = build_problem(
        need=np.column_stack((levels.size[free], needs)),
        origin=levels.origin[free],
        capacity=np.column_stack((room, limit)),
        safe=np.column_stack((room, np.where(safe, limit, 0))),
        weight=[0] * levels.size.shape[1] + [_LEFT_COST] * needs.shape[1],
        item_groups=groups,
        most_per_bin=most,
        move_cost=np.where(forced, 1, np.maximum(1, np.rint(levels.price[free]))).astype(np.int64),
        allowed_class=classes,
        allowed=rows,
    )
    state = start(problem, seed=seed)
    whole = min(_EVALUATIONS_MOST, max(_EVALUATIONS_LEAST, _EVALUATIONS_PER_ITEM * len(free)))
    descend(problem, state, evaluations=_SLICE)
    heat = heat_for(problem, state)
    for done in range(0, whole, _SLICE):
        if not goes_on():
            break
        improve(problem, state, heat, progress_fraction=done / whole, evaluations=_SLICE)
    back_to_best(problem, state)
    where = levels.origin.astype(np.int32).copy()
    where[free] = state.best
    return where


def may_help(levels: Levels, costs: PlaceCosts, left: Sequence[int]) -> bool:
    """Whether fewer could be left than these: by what room there would be, and by who is apart.

    A bound from above, and quick: to load the search takes longer than most plans.
    """
    room, taken = levels.room - _held_by_fixed(levels), _taken(levels)
    open_to: dict[int, npt.NDArray[np.bool_]] = {}
    apart: dict[int, list[int]] = {}
    for item in costs.must_go:
        if levels.fixed[item]:
            continue
        hosts = levels.allowed[levels.row[item]] & (levels.size[item] <= room).all(axis=1)
        for group in _groups_of(levels, item):
            hosts = hosts & ~taken[group]
            apart.setdefault(group, []).append(item)
        open_to[item] = hosts
    hopeful = [one for one in left if one in open_to and open_to[one].any()]
    in_vain = 0
    for group, members in apart.items():
        hosts = np.any([open_to[one] for one in members], axis=0)
        places = len(np.unique(levels.place_of[group][hosts])) * int(levels.most[group])
        in_vain += max(0, sum(bool(open_to[one].any()) for one in members) - places)
    return len(hopeful) > in_vain


def prepare() -> None:
    """Have the search compiled, which takes half a minute and is kept."""
    from godwit.core.planner.search import (  # noqa: PLC0415 - see above
        back_to_best,
        build_problem,
        descend,
        heat_for,
        improve,
        start,
    )

    problem = build_problem(
        need=[[1, 1], [1, 0]],
        origin=[0, 1],
        capacity=[[2, 2], [2, 2]],
        item_groups=[[0], []],
        most_per_bin=[1],
        move_cost=[1, 1],
    )
    state = start(problem)
    descend(problem, state, evaluations=10)
    improve(problem, state, heat_for(problem, state), progress_fraction=0.5, evaluations=10)
    back_to_best(problem, state)


def _wishes(
    costs: PlaceCosts, free: npt.NDArray[np.int64], hosts: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]] | None:
    """[free item, kind] how much it counts, and [host, kind] where that costs nothing."""
    kinds: dict[bytes, int] = {}
    column = np.full(len(free), -1)
    weight = np.zeros(len(free), dtype=np.int64)
    for at, item in enumerate(free.tolist()):
        row = costs.table[costs.kind[item]]
        if item in costs.must_go and row.any():
            column[at] = kinds.setdefault((row > 0).tobytes(), len(kinds))
            weight[at] = max(1, round(float(row.max()) / FORCED_POINTS))
    if not kinds or len(kinds) > _KINDS_MOST:
        return None
    needs = np.zeros((len(free), len(kinds)), dtype=np.int64)
    needs[column >= 0, column[column >= 0]] = weight[column >= 0]
    bad = np.array([np.frombuffer(one, dtype=np.bool_) for one in kinds]).reshape(-1, hosts)
    return needs, ~bad.T


def _held_by_fixed(levels: Levels) -> npt.NDArray[np.int64]:
    held = np.zeros_like(levels.room)
    np.add.at(held, levels.origin[levels.fixed], levels.size[levels.fixed])
    return held


def _places(
    levels: Levels, free: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """[free item] a row, and [row, host] where it may be: at home, or where it is permitted."""
    pairs = np.stack((levels.row[free], levels.origin[free], _member_of(levels, free)), axis=1)
    found, classes = np.unique(pairs, axis=0, return_inverse=True)
    rows = levels.allowed[found[:, 0]].copy()
    taken = _taken(levels)
    for at, (_, home, item) in enumerate(found.tolist()):
        if item >= 0:
            for group in _groups_of(levels, item):
                rows[at] &= ~taken[group]
        rows[at, home] = True
    return classes.reshape(-1).astype(np.int32), rows


def _member_of(levels: Levels, free: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[free item] itself where it is in a group, which has places of its own; else -1."""
    counts = np.diff(levels.groups_at)[free]
    return np.where(counts > 0, free, -1)


def _groups_of(levels: Levels, item: int) -> list[int]:
    hard = np.isinf(levels.group_cost)
    own = levels.groups[levels.groups_at[item] : levels.groups_at[item + 1]].tolist()
    return [one for one in own if hard[one]]


def _taken(levels: Levels) -> npt.NDArray[np.bool_]:
    """[group, host] where somebody of a group is who stays: nobody else of it is let in there."""
    inside = levels.base_count.astype(np.int64).copy()
    for item in np.flatnonzero(levels.fixed & (np.diff(levels.groups_at) > 0)).tolist():
        for group in levels.groups[levels.groups_at[item] : levels.groups_at[item + 1]].tolist():
            inside[group, levels.place_of[group, levels.origin[item]]] += 1
    here = np.take_along_axis(inside, levels.place_of.astype(np.int64), axis=1)
    return here > 0


def _groups(levels: Levels, free: npt.NDArray[np.int64]) -> tuple[list[list[int]], list[int]]:
    """The hard groups of each free item, and how many of a group may be on one host.

    A group by a label is kept apart by host here; whether that was enough, the rules are asked.
    """
    most = [min(int(one), np.iinfo(np.int32).max) for one in levels.most.tolist()]
    return [_groups_of(levels, item) for item in free.tolist()], most
