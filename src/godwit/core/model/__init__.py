"""The values that describe a cluster: what is recorded about it and what was observed of it.

All are frozen. *Recorded* values come from people and files, *observed* ones from a hypervisor and
carry the time at which they were read. An unreachable host is unknown, never absent.
"""

from godwit.core.model.cluster import Cluster, CpuAnswer, DiskSighting, Reservation, VmGroup
from godwit.core.model.forecast import Forecast, Range, Score
from godwit.core.model.host import (
    Feature,
    Host,
    HostObservation,
    HostRecord,
    HostVersions,
    Link,
    NumaCell,
    Pages,
    StoragePool,
)
from godwit.core.model.ids import HostName, MigrationId, PlanId, RunId, VmId
from godwit.core.model.knowledge import (
    Calibration,
    DirtyObservation,
    DirtySource,
    Estimate,
    Knowledge,
    PathKey,
    PathKnowledge,
    VmKnowledge,
)
from godwit.core.model.policy import Probe, VmPolicy
from godwit.core.model.presence import Presence, RunState, VmSighting
from godwit.core.model.rounds import Progress, Round, Sample
from godwit.core.model.rule import BUILT_IN, Rule, When
from godwit.core.model.vm import Blocker, Disk, DiskKind, Nic, Vm

__all__ = [
    "BUILT_IN",
    "Blocker",
    "Calibration",
    "Cluster",
    "CpuAnswer",
    "DirtyObservation",
    "DirtySource",
    "Disk",
    "DiskKind",
    "DiskSighting",
    "Estimate",
    "Feature",
    "Forecast",
    "Host",
    "HostName",
    "HostObservation",
    "HostRecord",
    "HostVersions",
    "Knowledge",
    "Link",
    "MigrationId",
    "Nic",
    "NumaCell",
    "Pages",
    "PathKey",
    "PathKnowledge",
    "PlanId",
    "Presence",
    "Probe",
    "Progress",
    "Range",
    "Reservation",
    "Round",
    "Rule",
    "RunId",
    "RunState",
    "Sample",
    "Score",
    "StoragePool",
    "Vm",
    "VmGroup",
    "VmId",
    "VmKnowledge",
    "VmPolicy",
    "VmSighting",
    "When",
]
