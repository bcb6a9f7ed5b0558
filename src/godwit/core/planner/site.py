"""The site's rules in the numbers of the search: groups, rooms, loads, and costs of places.

What fits is followed exactly by the compiled search: VMs apart by any label, so many on a place,
room to leave free, hosts that cost or are not allowed. Some rules are followed nearly: a spread by
what its fullest place may have, VMs that wish to be together by where most of them are. What is
left is seen to afterwards, by the rules themselves (``rulebook``, ``polishing``).
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from godwit.core.model import HostName, VmId
from godwit.core.planner.brief import HELPER_POINTS, Brief, PlaceCosts
from godwit.core.planner.objective import rooms_and_groups
from godwit.core.planner.reading import Reading
from godwit.core.planner.rulebook import Rulebook
from godwit.core.planner.site_rooms import Load, Rooms, load_of, rooms_of
from godwit.core.planner.weights import BROKEN_POINTS
from godwit.core.rules import (
    HOST,
    Absorb,
    Affinity,
    AntiAffinity,
    Available,
    Bandwidth,
    Bundle,
    Capacity,
    ClusterRule,
    Frame,
    HugePages,
    NumaCells,
    OriginRule,
    Spread,
)

__all__ = ["Group", "Site", "site_of"]

#: For a repair: a unit of a broken soft rule counts so many moves, a load next to nothing.
_REPAIR_SOFT: Final = 1e3
_REPAIR_LOAD: Final = 1e-4
#: Where only some must move, no soft rule is worth that another does.
_SOFT_MOST: Final = HELPER_POINTS / 4

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """So many of these bundles may be on one place; ``cost`` for each beyond, or no more at all."""

    most: int
    cost: float
    place_of: Sequence[int]
    base: Sequence[int]
    members: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """[bundle] ``kind`` is a row of ``table``, and [row, host] what the rules make a place cost.

    ``narrowed`` bundles may only be on these hosts. A unit of a soft rule counts ``soft_scale``
    times its price, a load ``load_scale`` times its points. ``is_broken``: there is something to
    repair. ``is_exact``: the search knows all that the rules say.
    """

    groups: tuple[Group, ...]
    kind: npt.NDArray[np.int32]
    table: npt.NDArray[np.float64]
    rooms: Rooms
    loads: tuple[Load, ...]
    narrowed: dict[int, Flags]
    soft_scale: float
    load_scale: float
    is_broken: bool
    is_exact: bool
    #: For each rule the value of each host for it.
    values: dict[str, Sequence[str]]

    def like(self, place: int, rule: str) -> Flags:
        """[host] those that are the same place for a rule."""
        values = self.values.get(rule)
        if values is None:
            found = np.zeros(self.table.shape[1], dtype=np.bool_)
            found[place] = True
            return found
        return np.array([one == values[place] for one in values], dtype=np.bool_)


def site_of(reading: Reading, brief: Brief, costs: PlaceCosts, book: Rulebook) -> Site:
    """Put all rules of the book into numbers."""
    made = _Maker(reading, brief, costs, book)
    rules = book.weighed
    groups = tuple(group for rule in rules if (group := made.group(rule)) is not None)
    kind, table = made.places(rules)
    return Site(
        groups=groups,
        kind=kind,
        table=table,
        rooms=rooms_of(reading, rules),
        loads=tuple(
            load_of(reading, one, made.soft(one.price))
            for one in rules
            if isinstance(one, Capacity) and not one.hard
        ),
        narrowed=made.narrowed(rules),
        soft_scale=made.soft_scale,
        load_scale=_REPAIR_LOAD if brief.repairs and not brief.is_free else 1.0,
        is_broken=brief.repairs
        and (rooms_and_groups(reading, reading.at) > 0 or any(one > 0 for one in book.amounts({}))),
        is_exact=not any(_is_followed_nearly(one) for one in rules),
        values={one.name: made.values(one) for one in rules},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What a VM costs where it is not ``liked``, by the class of hosts that it is on now."""

    points: float
    class_of: Callable[[HostName], Hashable]
    liked: Callable[[HostName], Flags]


