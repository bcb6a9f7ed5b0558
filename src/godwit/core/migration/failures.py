"""What a person is told of a reading of both hosts that is no success: cause and remedy."""

from godwit.core.migration.events import Failure, Found

__all__ = ["lost", "rolled_back", "split"]


def rolled_back(event: Found) -> Failure:
    """The source alone runs the guest."""
    return Failure(
        code="rolled_back",
        cause="the migration ended without moving the guest",
        evidence=event.why,
        remedy="The guest runs at the source. See the libvirt logs of both hosts, then try again.",
    )


def split(event: Found) -> Failure:
    """Both run it."""
    return Failure(
        code="split",
        cause="both hosts run the guest",
        evidence=event.why,
        remedy="Stop one copy now with `virsh destroy` on its host (keep the one whose disk lease"
        " or writes you trust), check the file system, then run `godwit resolve`.",
    )


def lost(event: Found) -> Failure:
    """Neither runs it."""
    return Failure(
        code="lost",
        cause="neither host runs the guest",
        evidence=event.why,
        remedy="Start it on one host with `virsh start`, then run `godwit resolve`.",
    )
