"""Which VMs belong together and which apart: from the VMs' own policy and from the site's rules."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from godwit.core.model import Vm, VmGroup, VmId

__all__ = ["GroupRule", "resolve_groups"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRule:
    """A group declared by the site: the VMs whose name matches one of the shell patterns."""

    name: str
    together: bool
    patterns: tuple[str, ...]


def resolve_groups(rules: Iterable[GroupRule], vms: Iterable[Vm]) -> tuple[VmGroup, ...]:
    """Return every group with its members, sorted; a name used in both ways is two groups."""
    members: dict[tuple[str, bool], set[VmId]] = {}
    seen = list(vms)
    for vm in seen:
        for name in vm.policy.affinity:
            members.setdefault((name, True), set()).add(vm.id)
        for name in vm.policy.anti_affinity:
            members.setdefault((name, False), set()).add(vm.id)
    for rule in rules:
        matching = {vm.id for vm in seen if any(fnmatchcase(vm.name, one) for one in rule.patterns)}
        members.setdefault((rule.name, rule.together), set()).update(matching)
    return tuple(
        VmGroup(name=name, together=together, members=frozenset(ids))
        for (name, together), ids in sorted(members.items())
    )
