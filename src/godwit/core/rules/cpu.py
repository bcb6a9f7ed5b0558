"""The destination's hypervisor itself must accept the CPU of the running guest.

The answer is libvirt's own comparison on the destination; this rule only reads it.
"""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement

__all__ = ["RULE"]


def _check(placement: Placement) -> Refusal | None:
    name = placement.host.name
    answer = placement.cluster.cpu_answers.get((placement.vm.id, name))
    if answer is None:
        return placement.refuse(
            "cpu",
            f"{name} was not asked whether it can give the guest its CPU",
            "Scan again; if this stays, the hypervisor does not answer CPU comparisons.",
        )
    if answer.compatible:
        return None
    return placement.refuse(
        "cpu",
        f"{name} can't give the guest its CPU: {answer.detail or 'features are missing'}",
        "Choose a host with the same or a newer CPU, or give the VM a CPU model that all hosts"
        " have and restart it once.",
    )


RULE: Final = HostRule(name="cpu", says="the host can give the guest its CPU", check=_check)
