"""The life of one migration: its phases as a table, and the pure ``step`` that walks it.

Live code and recovery use the same ``step``: a migration is the fold of its journalled events.
Nothing here performs anything; ``reconcile`` judges what both hypervisors say, and names the one
safe action.
"""

from godwit.core.migration.events import (
    Accepted,
    BandwidthOrdered,
    CallEnded,
    CallOutcome,
    CancelOrdered,
    ControllerRestarted,
    CopyStarted,
    DeadlinePassed,
    Event,
    Failure,
    Found,
    PauseLimitOrdered,
    PersonAsked,
    PostcopyBroke,
    PostcopyOrdered,
    PostcopyStarted,
    PreconditionsBroke,
    PreconditionsHeld,
    RecordStepped,
    RepairOrdered,
    ResumeOrdered,
    RoundEnded,
    StartOrdered,
    ThrottleOrdered,
    Traced,
    VcpusStopped,
    VerifyEnded,
    Whereabouts,
)
from godwit.core.migration.life import Migration, begin, replay, step
from godwit.core.migration.phases import DEADLINES_S, Phase, Runner, is_ended
from godwit.core.migration.reconcile import Repair, Verdict, reconcile
from godwit.core.migration.result import Result
from godwit.core.migration.table import TABLE

__all__ = [
    "DEADLINES_S",
    "TABLE",
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
    "Migration",
    "PauseLimitOrdered",
    "PersonAsked",
    "Phase",
    "PostcopyBroke",
    "PostcopyOrdered",
    "PostcopyStarted",
    "PreconditionsBroke",
    "PreconditionsHeld",
    "RecordStepped",
    "Repair",
    "RepairOrdered",
    "Result",
    "ResumeOrdered",
    "RoundEnded",
    "Runner",
    "StartOrdered",
    "ThrottleOrdered",
    "Traced",
    "VcpusStopped",
    "Verdict",
    "VerifyEnded",
    "Whereabouts",
    "begin",
    "is_ended",
    "reconcile",
    "replay",
    "step",
]
