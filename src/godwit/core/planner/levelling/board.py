"""A levelling problem as the kernels read it, and how it stands: tables with a row for each load.

All tables are lists where the kernels run as Python, and arrays where they are compiled. Rows are
loads, rooms or groups, columns are bins or items: so a kernel takes a row once, and then counts
along it.
"""

from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from godwit.core.planner.levelling.chance import Dice, dice_of
from godwit.core.planner.levelling.levels import Flags, Indices, Levels, Numbers, Reals

__all__ = ["Board", "Memory", "Standing", "board_of", "memory_for", "standing_for"]

#: Where the counts stand in ``Standing.counts``.
MOVED: Final = 0
EVALUATIONS: Final = 1
#: Bins whose loads count.
COUNTED: Final = 2
MOST_MOVED: Final = 3
#: How far a descent has looked, and how many changes it has made.
SEEN: Final = 4
MADE: Final = 5
COUNTS: Final = 6
#: In the place of an item or of a bin: there is none.
NONE: Final = -1
#: In a chain, so many items may give way one after the other, and so many are tried at each link.
LINKS: Final = 4
WIDTH: Final = 8

T = TypeVar("T")


class Board(NamedTuple):
    """What doesn't change: ``Levels`` turned over. A named tuple, as compiled code takes those."""

    need: Reals
    base: Reals
    scale: Reals
    #: [load, bin] what one unit is of a bin's scale.
    per: Reals
    counted: Flags
    spread: Reals
    is_deviation: bool
    safe: Reals
    hot: Reals
    unmet: Reals
    size: Numbers
    room: Numbers
    origin: Indices
    price: Reals
    fixed: Flags
    row: Indices
    allowed: Flags
    kind: Indices
    place_cost: Reals
    #: [kind] the least that any place costs.
    least_cost: Reals
    groups_at: Indices
    groups: Indices
    broken_cost: float
    most: Indices
    group_cost: Reals
    place_of: Indices
    base_count: Indices


class Standing(NamedTuple):
    """An assignment with every sum that weighing reads; always consistent between two kernels."""

    #: [item] its bin; the items of a bin as a list: first of a bin, next, one before.
    where: Indices
    first: Indices
    next: Indices
    before: Indices
    #: [load, bin], [room, bin] and [group, place].
    used: Reals
    held: Numbers
    inside: Indices
    #: [load] sum of the fractions of all bins that count, and of their squares.
    sums: Reals
    squares: Reals
    counts: Numbers
    dice: Dice


class Memory(NamedTuple):
    """What a descent remembers between its steps, and where kernels write answers.

    Of an item its best move when it was last looked at, and after how many changes that was; of a
    bin the best of its items, and after how many changes something came to it last.
    """

    item_place: Indices
    item_change: Reals
    item_seen: Numbers
    bin_item: Indices
    bin_change: Reals
    bin_filled: Numbers
    #: [bin] and [item] answers of one question.
    moves: Reals
    exchanges: Reals
    heats: Reals
    #: [load] the largest need of an item in the bin that is looked at.
    largest: Reals
    #: [item] those that were found.
    few: Indices
    #: [item] by their size, the largest first.
    by_size: Indices
    #: [item] who may be drawn.
    free: Indices
    #: [item] the best assignment on the way.
    best: Indices
    #: [link] a chain: who, where it was, how many were tried to follow it, of how many.
    link_item: Indices
    link_home: Indices
    link_tried: Indices
    link_count: Indices
    #: [link, width] who may follow, and [width] by what size.
    link_next: Indices
    link_size: Reals


def board_of(levels: Levels, *, plain: bool) -> Board:
    """Turn a problem over.

    Every table is a copy: of one that may not be written, kernels would be compiled once more.
    """
    tables = levels._asdict()
    for name, table in tables.items():
        if isinstance(table, np.ndarray):
            turned = name in {"need", "base", "scale", "safe", "size", "room"}
            tables[name] = np.array(table.T if turned else table, order="C")
    tables["per"] = 1.0 / tables["scale"]
    tables["least_cost"] = levels.place_cost.min(axis=1, initial=np.inf)
    return _laid(Board(**tables), plain=plain)


def standing_for(levels: Levels, where: Indices, seed: int, most: int, *, plain: bool) -> Standing:
    """Make the tables of a standing, in which nothing is counted yet."""
    (items, loads), bins = levels.need.shape, len(levels.scale)
    counts = np.zeros(COUNTS, dtype=np.int64)
    counts[MOST_MOVED] = most
    return _laid(
        Standing(
            where=np.array(where, dtype=np.int32),
            first=np.full(bins, NONE, dtype=np.int32),
            next=np.full(items, NONE, dtype=np.int32),
            before=np.full(items, NONE, dtype=np.int32),
            used=np.zeros((loads, bins)),
            held=np.zeros((levels.size.shape[1], bins), dtype=np.int64),
            inside=np.zeros(levels.base_count.shape, dtype=np.int32),
            sums=np.zeros(loads),
            squares=np.zeros(loads),
            counts=counts,
            dice=np.array(dice_of(seed), dtype=np.int64),
        ),
        plain=plain,
    )


def memory_for(levels: Levels, *, plain: bool) -> Memory:
    """Make the tables of a memory."""
    (items, loads), bins = levels.need.shape, len(levels.scale)
    # Those that must find room look for it by their size, the largest first.
    by_size = np.lexsort((np.arange(items), -levels.need.sum(axis=1)))
    return _laid(
        Memory(
            item_place=np.full(items, NONE, dtype=np.int32),
            item_change=np.full(items, np.inf),
            item_seen=np.zeros(items, dtype=np.int64),
            bin_item=np.full(bins, NONE, dtype=np.int32),
            bin_change=np.full(bins, np.inf),
            bin_filled=np.zeros(bins, dtype=np.int64),
            moves=np.full(bins, np.inf),
            exchanges=np.full(items, np.inf),
            heats=np.zeros(bins),
            largest=np.zeros(loads),
            few=np.zeros(items, dtype=np.int32),
            by_size=by_size.astype(np.int32),
            free=np.zeros(items, dtype=np.int32),
            best=np.zeros(items, dtype=np.int32),
            **{
                name: np.zeros(LINKS + 1, dtype=np.int32)
                for name in ("link_item", "link_home", "link_tried", "link_count")
            },
            link_next=np.zeros((LINKS + 1, WIDTH), dtype=np.int32),
            link_size=np.zeros(WIDTH),
        ),
        plain=plain,
    )


def _laid(tables: T, *, plain: bool) -> T:
    """The same named tuple with lists instead of arrays, where kernels run as Python."""
    if not plain:
        return tables
    each: Any = tables
    return type(tables)(*(one.tolist() if isinstance(one, np.ndarray) else one for one in each))
