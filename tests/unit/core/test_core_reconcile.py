"""Goal: the guest is never harmed by a repair, and nobody is told a place that is not proven.

Method: each row of the table of FIELD_GUIDE 2.6 by its own text; rows that this table leaves open
by name; and properties over the whole product of what two hosts can say: 24 readings on either
side, with and without a switch-over that may have happened, and before and after a post-copy.
"""

import itertools

import pytest

from godwit.core.migration import Repair, Verdict, Whereabouts, reconcile
from godwit.core.model import Presence, RunState, VmSighting
from tests.unit.core.builders import ABSENT, UNKNOWN, here

RUNNING = here()
RUNNING_JOB = here(job=True)
SHUT_OFF = here(RunState.SHUT_OFF)
CRASHED = here(RunState.CRASHED)
PAUSED = here(RunState.PAUSED_MIGRATION)
PAUSED_JOB = here(RunState.PAUSED_MIGRATION, job=True)
PAUSED_USER = here(RunState.PAUSED_USER)
PAUSED_OTHER = here(RunState.PAUSED_OTHER)
API_ERROR = here(RunState.PAUSED_API_ERROR)
SOURCE_POSTCOPY = here(RunState.PAUSED_POSTCOPY)
SOURCE_POSTCOPY_JOB = here(RunState.PAUSED_POSTCOPY, job=True)
SOURCE_POSTCOPY_FAILED = here(RunState.PAUSED_POSTCOPY_FAILED)
SOURCE_POSTCOPY_FAILED_JOB = here(RunState.PAUSED_POSTCOPY_FAILED, job=True)
POSTCOPY = here(RunState.RUNNING_POSTCOPY)
POSTCOPY_FAILED = here(RunState.RUNNING_POSTCOPY_FAILED)

SOURCE, DESTINATION = Whereabouts.SOURCE, Whereabouts.DESTINATION
IN_PROGRESS, BOTH = Whereabouts.IN_PROGRESS, Whereabouts.BOTH
POSTCOPY_GOES_ON, BROKEN = Whereabouts.POSTCOPY, Whereabouts.POSTCOPY_BROKEN
NEITHER, CANNOT_KNOW = Whereabouts.NEITHER, Whereabouts.CANNOT_KNOW
NONE, RESUME_SOURCE = Repair.NONE, Repair.RESUME_SOURCE
DESTROY_SOURCE, DESTROY_DESTINATION = Repair.DESTROY_SOURCE, Repair.DESTROY_DESTINATION

POSTCOPY_STATES = {
    RunState.RUNNING_POSTCOPY,
    RunState.RUNNING_POSTCOPY_FAILED,
    RunState.PAUSED_POSTCOPY,
    RunState.PAUSED_POSTCOPY_FAILED,
}

Row = tuple[str, VmSighting, VmSighting, Whereabouts, Repair]

