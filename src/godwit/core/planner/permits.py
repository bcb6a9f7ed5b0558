"""Which VM may be on which host, whoever else is there: the rules, asked when they are needed.

In a small cluster all of them are asked of every pair. In a large one that would take longer than
the search itself: then only what lies in the host, or in the kind of the VM, is asked beforehand,
and the rest of the pairs that a plan really uses. One that is refused then is never tried again.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from godwit.core.model import Cluster, Host, HostName, Vm, VmId
from godwit.core.plan import Refusal
from godwit.core.planner.bundling import Bundle
from godwit.core.rules import LONE_RULES, HostRule, OriginRule, Placement, end_of, present
from godwit.core.timed import Bounds

__all__ = ["Permits"]

#: What depends on who else is there is followed by the search itself, the names of VMs too.
_ASKED: Final = tuple(one for one in LONE_RULES if one.name != "identity")
#: What depends on the host alone, and on it and the kind of the VM alone.
_OF_HOST: Final = {"availability", "maintenance"}
_OF_KIND: Final = {"machine_type", "networks"}
#: Up to so many pairs are all asked beforehand.
_ALL_MOST: Final = 4000


class Permits:
    """The rows of what is permitted, one for each bundle or for all bundles of a kind."""

    def __init__(self, cluster: Cluster, bundles: Sequence[Bundle], bounds: Bounds) -> None:
        self._cluster, self._bounds = cluster, bounds
        self._bundles = bundles
        self._hosts: tuple[Host, ...] = cluster.hosts
        self._asked: dict[tuple[VmId, HostName], Refusal | None] = {}
        self._number = {one.name: number for number, one in enumerate(cluster.hosts)}
        self._rows: list[npt.NDArray[np.bool_]] = []
        self._of_kind: dict[object, int] = {}
        self._off = _shut_off(cluster)
        self._now = present(cluster) if cluster.rules else None
        self._site = _SiteHosts(cluster) if cluster.rules else None
        self.row = np.zeros(len(bundles), dtype=np.int32)
        all_of_them = len(bundles) * len(cluster.hosts) <= _ALL_MOST
        for number, bundle in enumerate(bundles):
            if bundle.stays:
                self.row[number] = self._row_of_kind(None)
            elif all_of_them or len(bundle.vms) > 1 or self._is_special(bundle):
                self.row[number] = self._own_row(bundle)
            else:
                self.row[number] = self._row_of_kind(bundle.vms[0])

    @property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """[row, host] whether it may come there, as far as that was asked."""
        if not self._rows:
            return np.zeros((1, max(1, len(self._hosts))), dtype=np.bool_)
        return np.array(self._rows)

    def refusal(self, vm: Vm, host: Host) -> Refusal | None:
        """Why a VM can't be on a host, whoever else is there; None when it can."""
        key = (vm.id, host.name)
        if key not in self._asked:
            self._asked[key] = self._ask(vm, host, _ASKED)
        return self._asked[key]

    def refuses(self, moved: Iterable[tuple[int, int]]) -> bool:
        """Ask about the pairs of bundle and host that a plan uses; whether any was refused."""
        found = False
        for number, place in moved:
            bundle, host = self._bundles[number], self._hosts[place]
            if any(self.refusal(one, host) is not None for one in bundle.vms):
                self.narrow(number, self._rows[self._own_row(bundle)])
                found = True
        return found

    def may(self, number: int, place: int) -> bool:
        """Whether a bundle may come to a host; all rules about the two are asked."""
        if not self._rows[self.row[number]][place]:
            return False
        host = self._hosts[place]
        return all(self.refusal(one, host) is None for one in self._bundles[number].vms)

    def narrow(self, number: int, hosts: npt.NDArray[np.bool_]) -> None:
        """Let a bundle be on these hosts only, of those that it may be on."""
        self._rows.append(self._rows[self.row[number]] & hosts)
        self.row[number] = len(self._rows) - 1

    def bind(self, number: int, place: int) -> None:
        """Let a bundle go to one host only, or stay where it is."""
        row = self._rows[self._own_row(self._bundles[number])]
        home = self._number.get(self._bundles[number].host)
        row[[at for at in range(len(row)) if at not in {place, home}]] = False
        self.narrow(number, row)

    def _ask(self, vm: Vm, host: Host, rules: Iterable[HostRule]) -> Refusal | None:
        only = self._bounds.only.get(vm.id)
        if only is not None and host.name not in only:
            return Refusal(
                rule="only",
                why=f"{vm.name} is bound to {', '.join(sorted(only)) or 'no host at all'}",
                remedy=f"Let {vm.name} be on {host.name} too.",
            )
        if self._off.get((vm.name, host.name), vm.id) != vm.id:
            return Refusal(
                rule="identity",
                why=f"{host.name} has another VM named {vm.name}",
                remedy="Rename one of them.",
            )
        placement = Placement(cluster=self._cluster, vm=vm, host=host, now=self._now)
        for rule in rules:
            if (refusal := rule.check(placement)) is not None:
                return refusal
        return None

    def _is_special(self, bundle: Bundle) -> bool:
        only = self._bounds.only
        return bundle.anchor is not None or (
            bool(only) and any(one.id in only for one in bundle.vms)
        )

    def _own_row(self, bundle: Bundle) -> int:
        row = np.array(
            [
                bundle.anchor in {None, host.name}
                and all(self.refusal(one, host) is None for one in bundle.vms)
                for host in self._hosts
            ],
            dtype=np.bool_,
        )
        # It is there: the rules are about coming to a host, and not asked about staying.
        if (home := self._number.get(bundle.host)) is not None:
            row[home] = not self._hosts[home].record.in_maintenance
        self._rows.append(row)
        return len(self._rows) - 1

    def _row_of_kind(self, vm: Vm | None) -> int:
        """The row of VMs for which machine, networks and architecture are the same."""
        kind: tuple[object, ...] | None = None
        if vm is not None:
            nets = tuple((one.kind, one.source) for one in vm.nics)
            kind = (vm.architecture, vm.virt_type, vm.machine, nets)
            if self._site is not None:
                kind = (*kind, *self._site.classes(vm))
        if kind not in self._of_kind:
            row = np.zeros(len(self._hosts), dtype=np.bool_)
            if vm is not None:
                named = _OF_HOST | _OF_KIND
                rules = [one for one in _ASKED if one.name in named]
                row[:] = [self._ask(vm, host, rules) is None for host in self._hosts]
                if self._site is not None:
                    row[:] &= self._site.row(vm, self._hosts)
            self._rows.append(row)
            self._of_kind[kind] = len(self._rows) - 1
        return self._of_kind[kind]


