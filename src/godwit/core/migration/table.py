"""Every transition of a migration is here; nothing here performs anything.

A row lists the events that are legal in a phase, each with the phases it may lead to. A phase that
nothing leads out of is terminal. What is not in the table is illegal, raises, and changes nothing.
"""

from collections.abc import Mapping
from typing import Final

from godwit.core.migration.events import (
    BandwidthOrdered,
    CallEnded,
    CancelOrdered,
    ControllerRestarted,
    CopyStarted,
    DeadlinePassed,
    Event,
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
)
from godwit.core.migration.phases import Phase

__all__ = ["TABLE"]

_Row = Mapping[type[Event], frozenset[Phase]]


def _to(*phases: Phase) -> frozenset[Phase]:
    return frozenset(phases)


#: Where a reading of both hosts may lead from a phase of doubt.
_FOUND: Final = _to(
    Phase.COPYING,
    Phase.POSTCOPY,
    Phase.RECOVERING,
    Phase.VERIFYING,
    Phase.FAILED,
    Phase.CANCELLED,
    Phase.SPLIT,
    Phase.LOST,
    Phase.UNKNOWN,
)

_ROWS: Final[Mapping[Phase, _Row]] = {
    Phase.ACCEPTED: {
        PreconditionsHeld: _to(Phase.CHECKING),
        PreconditionsBroke: _to(Phase.FAILED),
        CancelOrdered: _to(Phase.CANCELLED),
        # Nothing was asked of any host: a later controller must not surprise anybody with it.
        ControllerRestarted: _to(Phase.FAILED),
        DeadlinePassed: _to(Phase.FAILED),
    },
    Phase.CHECKING: {
        StartOrdered: _to(Phase.STARTING),
        PreconditionsBroke: _to(Phase.FAILED),
        CancelOrdered: _to(Phase.CANCELLED),
        ControllerRestarted: _to(Phase.FAILED),
        DeadlinePassed: _to(Phase.FAILED),
    },
    Phase.STARTING: {
        CopyStarted: _to(Phase.COPYING),
        VcpusStopped: _to(Phase.SWITCHING),
        CancelOrdered: _to(Phase.CANCELLING),
        CallEnded: _to(Phase.CONFIRMING),
        ControllerRestarted: _to(Phase.CONFIRMING),
        DeadlinePassed: _to(Phase.CANCELLING),
    },
    Phase.COPYING: {
        RoundEnded: _to(Phase.COPYING),
        PauseLimitOrdered: _to(Phase.COPYING),
        BandwidthOrdered: _to(Phase.COPYING),
        ThrottleOrdered: _to(Phase.COPYING),
        PostcopyOrdered: _to(Phase.COPYING),
        VcpusStopped: _to(Phase.SWITCHING),
        PostcopyStarted: _to(Phase.POSTCOPY),
        CancelOrdered: _to(Phase.CANCELLING),
        CallEnded: _to(Phase.CONFIRMING),
        ControllerRestarted: _to(Phase.CONFIRMING),
        DeadlinePassed: _to(Phase.CANCELLING),
    },
    Phase.SWITCHING: {
        # The statistics of the last sync may be read after the stop was seen.
        RoundEnded: _to(Phase.SWITCHING),
        PostcopyStarted: _to(Phase.POSTCOPY),
        CancelOrdered: _to(Phase.CANCELLING),
        CallEnded: _to(Phase.CONFIRMING),
        ControllerRestarted: _to(Phase.CONFIRMING),
        DeadlinePassed: _to(Phase.CONFIRMING),
    },
    Phase.POSTCOPY: {
        PostcopyBroke: _to(Phase.RECOVERING),
        CallEnded: _to(Phase.CONFIRMING),
        ControllerRestarted: _to(Phase.CONFIRMING),
        # There is nothing to give up: the source's memory is stale.
        DeadlinePassed: _to(Phase.POSTCOPY),
    },
    Phase.RECOVERING: {
        ResumeOrdered: _to(Phase.RECOVERING),
        PostcopyStarted: _to(Phase.POSTCOPY),
        # The call that broke, and each that tried in vain.
        CallEnded: _to(Phase.RECOVERING),
        # libvirt may finish it by itself, and either QEMU may end: both hosts say so.
        Found: _FOUND - {Phase.COPYING, Phase.UNKNOWN},
        ControllerRestarted: _to(Phase.CONFIRMING),
        DeadlinePassed: _to(Phase.RECOVERING),
    },
    Phase.CANCELLING: {
        # The abort came too late: QEMU refuses it from here on.
        PostcopyStarted: _to(Phase.POSTCOPY),
        RoundEnded: _to(Phase.CANCELLING),
        VcpusStopped: _to(Phase.CANCELLING),
        CancelOrdered: _to(Phase.CANCELLING),
        CallEnded: _to(Phase.CONFIRMING),
        ControllerRestarted: _to(Phase.CONFIRMING),
        DeadlinePassed: _to(Phase.CONFIRMING),
    },
    Phase.CONFIRMING: {
        Found: _FOUND,
        RepairOrdered: _to(Phase.CONFIRMING),
        # The call may still be out when the deadline of an earlier phase sent us here.
        CallEnded: _to(Phase.CONFIRMING),
        CancelOrdered: _to(Phase.CONFIRMING),
        ControllerRestarted: _to(Phase.CONFIRMING),
        DeadlinePassed: _to(Phase.UNKNOWN),
    },
    Phase.UNKNOWN: {
        Found: _FOUND,
        RepairOrdered: _to(Phase.UNKNOWN),
        CallEnded: _to(Phase.UNKNOWN),
        CancelOrdered: _to(Phase.UNKNOWN),
        ControllerRestarted: _to(Phase.CONFIRMING),
        PersonAsked: _to(Phase.CONFIRMING),
        DeadlinePassed: _to(Phase.UNKNOWN),
    },
    Phase.VERIFYING: {
        VerifyEnded: _to(Phase.DONE),
        RepairOrdered: _to(Phase.VERIFYING),
        # Verifying again after a restart is harmless.
        ControllerRestarted: _to(Phase.CONFIRMING),
        CallEnded: _to(Phase.VERIFYING),
        DeadlinePassed: _to(Phase.DONE),
    },
    Phase.DONE: {},
    Phase.FAILED: {},
    Phase.CANCELLED: {},
    Phase.SPLIT: {PersonAsked: _to(Phase.CONFIRMING), ControllerRestarted: _to(Phase.SPLIT)},
    Phase.LOST: {PersonAsked: _to(Phase.CONFIRMING), ControllerRestarted: _to(Phase.LOST)},
}

#: Phases in which memory moves, or moved a moment ago.
_TRACED: Final = frozenset(
    {
        Phase.COPYING,
        Phase.SWITCHING,
        Phase.POSTCOPY,
        Phase.RECOVERING,
        Phase.CANCELLING,
        Phase.CONFIRMING,
        Phase.UNKNOWN,
    }
)


def _with_notes(phase: Phase) -> _Row:
    """The row of a phase, with the events that change nothing."""
    notes: dict[type[Event], frozenset[Phase]] = {RecordStepped: _to(phase)}
    if phase in _TRACED:
        notes[Traced] = _to(phase)
    return {**_ROWS[phase], **notes}


TABLE: Final[Mapping[Phase, _Row]] = {phase: _with_notes(phase) for phase in _ROWS}
