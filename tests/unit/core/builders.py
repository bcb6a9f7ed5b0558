"""Hosts, VMs, clusters and migrations for the tests of the core, each in one short line.

Everything that a test does not name is unremarkable: hosts of 64 GiB and 16 cores, VMs of 4 GiB and
2 vCPUs that run on ``h1``, a disk that every host sees, a CPU that every host can give.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from bench.plain import plain_host, plain_vm
from godwit.core.migration import Accepted
from godwit.core.model import (
    Cluster,
    CpuAnswer,
    DiskSighting,
    Host,
    HostName,
    MigrationId,
    PlanId,
    Presence,
    Reservation,
    Round,
    RunState,
    Vm,
    VmGroup,
    VmId,
    VmSighting,
)
from godwit.core.plan import Candidate, Choice, Move, Plan, PlanKind, Recipe
from godwit.core.planner import PauseSettings, plan_migration
from godwit.core.timetable import with_times
from godwit.core.units import GIB, MIB

__all__ = [
    "ABSENT",
    "NOW_S",
    "UNKNOWN",
    "accepted",
    "candidate",
    "cluster",
    "group",
    "here",
    "host",
    "move",
    "moving",
    "promise",
    "recipe",
    "round_",
    "some_groups",
    "vm",
]

NOW_S = 1_800_000_000.0

ABSENT = VmSighting(presence=Presence.ABSENT)
UNKNOWN = VmSighting(presence=Presence.UNKNOWN, why_unknown="no route to host")


def host(name: str = "h2", **changes: Any) -> Host:
    """A host; ``changes`` go to its record or to its observation, whichever has the field."""
    return plain_host(name, **({"taken_at_s": NOW_S} | changes))


def vm(name: str = "web1", on: str = "h1", **changes: Any) -> Vm:
    """A VM; its id is made from its name unless one is given."""
    return plain_vm(name, on, **({"id": VmId(f"id-{name}"), "taken_at_s": NOW_S} | changes))


def group(name: str, *members: Vm | str, together: bool) -> VmGroup:
    """A group of VMs, by value or by name."""
    ids = frozenset(VmId(f"id-{one}") if isinstance(one, str) else one.id for one in members)
    return VmGroup(name=name, together=together, members=ids)


def some_groups(
    number: int, vms: list[Vm], chance: Random, *, most: int, together_fraction: float
) -> list[VmGroup]:
    """So many groups of two to ``most`` VMs, some of which belong together, the others apart."""
    return [
        group(
            f"g{n}",
            *chance.sample(vms, min(len(vms), chance.randint(2, most))),
            together=chance.random() < together_fraction,
        )
        for n in range(number)
    ]


def promise(one: Vm, to: str) -> Reservation:
    """The room that a migration of this VM holds on its destination."""
    return Reservation(vm=one.id, host=HostName(to), memory_bytes=one.memory_bytes, vcpus=one.vcpus)


def cluster(
    hosts: Iterable[Host],
    vms: Iterable[Vm],
    *,
    groups: Iterable[VmGroup] = (),
    reservations: Iterable[Reservation] = (),
    cpu: Mapping[tuple[VmId, HostName], CpuAnswer | None] | None = None,
    disks: Mapping[tuple[VmId, str, HostName], DiskSighting | None] | None = None,
) -> Cluster:
    """A cluster in which every question was asked and answered well.

    ``cpu`` and ``disks`` replace single answers; None takes one away, as if nobody had asked.
    """
    hosts, vms = tuple(hosts), tuple(vms)
    cpu_answers: dict[tuple[VmId, HostName], CpuAnswer | None] = {
        (one.id, to.name): CpuAnswer(compatible=True) for one in vms for to in hosts
    }
    sightings: dict[tuple[VmId, str, HostName], DiskSighting | None] = {
        (one.id, disk.target, to.name): DiskSighting.SAME
        for one in vms
        for disk in one.disks
        for to in hosts
    }
    return Cluster(
        generation=7,
        taken_at_s=NOW_S,
        hosts=tuple(sorted(hosts, key=lambda one: one.name)),
        vms=tuple(sorted(vms, key=lambda one: (one.name, one.host))),
        groups=tuple(groups),
        reservations=tuple(reservations),
        cpu_answers={k: v for k, v in (cpu_answers | dict(cpu or {})).items() if v is not None},
        disk_sightings={k: v for k, v in (sightings | dict(disks or {})).items() if v is not None},
    )


def here(state: RunState = RunState.RUNNING, *, job: bool = False) -> VmSighting:
    """A VM seen on a host."""
    return VmSighting(presence=Presence.HERE, state=state, has_job=job)


def recipe(*, start: float = 0.03, most: float = 0.3, link: float | None = None) -> Recipe:
    """A recipe with these pause limits."""
    return Recipe(pause_start_s=start, pause_max_s=most, link_bytes_per_s=link)


def candidate(name: str, load: float = 0.5) -> Candidate:
    """A host that fits, with this share of its memory promised afterwards."""
    return Candidate(
        host=HostName(name), refusals=(), warnings=(), memory_after=load, cpu_after=0.0
    )


def move(*, memory_bytes: int = 4 * GIB, using: Recipe | None = None) -> Move:
    """A move of web1 from h1 to h2."""
    choice = Choice(
        vm=VmId("id-web1"),
        vm_name="web1",
        source=HostName("h1"),
        vm_refusals=(),
        candidates=(candidate("h2"),),
    )
    return Move(
        vm=choice.vm,
        vm_name=choice.vm_name,
        source=choice.source,
        destination=HostName("h2"),
        memory_bytes=memory_bytes,
        vcpus=2,
        recipe=using or recipe(),
        reason="the only other host",
        choice=choice,
    )


def accepted(*, moving: Move | None = None) -> Accepted:
    """The birth of a migration."""
    return Accepted(
        at_s=NOW_S, id=MigrationId("m-1"), plan=PlanId("p-1"), move=moving or move(), attempt=1
    )


def round_(number: int, *, leaves: float, at: float | None = None, limit: float = 0.03) -> Round:
    """A round at 100 MiB/s that leaves so many MiB; a second after the other unless told."""
    return Round(
        number=number,
        ended_at_s=NOW_S + (number if at is None else at),
        remaining_bytes=round(leaves * MIB),
        transferred_bytes=0,
        dirty_bytes_per_s=50.0 * MIB,
        bandwidth_bytes_per_s=100.0 * MIB,
        pause_limit_s=limit,
    )


def moving(of: Cluster, *, parallel: int = 8, **ends: str) -> Plan:
    """A timed plan that brings VMs, by their names, to hosts, as if any planner had chosen them."""
    moves: list[Move] = []
    for one in of.vms:
        if one.name in ends:
            # Whether there is room, and who else is there, is the timetable's business.
            alone = replace(of, vms=(one,), groups=())
            found = plan_migration(
                alone, one, destination=HostName(ends[one.name]), settings=PauseSettings()
            )
            moves += found.moves
    plan = Plan(
        id=PlanId(""),
        kind=PlanKind.DRAIN,
        generation=of.generation,
        made_at_s=of.taken_at_s,
        moves=tuple(moves),
        parallel=parallel,
    )
    return with_times(of, plan, PauseSettings())
