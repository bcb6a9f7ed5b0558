"""A host must hold the VM's whole memory beside all that it has promised, from start to end.

What counts is the maximum of each VM, not what is free now: balloons and page sharing move. A
migration in flight takes its memory on the destination from the moment it is accepted.
"""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement
from godwit.core.units import format_bytes

__all__ = ["RULE"]


def _check(placement: Placement) -> Refusal | None:
    host, vm = placement.host, placement.vm
    arriving = sum(one.memory_bytes for one in placement.arriving)
    promised = placement.cluster.memory_promised_bytes(host.name, without=vm.id) + arriving
    room = host.memory_for_vms_bytes - promised
    if vm.memory_bytes <= room:
        return None
    return placement.refuse(
        "memory",
        f"{host.name} has room for {format_bytes(max(0, room))} of memory, the VM needs"
        f" {format_bytes(vm.memory_bytes)} ({format_bytes(host.memory_for_vms_bytes)} for VMs,"
        f" {format_bytes(promised)} promised)",
        f"Free {format_bytes(vm.memory_bytes - room)} on {host.name}, or lower its memory reserve"
        f" ({format_bytes(host.record.memory_reserve_bytes)}).",
    )


RULE: Final = HostRule(name="memory", says="the host has the memory the VM may use", check=_check)
