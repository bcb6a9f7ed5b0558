"""Why a watched migration is given up, in words; and what the end of a migrate call says."""

from godwit.core.errors import Aborted, DriverError, OutcomeUnknown
from godwit.core.migration import CallOutcome, Failure
from godwit.core.plan import Move
from godwit.core.precopy import GiveUp
from godwit.core.units import format_bytes

__all__ = ["judge_call", "not_converging", "stalled", "stuck"]


def not_converging(order: GiveUp) -> Failure:
    """Steering has nothing left that is permitted; the remedy lists what a person may do."""
    return Failure(
        code="not_converging",
        cause="the guest writes faster than the migration can follow",
        evidence=order.why,
        remedy=order.remedy,
    )


def stalled(move: Move, *, stall_s: float, moved_bytes: int) -> Failure:
    """No memory moves any more."""
    return Failure(
        code="stalled",
        cause=f"no memory reached {move.destination} for {stall_s:.0f} s",
        evidence=f"{format_bytes(max(0, moved_bytes))} were sent before, nothing since;"
        " libvirt itself has no time-out for this",
        remedy=f"Check the migration network between {move.source} and {move.destination}"
        " (ports 49152-49215), then try again.",
    )


def stuck(*, switch_s: float) -> Failure:
    """The guest stands still and does not start again."""
    return Failure(
        code="switch_stuck",
        cause="the switch-over did not end: the guest stood still for too long",
        evidence=f"vCPUs stopped for more than {switch_s:.0f} s beyond the limit",
        remedy="Check the destination's QEMU log and the migration network, then try again.",
    )


def judge_call(error: BaseException | None) -> tuple[CallOutcome, Failure | None]:
    """What the end of a migrate call says, as far as it can."""
    match error:
        case None:
            return CallOutcome.SUCCEEDED, None
        case Aborted():
            return CallOutcome.ABORTED, _failure(error)
        case OutcomeUnknown():
            return CallOutcome.UNKNOWN, _failure(error)
        case DriverError():
            return CallOutcome.REFUSED, _failure(error)
        case _:
            # A fault of ours in the thread of the call: the call itself may have worked.
            bug = Failure(code="bug", cause="an internal error", evidence=repr(error))
            return CallOutcome.UNKNOWN, bug


def _failure(error: DriverError) -> Failure:
    return Failure(
        code=error.code, cause=error.message, evidence=error.evidence, remedy=error.remedy
    )
