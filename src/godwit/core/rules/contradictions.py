"""Hard rules that can't all be kept, found before anything is planned.

Only what is certain is told: that two rules exclude each other, that a group is larger than the
places there are for it, that a VM is left no host. What does not show here may still be impossible;
then the planner says so, with the reasons of every host.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final, TypeVar

from godwit.core.model import Cluster, HostName, Rule, VmId
from godwit.core.rules.affinity import Affinity
from godwit.core.rules.allowed import Limits, limits_of
from godwit.core.rules.anti_affinity import AntiAffinity
from godwit.core.rules.assignment import HOST, Frame, end_of
from godwit.core.rules.available import Available
from godwit.core.rules.bundle import Bundle
from godwit.core.rules.spread import Spread
from godwit.core.units import format_bytes

__all__ = ["Contradiction", "contradictions_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Rules that can't all be kept: which, for whom, with which numbers, and what would help."""

    rules: tuple[str, ...]
    vms: tuple[VmId, ...]
    hosts: tuple[HostName, ...]
    numbers: tuple[tuple[str, float], ...]
    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """All that the checks look at. ``together`` are VMs bound to one host by affinity rules."""

    frame: Frame
    rules: tuple[Rule, ...]
    limits: Limits
    together: tuple[tuple[tuple[Affinity, ...], frozenset[VmId]], ...]

    def present(self, rule: Rule) -> frozenset[VmId]:
        return rule.vms & self.frame.vms.keys()

    def values(self, hosts: Iterable[HostName], by: str) -> set[str]:
        return {self.frame.value(one, by) for one in hosts}


def contradictions_of(rules: Iterable[Rule], cluster: Cluster) -> tuple[Contradiction, ...]:
    """Return every contradiction among the hard rules, in an order that is always the same."""
    hard = tuple(one for one in rules if one.hard)
    frame = end_of(cluster, {}).frame
    case = _Case(
        frame=frame, rules=hard, limits=limits_of(hard, frame), together=_together(hard, frame)
    )
    return tuple(found for check in _CHECKS for found in check(case))


_Kind = TypeVar("_Kind", bound=Rule)


def _each(case: _Case, kind: type[_Kind]) -> list[_Kind]:
    return [one for one in case.rules if isinstance(one, kind)]


def _said(rules: Iterable[Rule]) -> str:
    return " and ".join(f"{one.name!r} ({one.origin})" for one in rules)


def _contradiction(
    rules: Iterable[Rule],
    *,
    why: str,
    remedy: str,
    vms: Iterable[VmId] = (),
    hosts: Iterable[HostName] = (),
    **numbers: float,
) -> Contradiction:
    named = tuple(rules)
    return Contradiction(
        rules=tuple(one.name for one in named),
        vms=tuple(sorted(vms)),
        hosts=tuple(sorted(hosts)),
        numbers=tuple(numbers.items()),
        why=f"{_said(named)}: {why}",
        remedy=remedy,
    )


def _together(
    rules: Iterable[Rule], frame: Frame
) -> tuple[tuple[tuple[Affinity, ...], frozenset[VmId]], ...]:
    """Join affinity rules by host that share a VM: all their VMs end on one host."""
    joined: list[tuple[tuple[Affinity, ...], frozenset[VmId]]] = []
    for rule in rules:
        members = rule.vms & frame.vms.keys()
        if not isinstance(rule, Affinity) or rule.by != HOST or len(members) < 2:
            continue
        names: tuple[Affinity, ...] = (rule,)
        apart = []
        for others, vms in joined:
            if vms & members:
                names, members = others + names, members | vms
            else:
                apart.append((others, vms))
        joined = [*apart, (names, members)]
    return tuple(joined)


def _no_host_left(case: _Case) -> Iterator[Contradiction]:
    """Rules about single VMs that leave one of them nowhere to be."""
    stranded: dict[tuple[str, ...], list[VmId]] = {}
    culprits: dict[tuple[str, ...], tuple[Rule, ...]] = {}
    for vm, limits in case.limits.by_vm.items():
        if case.limits.allowed(vm):
            continue
        alone = [(one.rule,) for one in limits if not one.hosts]
        pairs = [(a.rule, b.rule) for a, b in combinations(limits, 2) if not a.hosts & b.hosts]
        found = (alone or pairs or [tuple(one.rule for one in limits)])[0]
        names = tuple(one.name for one in found)
        stranded.setdefault(names, []).append(vm)
        culprits[names] = found
    for names, vms in stranded.items():
        left = (
            "together they leave no host to"
            if len(names) > 1
            else "no host that is known is left to"
        )
        yield _contradiction(
            culprits[names],
            why=f"{left} {case.frame.names(vms)}",
            remedy="Take the VM out of one of them, or let the rule mean more hosts."
            if len(names) > 1
            else "Mend the rule so that it leaves a host that is there, or take the VM out of it.",
            vms=vms,
            vms_without_host=len(vms),
        )


