"""Only a VM that runs, and that no other job holds, can be moved live."""

from typing import Final

from godwit.core.model import RunState, Vm
from godwit.core.plan import Refusal
from godwit.core.rules.placement import VmRule

__all__ = ["RULE"]


def _check(vm: Vm) -> Refusal | None:
    if vm.state is not RunState.RUNNING:
        state = vm.state.value.replace("_", " ")
        return Refusal(
            rule="vm_state",
            why=f"{vm.name} is not running but {state}",
            remedy="Only running VMs are moved live; start or resume it first.",
        )
    if vm.busy_with:
        return Refusal(
            rule="vm_state",
            why=f"{vm.name} is busy: {vm.busy_with}",
            remedy="Wait for it to end, or cancel it.",
        )
    return None


RULE: Final = VmRule(name="vm_state", says="the VM runs and is not busy", check=_check)
