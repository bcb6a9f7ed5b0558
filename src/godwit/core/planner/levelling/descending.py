"""Steepest descent of a levelling problem: the move that gains most, until none gains enough.

Of each item the best move is remembered, and of each bin the best of its items. When a bin has
changed, its items' moves are weighed again, each to where it would go, or to all bins when somebody
has come there; the moves of other bins when their turn comes. At last every item is looked at once
more, all sums counted anew. Then come exchanges from the bins that cost most, and for items that
must go but have no room, moves that make room by sending another one on, or a chain of others.
"""

from typing import Final

from godwit.core.planner.levelling.board import (
    COUNTED,
    EVALUATIONS,
    MADE,
    NONE,
    SEEN,
    Board,
    Memory,
    Standing,
)
from godwit.core.planner.levelling.chaining import chain
from godwit.core.planner.levelling.costing import lacking_cost, over_cost, settle, shift
from godwit.core.planner.levelling.exchanging import exchange_best
from godwit.core.planner.levelling.levels import BROKEN_COST
from godwit.core.planner.levelling.moving import (
    FORBIDDEN,
    away_of,
    least_out_of,
    lowest,
    moves_of,
    relief_of,
)
from godwit.core.planner.levelling.twice import kernel, small

__all__ = ["EXCHANGE_BINS", "best_single", "descend"]

#: The items of so many bins are weighed against all others.
EXCHANGE_BINS: Final = 8
#: From so many points on, a place is one that an item must leave.
_MUST_LEAVE: Final = BROKEN_COST / 2
#: In ``counts[SEEN]``: whether everything was looked at, and nothing changed since.
UNSEEN: Final = 0
CHANGED: Final = 1
ALL_SEEN: Final = 2


@kernel
def descend(
    board: Board,
    standing: Standing,
    memory: Memory,
    least_gain: float,
    most_bins: int,
    evaluations: int,
) -> bool:
    """Descend until neither a move, nor an exchange, nor making room gains more than this.

    Returns whether it came to such an end within so many evaluations. Where it did not, another
    call goes on from there, as if it had never been interrupted.
    """
    counts = standing.counts
    until = counts[EVALUATIONS] + evaluations
    while counts[EVALUATIONS] < until:
        if counts[SEEN] == UNSEEN:
            _look_at_all(board, standing, memory, least_gain)
        elif not _descend(board, standing, memory, least_gain, until):
            return False
        elif _make_room_for_all(board, standing, memory, least_gain) or _exchange_all(
            board, standing, memory, least_gain, most_bins
        ):
            counts[SEEN] = CHANGED
        elif counts[SEEN] == CHANGED:
            counts[SEEN] = UNSEEN
        else:
            return True
    return False


@kernel
def _look_at_all(board: Board, standing: Standing, memory: Memory, least_gain: float) -> None:
    """Count and weigh everything anew."""
    settle(board, standing)
    for item in range(len(memory.item_place)):
        memory.item_place[item] = NONE
    for place in range(len(board.counted)):
        _look_at_bin(board, standing, memory, place, least_gain)
    standing.counts[SEEN] = ALL_SEEN


@kernel
def _look_at_item(board: Board, standing: Standing, memory: Memory, item: int) -> None:
    moves = memory.moves
    moves_of(board, standing, item, moves, 0, len(moves))
    place = lowest(moves)
    memory.item_change[item] = moves[place]
    memory.item_place[item] = NONE if moves[place] == FORBIDDEN else place
    memory.item_seen[item] = standing.counts[MADE]


@small
def _weigh_again(board: Board, standing: Standing, memory: Memory, item: int) -> None:
    """Weigh the move that is remembered of an item."""
    place = memory.item_place[item]
    moves_of(board, standing, item, memory.moves, place, place + 1)
    memory.item_change[item] = memory.moves[place]


@small
def _is_old(memory: Memory, item: int) -> bool:
    """Whether something came to where the item would go since it was looked at."""
    return memory.bin_filled[memory.item_place[item]] > memory.item_seen[item]


