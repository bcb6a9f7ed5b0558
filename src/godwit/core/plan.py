"""Plans as values: they name everything, so that the executor has nothing left to choose.

"No host fits" is a value with a reason for each host, never an error and never None.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from godwit.core.model import Forecast, HostName, PlanId, VmId
from godwit.core.timed import Limits, Stuck, TimedPlan
from godwit.core.worth import Term, Worth

__all__ = [
    "Alternative",
    "Candidate",
    "Choice",
    "Compression",
    "Move",
    "Plan",
    "PlanKind",
    "Recipe",
    "Refusal",
    "Throttle",
    "Unplaced",
    "throttled_stop_s",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a rule does not let a VM go to a host: the numbers, and what would change the answer."""

    rule: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One host as a destination for one VM.

    ``load_after`` is the projected load of the host with the VM on it: the larger of the promised
    share of its memory and the busy share of its cores. It may take the VM when ``refusals`` is
    empty.
    """

    host: HostName
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    memory_after: float
    cpu_after: float

    @property
    def load_after(self) -> float:
        """The projected load, a fraction of what the host has to give."""
        return max(self.memory_after, self.cpu_after)

    @property
    def fits(self) -> bool:
        """Whether no rule refuses it."""
        return not self.refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The answer to "where could this VM go?": every other host, the best first.

    ``vm_refusals`` are reasons that lie in the VM itself and hold for every host.
    """

    vm: VmId
    vm_name: str
    source: HostName
    vm_refusals: tuple[Refusal, ...]
    candidates: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate | None:
        """The candidate to take, or None when there is none."""
        if self.vm_refusals:
            return None
        return next((one for one in self.candidates if one.fits), None)

    def candidate(self, host: HostName) -> Candidate | None:
        """Return what was found about one host."""
        return next((one for one in self.candidates if one.host == host), None)


class Compression(Enum):
    """What is done to pages before they are sent."""

    NONE = "none"
    #: Each channel compresses its pages; needs channels.
    ZSTD = "zstd"
    #: Pages sent before are sent again as differences; excludes channels.
    XBZRLE = "xbzrle"


#: QEMU lets a slowed vCPU run for so long at a time, and then stops it for its share
#: (CPU_THROTTLE_TIMESLICE_NS): at 99 % it stands still for a second.
_TURN_S: Final = 0.01

#: A stop of a slowed vCPU is no longer than this share of the promised pause: an answer to a
#: client takes several turns. Lab, a promise of 1 s: outages of 1.3 and 2.1 s at up to 99 %.
_STOP_SHARE: Final = 0.1


