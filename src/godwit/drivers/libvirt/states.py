"""libvirt's numbers for the state of a domain, mapped to the states that the core tells apart."""

from typing import Final

import libvirt

from godwit.core.model import RunState

__all__ = ["run_state"]

# Reasons are given by number where older bindings lack the name.
_RUNNING: Final = {10: RunState.RUNNING_POSTCOPY, 11: RunState.RUNNING_POSTCOPY_FAILED}
_PAUSED: Final = {
    1: RunState.PAUSED_USER,
    2: RunState.PAUSED_MIGRATION,
    12: RunState.PAUSED_POSTCOPY,
    13: RunState.PAUSED_POSTCOPY_FAILED,
    14: RunState.PAUSED_API_ERROR,
}
#: A destination that was started for an incoming migration is paused with this reason before
#: libvirt sets "migration".
_STARTING_UP: Final = 11


def run_state(state: int, reason: int) -> RunState:
    """Map ``virDomainState`` and its reason."""
    if state in {libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED}:
        return _RUNNING.get(reason, RunState.RUNNING)
    if state == libvirt.VIR_DOMAIN_PAUSED:
        if reason == _STARTING_UP:
            return RunState.PAUSED_MIGRATION
        return _PAUSED.get(reason, RunState.PAUSED_OTHER)
    if state == libvirt.VIR_DOMAIN_SHUTOFF:
        return RunState.SHUT_OFF
    if state == libvirt.VIR_DOMAIN_CRASHED:
        return RunState.CRASHED
    return RunState.PAUSED_OTHER
