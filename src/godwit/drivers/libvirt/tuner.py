"""What is ordered of a running migration, and asked before it: the tuner's half of a host."""

import asyncio
from typing import Final

from godwit.core.errors import StepRefused
from godwit.core.model import DirtyObservation, HostRecord, VmId, VmPolicy
from godwit.drivers.libvirt import tuning
from godwit.drivers.libvirt.connection import LOCKED_CALL_S, HostConnection
from godwit.drivers.libvirt.dirtying import read_dirtying, start_dirtying, window_whole_s
from godwit.drivers.libvirt.policy_metadata import put_policy

__all__ = ["LibvirtTuner"]

#: A measurement is over a little after its window; a host that is busy takes longer.
_POLL_S: Final = 0.2
_POLLS_MAX: Final = 50


class LibvirtTuner:
    """See ``godwit.ports.HostTuner``. Used from one event loop only."""

    def __init__(self, record: HostRecord) -> None:
        self._link = HostConnection(record)
        self._measuring: set[VmId] = set()

    async def set_bandwidth(self, vm: VmId, bytes_per_s: float | None) -> None:
        """Limit the memory stream of the running migration; ``migrate`` restores what was."""
        connection = await self._link.control()

        def ask() -> None:
            tuning.set_bandwidth(connection.lookupByUUIDString(vm), bytes_per_s)

        await self._link.ask("limiting the stream", ask)

    async def raise_throttle(self, vm: VmId, increment_fraction: float) -> None:
        """Slow the vCPUs more, from the next sync on."""
        connection = await self._link.control()

        def ask() -> None:
            tuning.raise_throttle(connection.lookupByUUIDString(vm), increment_fraction)

        await self._link.ask("slowing the guest", ask)

    async def start_postcopy(self, vm: VmId) -> None:
        """Switch to post-copy. Returns when QEMU has the order, not when it is carried out."""
        connection = await self._link.control()

        def ask() -> None:
            tuning.start_postcopy(connection.lookupByUUIDString(vm))

        await self._link.ask("starting post-copy", ask)

    async def measure_dirtying(self, vm: VmId, *, window_s: float) -> DirtyObservation | None:
        """Measure how much a running VM writes, in a window of whole seconds, 1 to 60."""
        if vm in self._measuring:
            raise StepRefused("the VM is being measured already", evidence="by this controller")
        self._measuring.add(vm)
        try:
            return await self._measure(vm, window_whole_s(window_s))
        finally:
            self._measuring.discard(vm)

    async def _measure(self, vm: VmId, window_s: int) -> DirtyObservation | None:
        connection = await self._link.control()
        doing = "measuring what the VM writes"
        if not await self._link.ask(doing, start_dirtying, connection, vm, window_s):
            return None
        await asyncio.sleep(window_s)
        for _ in range(_POLLS_MAX):
            if (found := await self._link.ask(doing, read_dirtying, connection, vm)) is not None:
                return found
            await asyncio.sleep(_POLL_S)
        raise StepRefused(
            "the measurement did not end",
            evidence=f"no result {_POLL_S * _POLLS_MAX:g} s after its {window_s} s",
        )

    async def put_policy(self, vm: VmId, policy: VmPolicy) -> None:
        """Write the given fields into the VM's metadata, live and for its next start."""
        connection = await self._link.control()

        def ask() -> None:
            put_policy(connection.lookupByUUIDString(vm), policy)

        # The metadata of a VM that migrates is locked until libvirt gives up waiting.
        await self._link.ask_within(LOCKED_CALL_S, "writing the policy", ask)
