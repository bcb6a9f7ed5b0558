"""The question that every rule answers, and the shape of a rule."""

from collections.abc import Callable
from dataclasses import dataclass

from godwit.core.model import Cluster, Host, HostName, Vm, VmId
from godwit.core.plan import Refusal
from godwit.core.rules.assignment import Assignment

__all__ = ["HostRule", "Placement", "VmRule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """May ``vm`` be on ``host``? ``arriving`` are VMs that the same plan already sends there.

    ``leaving`` are VMs that the plan takes away from where they are. They still count there for
    memory and cores until their move is done, but not for groups at the end of the plan. ``now`` is
    ``present(cluster)``, from whoever asks about many hosts, so that it is made once.
    """

    cluster: Cluster
    vm: Vm
    host: Host
    arriving: tuple[Vm, ...] = ()
    leaving: frozenset[VmId] = frozenset()
    final_hosts: tuple[tuple[VmId, HostName], ...] = ()
    now: Assignment | None = None

    def refuse(self, rule: str, why: str, remedy: str) -> Refusal:
        """Build this rule's refusal."""
        return Refusal(rule=rule, why=why, remedy=remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRule:
    """A rule about a VM on a host: None when it may be there, else the refusal.

    ``unknown`` says what nobody knows, where that is a warning and no refusal.
    """

    name: str
    says: str
    check: Callable[[Placement], Refusal | None]
    unknown: Callable[[Placement], str | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmRule:
    """A rule about the VM alone."""

    name: str
    says: str
    check: Callable[[Vm], Refusal | None]
