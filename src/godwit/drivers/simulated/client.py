"""A controller's view of one simulated host: what ``LibvirtHost`` is over a real libvirtd.

It may be dropped at any time: what it has set going belongs to the world.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from typing import Final, NoReturn

from godwit.core.errors import HostUnreachable, OutcomeUnknown, StepRefused
from godwit.core.model import (
    CpuAnswer,
    DirtyObservation,
    DirtySource,
    HostRecord,
    Presence,
    Progress,
    Vm,
    VmId,
    VmPolicy,
    VmSighting,
)
from godwit.drivers.simulated.job import Job
from godwit.drivers.simulated.machine import Copy, Machine
from godwit.drivers.simulated.world import SimulatedWorld
from godwit.ports import (
    DiskStamp,
    HostReading,
    HypervisorEvent,
    HypervisorEventKind,
    MigrationOrder,
    RepairAction,
)

__all__ = ["SimulatedConnector", "SimulatedHost"]

#: How long a call waits for a host that does not answer.
_CALL_S: Final = 8.0
#: When the keepalive of a connection gives up: 5 s times (3 + 1).
_KEEPALIVE_S: Final = 20.0


class SimulatedConnector:
    """Implements ``godwit.ports.Connector``."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world

    def connect(self, record: HostRecord) -> "SimulatedHost":
        """Return the host, without talking to it yet."""
        return SimulatedHost(self._world, record)


