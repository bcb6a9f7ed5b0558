"""What was learnt of VMs and of paths between hosts: measured before moves, and from moves.

Derived values: they can be thrown away and learnt again. Everything in them has its age.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from godwit.core.model.ids import HostName, VmId

__all__ = [
    "Calibration",
    "DirtyObservation",
    "DirtySource",
    "Estimate",
    "Knowledge",
    "PathKey",
    "PathKnowledge",
    "VmKnowledge",
]


class DirtySource(Enum):
    """How the dirtying of a VM was observed."""

    #: The hypervisor's calculation before a move: samples of pages, coarse.
    SAMPLED = "sampled"
    #: A round of a migration: exact for its window, with the guest as a migration slows it.
    COPIED = "copied"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyObservation:
    """Distinct bytes of memory that a VM wrote within a window of ``window_s``.

    ``resolution_bytes`` is the smallest amount that the observation can tell from zero.
    """

    window_s: float
    written_bytes: float
    source: DirtySource
    taken_at_s: float
    resolution_bytes: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A learnt figure, in the unit that its owner says.

    ``spread_fraction`` is the standard deviation of the logarithm of what was seen ``count`` times.
    """

    value: float
    spread_fraction: float
    count: int
    updated_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VmKnowledge:
    """What is known of one VM. ``observations`` are the newest, oldest of them first.

    ``first_pass`` is the size of the last first passes in bytes as they went over the link: memory
    in use, without pages of zeroes. ``again_wire`` is what a byte of its memory takes on the wire
    when xbzrle sends it again. ``migrations`` counts those that were learnt from.
    """

    vm: VmId
    observations: tuple[DirtyObservation, ...] = ()
    first_pass: Estimate | None = None
    again_wire: Estimate | None = None
    migrations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PathKey:
    """A way between two hosts, as one kind of stream takes it (``Recipe.stream``)."""

    source: HostName
    destination: HostName
    stream: str = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathKnowledge:
    """What migrations over one path have shown. None: nothing yet.

    ``bandwidth`` in bytes per second of the memory stream. ``setup`` from the order to the first
    byte, ``ending`` from the running destination to the confirmed end, in seconds. ``pause_fixed``
    is the pause beyond sending the rest, ``outage_extra`` what clients saw beyond the pause.
    ``first_bandwidth`` is that of first passes, in which the destination allocates its memory.
    ``wire`` is what a byte of memory takes on the wire when each page is compressed.
    """

    bandwidth: Estimate | None = None
    setup: Estimate | None = None
    ending: Estimate | None = None
    pause_fixed: Estimate | None = None
    outage_extra: Estimate | None = None
    first_bandwidth: Estimate | None = None
    wire: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How wide the ranges must be, from scored forecasts: factors on their logarithmic width.

    1 leaves a range as the model has it. ``count`` scores stand behind the factors.
    """

    total_factor: float = 1.0
    pause_factor: float = 1.0
    outage_factor: float = 1.0
    sent_factor: float = 1.0
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """All that was learnt. A missing key means that nothing is known."""

    vms: Mapping[VmId, VmKnowledge] = field(default_factory=dict)
    paths: Mapping[PathKey, PathKnowledge] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)
