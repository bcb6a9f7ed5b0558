"""The phases of a migration, who runs the guest in each, and how long each may last."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

__all__ = ["DEADLINES_S", "Phase", "Runner", "is_ended"]


class Runner(Enum):
    """Who runs the guest."""

    SOURCE = "source"
    DESTINATION = "destination"
    NOBODY = "nobody"
    BOTH = "both"
    UNCERTAIN = "uncertain"


class Phase(Enum):
    """Where a migration is. Each member says who runs the guest, and what is going on."""

    ACCEPTED = ("accepted", Runner.SOURCE, "accepted, waiting for its turn; nothing was asked yet")
    CHECKING = ("checking", Runner.SOURCE, "its preconditions hold; about to be started")
    STARTING = ("starting", Runner.SOURCE, "the destination is being prepared")
    COPYING = ("copying", Runner.SOURCE, "memory is copied in rounds while the guest runs")
    SWITCHING = ("switching", Runner.NOBODY, "the vCPUs are stopped; the last pages are sent")
    POSTCOPY = (
        "postcopy",
        Runner.DESTINATION,
        "the guest runs at the destination, and the rest of its memory follows; no way back",
    )
    RECOVERING = (
        "recovering",
        Runner.DESTINATION,
        "the post-copy broke; it is taken up again as soon as the path is back",
    )
    CANCELLING = ("cancelling", Runner.UNCERTAIN, "an abort was ordered; it may come too late")
    CONFIRMING = ("confirming", Runner.UNCERTAIN, "both hosts are asked who runs the guest")
    UNKNOWN = ("unknown", Runner.UNCERTAIN, "a host does not answer; asked again until it does")
    VERIFYING = ("verifying", Runner.DESTINATION, "definitions and the network are checked")
    DONE = ("done", Runner.DESTINATION, "the guest runs at the destination and only there")
    FAILED = ("failed", Runner.SOURCE, "given up; the guest runs at the source, unharmed")
    CANCELLED = ("cancelled", Runner.SOURCE, "cancelled; the guest runs at the source, unharmed")
    SPLIT = ("split", Runner.BOTH, "both hosts run the guest; only a person may leave this phase")
    LOST = ("lost", Runner.NOBODY, "neither host runs the guest; a person must start it again")

    def __init__(self, word: str, runner: Runner, says: str) -> None:
        self.word = word
        self.runner = runner
        self.says = says


def is_ended(phase: Phase) -> bool:
    """Whether nothing more will happen by itself and nothing is in doubt."""
    return phase in {Phase.DONE, Phase.FAILED, Phase.CANCELLED}


#: How long a phase may last before ``DeadlinePassed`` (seconds). Phases that are missing have
#: ended, or wait for a person. COPYING and POSTCOPY get time by the size of the memory:
#: see ``deadline_s``.
DEADLINES_S: Final[Mapping[Phase, float]] = {
    # A queue of a whole drain may stand before it.
    Phase.ACCEPTED: 24 * 3600.0,
    Phase.CHECKING: 60.0,
    # Prepare starts a QEMU; libvirt waits 30 s for a lock on either side.
    Phase.STARTING: 120.0,
    # Floor of the copy; the size of the memory adds to it.
    Phase.COPYING: 300.0,
    # libvirt's keepalive gives up after 30 s; then the roll-back.
    Phase.SWITCHING: 60.0,
    # Only an alarm, both of them: neither can be given up.
    Phase.POSTCOPY: 300.0,
    Phase.RECOVERING: 300.0,
    Phase.CANCELLING: 60.0,
    Phase.CONFIRMING: 120.0,
    # Only an alarm: the migration stays unknown until both hosts answer.
    Phase.UNKNOWN: 300.0,
    Phase.VERIFYING: 60.0,
}