class SimulatedHost:
    """Implements ``godwit.ports.HypervisorHost`` and ``HostTuner``."""

    def __init__(self, world: SimulatedWorld, record: HostRecord) -> None:
        self._world = world
        self._record = record
        self._machine = world.machine_at(record.uri)
        self._connected = False
        self._held: list[HypervisorEvent] = []
        self._queues: set[asyncio.Queue[HypervisorEvent]] = set()
        if self._machine is not None:
            self._machine.listeners.append(self._deliver)

    # Reading.

    async def read(self) -> HostReading:
        """Read the host and all its VMs."""
        machine = await self._reach()
        vms = tuple(_named(vm, self._record) for vm in machine.observe_vms())
        return HostReading(host=machine.observe(), vms=vms)

    async def see(self, vm: VmId) -> VmSighting:
        """Say whether the VM is here; an answer that does not come is "unknown"."""
        try:
            machine = await self._reach()
        except HostUnreachable as error:
            return VmSighting(
                presence=Presence.UNKNOWN,
                why_unknown=error.message,
                taken_at_s=self._world.epoch_s(),
            )
        copy = machine.copies.get(vm)
        if copy is None:
            return VmSighting(presence=Presence.ABSENT, taken_at_s=self._world.epoch_s())
        return VmSighting(
            presence=Presence.HERE,
            state=copy.state,
            has_job=copy.job is not None,
            persistent=copy.persistent,
            taken_at_s=self._world.epoch_s(),
        )

    async def accepts_cpu(self, vm: Vm) -> CpuAnswer:
        """All simulated CPUs are alike."""
        await self._reach()
        return CpuAnswer(compatible=bool(vm.cpu_xml))

    async def stamp(self, path: str) -> DiskStamp:
        """Everything under ``/shared`` is the same on all hosts; nothing else is."""
        await self._reach()
        return DiskStamp(
            covered=True,
            present=path.startswith("/shared/"),
            modified_at_s=1.0,
            changed_at_s=1.0,
            capacity_bytes=1,
            taken_at_s=self._world.epoch_s(),
        )

    async def addresses(self, vm: VmId) -> tuple[str, ...]:
        """The guest's address, if it has one."""
        copy = self._copy(await self._reach(), vm)
        return (copy.guest.address,) if copy.guest.address is not None else ()

    async def events(self) -> AsyncIterator[HypervisorEvent]:
        """Yield this host's events from now on."""
        queue: asyncio.Queue[HypervisorEvent] = asyncio.Queue()
        self._queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)

    async def close(self) -> None:
        """Close the connection."""
        self._connected = False
        if self._machine is not None and self._deliver in self._machine.listeners:
            self._machine.listeners.remove(self._deliver)

    # Ordering.

    async def migrate(self, order: MigrationOrder) -> None:
        """Run the migrate call."""
        machine = await self._reach()
        copy = self._copy(machine, order.vm)
        if order.resume:
            await self._resume(machine, copy)
            return
        if copy.job is not None:
            raise StepRefused("another migration job is already running for the domain")
        if not copy.has_process:
            raise StepRefused("the guest is not running")
        before = copy.pause_limit_s, copy.bandwidth_bytes_per_s
        job = self._world.start_migration(machine, copy, order)
        await self._until_over(machine, job)
        # Only who hears of the end puts back what was.
        copy.pause_limit_s, copy.bandwidth_bytes_per_s = before
        if job.error is not None:
            raise job.error

    async def _resume(self, machine: Machine, copy: Copy) -> None:
        job = copy.job
        if job is None or job.source is not machine:
            raise StepRefused("there is no post-copy to take up again")
        job.resume()
        await self._until_over(machine, job)
        if job.error is not None:
            raise job.error

    async def _until_over(self, machine: Machine, job: Job) -> None:
        silent_since_s = self._world.now_s()
        while True:
            if self._is_reachable(machine):
                if job.over.is_set():
                    return
                silent_since_s = self._world.now_s()
            elif self._world.now_s() - silent_since_s > _KEEPALIVE_S:
                raise OutcomeUnknown(f"the answer of {self._record.name} was lost")
            try:
                await asyncio.wait_for(job.over.wait(), 1.0)
            except TimeoutError:
                continue
            if not self._is_reachable(machine):
                await asyncio.sleep(1.0)

    async def progress(self, vm: VmId) -> Progress | None:
        """Read the statistics of the running job."""
        machine = await self._reach()
        copy = machine.copies.get(vm)
        if copy is None or copy.job is None or copy.job.source is not machine:
            return None
        return copy.job.progress()

    async def set_pause_limit(self, vm: VmId, limit_s: float) -> None:
        """Set the pause limit of the running migration."""
        copy = self._copy(await self._reach(), vm)
        if not copy.has_process:
            raise StepRefused("the domain is not running")
        copy.pause_limit_s = limit_s

    async def abort(self, vm: VmId) -> None:
        """Ask for an abort."""
        copy = self._copy(await self._reach(), vm)
        if copy.job is None:
            raise StepRefused("no job is active on the domain")
        if copy.job.point.is_postcopy:
            raise StepRefused("cannot abort migration in post-copy mode")
        copy.job.abort()

    # Tuning.

    async def set_bandwidth(self, vm: VmId, bytes_per_s: float | None) -> None:
        """Limit the memory stream of this or the next migration."""
        copy = self._copy(await self._reach(), vm)
        if not copy.has_process:
            raise StepRefused("the domain is not running")
        copy.bandwidth_bytes_per_s = bytes_per_s
        self._world.wake()

    async def raise_throttle(self, vm: VmId, increment_fraction: float) -> None:
        """Slow the vCPUs by so much more at each sync."""
        job = self._outgoing(await self._reach(), vm)
        if job.order.recipe.throttle is None:
            raise StepRefused("auto-converge is not enabled")
        job.precopy.throttle_increment_fraction = increment_fraction

    async def start_postcopy(self, vm: VmId) -> None:
        """Let the guest run at the destination now."""
        job = self._outgoing(await self._reach(), vm)
        if not job.order.recipe.postcopy:
            raise StepRefused("post-copy is not enabled")
        job.start_postcopy()

    def _outgoing(self, machine: Machine, vm: VmId) -> Job:
        job = self._copy(machine, vm).job
        if job is None or job.source is not machine:
            raise StepRefused("no migration of the domain is under way")
        return job

    async def measure_dirtying(self, vm: VmId, *, window_s: float) -> DirtyObservation | None:
        """Measure what a running guest writes within a window."""
        copy = self._copy(await self._reach(), vm)
        if copy.job is not None or not copy.state.runs:
            raise StepRefused("the domain migrates or stands still")
        await asyncio.sleep(window_s)
        return DirtyObservation(
            window_s=window_s,
            written_bytes=copy.guest.dirtied_bytes(window_s),
            source=DirtySource.SAMPLED,
            taken_at_s=self._world.epoch_s(),
        )

    async def put_policy(self, vm: VmId, policy: VmPolicy) -> None:
        """Write the given fields of a policy."""
        copy = self._copy(await self._reach(), vm)
        old = copy.guest.policy
        new = {
            one.name: getattr(policy, one.name)
            for one in fields(policy)
            if one.name in policy.given
        }
        merged = replace(old, **new, given=old.given | policy.given)
        copy.guest = replace(copy.guest, policy=merged)

    async def repair(self, vm: VmId, action: RepairAction) -> None:
        """Carry out one repair; a repair that no manager may order fails the test."""
        machine = await self._reach()
        copy = self._copy(machine, vm)
        match action:
            case RepairAction.DESTROY:
                self._destroy(machine, copy)
            case RepairAction.RESUME:
                if copy.job is not None or copy.state.runs or not copy.has_process:
                    raise StepRefused(f"the domain can't be resumed: {copy.state.value}")
                if not self._world.resume_by_order(machine, copy):
                    raise StepRefused("the image is locked by another process")
            case RepairAction.UNDEFINE:
                copy.persistent = False
                if not copy.has_process:
                    del machine.copies[vm]
            case RepairAction.ANNOUNCE:
                if not copy.state.runs:
                    raise StepRefused("the domain is not running")
                copy.announced = True

    def _destroy(self, machine: Machine, copy: Copy) -> None:
        vm, name = copy.guest.id, copy.guest.name
        if not copy.has_process:
            raise StepRefused("the domain is not running")
        if copy.state.runs:
            self._world.forbid(f"destroy {name} on {machine.name}, where it runs")
        others = [one for one in self._world.machines.values() if one is not machine]
        if not any(one.has_process(vm) for one in others):
            self._world.forbid(f"destroy {name} on {machine.name}: it is the last copy")
        machine.end_process(copy)
        machine.emit(HypervisorEventKind.STOPPED, vm)

    # The connection.

    def _is_reachable(self, machine: Machine) -> bool:
        return machine.powered and self._world.network.reaches(machine.name)

    async def _reach(self) -> Machine:
        """Make one round trip. Raises: HostUnreachable, after a time where nothing answers."""
        await asyncio.sleep(self._world.call_s)
        machine = self._machine
        if machine is None or not machine.daemon or not self._is_reachable(machine):
            if machine is not None and not self._is_reachable(machine):
                await asyncio.sleep(_CALL_S)
            self._refuse()
        self._connected = True
        while self._held:
            self._hand_out(self._held.pop(0))
        return machine

    def _refuse(self) -> NoReturn:
        raise HostUnreachable(
            f"{self._record.name} can't be reached",
            evidence=self._record.uri,
            remedy="Check that its libvirtd runs.",
        )

    def _copy(self, machine: Machine, vm: VmId) -> Copy:
        if vm not in machine.copies:
            raise StepRefused(f"{self._record.name} has no such domain")
        return machine.copies[vm]

    def _deliver(self, event: HypervisorEvent) -> None:
        machine = self._machine
        assert machine is not None, "only a machine has events"
        if not self._connected:
            return
        if not self._is_reachable(machine):
            # Lost packets are sent again: what happens meanwhile is heard late.
            self._held.append(event)
            return
        self._hand_out(event)
        if event.kind is HypervisorEventKind.DISCONNECTED:
            self._connected = False

    def _hand_out(self, event: HypervisorEvent) -> None:
        for queue in self._queues:
            queue.put_nowait(event)


def _named(vm: Vm, record: HostRecord) -> Vm:
    """The VM under the name by which this controller knows the host."""
    return replace(vm, host=record.name)
