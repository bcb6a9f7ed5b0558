"""One host over libvirt: a control connection, and a connection of its own for each migrate call.

libvirtd reads at most five calls of a connection at once, and a migrate call occupies one of them
for its whole life; so statistics and aborts never share a connection with one.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, ParamSpec, TypeVar

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
from godwit.drivers.libvirt.calls import CallLimit, call, leave, start_event_loop
from godwit.drivers.libvirt.capabilities import Capabilities, read_capabilities
from godwit.drivers.libvirt.failures import is_missing_domain, map_failure, map_migrate_failure
from godwit.drivers.libvirt.migrating import (
    read_addresses,
    read_pause_limit,
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
from godwit.drivers.libvirt.watching import EventFan, register_events, unregister_events
from godwit.ports import (
    DiskStamp,
    HostReading,
    HypervisorEvent,
    HypervisorEventKind,
    MigrationOrder,
    RepairAction,
)

__all__ = ["LibvirtConnector", "LibvirtHost"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: A control call that takes longer than this is a host in trouble: unknown, not absent.
_CALL_S: Final = 15.0
_OPEN_S: Final = 8.0
#: A domain whose job lock is taken answers after libvirt's own 30 s.
_REPAIR_S: Final = 45.0
#: libvirt's longest wait for a migrate call is its own; only a limit against a thread for ever.
_MIGRATE_S: Final = 24 * 3600.0

_KEEPALIVE_INTERVAL_S: Final = 5
_KEEPALIVE_COUNT: Final = 3


class LibvirtConnector:
    """Makes hosts of records."""

    def connect(self, record: HostRecord) -> "LibvirtHost":
        """Return the host; it connects when it is first asked something."""
        return LibvirtHost(record)


class LibvirtHost:
    """See ``godwit.ports.HypervisorHost``. Used from one event loop only."""

    def __init__(self, record: HostRecord) -> None:
        start_event_loop()
        self._record = record
        self._connection: libvirt.virConnect | None = None
        self._opening = asyncio.Lock()
        self._limit = CallLimit()
        self._fan = EventFan(asyncio.get_running_loop())
        self._capabilities: Capabilities | None = None
        self._subscriptions: tuple[int, ...] = ()
        self._failure: DriverError | None = None
        self._failed_at_s = 0.0
        self._samples = CpuSamples()

    async def read(self) -> HostReading:
        """Read the host and all its VMs. The first reading takes a little longer, for the load."""
        connection = await self._control()
        if self._samples.taken_at_s is None:
            await self._ask("reading CPU counters", sample_cpu, connection, self._samples)
            await asyncio.sleep(SAMPLE_GAP_S)
        capabilities = self._capabilities
        assert capabilities is not None, "a control connection has read them"

        def read_all() -> HostReading:
            sample_cpu(connection, self._samples)
            return HostReading(
                host=read_host(connection, self._record, capabilities, self._samples),
                vms=read_vms(connection, self._record.name, capabilities, self._samples),
            )

        return await self._ask("reading the host", read_all)

    async def see(self, vm: VmId) -> VmSighting:
        """Say whether the VM is here; an answer that does not come is "unknown"."""
        try:
            connection = await self._control()
            return await self._ask("looking for the VM", _look, connection, vm)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, nothing is known
            return VmSighting(
                presence=Presence.UNKNOWN,
                why_unknown=str(error).splitlines()[0] if str(error) else type(error).__name__,
                taken_at_s=time.time(),
            )

    async def accepts_cpu(self, vm: Vm) -> CpuAnswer:
        """Ask this host's hypervisor to compare a running guest's CPU."""
        connection = await self._control()
        return await self._ask("comparing CPUs", _compare_cpu, connection, vm)

    async def stamp(self, path: str) -> DiskStamp:
        """Say what this host's storage pools know of a path."""
        connection = await self._control()
        return await self._ask("looking at storage", read_stamp, connection, path)

    async def addresses(self, vm: VmId) -> tuple[str, ...]:
        """Say under which addresses this host knows the guest: DHCP leases, then its ARP table."""
        connection = await self._control()

        def ask() -> tuple[str, ...]:
            return read_addresses(connection.lookupByUUIDString(vm))

        return await self._ask("looking for the guest's address", ask)

    async def migrate(self, order: MigrationOrder) -> None:
        """Run the migrate call over a connection of its own."""
        control = await self._control()
        domain = await self._ask("looking the VM up", control.lookupByUUIDString, order.vm)
        limit_before_s = await self._ask("reading the pause limit", read_pause_limit, domain)
        start_s = order.recipe.pause_start_s
        await self._ask("setting the pause limit", set_pause_limit, domain, start_s)
        try:
            await self._give_call(order)
        except OutcomeUnknown:
            raise  # it may still copy, and then the limit from before is not the promised one
        except DriverError:
            # A limit set before the start outlives a migration that fails: the next one may be
            # somebody else's, who did not ask for it.
            with contextlib.suppress(DriverError):
                await self.set_pause_limit(order.vm, limit_before_s)
            raise

    async def _give_call(self, order: MigrationOrder) -> None:
        connection = await self._open()
        try:
            await call(run_migration, _MIGRATE_S, connection, order)
        except libvirt.libvirtError as error:
            answered = bool(connection.isAlive())
            raise map_migrate_failure(error, source=self._record.name, answered=answered) from error
        except HostUnreachable as error:
            raise OutcomeUnknown(error.message, evidence=error.evidence) from error
        finally:
            # Closing blocks while a call is out; a call that was given up keeps its connection.
            leave(_close, connection)

    async def progress(self, vm: VmId) -> Progress | None:
        """Read the statistics of the running job."""
        connection = await self._control()

        def ask() -> Progress | None:
            try:
                return read_progress(connection.lookupByUUIDString(vm))
            except libvirt.libvirtError as error:
                if is_missing_domain(error):
                    return None
                raise

        return await self._ask("reading job statistics", ask)

    async def set_pause_limit(self, vm: VmId, limit_s: float) -> None:
        """Set the pause limit of the running migration."""
        connection = await self._control()

        def ask() -> None:
            set_pause_limit(connection.lookupByUUIDString(vm), limit_s)

        await self._ask("setting the pause limit", ask)

    async def abort(self, vm: VmId) -> None:
        """Ask for an abort."""
        connection = await self._control()

        def ask() -> None:
            connection.lookupByUUIDString(vm).abortJob()

        await self._ask("aborting the migration", ask)

    async def repair(self, vm: VmId, action: RepairAction) -> None:
        """Carry out one repair on this host's copy."""
        connection = await self._control()

        def ask() -> None:
            repair(connection.lookupByUUIDString(vm), action)

        await self._ask(f"repairing ({action.value})", ask)

    async def events(self) -> AsyncIterator[HypervisorEvent]:
        """Yield this host's events from now on."""
        async for event in self._fan.read():
            yield event

    async def close(self) -> None:
        """Close the control connection; never waits for a host that hangs."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await call(_close, 2.0, connection, self._subscriptions)
            except HostUnreachable:
                return

    async def _control(self) -> "libvirt.virConnect":
        asked_at_s = time.monotonic()
        async with self._opening:
            if self._connection is not None and self._connection.isAlive():
                return self._connection
            if self._connection is not None:
                self._drop(self._connection)
            if self._failure is not None and self._failed_at_s > asked_at_s:
                # Who waited while it was tried has the answer, and does not try it all again.
                raise self._failure
            try:
                self._connection = await self._connect()
            except DriverError as error:
                self._failure, self._failed_at_s = error, time.monotonic()
                raise
            return self._connection

    def _drop(self, dead: "libvirt.virConnect") -> None:
        self._connection = None
        # Told here too: its own close callback may not come any more once it is closed.
        event = HypervisorEventKind.DISCONNECTED
        self._fan.put(HypervisorEvent(kind=event, vm=None, at_s=time.time()))
        leave(_close, dead, self._subscriptions)

    async def _connect(self) -> "libvirt.virConnect":
        connection = await self._open()
        try:
            self._capabilities = await call(read_capabilities, _CALL_S, connection)
            self._subscriptions = await call(register_events, _CALL_S, connection, self._fan)
        except libvirt.libvirtError as error:
            leave(_close, connection)
            raise map_failure(error, host=self._record.name, doing="connecting") from error
        except BaseException:
            leave(_close, connection)
            raise
        return connection

    async def _open(self) -> "libvirt.virConnect":
        try:
            return await call(_open, _OPEN_S, self._record.uri)
        except libvirt.libvirtError as error:
            raise HostUnreachable(
                f"{self._record.name} can't be reached",
                evidence=f"{self._record.uri}: {error.get_error_message()}",
                remedy=f"Check that `virsh -c {self._record.uri} list` works from this machine.",
            ) from error

    async def _ask(
        self,
        doing: str,
        function: Callable[_P, _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Make one call on the control connection; its failure becomes ours."""
        timeout_s = _REPAIR_S if doing.startswith("repairing") else _CALL_S
        async with self._limit.free:
            try:
                return await call(function, timeout_s, *args, **kwargs)
            except libvirt.libvirtError as error:
                raise map_failure(error, host=self._record.name, doing=doing) from error


def _open(uri: str) -> "libvirt.virConnect":
    connection = libvirt.open(uri)
    try:
        connection.setKeepAlive(_KEEPALIVE_INTERVAL_S, _KEEPALIVE_COUNT)
    except libvirt.libvirtError:
        return connection  # a local connection has none, and needs none
    return connection


def _close(connection: "libvirt.virConnect", subscriptions: tuple[int, ...] = ()) -> None:
    unregister_events(connection, subscriptions)
    with contextlib.suppress(libvirt.libvirtError):
        connection.close()


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
