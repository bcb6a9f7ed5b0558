"""Every network that the VM's cards join must exist on the destination."""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement

__all__ = ["RULE"]


def _check(placement: Placement) -> Refusal | None:
    observed = placement.host.observed
    assert observed is not None, "the availability rule comes first"
    name = placement.host.name
    for nic in placement.vm.nics:
        if nic.kind == "network" and nic.source not in observed.networks:
            there = ", ".join(sorted(observed.networks)) or "none"
            return placement.refuse(
                "networks",
                f"{name} has no active libvirt network {nic.source!r} (it has: {there})",
                f"Define and start it there: `virsh -c {placement.host.record.uri} net-start"
                f" {nic.source}`.",
            )
        if nic.kind == "bridge" and observed.bridges is not None:
            if nic.source in observed.bridges:
                continue
            there = ", ".join(sorted(observed.bridges)) or "none"
            return placement.refuse(
                "networks",
                f"{name} has no bridge {nic.source!r} (it has: {there})",
                f"Create the bridge {nic.source} on {name}.",
            )
    return None


RULE: Final = HostRule(name="networks", says="the host has all of the VM's networks", check=_check)
