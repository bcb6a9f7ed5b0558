"""What the engine needs from the world: small protocols, declared by their consumer.

An implementation maps every foreign failure to the tree in ``godwit.core.errors``. It never
decides: it reports and carries out.
"""

from godwit.ports.hypervisor import (
    Connector,
    DiskStamp,
    HostMover,
    HostReader,
    HostReading,
    HostTuner,
    HypervisorEvent,
    HypervisorEventKind,
    HypervisorHost,
    MigrationOrder,
    MigrationStats,
    RepairAction,
)
from godwit.ports.keeping import (
    Journal,
    KnowledgeStore,
    Store,
    StoredDrain,
)
from godwit.ports.surroundings import (
    Clock,
    GuestPlace,
    Prober,
    RecordKeeper,
)

__all__ = [
    "Clock",
    "Connector",
    "DiskStamp",
    "GuestPlace",
    "HostMover",
    "HostReader",
    "HostReading",
    "HostTuner",
    "HypervisorEvent",
    "HypervisorEventKind",
    "HypervisorHost",
    "Journal",
    "KnowledgeStore",
    "MigrationOrder",
    "MigrationStats",
    "Prober",
    "RecordKeeper",
    "RepairAction",
    "Store",
    "StoredDrain",
]
