"""The most that can be held at once, in any course of events that an order allows.

What is held is a set of *stays*, each with a size: it begins with the start of one move and lasts
until the end of another. One stay is before another when its end must have come before the other's
beginning. Stays of which none is before another can all be held at once: end all that must have
ended, start all of theirs, and let nothing else end. So the most is the heaviest set of stays
without such a pair, and by Dilworth's theorem (with sizes) that is the total less the most that
can be handed on from stay to stay: a maximum flow. This is exact, and cheap where few stays are.
"""

from collections import deque
from collections.abc import Sequence

__all__ = ["heaviest"]


def heaviest(sizes: Sequence[int], before: Sequence[Sequence[int]]) -> int:
    """Return the largest sum of sizes of stays that may all be held at the same time.

    ``before[i]`` are the stays that can begin only when stay *i* has ended; with all that follows
    from that: if *a* is before *b* and *b* before *c*, then *a* is before *c*.
    """
    return sum(sizes) - _handed_on(sizes, before)


def _handed_on(sizes: Sequence[int], before: Sequence[Sequence[int]]) -> int:
    """Maximum flow by shortest augmenting paths: each stay gives, and takes, its size at most."""
    gives, takes = list(sizes), list(sizes)
    passed: list[dict[int, int]] = [{} for _ in sizes]
    total = 0
    while (path := _path(gives, takes, before, passed)) is not None:
        # From giver to taker, and back from a taker to one that gives to it now, in turns.
        amount = min(gives[path[0]], takes[path[-1]])
        for at in range(1, len(path) - 1, 2):
            amount = min(amount, passed[path[at + 1]][path[at]])
        for at in range(0, len(path), 2):
            row = passed[path[at]]
            row[path[at + 1]] = row.get(path[at + 1], 0) + amount
        for at in range(1, len(path) - 1, 2):
            passed[path[at + 1]][path[at]] -= amount
        gives[path[0]] -= amount
        takes[path[-1]] -= amount
        total += amount
    return total


def _path(
    gives: Sequence[int],
    takes: Sequence[int],
    before: Sequence[Sequence[int]],
    passed: Sequence[dict[int, int]],
) -> list[int] | None:
    """The shortest way from one that can still give to one that can still take."""
    givers: dict[int, int | None] = {at: None for at, left in enumerate(gives) if left > 0}
    takers: dict[int, int] = {}
    waiting = deque(givers)
    while waiting:
        giver = waiting.popleft()
        for taker in before[giver]:
            if taker in takers:
                continue
            takers[taker] = giver
            if takes[taker] > 0:
                return _walked(taker, givers, takers)
            for other, row in enumerate(passed):
                if other not in givers and row.get(taker, 0) > 0:
                    givers[other] = taker
                    waiting.append(other)
    return None


def _walked(taker: int, givers: dict[int, int | None], takers: dict[int, int]) -> list[int]:
    path = [taker]
    step: int | None = taker
    while step is not None:
        giver = takers[step]
        path.append(giver)
        step = givers[giver]
        if step is not None:
            path.append(step)
    return path[::-1]
