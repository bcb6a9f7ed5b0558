"""What can happen to a migration. Intents are events too: they are journalled before the effect.

``at_s`` is the wall clock of the controller in seconds since the epoch, given by the engine.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from godwit.core.migration.result import Result
from godwit.core.model import HostName, MigrationId, PlanId, Round, Sample, VmSighting
from godwit.core.plan import Move

__all__ = [
    "Accepted",
    "BandwidthOrdered",
    "CallEnded",
    "CallOutcome",
    "CancelOrdered",
    "ControllerRestarted",
    "CopyStarted",
    "DeadlinePassed",
    "Event",
    "Failure",
    "Found",
    "PauseLimitOrdered",
    "PersonAsked",
    "PostcopyBroke",
    "PostcopyOrdered",
    "PostcopyStarted",
    "PreconditionsBroke",
    "PreconditionsHeld",
    "RecordStepped",
    "RepairOrdered",
    "ResumeOrdered",
    "RoundEnded",
    "StartOrdered",
    "ThrottleOrdered",
    "Traced",
    "VcpusStopped",
    "VerifyEnded",
    "Whereabouts",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a migration did not do what was asked: a stable code, and what a person needs."""

    code: str
    cause: str
    evidence: str = ""
    remedy: str = ""


class Whereabouts(Enum):
    """What both hosts together say about who runs the guest."""

    SOURCE = "source"
    DESTINATION = "destination"
    IN_PROGRESS = "in_progress"
    #: The destination runs the guest, and the rest of its memory follows.
    POSTCOPY = "postcopy"
    #: The same, but the stream broke: the rest stays at the source until it is taken up again.
    POSTCOPY_BROKEN = "postcopy_broken"
    BOTH = "both"
    NEITHER = "neither"
    CANNOT_KNOW = "cannot_know"


class CallOutcome(Enum):
    """How the migrate call ended, as far as the call itself can tell. Never the truth by itself."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A move was accepted: the birth of a migration. ``attempt`` counts from 1 within a drain."""

    at_s: float
    id: MigrationId
    plan: PlanId
    move: Move
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PreconditionsHeld:
    """Everything the move rests on was read again and still holds."""

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PreconditionsBroke:
    """The world moved on between plan and start; nothing was asked of any host."""

    at_s: float
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOrdered:
    """Intent: the migrate call is about to be given to the source."""

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStarted:
    """The first job statistics with memory in them."""

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEnded:
    """A dirty-bitmap sync: a round of pre-copy is over."""

    at_s: float
    round: Round


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseLimitOrdered:
    """Intent: the pause limit is about to be set."""

    at_s: float
    limit_s: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BandwidthOrdered:
    """Intent: the memory stream is about to be limited anew; None lifts the limit."""

    at_s: float
    bytes_per_s: float | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleOrdered:
    """Intent: the vCPUs are about to be slowed by so much more at each sync."""

    at_s: float
    increment_fraction: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PostcopyOrdered:
    """Intent: the guest is about to be run at the destination, with the rest to follow."""

    at_s: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PostcopyStarted:
    """The guest runs at the destination while memory is missing. There is no way back.

    Seen again when a post-copy that broke goes on.
    """

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PostcopyBroke:
    """The stream of a post-copy broke: a guest that needs a missing page waits for it."""

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeOrdered:
    """Intent: a broken post-copy is about to be taken up again, for the ``attempt``-th time."""

    at_s: float
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """Points between the rounds, in order. They change nothing: the journal alone keeps them."""

    at_s: float
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStepped:
    """A record of the network was prepared, switched, verified or rolled back, or was not.

    Changes nothing about the migration, and may come after its end. ``saw`` is what the record said
    before it was touched: a later controller needs it to roll back.
    """

    at_s: float
    record: str
    step: str
    worked: bool
    what: str
    saw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VcpusStopped:
    """The source's vCPUs stopped for the switch-over. Also seen in migrations that fail later."""

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrdered:
    """Intent: an abort is about to be ordered, by a person or for the reason in ``failure``."""

    at_s: float
    by_person: bool
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """The migrate call came back. What it says is evidence, not the truth.

    ``watched`` says that the source's events were followed without a gap until then, so that a
    stop of the vCPUs can't have been missed.
    """

    at_s: float
    outcome: CallOutcome
    failure: Failure | None = None
    watched: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerRestarted:
    """A controller took the store over and found this migration unfinished."""

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairOrdered:
    """Intent: one safe repair on one host, named by ``reconcile`` or by the verification."""

    at_s: float
    action: str
    host: HostName
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Both hosts were read."""

    at_s: float
    where: Whereabouts
    source: VmSighting
    destination: VmSighting
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyEnded:
    """The destination was verified, or the time for it was over: the result says which."""

    at_s: float
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePassed:
    """The phase lasted longer than it may."""

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAsked:
    """A person asks that both hosts be read again: the only way out of SPLIT and LOST."""

    at_s: float


Event: TypeAlias = (
    PreconditionsHeld
    | PreconditionsBroke
    | StartOrdered
    | CopyStarted
    | RoundEnded
    | PauseLimitOrdered
    | BandwidthOrdered
    | ThrottleOrdered
    | PostcopyOrdered
    | VcpusStopped
    | PostcopyStarted
    | PostcopyBroke
    | ResumeOrdered
    | Traced
    | RecordStepped
    | CancelOrdered
    | CallEnded
    | ControllerRestarted
    | RepairOrdered
    | Found
    | VerifyEnded
    | DeadlinePassed
    | PersonAsked
)
