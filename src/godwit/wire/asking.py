"""What can be asked of the planner, on the wire."""

from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeAlias, assert_never

from pydantic import Field, model_validator

from godwit.core import planner as core
from godwit.core.model import HostName, VmId
from godwit.wire.shape import Request

__all__ = [
    "BalanceRequest",
    "ConsolidateRequest",
    "DrainRequest",
    "EvacuateRequest",
    "MigrateRequest",
    "MixRequest",
    "PlaceRequest",
    "PlanRequest",
    "RepairRequest",
    "RestoreRequest",
    "SearchedRequest",
    "pause_settings_from_wire",
    "plan_settings_from_wire",
    "request_from_wire",
]

#: More moves at once than this share one link to nobody's good.
PARALLEL_MAX: Final = 64

_Name = Annotated[str, Field(min_length=1)]
_Duration = Annotated[float, Field(gt=0, le=30 * 86400)]


class _Asked(Request):
    """What every plan can be asked for.

    ``measure`` permits to watch for some seconds how a VM writes its memory, where that is not
    known; without, the forecast is wider.
    """

    pause_max_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    bandwidth_bytes_per_s: Annotated[float, Field(gt=0)] | None = None
    measure: bool = True


class MigrateRequest(_Asked):
    """Move one VM, to ``destination`` or to the best host."""

    kind: Literal["migrate"] = "migrate"
    vm: _Name
    destination: _Name | None = None


class _Searched(_Asked):
    """What can be asked for of plans that are searched.

    At most ``parallel`` moves are in flight at once. The search ends after ``limit_s`` at the
    latest; the same cluster and ``seed`` give the same plan unless it was cut off.
    """

    parallel: Annotated[int, Field(ge=1, le=PARALLEL_MAX)] = 1
    limit_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class BalanceRequest(_Searched):
    """Make the moves that gain more than they cost, at most ``moves_most`` of them."""

    kind: Literal["balance"] = "balance"
    moves_most: Annotated[int, Field(ge=1)] | None = None


class DrainRequest(_Searched):
    """Empty a host, within ``deadline_s`` of the start where it is given.

    VMs of other hosts move too only with ``make_room``.
    """

    kind: Literal["drain"] = "drain"
    host: _Name
    deadline_s: _Duration | None = None
    make_room: bool = False


class EvacuateRequest(_Searched):
    """Save what can be saved from a failing host: the urgent first, where room is scarce."""

    kind: Literal["evacuate"] = "evacuate"
    host: _Name
    deadline_s: _Duration | None = None


class RestoreRequest(_Searched):
    """Bring VMs back: those that the last run took away from ``host``, or as in ``placement``.

    ``placement`` has the host of each VM by the VM's id.
    """

    kind: Literal["restore"] = "restore"
    host: _Name | None = None
    placement: dict[str, _Name] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "RestoreRequest":
        if (self.host is None) == (self.placement is None):
            msg = "give either host or placement"
            raise ValueError(msg)
        return self


class ConsolidateRequest(_Searched):
    """Empty as many hosts as is safe, and leave ``hosts_least`` of them in use."""

    kind: Literal["consolidate"] = "consolidate"
    hosts_least: Annotated[int, Field(ge=1)] = 2


class PlaceRequest(_Searched):
    """Find the best other host for one VM, and make room there where there is none."""

    kind: Literal["place"] = "place"
    vm: _Name


class RepairRequest(_Searched):
    """Cure broken rules with the fewest moves."""

    kind: Literal["repair"] = "repair"


class MixRequest(_Searched):
    """Several requests as one plan. ``deadline_s`` and ``make_room`` are those of its drains."""

    kind: Literal["mix"] = "mix"
    balance: bool = False
    repair: bool = False
    drain: tuple[_Name, ...] = ()
    evacuate: tuple[_Name, ...] = ()
    place: tuple[_Name, ...] = ()
    deadline_s: _Duration | None = None
    make_room: bool = False

    @model_validator(mode="after")
    def _something(self) -> "MixRequest":
        if not (self.balance or self.repair or self.drain or self.evacuate or self.place):
            msg = "name at least one thing to do"
            raise ValueError(msg)
        if self.deadline_s is not None and not (self.drain or self.evacuate):
            msg = "a deadline is that of a drain or an evacuation, and there is none"
            raise ValueError(msg)
        return self


SearchedRequest: TypeAlias = (
    BalanceRequest
    | DrainRequest
    | EvacuateRequest
    | RestoreRequest
    | ConsolidateRequest
    | PlaceRequest
    | RepairRequest
    | MixRequest
)
PlanRequest = Annotated[MigrateRequest | SearchedRequest, Field(discriminator="kind")]


def pause_settings_from_wire(asked: MigrateRequest | SearchedRequest) -> core.PauseSettings:
    """Take the settings of the pause and of the bandwidth out of a request."""
    return core.PauseSettings(
        pause_max_s=asked.pause_max_s, bandwidth_bytes_per_s=asked.bandwidth_bytes_per_s
    )


def plan_settings_from_wire(asked: SearchedRequest) -> core.PlanSettings:
    """Take the settings of the planner out of a request."""
    return core.PlanSettings(
        pause=pause_settings_from_wire(asked),
        parallel=asked.parallel,
        moves_most=asked.moves_most if isinstance(asked, BalanceRequest) else None,
    )


def request_from_wire(asked: SearchedRequest, host: Callable[[str], HostName]) -> core.PlanRequest:
    """Convert a request; ``host`` finds the host of a name, or raises. VMs may be names or ids.

    A way back needs its ``placement`` here: what a host's last run was, the controller knows.
    """
    found: core.PlanRequest
    match asked:
        case BalanceRequest():
            found = core.Balance()
        case DrainRequest():
            found = core.Drain(
                hosts=(host(asked.host),),
                deadline_s=asked.deadline_s,
                make_room=asked.make_room,
            )
        case EvacuateRequest():
            found = core.Evacuate(host=host(asked.host), deadline_s=asked.deadline_s)
        case RestoreRequest():
            placement = asked.placement or {}
            found = core.Restore(placement={VmId(vm): host(at) for vm, at in placement.items()})
        case ConsolidateRequest():
            found = core.Consolidate(hosts_least=asked.hosts_least)
        case PlaceRequest():
            found = core.Place(vm=VmId(asked.vm))
        case RepairRequest():
            found = core.Repair()
        case MixRequest():
            found = core.Mix(requests=_mixed(asked, host))
        case _:
            assert_never(asked)
    return found


def _mixed(
    asked: MixRequest, host: Callable[[str], HostName]
) -> tuple[core.Drain | core.Evacuate | core.Place | core.Balance | core.Repair, ...]:
    hosts = tuple(host(one) for one in asked.drain)
    drain = core.Drain(hosts=hosts, deadline_s=asked.deadline_s, make_room=asked.make_room)
    return (
        *((drain,) if hosts else ()),
        *(core.Evacuate(host=host(one), deadline_s=asked.deadline_s) for one in asked.evacuate),
        *(core.Place(vm=VmId(one)) for one in asked.place),
        *((core.Balance(),) if asked.balance else ()),
        *((core.Repair(),) if asked.repair else ()),
    )
