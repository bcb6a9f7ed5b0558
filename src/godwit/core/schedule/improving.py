"""Looks for an order that ends sooner: good rules first, then changes of the best one so far.

The longest chain first, the most loaded link first, and their mixtures; each with one, two, three
or more moves in flight on a link. What remains of the tries goes into changes: a move that others
wait for, or any move, is put further ahead. Chance comes from a seed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from godwit.core.schedule.request import Search
from godwit.core.schedule.running import Timing, run
from godwit.core.schedule.scene import Leg, Scene

__all__ = ["Best", "improve", "objective"]

#: How many in flight on one way of a link are tried: one after the other, the next set up
#: meanwhile, and streams side by side. None leaves it to the limits.
_AT_ONCE: Final[tuple[int | None, ...]] = (2, 1, 3, None)

#: Rounds in which chains grow; a cycle would make them grow for ever.
_CHAIN_ROUNDS: Final = 6

_MASK: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best timing found, and the best makespan for each number at once on a link."""

    timing: Timing
    at_once: int | None
    tries: int
    by_at_once: tuple[tuple[int | None, float], ...]


def improve(scene: Scene, legs: Sequence[Leg], search: Search, bound_s: float) -> Best:
    """Time the legs in many orders and return the best."""
    by_at_once: dict[int | None, float] = {}
    best: tuple[tuple[float, ...], Timing, list[int], int | None] | None = None
    tries = 0
    chance = _Chance(search.seed)

    def attempt(order: list[int], at_once: int | None) -> bool:
        nonlocal best, tries
        tries += 1
        timing = run(scene, legs, _keys(scene, legs, order), at_once=at_once)
        value = objective(scene, legs, timing)
        known = by_at_once.get(at_once)
        by_at_once[at_once] = min(timing.makespan_s, known if known is not None else value[1])
        if best is None or value < best[0]:
            best = (value, timing, order, at_once)
        late_s, end_s = best[0][0], best[0][1]
        return late_s <= 0 and end_s <= bound_s * (1 + search.good_fraction)

    attempts = _orders(scene, legs)
    for order, at_once in attempts:
        if attempt(order, at_once) or tries >= max(1, search.tries):
            break
    else:
        while tries < search.tries:
            assert best is not None, "the rules were tried"
            if attempt(_changed(best[1], best[2], chance), best[3]):
                break
    assert best is not None, "at least one order is tried"
    if 1 not in by_at_once and tries < search.tries:
        # A person is told what one after the other would take.
        attempt(best[2], 1)
    return Best(timing=best[1], at_once=best[3], tries=tries, by_at_once=tuple(by_at_once.items()))


def objective(scene: Scene, legs: Sequence[Leg], timing: Timing) -> tuple[float, ...]:
    """What is to be small: first the lateness, then the makespan, then the mean of the ends."""
    late_s = total_s = 0.0
    for number, leg in enumerate(legs):
        mover, end_s = scene.movers[leg.mover], timing.ends_s[number]
        total_s += end_s
        if mover.due_s is not None and leg.destination == mover.destination:
            late_s += max(0.0, end_s - mover.due_s)
    return (round(late_s, 6), round(timing.makespan_s, 6), round(total_s, 6))


def _keys(scene: Scene, legs: Sequence[Leg], order: Sequence[int]) -> list[tuple[float, ...]]:
    """The more urgent first, whatever the order says; within one priority the order decides."""
    places = {leg: place for place, leg in enumerate(order)}
    return [
        (float(-scene.movers[leg.mover].priority), float(places[number]))
        for number, leg in enumerate(legs)
    ]


def _orders(scene: Scene, legs: Sequence[Leg]) -> Iterator[tuple[list[int], int | None]]:
    """The orders of the rules, the most promising first."""
    alone_s = [scene.movers[leg.mover].effort.total_s(scene.link_bytes_per_s(leg)) for leg in legs]
    tails_s = _tails_s(scene, legs, alone_s)
    loads_s = _loads_s(scene, legs)
    tasks = range(len(legs))

    def due_s(leg: int) -> float:
        due = scene.movers[legs[leg].mover].due_s
        return float("inf") if due is None else due

    rules: list[Callable[[int], float]] = [
        lambda leg: -tails_s[leg],
        lambda leg: -loads_s[leg],
        lambda leg: -tails_s[leg] - loads_s[leg],
        float,
        lambda leg: alone_s[leg],
    ]
    for at_once in _AT_ONCE:
        for rule in rules:
            # Python's sort is stable: what a rule does not tell apart keeps the order of the legs.
            order = sorted(tasks, key=rule)
            yield order, at_once
            if any(due_s(leg) < float("inf") for leg in tasks):
                yield sorted(order, key=due_s), at_once


def _tails_s(scene: Scene, legs: Sequence[Leg], alone_s: Sequence[float]) -> list[float]:
    """How long the chain is that begins with each leg: those that wait for the room it leaves."""
    tails_s = list(alone_s)
    waiting: dict[int, list[int]] = {}
    for number, leg in enumerate(legs):
        if not scene.start.fits(scene, scene.movers[leg.mover], leg.destination):
            waiting.setdefault(leg.destination, []).append(number)
    for _ in range(_CHAIN_ROUNDS):
        tails_s = [
            alone_s[number] + max((tails_s[one] for one in waiting.get(leg.source, ())), default=0)
            for number, leg in enumerate(legs)
        ]
    return tails_s


def _loads_s(scene: Scene, legs: Sequence[Leg]) -> list[float]:
    """How long the busier link of each leg is busy in all."""
    loads: dict[tuple[int, str], float] = {}
    for leg in legs:
        effort = scene.movers[leg.mover].effort
        for key in ((leg.source, "out"), (leg.destination, "in")):
            speed = scene.speeds[key[0]]
            loads[key] = loads.get(key, 0.0) + effort.sent_bytes(speed) / speed
    return [max(loads[leg.source, "out"], loads[leg.destination, "in"]) for leg in legs]


def _changed(timing: Timing, order: Sequence[int], chance: "_Chance") -> list[int]:
    """Put one leg further ahead: mostly one of the chain that ends last."""
    chain = _last_chain(timing)
    changed = list(order)
    for _ in range(1 + chance.below(2)):
        leg = chain[chance.below(len(chain))] if chance.below(4) else chance.below(len(order))
        at = changed.index(leg)
        changed.pop(at)
        changed.insert(chance.below(at + 1) if at else chance.below(len(order)), leg)
    return changed


def _last_chain(timing: Timing) -> list[int]:
    """The leg that ends last, whom it waited for last, and so on."""
    leg = max(range(len(timing.ends_s)), key=lambda one: (timing.ends_s[one], one))
    chain = [leg]
    while timing.after[leg]:
        waited = [one for one in range(len(timing.ends_s)) if timing.after[leg] >> one & 1]
        leg = max(waited, key=lambda one: (timing.ends_s[one], one))
        chain.append(leg)
    return chain


class _Chance:
    """A stream of numbers from a seed (SplitMix64, by Steele, Lea and Flood)."""

    def __init__(self, seed: int) -> None:
        self.state = seed & _MASK

    def below(self, count: int) -> int:
        """A number from 0 to ``count - 1``."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
        return (mixed ^ (mixed >> 31)) % count