#: The rows of the guide in its order. Where it asks for something that Godwit does not do yet
#: (resuming a post-copy, the PAUSED flag), the answer here is the one that harms nobody.
GUIDE: tuple[Row, ...] = (
    ("running, job | paused(migration): in progress", RUNNING_JOB, PAUSED, IN_PROGRESS, NONE),
    (
        "running, no job | paused(migration): rolled back, destroy D",
        RUNNING,
        PAUSED,
        SOURCE,
        DESTROY_DESTINATION,
    ),
    ("running | absent: failed", RUNNING, ABSENT, SOURCE, NONE),
    ("running | shut off: failed", RUNNING, SHUT_OFF, SOURCE, NONE),
    ("paused(migration), job | paused: switch-over", PAUSED_JOB, PAUSED, IN_PROGRESS, NONE),
    ("paused(migration), job | running: switch-over", PAUSED_JOB, RUNNING, IN_PROGRESS, NONE),
    (
        "paused(migration), no job | running: destroy S",
        PAUSED,
        RUNNING,
        DESTINATION,
        DESTROY_SOURCE,
    ),
    ("paused(migration), no job | absent: resume S", PAUSED, ABSENT, SOURCE, RESUME_SOURCE),
    ("paused(migration), no job | shut off: resume S", PAUSED, SHUT_OFF, SOURCE, RESUME_SOURCE),
    (
        "paused(migration), no job | paused(migration): destroy D, then resume S",
        PAUSED,
        PAUSED,
        IN_PROGRESS,
        DESTROY_DESTINATION,
    ),
    (
        "paused(migration) | paused(user), PAUSED flag: not used, a person looks",
        PAUSED,
        PAUSED_USER,
        CANNOT_KNOW,
        NONE,
    ),
    ("paused(migration) | unreachable: do nothing", PAUSED, UNKNOWN, CANNOT_KNOW, NONE),
    (
        "paused(API_ERROR) | running: a lock stopped split brain, destroy S",
        API_ERROR,
        RUNNING,
        DESTINATION,
        DESTROY_SOURCE,
    ),
    ("running | running: split brain", RUNNING, RUNNING, BOTH, NONE),
    (
        "paused(postcopy) | running(postcopy): wait",
        SOURCE_POSTCOPY,
        POSTCOPY,
        POSTCOPY_GOES_ON,
        NONE,
    ),
    (
        "paused(postcopy), job | running(postcopy): wait",
        SOURCE_POSTCOPY_JOB,
        POSTCOPY,
        POSTCOPY_GOES_ON,
        NONE,
    ),
    (
        "paused(postcopy failed) | running(postcopy failed): never destroy, take it up again",
        SOURCE_POSTCOPY_FAILED,
        POSTCOPY_FAILED,
        BROKEN,
        NONE,
    ),
    (
        "paused(postcopy failed), job | running(postcopy failed): the same",
        SOURCE_POSTCOPY_FAILED_JOB,
        POSTCOPY_FAILED,
        BROKEN,
        NONE,
    ),
    ("paused(postcopy failed) | absent: lost", SOURCE_POSTCOPY_FAILED, ABSENT, NEITHER, NONE),
    (
        "paused(postcopy failed), job | absent: lost, the job never ends",
        SOURCE_POSTCOPY_FAILED_JOB,
        ABSENT,
        NEITHER,
        NONE,
    ),
    ("absent | running(postcopy failed): lost", ABSENT, POSTCOPY_FAILED, NEITHER, NONE),
    ("shut off | running(postcopy failed): lost", SHUT_OFF, POSTCOPY_FAILED, NEITHER, NONE),
    ("absent | running(migrated): success", ABSENT, RUNNING, DESTINATION, NONE),
    ("shut off | running(migrated): success", SHUT_OFF, RUNNING, DESTINATION, NONE),
    ("absent | absent: both died", ABSENT, ABSENT, NEITHER, NONE),
    ("shut off | absent: both died", SHUT_OFF, ABSENT, NEITHER, NONE),
)

