"""The execution trace: at every instant, which hosts run which VM.

Kept by the world itself from the vCPUs of its guests, so that it can't share a mistake with the
engine that is tried. It judges nothing.
"""

from itertools import pairwise

from godwit.core.model import HostName, VmId

__all__ = ["Trace"]

_Hosts = frozenset[HostName]


class Trace:
    """Notes every start and stop of vCPUs."""

    def __init__(self) -> None:
        self._changes: dict[VmId, list[tuple[float, _Hosts]]] = {}

    def note(self, vm: VmId, host: HostName, *, runs: bool, at_s: float) -> None:
        """Note that a host's copy of a VM runs from now on, or no longer."""
        changes = self._changes.setdefault(vm, [])
        before = changes[-1][1] if changes else frozenset()
        after = before | {host} if runs else before - {host}
        if after != before:
            changes.append((at_s, after))

    def runners(self, vm: VmId) -> _Hosts:
        """The hosts that run it now."""
        changes = self._changes.get(vm)
        return changes[-1][1] if changes else frozenset()

    def path(self, vm: VmId) -> tuple[tuple[float, tuple[HostName, ...]], ...]:
        """Every change so far: from when on which hosts ran it."""
        return tuple((at_s, tuple(sorted(on))) for at_s, on in self._changes.get(vm, ()))

    def ever_two(self, vm: VmId) -> bool:
        """Whether two copies ran at the same time, were it for no time at all."""
        return any(len(on) > 1 for _, on in self._changes.get(vm, ()))

    def pauses_s(self, vm: VmId) -> tuple[float, ...]:
        """How long each time lasted in which no copy ran, between two in which one did."""
        changes = self._changes.get(vm, [])
        return tuple(after[0] - before[0] for before, after in pairwise(changes) if not before[1])
