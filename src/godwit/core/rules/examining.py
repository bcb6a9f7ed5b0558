"""What a person asks of the rules: which hold, which exclude each other, which are broken now."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import Enum

from godwit.core.model import BUILT_IN, Cluster, Rule
from godwit.core.rules.assignment import present
from godwit.core.rules.breach import Breach
from godwit.core.rules.contradictions import Contradiction, contradictions_of
from godwit.core.rules.judging import breaches_of
from godwit.core.units import format_fraction, format_rate

__all__ = ["Examination", "examine", "is_idle", "terms_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The rules in force, and what is wrong with them or with the cluster.

    ``breaches`` are of the cluster as it was read, with its migrations in flight.
    """

    rules: tuple[Rule, ...]
    contradictions: tuple[Contradiction, ...]
    breaches: tuple[Breach, ...]


def examine(rules: Iterable[Rule], cluster: Cluster) -> Examination:
    """Look for contradictions, and judge the cluster as it is."""
    held = tuple(rules)
    return Examination(
        rules=held,
        contradictions=contradictions_of(held, cluster),
        breaches=breaches_of(held, present(cluster), at_end=True),
    )


def is_idle(rule: Rule) -> bool:
    """Whether somebody declared it and it speaks of no VM, or of no host: a slip, as a rule."""
    return rule.origin != BUILT_IN and not (rule.vms and rule.hosts)


def terms_of(rule: Rule) -> dict[str, str]:
    """The terms of a rule beyond what all rules have, for people: ``by`` rack, ``most_skew`` 1."""
    common = {one.name for one in fields(Rule)}
    own = [one.name for one in fields(rule) if one.name not in common]
    values = {name: getattr(rule, name) for name in own}
    return {
        name.removesuffix("_bytes_per_s").removesuffix("_fraction"): _said(name, value)
        for name, value in values.items()
        if isinstance(value, str | int | float | Enum)
    }


def _said(name: str, value: str | float | Enum) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, str):
        return value
    if name.endswith("_bytes_per_s"):
        return format_rate(value)
    return format_fraction(value) if name.endswith("_fraction") else f"{value:g}"
