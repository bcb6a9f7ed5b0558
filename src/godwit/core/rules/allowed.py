"""Where the hard rules about single VMs leave each of them a place to be."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from godwit.core.model import HostName, Rule, VmId
from godwit.core.rules.assignment import Frame
from godwit.core.rules.rule import OriginRule

__all__ = ["Limit", "Limits", "limits_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A rule that leaves a VM these hosts."""

    rule: Rule
    hosts: frozenset[HostName]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """For each VM that some rule binds, what each of these rules leaves it."""

    all_hosts: frozenset[HostName]
    by_vm: Mapping[VmId, tuple[Limit, ...]]

    def allowed(self, vm: VmId) -> frozenset[HostName]:
        """The hosts that all rules together leave a VM."""
        return self.all_hosts.intersection(*(one.hosts for one in self.by_vm.get(vm, ())))

    def shared(self, vms: Iterable[VmId]) -> frozenset[HostName]:
        """The hosts that are left to every one of the VMs."""
        return self.all_hosts.intersection(*(self.allowed(one) for one in vms))

    def rules(self, vms: Iterable[VmId]) -> tuple[Rule, ...]:
        """The rules that bind any of the VMs, each once."""
        found = {id(one.rule): one.rule for vm in vms for one in self.by_vm.get(vm, ())}
        return tuple(sorted(found.values(), key=lambda one: (one.name, one.origin)))


def limits_of(rules: Iterable[Rule], frame: Frame) -> Limits:
    """Ask every hard rule about single VMs for the hosts that it leaves to each active VM.

    Whether a host can run a VM at all is no wish of the site.
    """
    asked = [one for one in rules if isinstance(one, OriginRule) and one.hard]
    left: dict[tuple[int, Hashable], frozenset[HostName]] = {}
    by_vm: dict[VmId, tuple[Limit, ...]] = {}
    for vm_id in sorted(frame.vms):
        found: list[Limit] = []
        for number, rule in enumerate(asked):
            if vm_id not in rule.vms:
                continue
            origin = frame.origins[vm_id]
            key = (number, rule.class_of(frame, origin))
            if key not in left:
                left[key] = rule.leaves(frame, origin)
            found.append(Limit(rule=rule, hosts=left[key]))
        if found:
            by_vm[vm_id] = tuple(found)
    return Limits(all_hosts=frozenset(frame.hosts), by_vm=by_vm)