def _group_without_host(case: _Case) -> Iterator[Contradiction]:
    """VMs that belong on one host, and no host that is left to all of them or holds them all."""
    for rules, vms in case.together:
        if not all(case.limits.allowed(one) for one in vms):
            continue  # told already, for that VM
        hosts = case.limits.shared(vms)
        names = case.frame.names(vms)
        if not hosts:
            yield _contradiction(
                (*rules, *case.limits.rules(vms)),
                why=f"{names} are to share a host, and there is none that is left to all of them",
                remedy="Let the rules mean one host that all may run on, or part the group.",
                vms=vms,
            )
            continue
        known = [case.frame.hosts[one] for one in sorted(hosts) if case.frame.hosts[one].observed]
        needed = sum(case.frame.vms[one].memory_bytes for one in vms)
        largest = max(known, key=lambda one: one.memory_for_vms_bytes, default=None)
        if largest is not None and needed > largest.memory_for_vms_bytes:
            has = format_bytes(largest.memory_for_vms_bytes)
            yield _contradiction(
                rules,
                why=f"{names} are to share a host and need {format_bytes(needed)} of memory;"
                f" {largest.name}, the largest for them, has {has}",
                remedy="Part the group, or make its VMs smaller.",
                vms=vms,
                hosts=[largest.name],
                needed_bytes=needed,
                largest_bytes=largest.memory_for_vms_bytes,
            )


def _together_and_apart(case: _Case) -> Iterator[Contradiction]:
    """VMs that are to share one thing and to differ in another that can't differ then."""
    near: list[tuple[tuple[Affinity, ...], frozenset[VmId], str]] = [
        (rules, vms, HOST) for rules, vms in case.together
    ]
    near += [((one,), case.present(one), one.by) for one in _each(case, Affinity) if one.by != HOST]
    for apart in _each(case, AntiAffinity):
        for rules, vms, by in near:
            both = case.present(apart) & vms
            if len(both) < 2:
                continue
            within: dict[str, set[str]] = {}
            for host in case.frame.hosts:
                within.setdefault(case.frame.value(host, by), set()).add(
                    case.frame.value(host, apart.by)
                )
            most = max((len(one) for one in within.values()), default=0)
            if most >= len(both):
                continue
            room = f"one {by} has at most {most} values of {apart.by}"
            yield _contradiction(
                (*rules, apart),
                why=f"{case.frame.names(both)} are to share one {by} and to be on {len(both)}"
                f" different values of {apart.by}" + ("" if by == apart.by else f"; {room}"),
                remedy="Take them out of one of the two rules, or make one of the two soft.",
                vms=both,
                vms_in_both=len(both),
                values_within_max=most,
            )


def _too_many_apart(case: _Case) -> Iterator[Contradiction]:
    """More VMs that are to be apart than there are places for them."""
    for rule in _each(case, AntiAffinity):
        vms = sorted(one for one in case.present(rule) if case.limits.allowed(one))
        values = case.values(case.frame.hosts, rule.by)
        if len(vms) > len(values):
            yield _contradiction(
                [rule],
                why=f"{len(vms)} VMs are to be on a {rule.by} each, and there are {len(values)}:"
                f" {case.frame.names(vms)}",
                remedy=f"Add {len(vms) - len(values)}, make the rule soft, or the group smaller.",
                vms=vms,
                vms_apart=len(vms),
                values_there=len(values),
            )
            continue
        limited = [vm for vm in vms if vm in case.limits.by_vm]
        if not limited:
            continue  # each may be anywhere, and there are enough places
        anywhere = sorted(values)
        choices = {
            vm: sorted(case.values(case.limits.allowed(vm), rule.by)) if vm in limited else anywhere
            for vm in vms
        }
        placed = _matched(choices)
        if len(placed) < len(vms):
            left_over = [one for one in vms if one not in placed]
            yield _contradiction(
                (rule, *case.limits.rules(vms)),
                why=f"{len(vms)} VMs are to be on a {rule.by} each, and where the other rules let"
                f" them run only {len(placed)} of them can be: none is left for"
                f" {case.frame.names(left_over)}",
                remedy="Let the other rules mean more hosts, or make the group smaller.",
                vms=vms,
                vms_apart=len(vms),
                vms_placed_max=len(placed),
            )


