"""The objective: every named term of an assignment, counted exactly, without the search's code.

The terms are what a person reads before and after a plan. The search weighs the same terms by
increments, except for the spare room after the loss of a host and for rules that it follows only
nearly: a plan that would cost more by those than it gains otherwise is not made.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from godwit.core.model import Cluster, HostName, VmId
from godwit.core.planner.reading import CPU, MEMORY, Reading, read_cluster
from godwit.core.planner.rulebook import RuleAmount, Rulebook, ends_of
from godwit.core.planner.weights import BROKEN_POINTS, PlanSettings, Weights
from godwit.core.worth import Term

__all__ = [
    "Amounts",
    "counted_hosts",
    "evaluate",
    "has_of",
    "measure",
    "rooms_and_groups",
    "soft_name",
    "terms_of",
    "unspared",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What each term counts, in its own unit; their points are a matter of the weights.

    ``soft`` has every soft rule, whether it is broken or not.
    """

    hot_cpu: float
    hot_memory: float
    imbalance_cpu: float
    imbalance_memory: float
    unmet_cores: float
    broken: float
    spare: float
    price: float
    soft: tuple[RuleAmount, ...]

    @property
    def soft_points(self) -> float:
        """What the soft rules cost together."""
        return sum(one.price * one.amount for one in self.soft)


#: Each term: its name, the field of its weight (None: what is counted are points), what it counts.
_TERMS: Final = (
    ("hot_cpu", "hot_cpu", "hosts' cores busy above what is safe"),
    ("hot_memory", "hot_memory", "hosts' memory promised above what is safe"),
    ("imbalance_cpu", "imbalance_cpu", "squared distances from the mean share of busy cores"),
    ("imbalance_memory", "imbalance_memory", "squared distances from the mean share of memory"),
    ("unmet_cores", "unmet", "cores that VMs want and their host does not have"),
    ("broken", None, "units by which hard rules are broken"),
    ("spare", "spare", "VMs without room after the loss of their host"),
    ("price", None, "the price of all moves"),
)


def evaluate(
    cluster: Cluster,
    assignment: Mapping[VmId, HostName],
    settings: PlanSettings | None = None,
    *,
    leaving: frozenset[HostName] = frozenset(),
) -> tuple[Term, ...]:
    """Evaluate the cluster as it is, and as it would be with these VMs on those hosts."""
    settings = settings or PlanSettings()
    reading = read_cluster(cluster, settings, leaving=leaving)
    where = np.array(
        [reading.number[assignment.get(one.vms[0].id, one.host)] for one in reading.bundles],
        dtype=np.int64,
    )
    counted = counted_hosts(reading, leaving)
    book = Rulebook(cluster)
    before = measure(reading, book, reading.at, counted, settings.weights)
    after = measure(reading, book, where, counted, settings.weights)
    return terms_of(reading, counted, settings.weights, before, after)


def counted_hosts(reading: Reading, leaving: frozenset[HostName]) -> npt.NDArray[np.bool_]:
    """The hosts whose loads count: those that answer, rest not, and shall not be emptied."""
    return reading.is_usable & np.array(
        [one.name not in leaving for one in reading.hosts], dtype=np.bool_
    )


def measure(
    reading: Reading,
    book: Rulebook,
    where: npt.NDArray[np.integer],
    counted: npt.NDArray[np.bool_],
    weights: Weights,
) -> Amounts:
    """Count all terms of an assignment of bundles to hosts."""
    used = reading.base.copy()
    np.add.at(used, where, reading.need)
    shares = used[counted] / reading.scale[counted]
    apart = ((shares - shares.mean(axis=0)) ** 2).sum(axis=0) if len(shares) else np.zeros(2)
    safe = np.array([weights.cpu_safe_fraction, weights.memory_safe_fraction])
    hot = np.maximum(0.0, shares - safe).sum(axis=0)
    lacking = np.maximum(0.0, used[counted] - reading.scale[counted])[:, CPU].sum()
    moved = np.flatnonzero(where != reading.at).tolist()
    amounts = tuple(zip(book.weighed, book.amounts(ends_of(reading, where)), strict=True))
    return Amounts(
        hot_cpu=float(hot[CPU]),
        hot_memory=float(hot[MEMORY]),
        imbalance_cpu=float(apart[CPU]),
        imbalance_memory=float(apart[MEMORY]),
        unmet_cores=float(lacking),
        broken=rooms_and_groups(reading, where) + sum(n for rule, n in amounts if rule.hard),
        spare=0.0 if book.has_absorb else float(len(unspared(reading, where, counted))),
        price=float(sum(reading.prices[one].points for one in moved)),
        soft=tuple(
            RuleAmount(name=rule.name, says=rule.SAYS, price=rule.price, amount=amount)
            for rule, amount in amounts
            if not rule.hard
        ),
    )


def rooms_and_groups(reading: Reading, where: npt.NDArray[np.integer]) -> float:
    """By how much rooms are overfull, and VMs met that are kept apart: what is no rule's tally."""
    return _overfull(reading, where) + _met(reading, where)


