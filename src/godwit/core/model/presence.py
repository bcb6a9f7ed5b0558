"""What one host says of one VM: the raw material of every "who runs the guest?"."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["Presence", "RunState", "VmSighting"]


class RunState(Enum):
    """libvirt's state and reason of a domain, as far as moving VMs must tell them apart."""

    RUNNING = "running"
    #: Runs at the destination while pages are still missing.
    RUNNING_POSTCOPY = "running_postcopy"
    RUNNING_POSTCOPY_FAILED = "running_postcopy_failed"
    #: Stopped by a migration: a source after its vCPUs stopped, a destination until resumed.
    PAUSED_MIGRATION = "paused_migration"
    PAUSED_POSTCOPY = "paused_postcopy"
    PAUSED_POSTCOPY_FAILED = "paused_postcopy_failed"
    #: libvirt tried to resume the guest and could not (often a lock that stopped a second copy).
    PAUSED_API_ERROR = "paused_api_error"
    #: Paused by a person.
    PAUSED_USER = "paused_user"
    #: Paused for another reason (I/O error, watchdog, snapshot, ...).
    PAUSED_OTHER = "paused_other"
    CRASHED = "crashed"
    #: Defined, but there is no hypervisor process.
    SHUT_OFF = "shut_off"

    @property
    def runs(self) -> bool:
        """Whether the vCPUs run."""
        return self in {
            RunState.RUNNING,
            RunState.RUNNING_POSTCOPY,
            RunState.RUNNING_POSTCOPY_FAILED,
        }


class Presence(Enum):
    """Whether a host has the VM. UNKNOWN is an unreachable host: it proves nothing."""

    HERE = "here"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class VmSighting:
    """One reading of one VM on one host at ``taken_at_s``.

    ``state`` is set when the VM is HERE. ``has_job`` says that a migration or another long job
    holds it. ``why_unknown`` is the evidence behind UNKNOWN.
    """

    presence: Presence
    state: RunState | None = None
    has_job: bool = False
    persistent: bool = False
    why_unknown: str = ""
    taken_at_s: float = 0.0

    @property
    def has_process(self) -> bool:
        """Whether a hypervisor process exists for the VM on this host."""
        return self.presence is Presence.HERE and self.state not in {
            RunState.SHUT_OFF,
            RunState.CRASHED,
        }

    def describe(self) -> str:
        """Say it in a few words, for evidence."""
        if self.presence is Presence.ABSENT:
            return "not there"
        if self.presence is Presence.UNKNOWN or self.state is None:
            return f"unknown ({self.why_unknown})" if self.why_unknown else "unknown"
        return self.state.value.replace("_", " ") + (", job running" if self.has_job else "")
