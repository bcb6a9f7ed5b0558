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
    StoredRun,
)
from godwit.ports.surroundings import (
    Clock,
    ForwardingEntry,
    ForwardingReader,
    GuestPlace,
    PlaceChange,
    Prepared,
    Prober,
    RecordKeeper,
    UpstreamTable,
)

__all__ = [
    "Clock",
    "Connector",
    "DiskStamp",
    "ForwardingEntry",
    "ForwardingReader",
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
    "PlaceChange",
    "Prepared",
    "Prober",
    "RecordKeeper",
    "RepairAction",
    "Store",
    "StoredRun",
    "UpstreamTable",
]