#: What the guide does not list and the hosts can say all the same.
BEYOND: tuple[Row, ...] = (
    ("running, job | running: still a split", RUNNING_JOB, RUNNING, BOTH, NONE),
    ("running, job | absent: before Prepare", RUNNING_JOB, ABSENT, IN_PROGRESS, NONE),
    ("running, job | unreachable: goes on", RUNNING_JOB, UNKNOWN, IN_PROGRESS, NONE),
    ("unreachable | running: the source may run too", UNKNOWN, RUNNING, CANNOT_KNOW, NONE),
    ("unreachable | absent", UNKNOWN, ABSENT, CANNOT_KNOW, NONE),
    ("absent | unreachable", ABSENT, UNKNOWN, CANNOT_KNOW, NONE),
    ("shut off | unreachable", SHUT_OFF, UNKNOWN, CANNOT_KNOW, NONE),
    ("unreachable | unreachable", UNKNOWN, UNKNOWN, CANNOT_KNOW, NONE),
    ("absent | paused(migration): Finish may start it", ABSENT, PAUSED, CANNOT_KNOW, NONE),
    ("absent | paused(user): moved, then paused", ABSENT, PAUSED_USER, DESTINATION, NONE),
    ("absent | running(postcopy): not complete yet", ABSENT, POSTCOPY, CANNOT_KNOW, NONE),
    ("paused(user) | absent: a person paused it there", PAUSED_USER, ABSENT, SOURCE, NONE),
    ("paused(API_ERROR) | absent", API_ERROR, ABSENT, SOURCE, RESUME_SOURCE),
    ("paused(migration) | crashed: it ran there", PAUSED, CRASHED, NEITHER, NONE),
    ("crashed | absent", CRASHED, ABSENT, NEITHER, NONE),
    (
        "paused(user) | running: it may have run on before a person paused it",
        PAUSED_USER,
        RUNNING,
        CANNOT_KNOW,
        NONE,
    ),
    ("paused(I/O error) | running: the same", PAUSED_OTHER, RUNNING, CANNOT_KNOW, NONE),
    ("paused(postcopy) | running: not ours to end", SOURCE_POSTCOPY, RUNNING, CANNOT_KNOW, NONE),
    ("paused(postcopy) | paused(migration)", SOURCE_POSTCOPY, PAUSED, CANNOT_KNOW, NONE),
    ("paused(postcopy), no job | absent: stale", SOURCE_POSTCOPY, ABSENT, NEITHER, NONE),
    (
        "paused(postcopy), job | absent: libvirt is about to say what it was",
        SOURCE_POSTCOPY_JOB,
        ABSENT,
        CANNOT_KNOW,
        NONE,
    ),
    (
        "paused(postcopy), job | paused(migration): about to run there",
        SOURCE_POSTCOPY_JOB,
        PAUSED,
        IN_PROGRESS,
        NONE,
    ),
    (
        "paused(postcopy), job | running: whole, about to be confirmed",
        SOURCE_POSTCOPY_JOB,
        RUNNING,
        POSTCOPY_GOES_ON,
        NONE,
    ),
    (
        "paused(postcopy failed), job | running(postcopy): the destination has not noticed",
        SOURCE_POSTCOPY_FAILED_JOB,
        POSTCOPY,
        BROKEN,
        NONE,
    ),
    (
        "paused(postcopy), job | running(postcopy failed): the source has not noticed",
        SOURCE_POSTCOPY_JOB,
        POSTCOPY_FAILED,
        POSTCOPY_GOES_ON,
        NONE,
    ),
    (
        "paused(postcopy failed), job | running: whole, libvirt is about to see it",
        SOURCE_POSTCOPY_FAILED_JOB,
        RUNNING,
        CANNOT_KNOW,
        NONE,
    ),
    (
        "paused(migration), job | running(postcopy): the source is about to say so",
        PAUSED_JOB,
        POSTCOPY,
        IN_PROGRESS,
        NONE,
    ),
    (
        "paused(postcopy failed), job | paused(migration): cut before it ran there, a person looks",
        SOURCE_POSTCOPY_FAILED_JOB,
        PAUSED,
        CANNOT_KNOW,
        NONE,
    ),
    ("paused(migration) | running(postcopy): forgotten", PAUSED, POSTCOPY, CANNOT_KNOW, NONE),
    ("paused(postcopy), job | unreachable", SOURCE_POSTCOPY_JOB, UNKNOWN, POSTCOPY_GOES_ON, NONE),
    (
        "paused(postcopy failed), job | unreachable: broken, and the other may be gone",
        SOURCE_POSTCOPY_FAILED_JOB,
        UNKNOWN,
        CANNOT_KNOW,
        NONE,
    ),
    ("running | paused(user): whose is it?", RUNNING, PAUSED_USER, CANNOT_KNOW, NONE),
    (
        "paused(user) | paused(migration): the leftover goes",
        PAUSED_USER,
        PAUSED,
        IN_PROGRESS,
        DESTROY_DESTINATION,
    ),
)


@pytest.mark.parametrize("could_have_switched", [False, True], ids=["no stop", "maybe stopped"])
@pytest.mark.parametrize("row", GUIDE + BEYOND, ids=lambda row: row[0])
def test_the_row_is_judged_as_it_says(row: Row, could_have_switched: bool) -> None:
    _, source, destination, where, repair = row
    verdict = reconcile(source, destination, could_have_switched=could_have_switched)
    assert (verdict.where, verdict.repair) == (where, repair)
    assert source.describe() in verdict.why
    assert destination.describe() in verdict.why


@pytest.mark.parametrize(
    ("could_have_switched", "where"), [(False, SOURCE), (True, CANNOT_KNOW)], ids=str
)
def test_a_silent_destination_may_run_a_copy_once_the_vcpus_may_have_stopped(
    could_have_switched: bool, where: Whereabouts
) -> None:
    verdict = reconcile(RUNNING, UNKNOWN, could_have_switched=could_have_switched)
    assert (verdict.where, verdict.repair) == (where, NONE)


