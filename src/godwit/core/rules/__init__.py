"""The rules of placement: one file a rule, each a name and a checker.

Two questions are asked of rules. *May this VM be on this host, and if not, why not and what would
change that?*: ``refusals_of`` a ``Placement``; rules about the VM itself hold for every host. And:
*what does it break that these VMs are on these hosts, while those moves are in flight?*:
``breaches_of`` an ``Assignment``, for rules that span several VMs. The site's own answer both.

For whoever makes or checks a plan::

    rules = rules_in_force(cluster)                  # built in, groups, the site's: all there are
    contradictions_of(rules, cluster)                # before planning: what can't be kept together
    breaches_of(rules, end_of(cluster, {vm: host}), at_end=True)         # a whole end, in words
    breaches_of(rules, replace(present(cluster), flights={vm: host}), at_end=False)   # an instant
    LONE_RULES                       # those of HOST_RULES that do not depend on where others go

    standing = Standing(rules, cluster)              # the same end, move by move
    effect = standing.weigh(vm, host)                # O(rules touched): is_refused, price, changes
    standing.move(vm, host)                          # what is weighed next is weighed after it
    standing.breaches_with(vm, host)                 # in words, of the rules that the move touches
    breaches_of(standing.unweighed, standing.assignment, at_end=True)    # n+1: whole, once a step
    standing.weigh_all({vm: host, other: host})      # VMs that move as one
    taken_back(rules, cluster, {vm: host})           # whom to leave, so that no hard rule is broken

A ``Breach`` says its rule, by how much (``amount``), its ``price`` (0 when hard), why, and what
would cure it. ``weigh`` gives the change of those amounts, to the same figures: a test holds them
together. A move is refused when a hard rule would be broken further, or at its new place.

A new rule: one file here, with ``check`` and ``tally``; a line below and one in
``godwit.daemon.rule_settings``; two scenarios in ``tests/unit/core/test_core_rule_kinds.py``.
"""

from typing import Final

from godwit.core.model import Cluster, Rule
from godwit.core.plan import Refusal
from godwit.core.rules import (
    affinity,
    anti_affinity,
    availability,
    cores,
    cpu,
    declared,
    devices,
    huge_pages,
    identity,
    machine_type,
    maintenance,
    memory,
    networks,
    numa,
    storage,
    vm_state,
)
from godwit.core.rules.absorb import Absorb
from godwit.core.rules.affinity import Affinity
from godwit.core.rules.anti_affinity import AntiAffinity
from godwit.core.rules.apart import apart_rules, kept_apart
from godwit.core.rules.assignment import HOST, Assignment, Frame, end_of, frame_of, present
from godwit.core.rules.available import Available
from godwit.core.rules.bandwidth import Bandwidth
from godwit.core.rules.breach import Breach
from godwit.core.rules.bundle import Bundle
from godwit.core.rules.capacity import Capacity, Resource, room_at_every_instant
from godwit.core.rules.contradictions import Contradiction, contradictions_of
from godwit.core.rules.drained import Drained
from godwit.core.rules.examining import Examination, examine, is_idle, terms_of
from godwit.core.rules.fits import Fits, Movable
from godwit.core.rules.groups import GroupRule, resolve_groups
from godwit.core.rules.huge_pages import HugePages
from godwit.core.rules.identity import OneName
from godwit.core.rules.in_flight import InFlight
from godwit.core.rules.in_force import in_force
from godwit.core.rules.judging import breaches_of, price_of
from godwit.core.rules.keep_off import KeepOff
from godwit.core.rules.keeping import broken_on_the_way, taken_back
from godwit.core.rules.numa import NumaCells
from godwit.core.rules.pinned import Pinned
from godwit.core.rules.placement import HostRule, Placement, VmRule
from godwit.core.rules.policies import PolicyRule, apply_policy_rules, rule_that_says
from godwit.core.rules.quarantine import Quarantine
from godwit.core.rules.rule import ClusterRule, OriginRule, PairRule
from godwit.core.rules.run_on import RunOn
from godwit.core.rules.selecting import DeclaredRule, Selection, bind_rules
from godwit.core.rules.spread import Spread
from godwit.core.rules.standing import Change, Effect, Standing
from godwit.core.rules.stay_within import StayWithin

__all__ = [
    "HOST",
    "HOST_RULES",
    "KINDS",
    "LONE_RULES",
    "VM_RULES",
    "Absorb",
    "Affinity",
    "AntiAffinity",
    "Assignment",
    "Available",
    "Bandwidth",
    "Breach",
    "Bundle",
    "Capacity",
    "Change",
    "ClusterRule",
    "Contradiction",
    "DeclaredRule",
    "Drained",
    "Effect",
    "Examination",
    "Fits",
    "Frame",
    "GroupRule",
    "HostRule",
    "HugePages",
    "InFlight",
    "KeepOff",
    "Movable",
    "NumaCells",
    "OneName",
    "OriginRule",
    "PairRule",
    "Pinned",
    "Placement",
    "PolicyRule",
    "Quarantine",
    "Resource",
    "RunOn",
    "Selection",
    "Spread",
    "Standing",
    "StayWithin",
    "VmRule",
    "apart_rules",
    "apply_policy_rules",
    "bind_rules",
    "breaches_of",
    "broken_on_the_way",
    "contradictions_of",
    "end_of",
    "examine",
    "frame_of",
    "is_idle",
    "kept_apart",
    "present",
    "price_of",
    "refusals_of",
    "resolve_groups",
    "room_at_every_instant",
    "rule_that_says",
    "rules_in_force",
    "taken_back",
    "terms_of",
    "warnings_of",
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
    huge_pages.RULE,
    numa.RULE,
    declared.ALONE,
    declared.TOGETHER,
)

#: Those of them whose answer does not change with where other VMs go: for whoever follows the
#: others instant by instant.
LONE_RULES: Final[tuple[HostRule, ...]] = tuple(
    one
    for one in HOST_RULES
    if one
    not in (
        anti_affinity.RULE,
        affinity.RULE,
        memory.RULE,
        cores.RULE,
        huge_pages.RULE,
        declared.TOGETHER,
    )
)

#: The kinds of rules about an assignment, by the word for each.
KINDS: Final[dict[str, type[ClusterRule]]] = {
    one.KIND: one
    for one in (
        Affinity,
        AntiAffinity,
        RunOn,
        KeepOff,
        StayWithin,
        Pinned,
        Spread,
        Available,
        Bundle,
        InFlight,
        Quarantine,
        Drained,
        Capacity,
        Bandwidth,
        HugePages,
        NumaCells,
        OneName,
        Absorb,
        Fits,
        Movable,
    )
}

#: Those that have no rule over assignments of their own: a VM that comes is asked.
_OF_NEWCOMERS: Final = tuple(
    one for one in LONE_RULES if one not in (identity.RULE, declared.ALONE)
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


def warnings_of(placement: Placement) -> tuple[str, ...]:
    """Say what nobody knows of the VM on that host, where not knowing it is no refusal."""
    said = (rule.unknown(placement) for rule in HOST_RULES if rule.unknown is not None)
    return tuple(one for one in said if one is not None)


def rules_in_force(cluster: Cluster) -> tuple[Rule, ...]:
    """Return every rule that holds for a cluster, ready for ``breaches_of``."""
    return in_force(cluster, _OF_NEWCOMERS, VM_RULES)
