"""The destination's QEMU must offer the VM's versioned machine type for its architecture."""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement

__all__ = ["RULE"]


def _check(placement: Placement) -> Refusal | None:
    observed, vm = placement.host.observed, placement.vm
    assert observed is not None, "the availability rule comes first"
    name = placement.host.name
    if vm.architecture != observed.architecture:
        return placement.refuse(
            "machine_type",
            f"{name} is {observed.architecture}, the VM is {vm.architecture}",
            f"Only hosts of architecture {vm.architecture} can take it.",
        )
    if vm.virt_type not in observed.virt_types:
        offered = ", ".join(sorted(observed.virt_types))
        return placement.refuse(
            "machine_type",
            f"{name} offers {offered}, the VM runs under {vm.virt_type}",
            "Check that the kvm modules are loaded there and that /dev/kvm exists.",
        )
    if vm.machine not in observed.machine_types:
        return placement.refuse(
            "machine_type",
            f"QEMU {observed.versions.qemu_text} of {name} has no machine type {vm.machine}",
            f"Use a QEMU on {name} that has it, or restart the VM once with a type both have.",
        )
    return None


RULE: Final = HostRule(
    name="machine_type", says="the host's QEMU has the VM's machine type", check=_check
)
