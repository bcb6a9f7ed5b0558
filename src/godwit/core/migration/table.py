"""Every transition of a migration is here; nothing here performs anything.

A row lists the events that are legal in a phase, each with the phases it may lead to. An empty row
is a terminal phase. What is not in the table is illegal, raises, and changes nothing.
"""

from collections.abc import Mapping
from typing import Final

from godwit.core.migration.events import (
    CallEnded,
    CancelOrdered,
    ControllerRestarted,
    CopyStarted,
    DeadlinePassed,
    Event,
    Found,
    PauseLimitOrdered,
    PersonAsked,
    PreconditionsBroke,
    PreconditionsHeld,
    RepairOrdered,
    RoundEnded,
    StartOrdered,
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
    Phase.VERIFYING,
    Phase.FAILED,
    Phase.CANCELLED,
    Phase.SPLIT,
    Phase.LOST,
    Phase.UNKNOWN,
)

TABLE: Final[Mapping[Phase, _Row]] = {
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
        VcpusStopped: _to(Phase.SWITCHING),
        CancelOrdered: _to(Phase.CANCELLING),
        CallEnded: _to(Phase.CONFIRMING),
        ControllerRestarted: _to(Phase.CONFIRMING),
        DeadlinePassed: _to(Phase.CANCELLING),
    },
    Phase.SWITCHING: {
        # The statistics of the last sync may be read after the stop was seen.
        RoundEnded: _to(Phase.SWITCHING),
        CancelOrdered: _to(Phase.CANCELLING),
        CallEnded: _to(Phase.CONFIRMING),
        ControllerRestarted: _to(Phase.CONFIRMING),
        DeadlinePassed: _to(Phase.CONFIRMING),
    },
    Phase.CANCELLING: {
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