class _Maker:
    """Knows which bundle a VM is in, and which place a host is for each label."""

    def __init__(self, reading: Reading, brief: Brief, costs: PlaceCosts, book: Rulebook) -> None:
        self._reading, self._brief, self._going = reading, brief, costs.going
        self._landed = book.landed if book.weighed else None
        #: VMs in flight stay in the search where they were; here they count where they land.
        self._flying = {one.vm for one in reading.cluster.reservations}
        self._bundle = {
            vm.id: number
            for number, one in enumerate(reading.bundles if book.weighed else ())
            for vm in one.vms
        }
        self._labels: dict[str, tuple[list[str], list[int]]] = {}
        self.soft_scale = _REPAIR_SOFT if brief.repairs and not brief.is_free else 1.0

    def soft(self, price: float) -> float:
        """What a unit of a soft rule counts in the search."""
        if self._brief.repairs:
            return self.soft_scale * price
        return min(price, _SOFT_MOST)

    def group(self, rule: ClusterRule) -> Group | None:
        """The group of the search that a rule is, or may at most be; None when it is none."""
        members = rule.vms & self._frame.vms.keys()
        everywhere = [True] * len(self._reading.hosts)
        cost = math.inf if rule.hard else self.soft(rule.price)
        if isinstance(rule, AntiAffinity):
            return self._group(members, rule.by, 1, cost, everywhere)
        if isinstance(rule, Available) and rule.losing is not None:
            running = {one for one in members if self._frame.vms[one].state.runs}
            return self._group(running, rule.losing, len(running) - rule.least, cost, everywhere)
        if isinstance(rule, Bandwidth):
            most = int(rule.most_bytes_per_s // rule.each_bytes_per_s)
            limited = [one.name in rule.hosts for one in self._reading.hosts]
            cost *= rule.each_bytes_per_s / rule.most_bytes_per_s
            return self._group(members, HOST, most, cost, limited)
        if isinstance(rule, Spread) and rule.most_skew is not None:
            frame = self._frame
            values = len(frame.values(rule.hosts & frame.fit, rule.by))
            most = _fullest(len(members), values, rule.most_skew)
            limited = [frame.has_value(one.name, rule.by) for one in self._reading.hosts]
            return self._group(members, rule.by, most, cost, limited)
        return None

    @property
    def _frame(self) -> Frame:
        assert self._landed is not None, "asked only where there are rules"
        return self._landed.frame

    def _group(
        self, vms: Iterable[VmId], by: str, most: int, cost: float, limited: Sequence[bool]
    ) -> Group | None:
        if most < 1:
            return None  # nobody could be anywhere: that is for the rule itself to judge
        found = list(vms)
        _, places = self._values(by)
        base = [0] * len(places)
        endless = most
        if not all(limited):
            # A place without a limit is one where the limit is not yet begun to be used up.
            endless += len(found) + 1
            for place, is_limited in zip(places, limited, strict=True):
                base[place] = endless - most if is_limited else 0
        for vm in found:
            if vm in self._flying:
                host = self._reading.number.get(self._frame.origins[vm])
                if host is not None:
                    base[places[host]] += 1
        members = {
            self._bundle[vm] for vm in found if vm in self._bundle and vm not in self._flying
        }
        return Group(
            most=endless, cost=cost, place_of=places, base=base, members=frozenset(members)
        )

    def values(self, rule: ClusterRule) -> Sequence[str]:
        """For each host the place that it is for a rule."""
        return self._values(_label_of(rule))[0]

    def _values(self, by: str) -> tuple[list[str], list[int]]:
        """For each host its value of a label, and the number of that."""
        if by not in self._labels:
            values = [self._frame.value(one.name, by) for one in self._reading.hosts]
            numbers: dict[str, int] = {}
            places = [numbers.setdefault(one, len(numbers)) for one in values]
            self._labels[by] = (values, places)
        return self._labels[by]

    def places(
        self, rules: Sequence[ClusterRule]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Say what each place costs each bundle: rows are shared by bundles that are alike."""
        hosts = len(self._reading.hosts)
        keys: list[list[tuple[int, Hashable]]] = [[] for _ in self._reading.bundles]
        masks: dict[tuple[int, Hashable], npt.NDArray[np.float64]] = {}
        for number, rule in enumerate(rules):
            wish = self._wish(rule)
            if wish is None:
                continue
            for vm in sorted(rule.vms & self._bundle.keys() - self._flying):
                origin = self._frame.origins[vm]
                key = (number, wish.class_of(origin))
                if key not in masks:
                    masks[key] = np.where(wish.liked(origin), 0.0, wish.points)
                if masks[key].any():
                    keys[self._bundle[vm]].append(key)
        rows: dict[tuple[tuple[int, Hashable], ...], int] = {(): 0}
        table = [np.zeros(hosts)]
        kind = np.zeros(len(keys), dtype=np.int32)
        for bundle, own in enumerate(keys):
            if tuple(own) not in rows:
                rows[tuple(own)] = len(table)
                table.append(np.sum([masks[one] for one in own], axis=0))
            kind[bundle] = rows[tuple(own)]
        return kind, np.array(table)

    def _wish(self, rule: ClusterRule) -> _Wish | None:
        """Where a rule wants VMs to be, by where they are now; None when that is not its matter."""
        points = BROKEN_POINTS if rule.hard else self.soft(rule.price)
        if rule.hard and not self._brief.repairs:
            return None
        frame = self._frame
        if isinstance(rule, OriginRule):
            return _Wish(
                points=points,
                class_of=partial(rule.class_of, frame),
                liked=lambda origin: self._mask(rule.leaves(frame, origin)),
            )
        if isinstance(rule, Affinity) and (home := self._home(rule)) is not None:
            liked = self._of(home, rule.by)
            return _Wish(points=points, class_of=lambda _: None, liked=lambda _: liked)
        if isinstance(rule, Bundle) and not rule.hard:
            return _Wish(
                points=points,
                class_of=lambda origin: frame.value(origin, rule.by),
                liked=lambda origin: self._of(frame.value(origin, rule.by), rule.by),
            )
        return None

    def _mask(self, hosts: Iterable[HostName]) -> Flags:
        found = np.zeros(len(self._reading.hosts), dtype=np.bool_)
        found[[self._reading.number[one] for one in hosts]] = True
        return found

    def _of(self, value: str, by: str) -> Flags:
        return np.array([one == value for one in self._values(by)[0]], dtype=np.bool_)

    def _home(self, rule: Affinity) -> str | None:
        """Where most of an affinity are, and shall stay: not on hosts that shall be emptied."""
        places = self._frame.origins
        counts = Counter(
            self._frame.value(places[vm], rule.by)
            for vm in rule.vms & self._frame.vms.keys()
            if places[vm] not in self._brief.leaving
        )
        return min(counts, key=lambda one: (-counts[one], one), default=None)

    def narrowed(self, rules: Sequence[ClusterRule]) -> dict[int, Flags]:
        """Say which bundles may only be on some hosts, so that none is torn from the others.

        VMs of one rack stay there, or come to where most of them are. VMs of a bundle stay where
        they are, unless all of them have to go, which the brief has seen to.
        """
        found: dict[int, Flags] = {}
        for rule in rules:
            if not rule.hard or not isinstance(rule, Affinity | Bundle):
                continue
            home = self._home(rule) if isinstance(rule, Affinity) else None
            for vm in sorted(rule.vms & self._bundle.keys() - self._flying):
                number = self._bundle[vm]
                if self._is_free(rule, number):
                    continue
                ours = self._of(self._frame.value(self._frame.origins[vm], rule.by), rule.by)
                if home is not None:
                    ours = ours | self._of(home, rule.by)
                found[number] = found[number] & ours if number in found else ours
        return found

    def _is_free(self, rule: Affinity | Bundle, number: int) -> bool:
        """Whether the rule leaves a bundle free: it has all VMs of it, or all have to go."""
        one = self._reading.bundles[number]
        if rule.vms & self._frame.vms.keys() <= {vm.id for vm in one.vms}:
            return True
        return number in self._going.get(rule.name, frozenset())


def _fullest(vms: int, values: int, skew: int) -> int:
    """The most that one place may have, when the others share the rest as evenly as can be."""
    if values < 2:
        return 0
    most = 0
    while most < vms and most + 1 - (vms - most - 1) // (values - 1) <= skew:
        most += 1
    return most


def _label_of(rule: ClusterRule) -> str:
    """The label of the hosts that a rule is about."""
    if isinstance(rule, Available):
        return rule.losing or HOST
    by_label = Affinity | AntiAffinity | Bundle | Spread | Absorb
    return rule.by if isinstance(rule, by_label) else HOST


def _is_followed_nearly(rule: ClusterRule) -> bool:
    """Whether what the search knows of a rule is not all that it says."""
    if isinstance(rule, Affinity):
        return not rule.hard or rule.by != HOST
    if isinstance(rule, Available):
        return rule.losing is not None
    if isinstance(rule, Absorb):
        return rule.hard
    return isinstance(rule, Spread | Bundle | Bandwidth | HugePages | NumaCells)