def _overfull(reading: Reading, where: npt.NDArray[np.integer]) -> float:
    """What hosts promise of memory and vCPUs above what they have, as fractions of that."""
    held = np.zeros_like(reading.room)
    np.add.at(held, where, reading.size)
    over = np.where(held > 0, np.maximum(0, held - reading.room), 0)
    return float((over / has_of(reading)).sum())


def has_of(reading: Reading) -> npt.NDArray[np.float64]:
    """[host, room] what a host has to give; of one that was not read, without end."""
    return np.array(
        [
            (max(1.0, one.memory_for_vms_bytes), max(1.0, one.cores_for_vms))
            if one.observed is not None
            else (np.inf, np.inf)
            for one in reading.hosts
        ]
    ).reshape(-1, 2)


def _met(reading: Reading, where: npt.NDArray[np.integer]) -> float:
    """Count VMs beyond the first of each place where a rule lets only one be."""
    inside = reading.group_base.copy()
    for number, groups in enumerate(reading.bundle_groups):
        for group in groups:
            inside[group, reading.place_of[group, where[number]]] += 1
    return float(np.maximum(0, inside - 1).sum())


def unspared(
    reading: Reading, where: npt.NDArray[np.integer], counted: npt.NDArray[np.bool_]
) -> list[int]:
    """The sizes of VMs that would find no room for their memory after the loss of their host.

    The largest VM looks first, at the host with most room: simple, so rather too many are told.
    """
    held = np.zeros_like(reading.room)
    np.add.at(held, where, reading.size)
    free = np.where(counted, np.maximum(0, reading.room - held)[:, 0], 0)
    by_free = np.argsort(-free, kind="stable")
    sizes: dict[int, list[int]] = {}
    for number, one in enumerate(reading.bundles):
        if counted[where[number]]:
            sizes.setdefault(int(where[number]), []).extend(vm.memory_bytes for vm in one.vms)
    lacking: list[int] = []
    for host, own in sizes.items():
        ranked = [int(free[one]) for one in by_free[: len(own) + 1] if one != host]
        own.sort(reverse=True)
        if len(ranked) >= len(own) and all(map(int.__le__, own, ranked)):
            continue
        lacking += _without_room(own, [int(free[one]) for one in by_free if one != host])
    return lacking


def _without_room(sizes: list[int], free: list[int]) -> list[int]:
    """Put each, the largest first, where most is free; returns those that find no room."""
    left = [-one for one in free]
    heapq.heapify(left)
    lacking = []
    for size in sizes:
        if not left or -left[0] < size:
            lacking.append(size)
        else:
            heapq.heapreplace(left, left[0] + size)
    return lacking


def terms_of(
    reading: Reading,
    counted: npt.NDArray[np.bool_],
    weights: Weights,
    before: Amounts,
    after: Amounts,
) -> tuple[Term, ...]:
    """Put the amounts before and after side by side, with the bounds that are known."""
    bounds = _bounds(reading, counted, weights)
    ours = tuple(
        Term(
            name=name.replace("_", " "),
            counts=counts,
            points=_points(name, weight, weights),
            before=getattr(before, name),
            after=getattr(after, name),
            bound=bounds.get(name),
        )
        for name, weight, counts in _TERMS
    )
    soft = tuple(
        Term(
            name=soft_name(was.name),
            counts=was.says,
            points=was.price,
            before=was.amount,
            after=now.amount,
        )
        for was, now in zip(before.soft, after.soft, strict=True)
        if was.amount or now.amount
    )
    return (*ours, *soft)


def soft_name(rule: str) -> str:
    """The name of the term of a soft rule."""
    return f"rule {rule}"


def _points(name: str, weight: str | None, weights: Weights) -> float:
    if weight is not None:
        return float(getattr(weights, weight))
    return 1.0 if name == "price" else BROKEN_POINTS


def _bounds(reading: Reading, counted: npt.NDArray[np.bool_], weights: Weights) -> dict[str, float]:
    """What no assignment could go below: if VMs were a fluid, and all hosts were open to it.

    What is on hosts that don't count stays out of it: it may come, but need not.
    """
    found = {"imbalance_cpu": 0.0, "imbalance_memory": 0.0, "price": 0.0}
    if not counted.any():
        return found
    inside = counted[reading.at] if len(reading.at) else np.zeros(0, dtype=np.bool_)
    total = reading.base[counted].sum(axis=0) + reading.need[inside].sum(axis=0)
    scale = reading.scale[counted]
    for load, name, safe in (
        (CPU, "hot_cpu", weights.cpu_safe_fraction),
        (MEMORY, "hot_memory", weights.memory_safe_fraction),
    ):
        over = max(0.0, float(total[load] - safe * scale[:, load].sum()))
        found[name] = over / float(scale[:, load].max())
    found["unmet_cores"] = max(0.0, float(total[CPU] - scale[:, CPU].sum()))
    return found
