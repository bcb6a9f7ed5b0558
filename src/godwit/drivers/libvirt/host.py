"""One host over libvirt: a control connection, and a connection of its own for each migrate call.

libvirtd reads at most five calls of a connection at once, and a migrate call occupies one of them
for its whole life; so statistics and aborts never share a connection with one.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Final

import libvirt

from godwit.core.errors import DriverError, HostUnreachable, OutcomeUnknown
from godwit.core.model import (
    CpuAnswer,
    HostRecord,
    Presence,
    Progress,
    RunState,
    Vm,
    VmId,
    VmSighting,
)
from godwit.drivers.libvirt.calls import call, leave
from godwit.drivers.libvirt.connection import LOCKED_CALL_S, close_connection
from godwit.drivers.libvirt.failures import is_missing_domain, map_migrate_failure
from godwit.drivers.libvirt.migrating import (
    read_addresses,
    read_progress,
    repair,
    run_migration,
    set_pause_limit,
)
from godwit.drivers.libvirt.reading import (
    SAMPLE_GAP_S,
    CpuSamples,
    read_host,
    read_vms,
    sample_cpu,
)
from godwit.drivers.libvirt.stamps import read_stamp
from godwit.drivers.libvirt.states import run_state
from godwit.drivers.libvirt.tuner import LibvirtTuner
from godwit.drivers.libvirt.tuning import Settings, read_settings, restore_settings, set_up
from godwit.ports import (
    DiskStamp,
    HostReading,
    HypervisorEvent,
    MigrationOrder,
    RepairAction,
)

__all__ = ["LibvirtConnector", "LibvirtHost"]

_LOG = logging.getLogger(__name__)

#: libvirt's longest wait for a migrate call is its own; only a limit against a thread for ever.
_MIGRATE_S: Final = 24 * 3600.0


class LibvirtConnector:
    """Makes hosts of records."""

    def connect(self, record: HostRecord) -> "LibvirtHost":
        """Return the host; it connects when it is first asked something."""
        return LibvirtHost(record)


class LibvirtHost(LibvirtTuner):
    """See ``godwit.ports``: reader, mover and tuner. Used from one event loop only."""

    def __init__(self, record: HostRecord) -> None:
        super().__init__(record)
        self._samples = CpuSamples()

    async def read(self) -> HostReading:
        """Read the host and all its VMs. The first reading takes a little longer, for the load."""
        connection = await self._link.control()
        if self._samples.taken_at_s is None:
            await self._link.ask("reading CPU counters", sample_cpu, connection, self._samples)
            await asyncio.sleep(SAMPLE_GAP_S)
        record, capabilities = self._link.record, self._link.capabilities

        def read_all() -> HostReading:
            sample_cpu(connection, self._samples)
            return HostReading(
                host=read_host(connection, record, capabilities, self._samples),
                vms=read_vms(connection, record.name, capabilities, self._samples),
            )

        return await self._link.ask("reading the host", read_all)

    async def see(self, vm: VmId) -> VmSighting:
        """Say whether the VM is here; an answer that does not come is "unknown"."""
        try:
            connection = await self._link.control()
            return await self._link.ask("looking for the VM", _look, connection, vm)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, nothing is known
            return VmSighting(
                presence=Presence.UNKNOWN,
                why_unknown=str(error).splitlines()[0] if str(error) else type(error).__name__,
                taken_at_s=time.time(),
            )

    async def accepts_cpu(self, vm: Vm) -> CpuAnswer:
        """Ask this host's hypervisor to compare a running guest's CPU."""
        connection = await self._link.control()
        return await self._link.ask("comparing CPUs", _compare_cpu, connection, vm)

    async def stamp(self, path: str) -> DiskStamp:
        """Say what this host's storage pools know of a path."""
        connection = await self._link.control()
        return await self._link.ask("looking at storage", read_stamp, connection, path)

    async def addresses(self, vm: VmId) -> tuple[str, ...]:
        """Say under which addresses this host knows the guest: DHCP leases, then its ARP table."""
        connection = await self._link.control()

        def ask() -> tuple[str, ...]:
            return read_addresses(connection.lookupByUUIDString(vm))

        return await self._link.ask("looking for the guest's address", ask)

    async def migrate(self, order: MigrationOrder) -> None:
        """Run the migrate call over a connection of its own."""
        if order.resume:
            await self._give_call(order)  # its settings are those of the start
            return
        control = await self._link.control()
        domain = await self._link.ask("looking the VM up", control.lookupByUUIDString, order.vm)
        before = await self._link.ask("reading its settings", read_settings, domain, order.recipe)
        try:
            await self._link.ask("setting its limits", set_up, domain, order.recipe)
            await self._give_call(order)
        except OutcomeUnknown:
            raise  # it may still copy, and then the limits from before are not those of the recipe
        except DriverError:
            # What was set outlives a migration that fails: the next one may be somebody else's,
            # who did not ask for it.
            await self._restore(domain, order.vm, before)
            raise

    async def _restore(self, domain: "libvirt.virDomain", vm: VmId, before: Settings) -> None:
        try:
            await self._link.ask("restoring its settings", restore_settings, domain, before)
        except DriverError as error:
            # The failure of the migration itself is what is told; this must not be lost either.
            name = self._link.record.name
            _LOG.warning("VM %s on %s keeps limits of a migration: %s", vm, name, error)

    async def _give_call(self, order: MigrationOrder) -> None:
        connection = await self._link.open()
        features = self._link.capabilities.features
        try:
            await call(run_migration, _MIGRATE_S, connection, order, features)
        except libvirt.libvirtError as error:
            source, answered = self._link.record.name, bool(connection.isAlive())
            raise map_migrate_failure(error, source=source, answered=answered) from error
        except HostUnreachable as error:
            raise OutcomeUnknown(error.message, evidence=error.evidence) from error
        finally:
            # Closing blocks while a call is out; a call that was given up keeps its connection.
            leave(close_connection, connection)

    async def progress(self, vm: VmId) -> Progress | None:
        """Read the statistics of the running job."""
        connection = await self._link.control()

        def ask() -> Progress | None:
            try:
                return read_progress(connection.lookupByUUIDString(vm))
            except libvirt.libvirtError as error:
                if is_missing_domain(error):
                    return None
                raise

        return await self._link.ask("reading job statistics", ask)

    async def set_pause_limit(self, vm: VmId, limit_s: float) -> None:
        """Set the pause limit of the running migration."""
        connection = await self._link.control()

        def ask() -> None:
            set_pause_limit(connection.lookupByUUIDString(vm), limit_s)

        await self._link.ask("setting the pause limit", ask)

    async def abort(self, vm: VmId) -> None:
        """Ask for an abort."""
        connection = await self._link.control()

        def ask() -> None:
            connection.lookupByUUIDString(vm).abortJob()

        await self._link.ask("aborting the migration", ask)

    async def repair(self, vm: VmId, action: RepairAction) -> None:
        """Carry out one repair on this host's copy."""
        connection = await self._link.control()

        def ask() -> None:
            repair(connection.lookupByUUIDString(vm), action)

        await self._link.ask_within(LOCKED_CALL_S, f"repairing ({action.value})", ask)

    async def events(self) -> AsyncIterator[HypervisorEvent]:
        """Yield this host's events from now on."""
        async for event in self._link.fan.read():
            yield event

    async def close(self) -> None:
        """Close the control connection; never waits for a host that hangs."""
        await self._link.close()


