"""Who runs the guest, from what both hosts say; and the one safe repair, if one is needed.

The rows follow libvirt's failure model (docs/libvirt-behaviour.md): the state of the domain on each
side, and whether a job holds it on the source. A host that does not answer is unknown, never
absent. A repair that ends a copy is named only where that copy is proven never to have run, or
proven to be a remainder; and only after both readings stayed the same for ``quiet_s``.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from godwit.core.migration.events import Whereabouts
from godwit.core.model import Presence, RunState, VmSighting

__all__ = ["Repair", "Verdict", "reconcile"]

#: libvirt's own keepalive between daemons gives up after 30 s, and only then does a side roll back
#: by itself. A Finish in flight can still start the destination until then.
_KEEPALIVE_QUIET_S: Final = 35.0

#: Long enough for libvirt's own clean-up of a failed migration to be over.
_SHORT_QUIET_S: Final = 2.0

_POSTCOPY: Final = frozenset(
    {
        RunState.RUNNING_POSTCOPY,
        RunState.RUNNING_POSTCOPY_FAILED,
        RunState.PAUSED_POSTCOPY,
        RunState.PAUSED_POSTCOPY_FAILED,
    }
)

#: A source in these states has not run since the migration stopped it.
_STOPPED_BY_MIGRATION: Final = frozenset({RunState.PAUSED_MIGRATION, RunState.PAUSED_API_ERROR})


class Repair(Enum):
    """What may be done, on which side."""

    NONE = "none"
    #: Destroy the destination's copy, which never ran.
    DESTROY_DESTINATION = "destroy_destination"
    #: Resume the source: the destination is proven to have nothing.
    RESUME_SOURCE = "resume_source"
    #: Destroy the source's copy: stopped for good, the destination runs.
    DESTROY_SOURCE = "destroy_source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the pair of readings means. ``where`` holds after ``repair`` succeeded.

    ``repair`` may be carried out only when the same pair was read for ``quiet_s`` seconds; while it
    waits, and after it was done, both sides are read again.
    """

    where: Whereabouts
    why: str
    repair: Repair = Repair.NONE
    quiet_s: float = 0.0


def reconcile(
    source: VmSighting,
    destination: VmSighting,
    *,
    could_have_switched: bool,
    may_be_stale: bool = False,
    is_stale: bool = False,
) -> Verdict:
    """Judge one pair of readings of the same VM.

    ``could_have_switched`` says that the vCPUs may have stopped for a switch-over during this
    migration: then a destination that does not answer may run a copy. ``may_be_stale`` says that
    a post-copy was ordered, ``is_stale`` that it began: the guest ran on at the destination, and
    nothing may ever resume the source.
    """
    verdict = _judge(source, destination, could_have_switched=could_have_switched)
    why = f"{verdict.why} (post-copy: the memory at the source may be stale)"
    if is_stale and _runs(source) and verdict.repair is not Repair.NONE:
        # Somebody resumed the source. The copy at the destination is no leftover: it ran.
        return Verdict(where=Whereabouts.CANNOT_KNOW, why=why)
    if not source.has_process or _runs(source) or destination.presence is Presence.UNKNOWN:
        return verdict
    finds_out = source.state is RunState.PAUSED_POSTCOPY and source.has_job
    if is_stale and not destination.has_process and not finds_out:
        return Verdict(where=Whereabouts.NEITHER, why=why)
    withheld = {Repair.RESUME_SOURCE, Repair.DESTROY_DESTINATION} if may_be_stale else set()
    if verdict.repair in withheld or (is_stale and verdict.repair is not Repair.NONE):
        # Destroying the destination leads to resuming the source, and the source may have pages
        # that the destination lacks. That a daemon forgot about the post-copy when it was started
        # again must not make us forget it.
        return Verdict(where=Whereabouts.CANNOT_KNOW, why=why)
    return verdict


def _judge(source: VmSighting, destination: VmSighting, *, could_have_switched: bool) -> Verdict:
    why = f"source: {source.describe()}; destination: {destination.describe()}"
    if source.presence is Presence.UNKNOWN:
        return Verdict(where=Whereabouts.CANNOT_KNOW, why=why)
    if destination.presence is Presence.UNKNOWN:
        return _destination_silent(source, why, could_have_switched=could_have_switched)
    if not source.has_process:
        return _source_gone(destination, why)
    if not destination.has_process:
        return _destination_gone(source, destination, why)
    return _both_there(source, destination, why)


def _destination_silent(source: VmSighting, why: str, *, could_have_switched: bool) -> Verdict:
    if source.state is RunState.PAUSED_POSTCOPY and source.has_job:
        return Verdict(where=Whereabouts.POSTCOPY, why=why)
    if source.state is RunState.PAUSED_POSTCOPY_FAILED:
        # Broken, as the source has it. Its job stays for ever, and proves nothing.
        return Verdict(where=Whereabouts.CANNOT_KNOW, why=why)
    if source.has_process and source.has_job:
        return Verdict(where=Whereabouts.IN_PROGRESS, why=why)
    if source.state is RunState.RUNNING and not could_have_switched:
        # The destination never got the whole state: whatever is left there can't run.
        return Verdict(where=Whereabouts.SOURCE, why=why)
    return Verdict(where=Whereabouts.CANNOT_KNOW, why=why)


