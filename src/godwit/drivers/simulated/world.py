"""The simulated world: machines, guests and networks, and the faults that befall them.

Everything that runs here runs in tasks of the world, so it goes on when a controller is gone.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from godwit.core.model import HostName, HostRecord, RunState, VmId
from godwit.core.units import GIB
from godwit.drivers.simulated.guest import Guest
from godwit.drivers.simulated.job import Job
from godwit.drivers.simulated.machine import Copy, Machine
from godwit.drivers.simulated.network import Network
from godwit.drivers.simulated.points import Point
from godwit.drivers.simulated.timing import SimulatedClock
from godwit.drivers.simulated.trace import Trace
from godwit.ports import HypervisorEventKind, MigrationOrder

__all__ = ["ForbiddenOrder", "SimulatedWorld"]

#: A gigabit link.
_DATA_BYTES_PER_S: Final = 125e6


class ForbiddenOrder(AssertionError):
    """An order that could end a guest or run it twice: never to be given by a migration manager."""


class SimulatedWorld:
    """Owns all machines. With ``image_locks`` a second copy can't start beside a running one.

    ``violations`` keeps every forbidden order, also where the error itself was swallowed.
    """

    def __init__(
        self, *, data_bytes_per_s: float = _DATA_BYTES_PER_S, image_locks: bool = False
    ) -> None:
        self.clock = SimulatedClock()
        self.trace = Trace()
        self.network = Network(data_bytes_per_s=data_bytes_per_s, changed=self.wake)
        self.machines: dict[HostName, Machine] = {}
        self.jobs: list[Job] = []
        self.violations: list[str] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        #: Seconds that a call to a daemon takes.
        self.call_s = 0.002
        #: A daemon that is started again forgets that its copy is post-copied away.
        self.forgets_postcopy = False
        self._image_locks = image_locks
        self._waiters: set[asyncio.Future[None]] = set()
        self._hooks: list[tuple[Point, VmId | None, Callable[[], None]]] = []

    # Building.

    def add_host(
        self, name: str, *, cores: int = 16, memory_bytes: int = 64 * GIB, uuid: str = ""
    ) -> HostRecord:
        """Add a machine, and return the record under which a controller may know it."""
        host = HostName(name)
        self.machines[host] = Machine(
            name=host,
            uuid=uuid or f"uuid-of-{name}",
            cores=cores,
            memory_bytes=memory_bytes,
            trace=self.trace,
            now_s=self.epoch_s,
        )
        uri = f"simulated://{name}/system"
        return HostRecord(name=host, uri=uri, peer_uri=uri)

    def add_guest(self, host: str, guest: Guest, *, state: RunState = RunState.RUNNING) -> VmId:
        """Define a guest on a machine and start it."""
        machine = self.machines[HostName(host)]
        copy = Copy(guest=guest, state=RunState.SHUT_OFF, persistent=guest.persistent)
        machine.copies[guest.id] = copy
        machine.set_state(copy, state)
        return guest.id

    def machine_at(self, uri: str) -> Machine | None:
        """The machine that a connection URI leads to."""
        name = uri.removeprefix("simulated://").removesuffix("/system")
        return self.machines.get(HostName(name))

    # Time.

    def now_s(self) -> float:
        """The simulated time."""
        return self.clock.monotonic_s()

    def epoch_s(self) -> float:
        """The simulated wall clock."""
        return self.clock.now_s()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that belongs to the world."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.violations.append(f"a fault of the simulation itself: {error!r}")

    def later(self, time_s: float, action: Callable[[], None]) -> None:
        """Do something after a time."""

        async def wait() -> None:
            await asyncio.sleep(time_s)
            action()

        self.spawn(wait())

    def wake(self) -> None:
        """Something has changed: everybody who waits looks again."""
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            _settle(waiter)

    async def change_or(self, time_s: float | None) -> None:
        """Wait for the next change, or until the time is over; without a task of its own."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.add(waiter)
        timer = None if time_s is None else loop.call_later(time_s, _settle, waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if timer is not None:
                timer.cancel()

    def at(self, point: Point, action: Callable[[], None], *, vm: VmId | None = None) -> None:
        """Do something once, when a migration (of that VM) next reaches a point."""
        self._hooks.append((point, vm, action))

    def reached(self, point: Point, vm: VmId) -> None:
        """A migration is at a point: what waits for that is done at once."""
        due = [one for one in self._hooks if one[0] is point and one[1] in {None, vm}]
        self._hooks = [one for one in self._hooks if one not in due]
        for _, _, action in due:
            asyncio.get_running_loop().call_soon(action)

    async def close(self) -> None:
        """End all tasks of the world."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What daemons and networks do.

    def joins(self, one: Machine, other: Machine) -> bool:
        """Whether the packets of two hosts get through to each other."""
        both_on = one.powered and other.powered
        return both_on and self.network.joins_daemons(one.name, other.name)

    def data_rate(self, job: Job) -> float:
        """What a stream gets of the links that it shares with others, within its own limit."""
        if not (job.source.powered and job.destination.powered):
            return 0.0
        if not self.network.carries_data(job.source.name, job.destination.name):
            return 0.0
        return min(
            self._fair_rate(job, [one for one in self.jobs if one.is_sending and end in one.ends])
            for end in job.ends
        )

    def _fair_rate(self, job: Job, sharing: list[Job]) -> float:
        """An equal part of one link, and of what those leave who are limited to less."""
        free = self.network.data_bytes_per_s
        limits = sorted(one.limit_bytes_per_s for one in sharing if one is not job)
        for at, limit in enumerate(limits):
            part = free / (len(limits) - at + 1)
            if limit >= part:
                return min(part, job.limit_bytes_per_s)
            free -= limit
        return min(free, job.limit_bytes_per_s)

    def start_migration(self, source: Machine, copy: Copy, order: MigrationOrder) -> Job:
        """Begin a peer-to-peer migration."""
        destination = self.machine_at(order.peer_uri)
        assert destination is not None, f"no machine at {order.peer_uri}"
        copy.pause_limit_s = order.recipe.pause_start_s
        copy.bandwidth_bytes_per_s = order.recipe.bandwidth_bytes_per_s
        job = Job(self, source=source, destination=destination, copy=copy, order=order)
        copy.job = job
        self.jobs.append(job)
        return job

    def forget(self, job: Job) -> None:
        """A migration is over."""
        if job in self.jobs:
            self.jobs.remove(job)
        self.wake()

    def resume_by_libvirt(self, machine: Machine, copy: Copy) -> None:
        """Roll-back: libvirt resumes a source that it stopped, if the image's lock is free."""
        if copy.state is not RunState.PAUSED_MIGRATION:
            return
        if self._is_locked(machine, copy.guest.id):
            machine.set_state(copy, RunState.PAUSED_API_ERROR)
            return
        machine.set_state(copy, RunState.RUNNING)
        machine.emit(HypervisorEventKind.RESUMED, copy.guest.id)

    def _is_locked(self, machine: Machine, vm: VmId) -> bool:
        return self._image_locks and bool(self.trace.runners(vm) - {machine.name})

    def resume_by_order(self, machine: Machine, copy: Copy) -> bool:
        """Resume because somebody says so; False when a lock forbids it."""
        if self._is_locked(machine, copy.guest.id):
            machine.set_state(copy, RunState.PAUSED_API_ERROR)
            return False
        if copy.is_stale:
            self.forbid(f"resume {copy.guest.name} on {machine.name} after its post-copy")
        if others := self.trace.runners(copy.guest.id):
            self.forbid(f"resume {copy.guest.name} on {machine.name} while {set(others)} run it")
        machine.set_state(copy, RunState.RUNNING)
        machine.emit(HypervisorEventKind.RESUMED, copy.guest.id)
        return True

    def forbid(self, order: str) -> None:
        """An order was given that must never be given. Raises: ForbiddenOrder, always."""
        self.violations.append(order)
        raise ForbiddenOrder(order)

    def answers(self, address: str) -> bool:
        """Whether a guest of that address runs where the network looks for it."""
        for machine in self.machines.values():
            for copy in machine.copies.values():
                if copy.guest.address == address and copy.state.runs:
                    moved = len(self.trace.path(copy.guest.id)) > 1
                    return copy.announced or not (copy.guest.needs_announcement and moved)
        return False

    # Faults.

    def kill_libvirtd(self, host: str) -> None:
        """End a daemon; the guests of its host do not notice."""
        machine = self.machines[HostName(host)]
        machine.daemon = False
        machine.emit(HypervisorEventKind.DISCONNECTED, None)
        for job in list(self.jobs):
            if job.source is machine:
                job.lose_source()
            elif job.destination is machine:
                job.lose_destination()
        self.wake()

    def start_libvirtd(self, host: str) -> None:
        """Start a daemon again: it recovers its domains as libvirt does."""
        machine = self.machines[HostName(host)]
        machine.daemon = True
        for copy in list(machine.copies.values()):
            if copy.job is not None:
                self._recover(machine, copy, copy.job)
        self.wake()

    def _recover(self, machine: Machine, copy: Copy, job: Job) -> None:
        if job.point.is_postcopy:
            if self.forgets_postcopy and job.source is machine:
                copy.job = None
                machine.set_state(copy, RunState.PAUSED_MIGRATION)
            return
        copy.job = None
        if job.destination is machine:
            # PREPARE, or FINISH before the guest ran.
            machine.end_process(copy)
        elif job.point is Point.CONFIRM:
            machine.end_process(copy)
        elif Point.COPY.value <= job.point.value <= Point.SWITCH.value:
            self.resume_by_libvirt(machine, copy)
        # At FINISH and RUNS it stays paused: "a third party needs to check".

    def kill_qemu(self, host: str, vm: VmId) -> None:
        """End one QEMU."""
        machine = self.machines[HostName(host)]
        if machine.has_process(vm):
            machine.end_process(machine.copies[vm])
            machine.emit(HypervisorEventKind.STOPPED, vm)
        self.wake()

    def power_off(self, host: str) -> None:
        """Cut a host's power: its guests end, and nobody is told anything."""
        machine = self.machines[HostName(host)]
        machine.powered = machine.daemon = False
        for job in list(self.jobs):
            if job.source is machine:
                job.lose_source()
            elif job.destination is machine:
                job.lose_destination()
        for copy in list(machine.copies.values()):
            machine.end_process(copy)
        self.wake()

    def power_on(self, host: str) -> None:
        """Boot a host: definitions are there, and nothing runs."""
        machine = self.machines[HostName(host)]
        machine.powered = machine.daemon = True
        self.wake()


def _settle(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
