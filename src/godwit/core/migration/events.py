"""What can happen to a migration. Intents are events too: they are journalled before the effect.

``at_s`` is the wall clock of the controller in seconds since the epoch, given by the engine.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from godwit.core.migration.result import Result
from godwit.core.model import HostName, MigrationId, PlanId, Round, VmSighting
from godwit.core.plan import Move

__all__ = [
    "Accepted",
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
    "PreconditionsBroke",
    "PreconditionsHeld",
    "RepairOrdered",
    "RoundEnded",
    "StartOrdered",
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
    | VcpusStopped
    | CancelOrdered
    | CallEnded
    | ControllerRestarted
    | RepairOrdered
    | Found
    | VerifyEnded
    | DeadlinePassed
    | PersonAsked
)
