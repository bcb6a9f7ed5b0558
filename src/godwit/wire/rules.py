"""The rules on the wire: which are in force, which exclude each other, which are broken."""

from collections.abc import Iterable

from godwit.core import model, rules
from godwit.wire.shape import Reply

__all__ = ["Breach", "Contradiction", "Rule", "RulesCheck", "rules_check_to_wire"]


class Rule(Reply):
    """A rule in force, with how many VMs and hosts it speaks of.

    ``origin`` says who declared it. ``price`` is what it costs for each unit by which it is broken;
    a hard rule has none. ``terms`` are what it says beyond that, for people. ``is_idle`` says that
    somebody declared it and that it speaks of no VM, or of no host.
    """

    name: str
    kind: str
    says: str
    origin: str
    hard: bool
    price: float | None
    when: str
    vm_count: int
    host_count: int
    is_idle: bool
    terms: dict[str, str]


class Contradiction(Reply):
    """Hard rules that can't all be kept. ``numbers`` are named with their unit."""

    rules: tuple[str, ...]
    vms: tuple[str, ...]
    vm_names: tuple[str, ...]
    hosts: tuple[str, ...]
    numbers: dict[str, float]
    why: str
    remedy: str


class Breach(Reply):
    """A rule that the cluster breaks now. ``amount`` is in what the rule counts."""

    rule: str
    kind: str
    hard: bool
    hosts: tuple[str, ...]
    vms: tuple[str, ...]
    vm_names: tuple[str, ...]
    amount: float
    price: float
    numbers: dict[str, float]
    why: str
    remedy: str


class RulesCheck(Reply):
    """What was found. ``unread`` are hosts that did not answer: of their VMs nothing is known."""

    taken_at_s: float
    rules: tuple[Rule, ...]
    contradictions: tuple[Contradiction, ...]
    breaches: tuple[Breach, ...]
    unread: tuple[str, ...]


def rules_check_to_wire(found: rules.Examination, cluster: model.Cluster) -> RulesCheck:
    """Convert what was found of a cluster."""
    names = {one.id: one.name for one in cluster.vms}

    def named(vms: Iterable[model.VmId]) -> tuple[str, ...]:
        return tuple(names.get(one, one) for one in vms)

    return RulesCheck(
        taken_at_s=cluster.taken_at_s,
        rules=tuple(_rule(one) for one in found.rules if isinstance(one, rules.ClusterRule)),
        contradictions=tuple(
            Contradiction(
                rules=one.rules,
                vms=one.vms,
                vm_names=named(one.vms),
                hosts=one.hosts,
                numbers=dict(one.numbers),
                why=one.why,
                remedy=one.remedy,
            )
            for one in found.contradictions
        ),
        breaches=tuple(
            Breach(
                rule=one.rule,
                kind=one.kind,
                hard=one.hard,
                hosts=one.hosts,
                vms=one.vms,
                vm_names=named(one.vms),
                amount=one.amount,
                price=one.price,
                numbers=dict(one.numbers),
                why=one.why,
                remedy=one.remedy,
            )
            for one in found.breaches
        ),
        unread=tuple(one.name for one in cluster.hosts if not one.is_known),
    )


def _rule(rule: rules.ClusterRule) -> Rule:
    return Rule(
        name=rule.name,
        kind=rule.KIND,
        says=rule.SAYS,
        origin=rule.origin,
        hard=rule.hard,
        price=None if rule.hard else rule.price,
        when=rule.when.value,
        vm_count=len(rule.vms),
        host_count=len(rule.hosts),
        is_idle=rules.is_idle(rule),
        terms=rules.terms_of(rule),
    )
