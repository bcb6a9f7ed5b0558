"""How much memory a VM writes, by QEMU's own samples of pages. Blocking functions, for a thread.

QEMU reads 512 random pages per GiB twice, a window apart, and says in whole MiB/s how much of the
memory has changed: it works under KVM and under TCG, costs next to nothing, and is coarse.
"""

import time
from typing import Final

import libvirt

from godwit.core.errors import StepRefused
from godwit.core.model import DirtyObservation, DirtySource, RunState, VmId
from godwit.core.units import GIB, KIB, MIB
from godwit.drivers.libvirt.states import run_state

__all__ = ["read_dirtying", "resolution_bytes", "start_dirtying", "window_whole_s"]

_SAMPLES_PER_GIB: Final = 512
_WINDOW_S_MIN, _WINDOW_S_MAX = 1, 60
_NOWAIT: Final = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
_CANT: Final = frozenset(
    {
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    }
)


def window_whole_s(window_s: float) -> int:
    """Return the window that libvirt can measure: whole seconds, 1 to 60."""
    return min(_WINDOW_S_MAX, max(_WINDOW_S_MIN, round(window_s)))


def resolution_bytes(memory_bytes: int, window_s: float) -> float:
    """Return the least amount that is told from nothing: one page of the samples, or 1 MiB/s.

    Each page stands for 2 MiB, of a VM with less memory than that for all of it.
    """
    samples = max(1, memory_bytes * _SAMPLES_PER_GIB // GIB)
    return max(memory_bytes / samples, MIB * window_s)


def start_dirtying(connection: "libvirt.virConnect", vm: VmId, window_s: int) -> bool:
    """Start a measurement; False where the hypervisor has none.

    Raises: StepRefused for a VM that does not run, or has a job.
    """
    domain = connection.lookupByUUIDString(vm)
    state = run_state(*domain.state())
    if state is not RunState.RUNNING:
        found = state.value.replace("_", " ")
        raise StepRefused("only a running VM can be measured", evidence=f"its state is {found}")
    if domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
        raise StepRefused(
            "a VM with a job is not measured", evidence="libvirt says that it has one"
        )
    if _status(connection, domain).get("dirtyrate.calc_status") == _MEASURING:
        raise StepRefused("the VM is being measured already", evidence="libvirt says so")
    try:
        domain.startDirtyRateCalc(window_s, libvirt.VIR_DOMAIN_DIRTYRATE_MODE_PAGE_SAMPLING)
    except libvirt.libvirtError as error:
        if error.get_error_code() in _CANT:
            return False
        raise
    return True


_MEASURING: Final = libvirt.VIR_DOMAIN_DIRTYRATE_MEASURING


def read_dirtying(connection: "libvirt.virConnect", vm: VmId) -> DirtyObservation | None:
    """Read what was measured; None while it is measured."""
    domain = connection.lookupByUUIDString(vm)
    found = _status(connection, domain)
    rate_mib = found.get("dirtyrate.megabytes_per_second")
    if found.get("dirtyrate.calc_status") != libvirt.VIR_DOMAIN_DIRTYRATE_MEASURED:
        return None
    if rate_mib is None or rate_mib < 0:
        return None
    window_s = float(found["dirtyrate.calc_period"])
    memory_bytes = domain.info()[1] * KIB
    return DirtyObservation(
        window_s=window_s,
        written_bytes=rate_mib * MIB * window_s,
        source=DirtySource.SAMPLED,
        taken_at_s=time.time(),
        resolution_bytes=resolution_bytes(memory_bytes, window_s),
    )


def _status(connection: "libvirt.virConnect", domain: "libvirt.virDomain") -> dict[str, int]:
    stats = connection.domainListGetStats([domain], libvirt.VIR_DOMAIN_STATS_DIRTYRATE, _NOWAIT)
    return dict(stats[0][1]) if stats else {}
