"""Rules as the site declares them: VMs and hosts picked by name and label, bound when read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from godwit.core.model import Host, Rule, Vm

__all__ = ["DeclaredRule", "Selection", "bind_rules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Picks by shell patterns of the name and by labels. No patterns are every name."""

    patterns: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def picks(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether something of that name and with those labels is meant."""
        named = not self.patterns or any(fnmatchcase(name, one) for one in self.patterns)
        return named and all(labels.get(key) == value for key, value in self.labels.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredRule:
    """A rule whose VMs and hosts are not known before the cluster is read."""

    rule: Rule
    vms: Selection = field(default_factory=Selection)
    hosts: Selection = field(default_factory=Selection)

    def bound(self, hosts: Iterable[Host], vms: Iterable[Vm]) -> Rule:
        """Return the rule with the VMs and hosts that it speaks of in this reading."""
        return replace(
            self.rule,
            vms=frozenset(one.id for one in vms if self.vms.picks(one.name, one.policy.labels)),
            hosts=frozenset(
                one.name for one in hosts if self.hosts.picks(one.name, one.record.labels)
            ),
        )


def bind_rules(
    declared: Iterable[DeclaredRule], hosts: Iterable[Host], vms: Iterable[Vm]
) -> tuple[Rule, ...]:
    """Bind all rules to a reading, in the order in which they were declared."""
    all_hosts, all_vms = tuple(hosts), tuple(vms)
    return tuple(one.bound(all_hosts, all_vms) for one in declared)