def test_a_copy_that_a_finish_may_still_start_is_left_alone_beyond_the_keepalive() -> None:
    both_paused = reconcile(PAUSED, PAUSED, could_have_switched=True)
    rolled_back = reconcile(RUNNING, PAUSED, could_have_switched=True)
    assert both_paused.quiet_s > 30
    assert 0 < rolled_back.quiet_s < 30


def test_destroying_the_leftover_leads_to_the_row_that_resumes_the_source() -> None:
    assert reconcile(PAUSED, PAUSED, could_have_switched=True).repair is DESTROY_DESTINATION
    for gone in (ABSENT, SHUT_OFF):
        assert reconcile(PAUSED, gone, could_have_switched=True).repair is RESUME_SOURCE
        assert reconcile(RUNNING, gone, could_have_switched=True).where is SOURCE


def sightings() -> tuple[VmSighting, ...]:
    """Everything that one host can say: absent, unknown, or any state with and without a job."""
    states = (here(state, job=job) for state in RunState for job in (False, True))
    return (ABSENT, UNKNOWN, *states)


ALL = tuple(
    (source, destination, switched, reconcile(source, destination, could_have_switched=switched))
    for source, destination, switched in itertools.product(sightings(), sightings(), (False, True))
)
Judged = tuple[VmSighting, VmSighting, bool, Verdict]


def is_running(sighting: VmSighting) -> bool:
    return sighting.state is not None and sighting.state.runs


def of(**wanted: object) -> list[Judged]:
    """Return all pairs whose verdict has these attributes; never none, or a test proves nothing."""
    found = [
        one for one in ALL if all(getattr(one[3], key) == value for key, value in wanted.items())
    ]
    assert found, wanted
    return found


def test_the_product_is_whole() -> None:
    assert len(ALL) == 2 * (2 + 2 * len(RunState)) ** 2
    assert {one[3].where for one in ALL} == set(Whereabouts)
    assert {one[3].repair for one in ALL} == set(Repair)


def test_no_repair_ends_a_copy_that_runs() -> None:
    for source, destination, _, _ in of(repair=DESTROY_SOURCE):
        assert not is_running(source)
        assert destination.state is RunState.RUNNING
        assert source.state in {RunState.PAUSED_MIGRATION, RunState.PAUSED_API_ERROR}
    for _, destination, _, _ in of(repair=DESTROY_DESTINATION):
        assert not is_running(destination)
        assert destination.state is RunState.PAUSED_MIGRATION, "it may have run before"


def test_no_repair_ends_the_only_copy() -> None:
    for source, _, _, _ in of(repair=DESTROY_DESTINATION):
        assert source.has_process
    for _, destination, _, _ in of(repair=DESTROY_SOURCE):
        assert destination.has_process


def test_the_source_is_resumed_only_when_the_destination_is_proven_to_have_nothing() -> None:
    for source, destination, _, _ in of(repair=RESUME_SOURCE):
        assert destination.presence is not Presence.UNKNOWN
        assert not destination.has_process
        assert destination.state is not RunState.CRASHED
        assert source.state in {RunState.PAUSED_MIGRATION, RunState.PAUSED_API_ERROR}
        assert not source.has_job


def test_a_host_that_does_not_answer_never_leads_to_a_repair() -> None:
    for source, destination, _, verdict in ALL:
        if Presence.UNKNOWN in {source.presence, destination.presence}:
            assert verdict.repair is NONE


def test_post_copy_never_leads_to_a_repair() -> None:
    for source, destination, _, verdict in ALL:
        if {source.state, destination.state} & POSTCOPY_STATES:
            assert verdict.repair is NONE


def test_a_job_on_the_source_keeps_every_repair_away() -> None:
    for source, _, _, verdict in ALL:
        if source.has_process and source.has_job:
            assert verdict.repair is NONE


def test_every_repair_waits_and_every_wait_is_for_a_repair() -> None:
    for _, _, _, verdict in ALL:
        assert (verdict.quiet_s > 0) == (verdict.repair is not NONE)