@kernel
def _look_at_bin(
    board: Board, standing: Standing, memory: Memory, source: int, least_gain: float
) -> None:
    """Find the best move of any item of a bin, as far as one may gain enough.

    The bin itself has changed: where a move is remembered that is not old, it is still the best of
    its item, and is only weighed again.
    """
    # Noise of the last digits must not hide what is just enough.
    enough = -0.5 * least_gain
    spread = least_out_of(board, standing, memory, source)
    item = standing.first[source]
    while item != NONE:
        if board.fixed[item]:
            memory.item_place[item] = NONE
        elif memory.item_place[item] != NONE and not _is_old(memory, item):
            _weigh_again(board, standing, memory, item)
        else:
            memory.item_place[item] = NONE
            leaves = away_of(board, standing, item, board.origin[item])
            if spread + leaves - relief_of(board, standing, item) < enough:
                _look_at_item(board, standing, memory, item)
        item = standing.next[item]
    _rank(standing, memory, source)


@kernel
def _rank(standing: Standing, memory: Memory, source: int) -> None:
    """The best of a bin's items by what is remembered; equal ones by their number."""
    best, best_item = FORBIDDEN, NONE
    item = standing.first[source]
    while item != NONE:
        if memory.item_place[item] != NONE:
            change = memory.item_change[item]
            if change < best or (change == best and best_item != NONE and item < best_item):
                best, best_item = change, item
        item = standing.next[item]
    memory.bin_change[source] = best
    memory.bin_item[source] = best_item


@kernel
def _descend(
    board: Board, standing: Standing, memory: Memory, least_gain: float, until: int
) -> bool:
    """Make the moves that gain, as far as they are remembered; says whether it came to an end."""
    while standing.counts[EVALUATIONS] < until:
        source = lowest(memory.bin_change)
        if memory.bin_change[source] >= -least_gain:
            return True
        item = memory.bin_item[source]
        if _is_old(memory, item):
            _look_at_bin(board, standing, memory, source, least_gain)
            continue
        # The mean of all bins shifts with every move, but hardly: so only this one is weighed.
        _weigh_again(board, standing, memory, item)
        if memory.item_change[item] >= -least_gain:
            _rank(standing, memory, source)
            continue
        place = memory.item_place[item]
        shift(board, standing, item, place)
        _note(standing, memory, item)
        standing.counts[SEEN] = CHANGED
        _look_at_bin(board, standing, memory, source, least_gain)
        _look_at_bin(board, standing, memory, place, least_gain)
    return False


@small
def _note(standing: Standing, memory: Memory, item: int) -> None:
    """Note that an item has come to where it is."""
    standing.counts[MADE] += 1
    memory.bin_filled[standing.where[item]] = standing.counts[MADE]
    memory.item_place[item] = NONE


@kernel
def _heat_of(board: Board, standing: Standing, place: int) -> float:
    """What a bin costs by itself, by what must leave it, and by its distance from the mean."""
    heat = 0.0
    for k in range(len(board.size)):
        heat += lacking_cost(board.broken_cost, standing.held[k][place], board.room[k][place])
    item = standing.first[place]
    while item != NONE:
        heat += board.place_cost[board.kind[item]][place]
        item = standing.next[item]
    if not board.counted[place]:
        return heat
    for load in range(len(board.need)):
        used, scale = standing.used[load][place], board.scale[load][place]
        away = used / scale - standing.sums[load] / standing.counts[COUNTED]
        heat += board.spread[load] * away * away
        safe = board.safe[load][place]
        heat += over_cost(used, scale, safe, board.hot[load], board.unmet[load])
    return heat