def _source_gone(destination: VmSighting, why: str) -> Verdict:
    if not destination.has_process:
        return Verdict(where=Whereabouts.NEITHER, why=why)
    if destination.state is RunState.RUNNING:
        return Verdict(where=Whereabouts.DESTINATION, why=why)
    if destination.state is RunState.RUNNING_POSTCOPY_FAILED:
        # Pages that only the source had are gone for ever: the guest can't go on.
        return Verdict(where=Whereabouts.NEITHER, why=why)
    if destination.state is RunState.PAUSED_MIGRATION or destination.state in _POSTCOPY:
        # Finish may be about to start it; or pages are missing, and only libvirt can say.
        return Verdict(where=Whereabouts.CANNOT_KNOW, why=why)
    # Moved whole, and stopped there afterwards by somebody else.
    return Verdict(where=Whereabouts.DESTINATION, why=why)


def _destination_gone(  # noqa: PLR0911 - one return a row
    source: VmSighting, destination: VmSighting, why: str
) -> Verdict:
    if source.state is RunState.PAUSED_POSTCOPY_FAILED:
        # The guest went on at the destination and died there: the source's memory is stale. Its
        # job stays active for ever, so it is no sign that anything goes on.
        return Verdict(where=Whereabouts.NEITHER, why=why)
    if source.state is RunState.PAUSED_POSTCOPY and source.has_job:
        # Gone before it ran there, or after: libvirt on the source is about to find out.
        return Verdict(where=Whereabouts.CANNOT_KNOW, why=why)
    if source.has_job:
        # Before Prepare or after an abort: the job says that it is not over.
        return Verdict(where=Whereabouts.IN_PROGRESS, why=why)
    match source.state:
        case RunState.PAUSED_MIGRATION | RunState.PAUSED_API_ERROR:
            if destination.state is RunState.CRASHED:
                # A guest can only crash where it ran: the source's memory is stale.
                return Verdict(where=Whereabouts.NEITHER, why=why)
            return Verdict(
                where=Whereabouts.SOURCE,
                why=why,
                repair=Repair.RESUME_SOURCE,
                quiet_s=_SHORT_QUIET_S,
            )
        case RunState.PAUSED_POSTCOPY:
            # As above; libvirt has let go of it.
            return Verdict(where=Whereabouts.NEITHER, why=why)
        case _:
            return Verdict(where=Whereabouts.SOURCE, why=why)


def _both_there(source: VmSighting, destination: VmSighting, why: str) -> Verdict:
    if _runs(source) and _runs(destination):
        # Whatever jobs there are: no healthy migration has two running copies.
        return Verdict(where=Whereabouts.BOTH, why=why)
    if source.state in _POSTCOPY or destination.state in _POSTCOPY:
        return _postcopy(source, destination, why)
    if source.has_job:
        return Verdict(where=Whereabouts.IN_PROGRESS, why=why)
    if destination.state is RunState.PAUSED_MIGRATION:
        return _destination_never_ran(source, why)
    if destination.state is RunState.RUNNING and source.state in _STOPPED_BY_MIGRATION:
        # Stopped by the migration, or kept from resuming by a lock: the destination has it. A
        # source that was stopped by something else may have run on since: a person must look.
        return Verdict(
            where=Whereabouts.DESTINATION,
            why=why,
            repair=Repair.DESTROY_SOURCE,
            quiet_s=_SHORT_QUIET_S,
        )
    return Verdict(where=Whereabouts.CANNOT_KNOW, why=why)


def _postcopy(source: VmSighting, destination: VmSighting, why: str) -> Verdict:
    """Both sides are needed until the last page is over; nothing here is ever ours to end.

    The source says whether it broke: it is the side that is told to take it up again. Where only
    the destination has noticed, the source is about to, or the stream comes back before it does.
    """
    where = Whereabouts.CANNOT_KNOW
    if destination.state in _POSTCOPY:
        if source.state is RunState.PAUSED_POSTCOPY_FAILED:
            where = Whereabouts.POSTCOPY_BROKEN
        elif source.state is RunState.PAUSED_POSTCOPY:
            where = Whereabouts.POSTCOPY
        elif source.has_job:
            where = Whereabouts.IN_PROGRESS
    elif source.state is RunState.PAUSED_POSTCOPY and source.has_job:
        # About to run there, or whole there already and about to be confirmed.
        whole = destination.state is RunState.RUNNING
        where = Whereabouts.POSTCOPY if whole else Whereabouts.IN_PROGRESS
    return Verdict(where=where, why=why)


def _destination_never_ran(source: VmSighting, why: str) -> Verdict:
    if source.state is RunState.RUNNING:
        return Verdict(
            where=Whereabouts.SOURCE,
            why=why,
            repair=Repair.DESTROY_DESTINATION,
            quiet_s=_SHORT_QUIET_S,
        )
    # Nobody may have the full state. The destination goes first, and then the source is resumed by
    # the row for a destination that is gone. Until the keepalive is over a Finish may still run.
    return Verdict(
        where=Whereabouts.IN_PROGRESS,
        why=why,
        repair=Repair.DESTROY_DESTINATION,
        quiet_s=_KEEPALIVE_QUIET_S,
    )


def _runs(sighting: VmSighting) -> bool:
    return sighting.state is not None and sighting.state.runs
