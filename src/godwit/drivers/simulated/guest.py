"""A simulated guest: its size, how it writes to its memory, and how it looks to a reader."""

import math
from dataclasses import dataclass, field

from godwit.core.model import (
    Disk,
    DiskKind,
    HostName,
    Nic,
    RunState,
    Vm,
    VmId,
    VmPolicy,
)
from godwit.core.units import MIB

__all__ = ["Guest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """What never changes about a VM, wherever it runs.

    It writes ``dirty_bytes_per_s`` to random pages of its ``working_set_bytes``. With
    ``needs_announcement`` the network keeps sending to its old place until it is announced once
    more by hand.
    """

    name: str
    id: VmId
    memory_bytes: int = 256 * MIB
    working_set_bytes: int = 64 * MIB
    dirty_bytes_per_s: float = 20.0 * MIB
    vcpus: int = 1
    busy_cores: float = 0.1
    persistent: bool = True
    disk: str = "/shared/disk.qcow2"
    address: str | None = None
    needs_announcement: bool = False
    policy: VmPolicy = field(default_factory=VmPolicy)

    def dirtied_bytes(self, time_s: float) -> int:
        """Distinct bytes written within a time of running; never more than the working set."""
        if self.working_set_bytes == 0:
            return 0
        share = 1 - math.exp(-self.dirty_bytes_per_s * time_s / self.working_set_bytes)
        return round(self.working_set_bytes * share)

    def seen_on(
        self, host: HostName, state: RunState, *, persistent: bool, busy_with: str, at_s: float
    ) -> Vm:
        """The VM as a host's libvirt describes it."""
        return Vm(
            id=self.id,
            name=self.name,
            host=host,
            state=state,
            persistent=persistent,
            memory_bytes=self.memory_bytes,
            vcpus=self.vcpus,
            busy_cores=self.busy_cores if state.runs else None,
            architecture="x86_64",
            machine="pc-q35-10.0",
            virt_type="kvm",
            emulator="/usr/bin/qemu-system-x86_64",
            cpu_xml="<cpu/>",
            disks=(Disk(target="vda", kind=DiskKind.FILE, source=self.disk, format="qcow2"),),
            nics=(Nic(mac="52:54:00:00:00:01", kind="network", source="guests"),),
            blockers=(),
            warnings=(),
            busy_with=busy_with,
            policy=self.policy,
            taken_at_s=at_s,
        )
