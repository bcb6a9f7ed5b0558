"""The tree of errors: what a caller can act on, one class each.

::

    GodwitError                    cause, evidence, remedy; ``code`` is a stable word for machines
    ├── InputError                 the caller is wrong
    │   ├── BadValue               a value that can't be read
    │   ├── BadSettings            a settings, hosts or rules file that can't be used
    │   ├── UnknownHost · UnknownVm · UnknownMigration · UnknownPlan
    ├── Refused                    a legal request that can't be done now
    │   ├── NoDestination          no host may take the VM; carries a reason for each
    │   ├── PlanStale              the world moved on since the plan was made
    │   └── StoreBusy              another controller owns this store
    ├── DriverError                the world is wrong
    │   ├── HostUnreachable        nothing was asked; safe to try again
    │   ├── StepRefused            it did not happen; the guest is where it was
    │   │   └── Aborted            ... because an abort was ordered
    │   ├── OutcomeUnknown         it may have happened; only reading both sides may decide
    │   ├── Unsupported            found by a capability probe, before anything was started
    │   └── RecordFailed           a record of the network could not be changed; the VM is well
    └── Bug                        ours: an illegal transition, a broken invariant

There are three outcomes and never two: it happened (no error), it did not (``StepRefused``), it
can't be known (``OutcomeUnknown``). "No host fits" inside a plan is a value with reasons, not an
error. This module maps nothing to HTTP or to exit statuses: see ``godwit.wire.problems``.
"""

from typing import ClassVar

__all__ = [
    "Aborted",
    "BadSettings",
    "BadValue",
    "Bug",
    "DriverError",
    "GodwitError",
    "HostUnreachable",
    "IllegalTransition",
    "InputError",
    "NoDestination",
    "OutcomeUnknown",
    "PlanStale",
    "RecordFailed",
    "Refused",
    "StepRefused",
    "StoreBusy",
    "UnknownHost",
    "UnknownMigration",
    "UnknownPlan",
    "UnknownVm",
    "Unsupported",
]


class GodwitError(Exception):
    """Everything Godwit raises on purpose: the cause, the evidence for it and what helps."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, evidence: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.evidence = evidence
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [self.message]
        if self.evidence:
            parts.append(f"Evidence: {self.evidence}")
        if self.remedy:
            parts.append(f"Remedy: {self.remedy}")
        return "\n".join(parts)


class InputError(GodwitError):
    """The request itself is wrong; asking again unchanged can't help."""

    code = "bad_input"


class BadValue(InputError):
    """A value could not be read."""

    code = "bad_value"


class BadSettings(InputError):
    """A file of settings, hosts or rules can't be used; nothing of it was applied."""

    code = "bad_settings"


class UnknownHost(InputError):
    """No host of that name is in the inventory."""

    code = "unknown_host"


class UnknownVm(InputError):
    """No VM of that name or UUID was seen on any host that answered."""

    code = "unknown_vm"


class UnknownMigration(InputError):
    """No migration with that id is in the journal."""

    code = "unknown_migration"


class UnknownPlan(InputError):
    """No plan with that id is in the store."""

    code = "unknown_plan"


class Refused(GodwitError):
    """A legal request that can't be done in the present state of the world; nothing was changed."""

    code = "refused"


class NoDestination(Refused):
    """No host may take the VM; the evidence names the reason of each host."""

    code = "no_destination"


class PlanStale(Refused):
    """The cluster is not the one that the plan was made from."""

    code = "plan_stale"


class StoreBusy(Refused):
    """Another controller owns this store."""

    code = "store_busy"


class DriverError(GodwitError):
    """The world outside did not do what was asked."""

    code = "driver_error"


class HostUnreachable(DriverError):
    """The host's libvirt can't be reached; nothing was asked of it."""

    code = "host_unreachable"


class StepRefused(DriverError):
    """The hypervisor refused or rolled back: it did not happen."""

    code = "step_refused"


class Aborted(StepRefused):
    """A migration was aborted because somebody ordered that."""

    code = "aborted"


class OutcomeUnknown(DriverError):
    """The answer was lost: it may have happened. Both sides must be read before anything else."""

    code = "outcome_unknown"


class Unsupported(DriverError):
    """A capability that is needed is missing; found before anything was started."""

    code = "unsupported"


class RecordFailed(DriverError):
    """A record of the network (DNS, a hook) could not be read or changed."""

    code = "record_failed"


class Bug(GodwitError):
    """A fault of Godwit itself; the migration it concerns is left as it is, for a person."""

    code = "bug"


class IllegalTransition(Bug):
    """An event arrived in a phase that has no row for it; nothing was changed."""

    code = "illegal_transition"