def _matched(choices: dict[VmId, list[str]]) -> set[VmId]:
    """The largest set of VMs that can have a value each, by shortest augmenting paths."""
    holder: dict[str, VmId] = {}
    held: dict[VmId, str] = {}
    for vm in choices:
        cause: dict[str, VmId] = {}
        queue = deque([vm])
        while queue:
            one = queue.popleft()
            fresh = [value for value in choices[one] if value not in cause]
            cause |= dict.fromkeys(fresh, one)
            free = next((value for value in fresh if value not in holder), None)
            if free is None:
                queue.extend(holder[value] for value in fresh)
                continue
            while free is not None:
                one = cause[free]
                holder[free], held[one], free = one, free, held.get(one)
            break
    return set(held)


def _spread_too_wide(case: _Case) -> Iterator[Contradiction]:
    """A spread over a label that nobody has, or over more values or with more VMs than exist."""
    for rule in _each(case, Spread):
        labelled = {one for one in rule.hosts if case.frame.has_value(one, rule.by)}
        values = case.values(labelled & case.frame.hosts.keys(), rule.by)
        vms = case.present(rule)
        if not values:
            why = f"no host that it means has the label {rule.by}"
        elif rule.least_values > len(values):
            why = f"{rule.least_values} values of {rule.by} are to be used; there are {len(values)}"
        elif vms and rule.least_values > len(vms):
            why = f"{rule.least_values} values of {rule.by} are to be used by {len(vms)} VMs"
        else:
            continue
        yield _contradiction(
            [rule],
            why=why,
            remedy=f"Ask for fewer values, or label hosts with {rule.by}.",
            vms=vms,
            values_used_min=rule.least_values,
            values_there=len(values),
        )


def _never_available(case: _Case) -> Iterator[Contradiction]:
    """More VMs to be available than there are, than can be left after a loss, or than can move."""
    for rule in _each(case, Available):
        count = len(rule.vms)
        if not count:
            continue  # it speaks of nobody yet
        if rule.least > count:
            why = f"{rule.least} VMs are to be available, and the group has {count}"
        elif rule.losing is not None:
            values = len(case.values(case.frame.hosts, rule.losing))
            left = count - -(-count // values) if values else count
            if left >= rule.least:
                continue
            why = (
                f"{rule.least} of {count} VMs are to be left when one {rule.losing} is lost; there"
                f" are {values}, and at the very best {left} would be left"
            )
        elif rule.least == count:
            why = f"all {count} VMs are always to be available, so none of them may ever be moved"
        else:
            continue
        yield _contradiction(
            [rule],
            why=why,
            remedy="Ask for fewer of them, or run more.",
            vms=rule.vms,
            vms_available_min=rule.least,
            vms_in_group=count,
        )


def _bundle_torn(case: _Case) -> Iterator[Contradiction]:
    """A bundle of which one VM has to move and another can't."""
    for rule in _each(case, Bundle):
        if rule.by != HOST:
            continue
        origins, allowed = case.frame.origins, case.limits.allowed
        vms = sorted(case.present(rule))
        stuck = [vm for vm in vms if allowed(vm) == {origins[vm]}]
        leaves = [vm for vm in vms if allowed(vm) and origins[vm] not in allowed(vm)]
        if not stuck or not leaves:
            continue
        yield _contradiction(
            (rule, *case.limits.rules((*stuck, *leaves))),
            why=f"{case.frame.names(leaves)} must leave and {case.frame.names(stuck)} may not, but"
            " they move together or not at all",
            remedy="Part the bundle, or let the one go with the other.",
            vms=(*stuck, *leaves),
        )


_CHECKS: Final[tuple[Callable[[_Case], Iterator[Contradiction]], ...]] = (
    _no_host_left,
    _group_without_host,
    _together_and_apart,
    _too_many_apart,
    _spread_too_wide,
    _never_available,
    _bundle_torn,
)
