"""Plans with times: which move waits for which, what it shares, and when it is expected to end.

A timed plan is carried out by dependency, never by the clock: a move may start when all that it
waits for have ended. Its times are what to expect; its order is what must hold. The values here
are written by the schedule and read by the audit, which share nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import NewType

from godwit.core.model import HostName, Range, VmId

__all__ = [
    "ApartRule",
    "Bounds",
    "Direction",
    "FlightGroup",
    "Limits",
    "LinkEnd",
    "MoveId",
    "Slice",
    "Stuck",
    "StuckKind",
    "TimedMove",
    "TimedPlan",
    "WayOfSharing",
]

#: Names one move within a timed plan: the VM and which of its moves it is, ``<vm>#1``.
MoveId = NewType("MoveId", str)


class Direction(StrEnum):
    """A host's link carries both ways at once, so each way is a link of its own."""

    OUT = "out"
    IN = "in"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LinkEnd:
    """One way of one host's migration link. A move uses two: out of its source, into its end."""

    host: HostName
    way: Direction

    @property
    def text(self) -> str:
        """For people: ``kvm1 out``."""
        return f"{self.host} {self.way}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightGroup:
    """At most ``most`` of these VMs may be in flight at the same time."""

    name: str
    members: frozenset[VmId]
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many moves may be in flight: of one host in both ways together, of one link, of all.

    None sets no limit.
    """

    per_host: int | None = 4
    per_link: int | None = 4
    whole: int | None = None
    groups: tuple[FlightGroup, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.per_host, self.per_link, self.whole, *(one.most for one in self.groups))
        if any(one is not None and one < 1 for one in numbers):
            msg = f"a limit below one lets nothing move: {self}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApartRule:
    """VMs that never share a place: a host, or all hosts with one value of ``label``.

    A host without the label is a place of its own.
    """

    name: str
    members: frozenset[VmId]
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What must hold at every instant, beside what the cluster itself says.

    The cluster says the capacity of its hosts, its groups, and what its hosts can't run. ``only``
    names, for a VM that is bound to certain hosts, those hosts; a VM not named is not bound.
    ``link_bytes_per_s`` is taken for links whose speed nobody declared.
    """

    limits: Limits = field(default_factory=Limits)
    apart: tuple[ApartRule, ...] = ()
    only: Mapping[VmId, frozenset[HostName]] = field(default_factory=dict)
    link_bytes_per_s: float = 125e6


class WayOfSharing(Enum):
    """How a move shares its links."""

    #: Nobody else is in flight on its links while it is.
    ALONE = "alone"
    #: Others are in flight, but only one copies at a time: the next is set up meanwhile.
    IN_TURN = "in turn"
    #: It copies while others do, because one stream does not fill the link.
    PARALLEL = "parallel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A stretch of time in which a copy is expected to have so much of its links."""

    from_s: float
    until_s: float
    link_bytes_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedMove:
    """One move with all that decides when it may run. Times count from the start of the plan.

    ``after`` are the moves that must have ended first; nothing else has to be waited for.
    ``final`` is where the VM is going: another host than ``destination`` while it is in transit.
    ``share_fraction`` is what it has of its narrower link in the mean while it copies, and
    ``slices`` the same in time. ``due_s`` is when it should have ended. ``why`` says, for people,
    what it waits for and why it takes a detour.
    """

    id: MoveId
    vm: VmId
    vm_name: str
    source: HostName
    destination: HostName
    final: HostName
    memory_bytes: int
    vcpus: int
    after: tuple[MoveId, ...]
    starts_s: Range
    ends_s: Range
    sent_bytes: float
    share_fraction: float
    sharing: WayOfSharing
    slices: tuple[Slice, ...] = ()
    priority: int = 0
    due_s: float | None = None
    why: str = ""

    @property
    def is_transit(self) -> bool:
        """Whether the VM goes on from here."""
        return self.destination != self.final

    @property
    def links(self) -> tuple[LinkEnd, LinkEnd]:
        """The links it uses."""
        return (
            LinkEnd(host=self.source, way=Direction.OUT),
            LinkEnd(host=self.destination, way=Direction.IN),
        )


class StuckKind(Enum):
    """How sure it is that a move can't be ordered."""

    #: Every order was tried, with every transit of the VMs that move: there is none.
    IMPOSSIBLE = "impossible"
    #: None was found within the states that were allowed to be looked at.
    NOT_FOUND = "not found"
    #: The move itself is refused: by a rule, or because the VM can't move now.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A move that the plan leaves out: the VM stays where it is. ``remedy`` would change that."""

    vm: VmId
    vm_name: str
    source: HostName
    destination: HostName
    kind: StuckKind
    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedPlan:
    """Moves in the order in which they are expected to start.

    ``makespan_s`` is when the last of them is expected to have ended. No schedule of the same moves
    on the same links can be expected to end before ``lower_bound_s``; ``bound_by`` says which link,
    chain or limit that is. ``tries`` orders were weighed. ``bounds`` is what it was made for.
    """

    generation: int
    made_at_s: float
    moves: tuple[TimedMove, ...]
    stuck: tuple[Stuck, ...]
    makespan_s: Range
    lower_bound_s: float
    bound_by: str
    bounds: Bounds
    tries: int = 0
    notes: tuple[str, ...] = ()

    def move(self, move_id: MoveId) -> TimedMove:
        """Return the move of that id; KeyError when there is none."""
        for one in self.moves:
            if one.id == move_id:
                return one
        raise KeyError(move_id)

    @property
    def over_bound_fraction(self) -> float:
        """How much longer it takes than the lower bound."""
        if self.lower_bound_s <= 0:
            return 0.0
        return self.makespan_s.likely / self.lower_bound_s - 1.0
