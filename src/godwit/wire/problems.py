"""The one table from an error's code to its HTTP status and its exit status; and errors as JSON.

Exit statuses: 1 the work failed, 2 bad input, 3 refused now, 4 the world is wrong, 5 the outcome is
unknown or a person is needed, 70 a bug of Godwit, 130 interrupted. The bodies follow RFC 9457 in
media type and spirit; their members are ours, the same as an error has on the command line.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from godwit.core.errors import Bug, GodwitError, Unsupported
from godwit.wire.shape import Reply

__all__ = [
    "PROBLEM_MEDIA_TYPE",
    "TABLE",
    "ExitStatus",
    "Problem",
    "Statuses",
    "error_from_problem",
    "exit_status_of",
    "http_status_of",
    "problem_from_error",
]

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"


class ExitStatus(IntEnum):
    """What a command's exit status says."""

    OK = 0
    WORK_FAILED = 1
    BAD_INPUT = 2
    REFUSED = 3
    WORLD_WRONG = 4
    UNKNOWN = 5
    BUG = 70
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Statuses:
    """The two statuses of one code."""

    http: int
    exit: ExitStatus


TABLE: Final[Mapping[str, Statuses]] = {
    # What has no class of its own is wrong outside of Godwit: the store, its disk, a socket's path.
    "error": Statuses(500, ExitStatus.WORLD_WRONG),
    "bad_input": Statuses(400, ExitStatus.BAD_INPUT),
    "bad_value": Statuses(422, ExitStatus.BAD_INPUT),
    "bad_settings": Statuses(422, ExitStatus.BAD_INPUT),
    "unknown_host": Statuses(404, ExitStatus.BAD_INPUT),
    "unknown_vm": Statuses(404, ExitStatus.BAD_INPUT),
    "unknown_migration": Statuses(404, ExitStatus.BAD_INPUT),
    "unknown_plan": Statuses(404, ExitStatus.BAD_INPUT),
    "refused": Statuses(409, ExitStatus.REFUSED),
    "no_destination": Statuses(409, ExitStatus.REFUSED),
    "plan_stale": Statuses(409, ExitStatus.REFUSED),
    "store_busy": Statuses(409, ExitStatus.REFUSED),
    "driver_error": Statuses(502, ExitStatus.WORLD_WRONG),
    "host_unreachable": Statuses(503, ExitStatus.WORLD_WRONG),
    "step_refused": Statuses(502, ExitStatus.WORLD_WRONG),
    "aborted": Statuses(409, ExitStatus.WORK_FAILED),
    "outcome_unknown": Statuses(504, ExitStatus.UNKNOWN),
    "unsupported": Statuses(502, ExitStatus.WORLD_WRONG),
    "record_failed": Statuses(502, ExitStatus.WORLD_WRONG),
    "controller_unreachable": Statuses(503, ExitStatus.WORLD_WRONG),
    "lab_failed": Statuses(500, ExitStatus.WORK_FAILED),
    "lab_misused": Statuses(400, ExitStatus.BAD_INPUT),
    "lab_unfit": Statuses(400, ExitStatus.BAD_INPUT),
    "bug": Statuses(500, ExitStatus.BUG),
    "illegal_transition": Statuses(500, ExitStatus.BUG),
}


class Problem(Reply):
    """An error as the API sends it: the cause, the evidence for it, and what helps."""

    code: str
    message: str
    evidence: str = ""
    remedy: str = ""
    request_id: str = ""


def http_status_of(error: GodwitError) -> int:
    """Return the HTTP status of an error. A class that is missing in the table is a bug of ours."""
    return TABLE.get(error.code, TABLE["bug"]).http


def exit_status_of(error: GodwitError) -> ExitStatus:
    """Return the exit status of an error."""
    return TABLE.get(error.code, TABLE["bug"]).exit


def problem_from_error(error: GodwitError, *, request_id: str) -> Problem:
    """Convert an error."""
    return Problem(
        code=error.code,
        message=error.message,
        evidence=error.evidence,
        remedy=error.remedy,
        request_id=request_id,
    )


def error_from_problem(problem: Problem) -> GodwitError:
    """Make the error that a problem was made from, of the same class.

    A code that this version does not know comes from another version, or from no Godwit at all.
    """
    evidence = problem.evidence
    for kind in _all_errors(GodwitError):
        if kind.code == problem.code:
            if issubclass(kind, Bug) and problem.request_id:
                evidence = f"{evidence}; " if evidence else ""
                evidence += f"request {problem.request_id} in the controller's log"
            return kind(problem.message, evidence=evidence, remedy=problem.remedy)
    return Unsupported(
        f"the controller answered with an error that this version does not know: {problem.message}",
        evidence=evidence or f"its code is {problem.code!r}",
        remedy="Use the same version of Godwit on both sides.",
    )


def _all_errors(kind: type[GodwitError]) -> Iterator[type[GodwitError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _all_errors(child)