@kernel
def _exchange_all(
    board: Board, standing: Standing, memory: Memory, least_gain: float, most_bins: int
) -> int:
    """Make the best exchange of each of the bins that cost most; returns how many were made."""
    made, heats = 0, memory.heats
    if most_bins > 0:
        for place in range(len(heats)):
            heats[place] = -_heat_of(board, standing, place)
    for _ in range(min(most_bins, len(heats))):
        source = lowest(heats)
        heats[source] = FORBIDDEN
        item = exchange_best(board, standing, memory, source, least_gain)
        if item != NONE:
            made += 1
            place = standing.where[item]
            _note(standing, memory, item)
            _note(standing, memory, memory.few[0])
            _look_at_bin(board, standing, memory, source, least_gain)
            _look_at_bin(board, standing, memory, place, least_gain)
    return made


@kernel
def _others_in_the_way(
    board: Board, standing: Standing, memory: Memory, item: int, place: int
) -> int:
    """Note the items of a bin each of which, if it were not there, would leave room for another.

    By their numbers; returns how many.
    """
    few, count = memory.few, 0
    other = standing.first[place]
    while other != NONE:
        fits = not board.fixed[other]
        for k in range(len(board.size)):
            held = standing.held[k][place] - board.size[k][other] + board.size[k][item]
            fits = fits and held <= board.room[k][place]
        if fits:
            at = count
            while at > 0 and few[at - 1] > other:
                few[at] = few[at - 1]
                at -= 1
            few[at] = other
            count += 1
        other = standing.next[other]
    return count


@kernel
def _make_room(
    board: Board, standing: Standing, memory: Memory, item: int, least_gain: float
) -> bool:
    """Send one on to a third bin, so that an item may come in its place, where that gains most."""
    best, best_other, best_place = -least_gain, NONE, NONE
    source, moves = standing.where[item], memory.moves
    for place in range(len(board.counted)):
        if place == source or not board.allowed[board.row[item]][place]:
            continue
        for at in range(_others_in_the_way(board, standing, memory, item, place)):
            other = memory.few[at]
            moves_of(board, standing, other, moves, 0, len(moves))
            third = lowest(moves)
            change = moves[third]
            if change == FORBIDDEN:
                continue
            shift(board, standing, other, third)
            moves_of(board, standing, item, moves, place, place + 1)
            change += moves[place]
            shift(board, standing, other, place)
            if change < best:
                best, best_other, best_place = change, other, third
    if best_other == NONE:
        return False
    place = standing.where[best_other]
    shift(board, standing, best_other, best_place)
    shift(board, standing, item, place)
    _note(standing, memory, best_other)
    _note(standing, memory, item)
    _look_at_bin(board, standing, memory, source, least_gain)
    _look_at_bin(board, standing, memory, place, least_gain)
    _look_at_bin(board, standing, memory, best_place, least_gain)
    return True


@kernel
def _make_room_for_all(board: Board, standing: Standing, memory: Memory, least_gain: float) -> int:
    """Find room for items that must leave their bin and could not yet; returns for how many."""
    made = 0
    for at in range(len(memory.by_size)):
        item = memory.by_size[at]
        cost = board.place_cost[board.kind[item]][standing.where[item]]
        if board.fixed[item] or cost < _MUST_LEAVE:
            continue
        if _make_room(board, standing, memory, item, least_gain):
            made += 1
            continue
        count = chain(board, standing, memory, item, least_gain)
        for link in range(count):
            _note(standing, memory, memory.link_item[link])
        for link in range(count):
            home = memory.link_home[link]
            _look_at_bin(board, standing, memory, home, least_gain)
        if count:
            made += 1
            last = standing.where[memory.link_item[count - 1]]
            _look_at_bin(board, standing, memory, last, least_gain)
    return made


@kernel
def best_single(board: Board, standing: Standing, memory: Memory) -> int:
    """Find the item whose single move gains most, whether or not it is worth its price.

    Where it goes and what that changes are in the memory; NONE when nothing may move.
    """
    best, best_item = FORBIDDEN, NONE
    for item in range(len(board.origin)):
        if not board.fixed[item]:
            _look_at_item(board, standing, memory, item)
            if memory.item_place[item] != NONE and memory.item_change[item] < best:
                best, best_item = memory.item_change[item], item
    return best_item
