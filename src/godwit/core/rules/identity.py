"""No other VM of the same name may be defined on the destination: libvirt names are unique."""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement

__all__ = ["RULE"]


def _check(placement: Placement) -> Refusal | None:
    name, vm = placement.host.name, placement.vm
    for other in placement.cluster.vms_on(name):
        if other.name == vm.name and other.id != vm.id:
            return placement.refuse(
                "identity",
                f"{name} has another VM named {vm.name} (UUID {other.id})",
                f"Rename one of them: `virsh -c {placement.host.record.uri} domrename`.",
            )
    return None


RULE: Final = HostRule(name="identity", says="the VM's name is free on the host", check=_check)
