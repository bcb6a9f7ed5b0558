"""Devices and features of the VM that no live move can carry: passthrough, local media, ..."""

from typing import Final

from godwit.core.model import Vm
from godwit.core.plan import Refusal
from godwit.core.rules.placement import VmRule

__all__ = ["RULE"]


def _check(vm: Vm) -> Refusal | None:
    if not vm.blockers:
        return None
    return Refusal(
        rule="devices",
        why=f"{vm.name} can't be moved live: {'; '.join(one.what for one in vm.blockers)}",
        remedy=" ".join(dict.fromkeys(one.remedy for one in vm.blockers)),
    )


RULE: Final = VmRule(name="devices", says="nothing in the VM blocks a live move", check=_check)
