"""Who has to go along: VMs that a hard rule lets move only with those that must go anyway."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from godwit.core.model import HostName
from godwit.core.planner.reading import Reading
from godwit.core.planner.rulebook import Rulebook
from godwit.core.rules import HOST, Affinity, Bundle, Frame

__all__ = ["Company", "company_of"]


@dataclass(slots=True, kw_only=True)
class Company:
    """Bundles by their numbers.

    ``why`` says of each further one that must go why that is so, ``away`` on which hosts it must
    not be. ``bound`` ones may only be on these hosts. ``going`` names for a rule the bundles that
    it leaves free, because all of them have to go.
    """

    why: dict[int, str] = field(default_factory=dict)
    away: dict[int, frozenset[HostName]] = field(default_factory=dict)
    bound: dict[int, frozenset[HostName]] = field(default_factory=dict)
    going: dict[str, frozenset[int]] = field(default_factory=dict)


def company_of(
    reading: Reading,
    book: Rulebook,
    must_go: Mapping[int, str],
    *,
    leaving: frozenset[HostName],
    makes_room: bool,
) -> Company:
    """Find them all; who goes along may have company of its own.

    Unless it ``makes_room`` nobody else moves, and who can't go alone stays.
    """
    company = Company()
    rules = [one for one in book.hard if isinstance(one, Bundle | Affinity)]
    if not must_go or not rules:
        return company
    bundle = {vm.id: number for number, one in enumerate(reading.bundles) for vm in one.vms}
    frame, is_done = book.landed.frame, False
    while not is_done:
        is_done = True
        for rule in rules:
            members = frozenset(bundle[vm] for vm in rule.vms & bundle.keys())
            forced = {one for one in members if one in must_go or one in company.why}
            if not forced or rule.name in company.going:
                continue
            if all(_may_stay(reading, frame, rule.by, one, leaving) for one in forced):
                continue
            others = sorted(members - forced)
            if others and (not makes_room or any(reading.bundles[one].stays for one in others)):
                continue
            if not _sent(reading, frame, rule, members, leaving=leaving, company=company):
                continue
            company.going[rule.name] = members
            led = reading.bundles[min(forced)].name
            for one in others:
                company.why[one] = f"rule {rule.name!r}: it moves together with {led}"
                is_done = False
    return company


def _may_stay(
    reading: Reading, frame: Frame, by: str, number: int, leaving: frozenset[HostName]
) -> bool:
    """Whether another host with the same value is left to it."""
    home = reading.bundles[number].host
    value = frame.value(home, by)
    return by != HOST and any(
        frame.value(one, by) == value for one in frame.fit if one not in leaving and one != home
    )


def _sent(
    reading: Reading,
    frame: Frame,
    rule: Bundle | Affinity,
    members: frozenset[int],
    *,
    leaving: frozenset[HostName],
    company: Company,
) -> bool:
    """Say where all of them may be: anywhere else, or on hosts of one other value."""
    if isinstance(rule, Bundle):
        for one in members:
            value = frame.value(reading.bundles[one].host, rule.by)
            company.away[one] = frozenset(
                host for host in frame.hosts if frame.value(host, rule.by) == value
            )
        return True
    values = {frame.value(reading.bundles[one].host, rule.by) for one in members}
    if len(values) > 1:
        return False  # split already: each part is left to itself
    free: dict[str, int] = {}
    for host in frame.fit - leaving:
        value = frame.value(host, rule.by)
        if value not in values:
            at = reading.number[host]
            held = int(reading.size[reading.at == at, 0].sum())
            free[value] = free.get(value, 0) + max(0, int(reading.room[at, 0]) - held)
    if not free:
        return False
    target = min(free, key=lambda one: (-free[one], one))
    there = frozenset(one for one in frame.hosts if frame.value(one, rule.by) == target)
    for one in members:
        company.bound[one] = there | {reading.bundles[one].host}
        company.away[one] = frozenset(frame.hosts) - there
    return True
