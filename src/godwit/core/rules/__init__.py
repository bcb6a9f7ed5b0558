"""The rules of placement: one file a rule, each a name and a checker.

A rule answers one question: may this VM be on this host, and if not, why not and what would change
that. Rules about the VM itself hold for every host. They read a ``Placement`` and nothing else.
"""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules import (
    affinity,
    anti_affinity,
    availability,
    cores,
    cpu,
    devices,
    identity,
    machine_type,
    maintenance,
    memory,
    networks,
    storage,
    vm_state,
)
from godwit.core.rules.groups import GroupRule, resolve_groups
from godwit.core.rules.placement import HostRule, Placement, VmRule
from godwit.core.rules.policies import PolicyRule, apply_policy_rules, rule_that_says

__all__ = [
    "HOST_RULES",
    "VM_RULES",
    "GroupRule",
    "HostRule",
    "Placement",
    "PolicyRule",
    "VmRule",
    "apply_policy_rules",
    "refusals_of",
    "resolve_groups",
    "rule_that_says",
]

#: Reasons that lie in the VM, whatever the host.
VM_RULES: Final[tuple[VmRule, ...]] = (vm_state.RULE, devices.RULE)

#: Reasons that lie in the pair of VM and host. The most fundamental first: the first refusal is
#: the one that a person is shown where there is room for one.
HOST_RULES: Final[tuple[HostRule, ...]] = (
    availability.RULE,
    maintenance.RULE,
    identity.RULE,
    machine_type.RULE,
    cpu.RULE,
    storage.RULE,
    networks.RULE,
    anti_affinity.RULE,
    affinity.RULE,
    memory.RULE,
    cores.RULE,
)


def refusals_of(placement: Placement) -> tuple[Refusal, ...]:
    """Ask every host rule; the order is that of ``HOST_RULES``.

    A host that does not answer is asked nothing more: all else about it would be guesswork.
    """
    refused: list[Refusal] = []
    for rule in HOST_RULES:
        if (refusal := rule.check(placement)) is not None:
            refused.append(refusal)
            if rule is availability.RULE:
                break
    return tuple(refused)
