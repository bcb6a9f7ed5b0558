"""vCPUs promised on a host must stay within its cores times its overcommit ratio."""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement

__all__ = ["RULE"]


def _check(placement: Placement) -> Refusal | None:
    host, vm = placement.host, placement.vm
    assert host.observed is not None, "the availability rule comes first"
    arriving = sum(one.vcpus for one in placement.arriving)
    promised = placement.cluster.vcpus_promised(host.name, without=vm.id) + arriving
    if promised + vm.vcpus <= host.cores_for_vms:
        return None
    return placement.refuse(
        "cores",
        f"{host.name} would have {promised + vm.vcpus} vCPUs on {host.observed.cores} cores,"
        f" more than its overcommit of {host.record.cores_overcommit:g} allows",
        f"Raise `cores_overcommit` of {host.name}, or free"
        f" {promised + vm.vcpus - host.cores_for_vms:g} vCPUs there.",
    )


RULE: Final = HostRule(name="cores", says="the host's vCPU overcommit is kept", check=_check)
