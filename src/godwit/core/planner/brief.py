"""What a request asks of the search: who must leave, who may move at all, and at what price."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from godwit.core.errors import Refused
from godwit.core.model import Cluster, HostName, VmId
from godwit.core.plan import PlanKind
from godwit.core.planner.companions import company_of
from godwit.core.planner.reading import Reading
from godwit.core.planner.request import (
    Balance,
    Consolidate,
    Drain,
    Evacuate,
    Mix,
    Place,
    PlanRequest,
    Repair,
    Restore,
)
from godwit.core.planner.rulebook import Rulebook

__all__ = ["FORCED_POINTS", "HELPER_POINTS", "Brief", "brief_of", "place_costs"]

#: What it costs that a VM is not where the request wants it: more than any load.
FORCED_POINTS: Final = 1e6
#: What it costs to move a VM only so that others may: more than any load, less than one forced.
HELPER_POINTS: Final = 2e3
#: A higher priority counts so much more, up to so many ranks.
_RANK_FACTOR: Final = 4.0
_RANKS_MOST: Final = 6

_KINDS: Final[dict[type[object], PlanKind]] = {
    Balance: PlanKind.BALANCE,
    Drain: PlanKind.DRAIN,
    Evacuate: PlanKind.EVACUATE,
    Restore: PlanKind.RESTORE,
    Consolidate: PlanKind.CONSOLIDATE,
    Place: PlanKind.PLACE,
    Repair: PlanKind.REPAIR,
    Mix: PlanKind.MIX,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """One request, or several, in the words of the search.

    ``leaving`` hosts shall be emptied, ``homes`` says where VMs shall be, ``away`` which shall be
    anywhere else. ``is_free``: VMs may move for what they gain. ``makes_room``: they may move so
    that others can. ``repairs``: broken rules are cured. ``joins``: groups that are split, too.
    ``by_priority``: the urgent first where room is scarce.
    """

    kind: PlanKind
    leaving: frozenset[HostName] = frozenset()
    homes: dict[VmId, HostName] = field(default_factory=dict)
    away: frozenset[VmId] = frozenset()
    is_free: bool = False
    makes_room: bool = True
    repairs: bool = False
    joins: bool = False
    by_priority: bool = False
    hosts_least: int | None = None
    deadline_s: float | None = None


def brief_of(cluster: Cluster, request: PlanRequest) -> Brief:
    """Read a request.

    Raises: Refused when it names a host or a VM that does not exist.
    """
    parts = request.requests if isinstance(request, Mix) else (request,)
    drains = [one for one in parts if isinstance(one, Drain)]
    evacuates = [one for one in parts if isinstance(one, Evacuate)]
    deadlines = [
        *(one.deadline_s for one in drains if one.deadline_s is not None),
        *(one.deadline_s for one in evacuates if one.deadline_s is not None),
    ]
    leaving = [name for one in drains for name in one.hosts] + [one.host for one in evacuates]
    places = [one.vm for one in parts if isinstance(one, Place)]
    _check(leaving, {one.name for one in cluster.hosts}, "host", "the inventory")
    _check(places, {one.id for one in cluster.vms}, "VM", "the cluster as it was read")
    is_free = any(isinstance(one, Balance) for one in parts)
    joins = any(isinstance(one, Repair) for one in parts)
    return Brief(
        kind=_KINDS[type(request)],
        leaving=frozenset(leaving),
        homes={
            vm: host
            for one in parts
            if isinstance(one, Restore)
            for vm, host in one.placement.items()
        },
        away=frozenset(places),
        is_free=is_free,
        makes_room=all(one.make_room for one in drains),
        repairs=is_free or joins,
        joins=joins,
        by_priority=bool(evacuates),
        hosts_least=max(
            (one.hosts_least for one in parts if isinstance(one, Consolidate)), default=None
        ),
        deadline_s=min(deadlines, default=None),
    )


def _check(names: Iterable[str], known: Iterable[str], what: str, where: str) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise Refused(
            f"there is no {what} {', '.join(unknown)} in {where}",
            remedy=f"Name a {what} that is there.",
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlaceCosts:
    """[bundle] a row, and [row, host] what it costs that it is there; who must go, and why."""

    kind: np.ndarray
    table: np.ndarray
    must_go: dict[int, str]
    #: Bundles that may go to one host only, and those that may be on these only.
    only: dict[int, int]
    bound: dict[int, frozenset[HostName]]
    #: Of those that must go, the ones that only join the rest of a group: a rule, no request.
    joining: frozenset[int]
    #: For each rule about VMs that move together: the bundles that it leaves free, as all must go.
    going: dict[str, frozenset[int]]

    @property
    def asked(self) -> frozenset[int]:
        """Those that the request itself wants elsewhere."""
        return frozenset(self.must_go.keys() - self.joining)


def place_costs(reading: Reading, brief: Brief, book: Rulebook) -> PlaceCosts:
    """Say for each bundle where it must not stay, and how much that counts; also who goes along.

    Of those that must go, the larger count more: they are the ones that run out of room.
    """
    largest = max(1, int(reading.size[:, 0].max(initial=1)))
    ranks = _ranks(reading, brief)
    kind = np.zeros(len(reading.bundles), dtype=np.int32)
    rows = [np.zeros(len(reading.hosts))]
    must_go: dict[int, str] = {}
    only: dict[int, int] = {}
    joining: set[int] = set()
    for number in _asked_of(reading, brief):
        points = FORCED_POINTS * (1.0 + int(reading.size[number, 0]) / largest)
        wish = _wish(reading, brief, number, points * _RANK_FACTOR ** ranks[number])
        if wish is None:
            continue
        kind[number] = len(rows)
        rows.append(wish.row)
        must_go[number] = wish.why
        if wish.only is not None:
            only[number] = wish.only
        if wish.joins:
            joining.add(number)
    company = company_of(reading, book, must_go, leaving=brief.leaving, makes_room=brief.makes_room)
    for number, hosts in company.away.items():
        if number not in must_go:
            kind[number] = len(rows)
            rows.append(np.zeros(len(reading.hosts)))
            rows[-1][[reading.number[one] for one in sorted(hosts)]] = FORCED_POINTS
    return PlaceCosts(
        kind=kind,
        table=np.array(rows),
        must_go=must_go | company.why,
        only=only,
        bound=company.bound,
        joining=frozenset(joining),
        going=company.going,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Wish:
    """[host] what it costs that a bundle is there, why; the one host that it may go to."""

    row: np.ndarray
    why: str
    only: int | None = None
    joins: bool = False


def _asked_of(reading: Reading, brief: Brief) -> list[int]:
    """The bundles about which the request may say something: in a large cluster, few."""
    if brief.homes or brief.away:
        return list(range(len(reading.bundles)))
    return [
        number
        for number, one in enumerate(reading.bundles)
        if one.host in brief.leaving or one.anchor is not None
    ]


def _wish(reading: Reading, brief: Brief, number: int, points: float) -> _Wish | None:
    """Where the request wants a bundle; None where it says nothing about it."""
    bundle, row = reading.bundles[number], np.zeros(len(reading.hosts))
    homes = {brief.homes[one.id] for one in bundle.vms if one.id in brief.homes}
    if bundle.host in brief.leaving:
        row[[reading.number[one] for one in sorted(brief.leaving)]] = points
        return _Wish(row=row, why=f"it must leave {bundle.host}, which is to be emptied")
    if len(homes) == 1 and homes != {bundle.host}:
        (home,) = homes
        if home not in reading.number:
            return None
        row[:], at = points, reading.number[home]
        row[at] = 0.0
        return _Wish(row=row, why=f"it was on {home} before", only=at)
    if any(one.id in brief.away for one in bundle.vms):
        row[reading.number[bundle.host]] = points
        return _Wish(row=row, why="another host was asked for")
    if brief.joins and bundle.anchor is not None:
        row[:] = points
        row[reading.number[bundle.anchor]] = 0.0
        why = f"the rest of its affinity group is on {bundle.anchor}"
        return _Wish(row=row, why=why, joins=True)
    return None


def _ranks(reading: Reading, brief: Brief) -> list[int]:
    """The rank of each bundle's priority among those that there are; all alike unless asked for."""
    each = [max(vm.policy.priority for vm in one.vms) for one in reading.bundles]
    if not brief.by_priority:
        return [0] * len(each)
    order = sorted(set(each))[-_RANKS_MOST - 1 :]
    return [order.index(one) if one in order else 0 for one in each]
