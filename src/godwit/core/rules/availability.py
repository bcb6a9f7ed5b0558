"""A destination must have answered when the cluster was read: unknown is not good enough."""

from typing import Final

from godwit.core.plan import Refusal
from godwit.core.rules.placement import HostRule, Placement

__all__ = ["RULE"]


def _check(placement: Placement) -> Refusal | None:
    host = placement.host
    if host.is_known and host.observed is not None:
        if host.observed.lacks:
            return placement.refuse(
                "availability",
                f"{host.name} lacks what a migration needs: {'; '.join(host.observed.lacks)}",
                f"See `godwit host show {host.name}`.",
            )
        return None
    return placement.refuse(
        "availability",
        f"{host.name} does not answer: {host.unreachable or 'it was never read'}",
        f"Check that `virsh -c {host.record.uri} list` works from this machine.",
    )


RULE: Final = HostRule(name="availability", says="the host answers and can migrate", check=_check)
