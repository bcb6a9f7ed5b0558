"""A host in maintenance takes no VMs."""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement

__all__ = ["RULE"]


def _check(placement: Placement) -> Refusal | None:
    if not placement.host.record.in_maintenance:
        return None
    name = placement.host.name
    return placement.refuse(
        "maintenance",
        f"{name} is in maintenance",
        f"End it with `godwit undrain {name}`.",
    )


RULE: Final = HostRule(name="maintenance", says="the host is not in maintenance", check=_check)
