"""Did the network learn where the guest is? Judged from forwarding tables; nothing is read here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from godwit.core.model import HostName, Vm
from godwit.ports import ForwardingEntry, UpstreamTable

__all__ = ["BRIDGED", "Learnt", "Ports", "judge_destination", "judge_source", "judge_upstream"]

#: Kinds of network cards whose frames go over a bridge of the host, where a tap stands for them.
BRIDGED = frozenset({"bridge", "network"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The guest's MACs on one host, each with the tap it has there; None: the host does not say."""

    taps: Mapping[str, str | None]

    @classmethod
    def of(cls, vm: Vm) -> "Ports":
        """Those of a VM as its host describes it."""
        return cls(taps={nic.mac.lower(): nic.tap for nic in vm.nics if nic.kind in BRIDGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What one table says of the guest: in words, and whether it is as it should be."""

    is_right: bool
    what: str


def _at(entries: Iterable[ForwardingEntry], mac: str) -> tuple[str, ...]:
    return tuple(sorted({one.port for one in entries if one.mac == mac}))


def judge_destination(
    host: HostName, ports: Ports, entries: Sequence[ForwardingEntry]
) -> tuple[Learnt, ...]:
    """Every MAC must be behind the guest's own tap."""
    judged = []
    for mac, tap in ports.taps.items():
        found = _at(entries, mac)
        there = ", ".join(found) or "not at all"
        if tap is None:
            judged.append(Learnt(is_right=bool(found), what=f"{host} has {mac} at {there}"))
        elif found == (tap,):
            judged.append(Learnt(is_right=True, what=f"{host} has {mac} at {tap}"))
        else:
            what = f"{host} has {mac} at {there}, and the guest is at {tap}"
            judged.append(Learnt(is_right=False, what=what))
    return tuple(judged)


def judge_source(
    host: HostName, ports: Ports, entries: Sequence[ForwardingEntry]
) -> tuple[Learnt, ...]:
    """No MAC may be behind the tap that the guest had there."""
    judged = []
    for mac, tap in ports.taps.items():
        found = _at(entries, mac)
        if tap is not None and tap in found:
            what = f"{host} still has {mac} at {tap}"
            judged.append(Learnt(is_right=False, what=what))
        elif found:
            judged.append(Learnt(is_right=True, what=f"{host} has {mac} at {', '.join(found)}"))
    return tuple(judged)


def judge_upstream(
    table: UpstreamTable,
    before: Sequence[ForwardingEntry],
    macs: Iterable[str],
    *,
    source: HostName,
    destination: HostName,
) -> tuple[Learnt, ...]:
    """Every MAC must be behind the port of the destination, or behind another one than before.

    A switch that never saw the guest says nothing about it.
    """
    judged = []
    for mac in macs:
        found, was = _at(table.entries, mac), _at(before, mac)
        here = f"{table.name} has {mac} at {', '.join(found) or 'no port'}"
        wanted = table.ports.get(destination)
        if wanted is not None and wanted == table.ports.get(source):
            continue  # both hosts are behind the same port: it can't tell them apart
        if wanted is not None and (found or was):
            is_right = found == (wanted,)
            what = here if is_right else f"{here}, and {destination} is at {wanted}"
            judged.append(Learnt(is_right=is_right, what=what))
        elif wanted is None and found and was:
            is_right = found != was
            judged.append(Learnt(is_right=is_right, what=here if is_right else f"{here} as before"))
    return tuple(judged)