def _shut_off(cluster: Cluster) -> dict[tuple[str, HostName], VmId]:
    """The VMs that are defined but not active: their names are taken all the same."""
    return {(one.name, one.host): one.id for one in cluster.vms if not one.is_active}


class _SiteHosts:
    """The hosts that the site's hard rules leave to a VM, as far as that lies in where it is."""

    def __init__(self, cluster: Cluster) -> None:
        self._frame = end_of(cluster, {}).frame
        self._rules = [one for one in cluster.rules if isinstance(one, OriginRule) and one.hard]
        self._of_vm: dict[VmId, list[int]] = {}
        for number, rule in enumerate(self._rules):
            for vm in rule.vms:
                self._of_vm.setdefault(vm, []).append(number)

    def classes(self, vm: Vm) -> tuple[object, ...]:
        """What VMs have in common that are left the same hosts."""
        origin = self._frame.origins.get(vm.id, vm.host)
        return tuple(
            (one, self._rules[one].class_of(self._frame, origin))
            for one in self._of_vm.get(vm.id, ())
        )

    def row(self, vm: Vm, hosts: Sequence[Host]) -> npt.NDArray[np.bool_]:
        """[host] whether it is left."""
        origin = self._frame.origins.get(vm.id, vm.host)
        left = [self._rules[one].leaves(self._frame, origin) for one in self._of_vm.get(vm.id, ())]
        return np.array([all(host.name in one for one in left) for host in hosts], dtype=np.bool_)