def _look(connection: "libvirt.virConnect", vm: VmId) -> VmSighting:
    try:
        domain = connection.lookupByUUIDString(vm)
        state = run_state(*domain.state())
        return VmSighting(
            presence=Presence.HERE,
            state=state,
            has_job=_has_job(domain, state),
            persistent=bool(domain.isPersistent()),
            taken_at_s=time.time(),
        )
    except libvirt.libvirtError as error:
        if is_missing_domain(error):
            return VmSighting(presence=Presence.ABSENT, taken_at_s=time.time())
        raise


def _has_job(domain: "libvirt.virDomain", state: RunState) -> bool:
    if state is RunState.SHUT_OFF:
        return False
    try:
        return bool(domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE)
    except libvirt.libvirtError as error:
        if is_missing_domain(error):
            raise
        return True  # an incoming migration does not answer: it is the job


def _compare_cpu(connection: "libvirt.virConnect", vm: Vm) -> CpuAnswer:
    if not vm.cpu_xml:
        return CpuAnswer(compatible=True, detail="the guest has no CPU definition to compare")
    flags = libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE
    try:
        result = connection.compareHypervisorCPU(
            None, vm.architecture, vm.machine, vm.virt_type, vm.cpu_xml, flags
        )
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_CPU_INCOMPATIBLE:
            return CpuAnswer(compatible=False, detail=error.get_error_message())
        raise
    return CpuAnswer(compatible=result in {1, 2}, detail="")
