"""The values that describe a cluster: what is recorded about it and what was observed of it.

All are frozen. *Recorded* values come from people and files, *observed* ones from a hypervisor and
carry the time at which they were read. An unreachable host is unknown, never absent.
"""

from godwit.core.model.cluster import Cluster, CpuAnswer, DiskSighting, Reservation, VmGroup
from godwit.core.model.host import (
    Host,
    HostObservation,
    HostRecord,
    HostVersions,
    Link,
    StoragePool,
)
from godwit.core.model.ids import DrainId, HostName, MigrationId, PlanId, VmId
from godwit.core.model.policy import Probe, VmPolicy
from godwit.core.model.presence import Presence, RunState, VmSighting
from godwit.core.model.rounds import Progress, Round
from godwit.core.model.vm import Blocker, Disk, DiskKind, Nic, Vm

__all__ = [
    "Blocker",
    "Cluster",
    "CpuAnswer",
    "Disk",
    "DiskKind",
    "DiskSighting",
    "DrainId",
    "Host",
    "HostName",
    "HostObservation",
    "HostRecord",
    "HostVersions",
    "Link",
    "MigrationId",
    "Nic",
    "PlanId",
    "Presence",
    "Probe",
    "Progress",
    "Reservation",
    "Round",
    "RunState",
    "StoragePool",
    "Vm",
    "VmGroup",
    "VmId",
    "VmPolicy",
    "VmSighting",
]
