"""What the audit finds: one broken rule at one instant, with the numbers."""

from dataclasses import dataclass
from enum import Enum

from godwit.core.model import HostName, VmId
from godwit.core.timed import MoveId

__all__ = ["Kind", "Violation"]


class Kind(Enum):
    """What was broken."""

    #: The plan was made from another generation of the cluster.
    STALE = "stale"
    #: It names a VM, a host or a move that does not exist, or one name twice.
    UNKNOWN = "unknown"
    #: Moves wait for each other, or for themselves.
    ORDER = "order"
    #: The VM does not move as it is now: in flight, not running, or blocked.
    UNMOVABLE = "unmovable"
    #: A move begins where its VM is not.
    SOURCE = "source"
    #: A move ends where it begins, or the VM is left at a stop on its way.
    DESTINATION = "destination"
    #: Two moves of one VM may run at the same time: two copies could come to be.
    COPIES = "copies"
    MEMORY = "memory"
    CORES = "cores"
    #: VMs that are kept apart meet.
    APART = "apart"
    #: VMs that belong together are on more hosts in the end than before.
    TOGETHER = "together"
    #: A host can't run the VM, or must not.
    PLACE = "place"
    #: Too many moves in flight.
    FLIGHT_HOST = "flight of a host"
    FLIGHT_LINK = "flight of a link"
    FLIGHT_GROUP = "flight of a group"
    FLIGHT_WHOLE = "flight of the whole"
    #: The copies need more of a link than there is.
    BANDWIDTH = "bandwidth"
    #: The expected times contradict the order, or each other.
    TIMES = "times"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken rule.

    ``at_s`` is an instant of the expected times, None where only the order allows it: then ``why``
    says in which state. ``found`` and ``limit`` are in the unit of what is limited: bytes, vCPUs,
    moves, bytes per second, seconds.
    """

    kind: Kind
    why: str
    at_s: float | None = None
    hosts: tuple[HostName, ...] = ()
    vms: tuple[VmId, ...] = ()
    moves: tuple[MoveId, ...] = ()
    found: float | None = None
    limit: float | None = None
