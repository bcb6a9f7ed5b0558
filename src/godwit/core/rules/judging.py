"""All rules over one assignment: what it breaks, and what that costs."""

from collections.abc import Iterable

from godwit.core.model import Rule, When
from godwit.core.rules.assignment import Assignment
from godwit.core.rules.breach import Breach
from godwit.core.rules.rule import ClusterRule

__all__ = ["breaches_of", "price_of"]


def breaches_of(
    rules: Iterable[Rule], assignment: Assignment, *, at_end: bool
) -> tuple[Breach, ...]:
    """Return every breach, in the order of the rules.

    Without ``at_end`` the assignment is an instant on the way, and only rules that hold at every
    instant are asked.
    """
    return tuple(
        found
        for rule in rules
        if isinstance(rule, ClusterRule) and (at_end or rule.when is When.ALWAYS)
        for found in rule.check(assignment)
    )


def price_of(breaches: Iterable[Breach]) -> float:
    """What the broken soft rules cost together, in points of the objective."""
    return sum(one.price for one in breaches)
