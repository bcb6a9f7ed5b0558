"""Policies that the site sets by name and label, for VMs whose own metadata does not say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Final

from godwit.core.model import Vm

__all__ = ["PolicyRule", "apply_policy_rules", "rule_that_says"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """What the site wants for the VMs whose name matches a shell pattern and whose labels match.

    No ``patterns`` match every name, no ``labels`` all labels. The other fields are those of
    ``VmPolicy``; None leaves it to a later rule, or to the default.
    """

    patterns: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    pause_max_s: float | None = None
    pause_target_s: float | None = None
    pause_longer_s: float | None = None
    deadline_s: float | None = None
    may_throttle: bool | None = None
    may_postcopy: bool | None = None
    priority: int | None = None

    def matches(self, vm: Vm) -> bool:
        """Whether the rule speaks of this VM."""
        named = not self.patterns or any(fnmatchcase(vm.name, one) for one in self.patterns)
        labels = vm.policy.labels
        return named and all(labels.get(key) == value for key, value in self.labels.items())

    @property
    def wishes(self) -> dict[str, object]:
        """What the rule sets, by the name of the policy's field."""
        named = ((name, getattr(self, name)) for name in _WISHES)
        return {name: value for name, value in named if value is not None}


_WISHES: Final = tuple(one.name for one in fields(PolicyRule) if one.default is None)


def apply_policy_rules(rules: Iterable[PolicyRule], vm: Vm) -> Vm:
    """Return the VM with the policy that holds for it, field by field.

    Its own metadata goes first, then the first rule that matches and says something of the field.
    """
    found: dict[str, object] = {}
    for rule in rules:
        if rule.matches(vm):
            found = rule.wishes | found
    found = {name: value for name, value in found.items() if name not in vm.policy.given}
    if not found:
        return vm
    return replace(vm, policy=replace(vm.policy, **found))  # type: ignore[arg-type]


def rule_that_says(rules: Iterable[PolicyRule], vm: Vm, name: str) -> int | None:
    """Return which rule, counted from 1, sets a field of the VM's policy; None when none does."""
    if name in vm.policy.given:
        return None
    for number, rule in enumerate(rules, start=1):
        if name in rule.wishes and rule.matches(vm):
            return number
    return None