def throttled_stop_s(fraction: float) -> float:
    """How long a vCPU that is slowed by this fraction of its time stands still at a time."""
    return _TURN_S * fraction / (1 - fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """Bounds for slowing vCPUs: fractions of their time that they are kept from running.

    Armed with the start of the migration at ``initial_fraction``, which is meant to be unfelt;
    steering orders steps of ``increment_fraction`` when it must, never above ``most_fraction``.
    """

    initial_fraction: float = 0.01
    increment_fraction: float = 0.2
    most_fraction: float = 0.99

    def __post_init__(self) -> None:
        in_order = 0 < self.initial_fraction <= self.most_fraction <= 0.99
        if not (in_order and 0 < self.increment_fraction <= 0.99):
            msg = f"the bounds of {self} are not in order"
            raise ValueError(msg)

    @classmethod
    def within(cls, pause_max_s: float) -> "Throttle":
        """The bounds for a promise: each stop of a vCPU is far below the promised pause."""
        stop_s = pause_max_s * _STOP_SHARE
        most = min(0.99, max(0.1, math.floor(100 * stop_s / (stop_s + _TURN_S)) / 100))
        return cls(increment_fraction=min(0.2, most), most_fraction=most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The parameters of one migration.

    The pause limit starts at ``pause_start_s`` and is never raised above ``pause_max_s``, the
    promise; where ``pause_longer_s`` stands, the VM's owner permits that much as the last resort.
    ``pause_target_s`` is the pause that is aimed at: what the recipe permits is done before the
    limit goes beyond it.
    ``bandwidth_bytes_per_s`` None leaves the stream unlimited; ``bandwidth_is_hard`` says that a
    person set it, so that steering must not raise it. ``link_bytes_per_s`` is the speed of the
    path where it is known, and bounds what steering believes of its measurements.
    ``switchover_bytes_per_s`` tells the hypervisor what the path carries when a limited stream
    switches over. ``channels`` 0 is one plain stream. ``xbzrle_cache_bytes`` is what the source
    keeps of pages that it sent, a power of two; None leaves it to the hypervisor. ``throttle`` and
    ``postcopy`` permit: they are armed at the start, and ordered by steering only when needed.
    ``deadline_s`` is how long the whole migration may take.
    """

    pause_start_s: float
    pause_max_s: float
    bandwidth_bytes_per_s: float | None = None
    link_bytes_per_s: float | None = None
    pause_longer_s: float | None = None
    pause_target_s: float | None = None
    bandwidth_is_hard: bool = False
    switchover_bytes_per_s: float | None = None
    channels: int = 0
    compression: Compression = Compression.NONE
    xbzrle_cache_bytes: int | None = None
    throttle: Throttle | None = None
    postcopy: bool = False
    deadline_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.pause_start_s <= self.pause_max_s:
            msg = f"pause limits {self.pause_start_s} and {self.pause_max_s} are not in order"
            raise ValueError(msg)
        if self.compression is Compression.ZSTD and not self.channels:
            msg = "zstd compresses channels, and there are none"
            raise ValueError(msg)
        if self.xbzrle_cache_bytes is not None and self.compression is not Compression.XBZRLE:
            msg = "only xbzrle has a cache of pages"
            raise ValueError(msg)
        if self.channels and (self.compression is Compression.XBZRLE or self.postcopy):
            msg = "channels go with neither xbzrle nor post-copy"
            raise ValueError(msg)

    @property
    def pause_ceiling_s(self) -> float:
        """The highest pause limit that may ever be ordered."""
        return max(self.pause_max_s, self.pause_longer_s or 0.0)

    @property
    def stream(self) -> str:
        """The kind of stream, by which bandwidth is learnt: plain, xbzrle, multifd-2, ..."""
        if not self.channels:
            return "plain" if self.compression is Compression.NONE else self.compression.value
        kind = f"multifd-{self.channels}"
        return kind if self.compression is Compression.NONE else f"{kind}-{self.compression.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A recipe that was weighed. ``excluded`` says why it can't be used; else it has a forecast."""

    recipe: Recipe
    forecast: Forecast | None
    name: str
    excluded: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One planned move. ``choice`` keeps every host's answer, so that "why" never has to guess.

    ``reason`` says why this host, ``worth`` what the move gains and costs. ``recipe_reason`` says
    why this recipe, ``alternatives`` what was weighed, the chosen one first. The choice of a plan
    of many moves has the next best hosts alone.
    """

    vm: VmId
    vm_name: str
    source: HostName
    destination: HostName
    memory_bytes: int
    vcpus: int
    recipe: Recipe
    reason: str
    choice: Choice
    warnings: tuple[str, ...] = ()
    forecast: Forecast | None = None
    recipe_reason: str = ""
    alternatives: tuple[Alternative, ...] = ()
    worth: Worth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """A VM that the plan can't move. It stays where it is and runs on: nothing is ever stopped."""

    vm: VmId
    vm_name: str
    choice: Choice

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The reasons in the VM itself, else the first reason of each host, without repeats."""
        if self.choice.vm_refusals:
            return self.choice.vm_refusals
        if not self.choice.candidates:
            return (_alone(self.choice.source),)
        found: dict[tuple[str, str], Refusal] = {}
        for candidate in self.choice.candidates:
            for refusal in candidate.refusals[:1]:
                found.setdefault((refusal.rule, refusal.why), refusal)
        return tuple(found.values())


def _alone(source: HostName) -> Refusal:
    return Refusal(
        rule="inventory",
        why=f"{source} is the only host in the inventory",
        remedy="Add another host with `godwit host add`.",
    )


class PlanKind(Enum):
    """What was asked for."""

    MIGRATE = "migrate"
    DRAIN = "drain"
    BALANCE = "balance"
    EVACUATE = "evacuate"
    RESTORE = "restore"
    CONSOLIDATE = "consolidate"
    PLACE = "place"
    REPAIR = "repair"
    MIX = "mix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Moves in the order in which they start, at most ``parallel`` of them at once.

    ``generation`` is that of the cluster the plan was made from. ``leaving`` are the hosts that are
    to be emptied, ``host`` the one where it is one. ``timed`` has, for each of the moves at the
    same place in its own row, what it waits for and its times: a VM that goes over a stop has two
    moves. None for a single migration.
    ``terms`` are those of the objective, before and after; ``reasons`` say why no more is moved,
    or nothing. ``deadline_s`` counts from the start.
    """

    id: PlanId
    kind: PlanKind
    generation: int
    made_at_s: float
    moves: tuple[Move, ...]
    unplaced: tuple[Unplaced, ...] = ()
    host: HostName | None = None
    parallel: int = 1
    notes: tuple[str, ...] = ()
    timed: TimedPlan | None = None
    terms: tuple[Term, ...] = ()
    reasons: tuple[str, ...] = ()
    deadline_s: float | None = None
    leaving: tuple[HostName, ...] = ()

    def __post_init__(self) -> None:
        if self.timed is not None:
            ours = [(one.vm, one.source, one.destination) for one in self.moves]
            if ours != [(one.vm, one.source, one.destination) for one in self.timed.moves]:
                msg = "what is timed are not the moves of the plan"
                raise ValueError(msg)

    @property
    def limits(self) -> Limits:
        """How many of its moves may be in flight: what was asked for, whatever was planned."""
        return Limits(per_host=None, per_link=None, whole=self.parallel)

    @property
    def closes(self) -> tuple[HostName, ...]:
        """The hosts that are put into maintenance when it is accepted, so that nothing comes back.

        Those that a consolidation empties stay in service: nobody is going to work on them.
        """
        if self.kind is PlanKind.CONSOLIDATE:
            return ()
        return self.leaving or ((self.host,) if self.host is not None else ())

    @property
    def left_out(self) -> tuple[Unplaced | Stuck, ...]:
        """The VMs that stay: without a host to go to, or without a way there."""
        return (*self.unplaced, *(self.timed.stuck if self.timed is not None else ()))

    @property
    def final_hosts(self) -> Mapping[VmId, HostName]:
        """Where each VM that moves is in the end."""
        return {one.vm: one.destination for one in self.moves}

    def goes_on(self, move: Move) -> bool:
        """Whether a move is one of this plan that ends at a stop on its VM's way."""
        own = [one.destination for one in self.moves if one.vm == move.vm]
        return move.destination in own[:-1]

    @property
    def gain(self) -> float:
        """The points that the plan gains, with the price of all of its moves taken off."""
        return sum(one.gain for one in self.terms)

    def with_id(self, plan_id: PlanId) -> "Plan":
        """Return the same plan under the id that the store gave it."""
        return replace(self, id=plan_id)