def test_source_is_said_only_where_the_source_alone_can_run() -> None:
    for source, destination, switched, verdict in of(where=SOURCE):
        assert source.has_process
        assert not is_running(destination)
        if destination.presence is Presence.UNKNOWN:
            assert source.state is RunState.RUNNING
            assert not switched
        elif destination.has_process:
            assert verdict.repair is DESTROY_DESTINATION


def test_destination_is_said_only_where_the_destination_alone_can_run() -> None:
    for source, destination, _, verdict in of(where=DESTINATION):
        assert destination.has_process
        assert source.presence is not Presence.UNKNOWN
        assert not is_running(source)
        assert not source.has_process or verdict.repair is DESTROY_SOURCE


def test_two_running_copies_are_always_called_a_split_and_nothing_else_is() -> None:
    for source, destination, _, verdict in ALL:
        both = is_running(source) and is_running(destination)
        assert (verdict.where is BOTH) == both


def test_neither_is_said_only_when_both_answered_and_nothing_sound_runs() -> None:
    for source, destination, _, _ in of(where=NEITHER):
        assert Presence.UNKNOWN not in {source.presence, destination.presence}
        assert not is_running(source)
        assert not is_running(destination) or destination.state is (
            RunState.RUNNING_POSTCOPY_FAILED
        )


def test_a_copy_that_runs_alone_and_whole_is_never_called_lost() -> None:
    for source, destination, _, verdict in ALL:
        if RunState.RUNNING in {source.state, destination.state}:
            assert verdict.where is not NEITHER


def test_a_switch_over_that_may_have_happened_only_ever_makes_it_more_careful() -> None:
    by_pair = {(one[0], one[1], one[2]): one[3] for one in ALL}
    for source, destination, switched, verdict in ALL:
        if switched and verdict != by_pair[source, destination, False]:
            assert (verdict.where, verdict.repair) == (CANNOT_KNOW, NONE)


def stale(source: VmSighting, destination: VmSighting, **how: bool) -> Verdict:
    """The verdict once a post-copy was ordered (may be stale) or began (is stale)."""
    return reconcile(source, destination, could_have_switched=True, **how)


@pytest.mark.parametrize("how", ["may_be_stale", "is_stale"])
def test_no_repair_leads_to_a_resumed_source_once_post_copy_was_ordered(how: str) -> None:
    withheld = 0
    for source, destination, _, verdict in ALL:
        judged = stale(source, destination, **{how: True})
        assert judged.repair is not RESUME_SOURCE
        if not is_running(source):
            assert judged.repair is not DESTROY_DESTINATION, "its next row resumes the source"
            withheld += verdict.repair in {RESUME_SOURCE, DESTROY_DESTINATION}
    assert withheld > 20


def test_a_source_whose_daemon_forgot_the_post_copy_is_not_believed() -> None:
    for gone in (ABSENT, SHUT_OFF):
        assert reconcile(PAUSED, gone, could_have_switched=True).repair is RESUME_SOURCE
        for paused in (PAUSED, API_ERROR, PAUSED_OTHER, PAUSED_USER):
            assert stale(paused, gone, is_stale=True).where is NEITHER
        # Ordered, and nobody saw whether it began: a person must look.
        assert stale(PAUSED, gone, may_be_stale=True).where is CANNOT_KNOW


def test_a_guest_that_a_person_started_again_at_the_source_is_believed() -> None:
    assert stale(RUNNING, ABSENT, is_stale=True).where is SOURCE


def test_a_source_that_may_hold_pages_of_the_guest_is_not_ended() -> None:
    """It is ended by libvirt itself, once the destination has all; else a person must do it."""
    assert stale(PAUSED, RUNNING, may_be_stale=True).repair is DESTROY_SOURCE
    assert stale(PAUSED, RUNNING, is_stale=True).where is CANNOT_KNOW
    assert {stale(one[0], one[1], is_stale=True).repair for one in ALL} == {NONE}


def test_a_post_copy_only_ever_makes_it_more_careful() -> None:
    for source, destination, switched, verdict in ALL:
        for how in ("may_be_stale", "is_stale"):
            judged = reconcile(source, destination, could_have_switched=switched, **{how: True})
            if (judged.where, judged.repair) != (verdict.where, verdict.repair):
                assert judged.repair is NONE
                assert judged.where in {CANNOT_KNOW, NEITHER}
