"""What is done without a schedule: moves in the order of their names, two at a time per host.

A move starts when both of its hosts have fewer than two in flight, there is room, and no rule is
broken; what does not fit now is asked again later. Copies share their links alike, as hypervisors
do when nobody arranges them. It knows no detours: where nothing runs and nothing fits, it is stuck.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.schedule.clusters import Case
from godwit.core.model import HostName, VmGroup, VmId
from godwit.core.schedule import Effort, Wanted
from godwit.core.schedule.links import Copying, alike

__all__ = ["two_at_a_time"]

_PER_HOST = 2

Share = Callable[[Sequence[Copying], Sequence[float]], None]


@dataclass(slots=True)
class _State:
    """The cluster while moves run; hosts by number."""

    case: Case
    at: dict[VmId, int]
    held: list[set[VmId]]
    flying: list[int]
    now_s: float = 0.0
    events: list[tuple[float, str, int]] = field(default_factory=list)
    copies: list[Copying] = field(default_factory=list)


def two_at_a_time(case: Case, share: Share = alike) -> float | None:
    """Return when the last move ends; None when some could never start."""
    hosts = {one.name: number for number, one in enumerate(case.cluster.hosts)}
    state = _State(
        case=case,
        at={one.id: hosts[one.host] for one in case.cluster.vms},
        held=[{vm.id for vm in case.cluster.vms_on(name)} for name in hosts],
        flying=[0] * len(hosts),
    )
    speeds = [
        speed
        for one in case.cluster.hosts
        for speed in [one.record.migration_link_bytes_per_s or 0.0] * 2
    ]
    waiting = list(range(len(case.wanted)))
    while waiting or state.events or state.copies:
        waiting = [one for one in waiting if not _started(state, one, hosts)]
        if not state.events and not state.copies:
            return None
        share(state.copies, speeds)
        if not state.events and all(one.next_s() == math.inf for one in state.copies):
            # Guests that write faster than their part of the link: none of them ever ends.
            return None
        _advance(state, hosts, speeds)
    return state.now_s


def _started(state: _State, number: int, hosts: dict[HostName, int]) -> bool:
    """Start a move if it can start now."""
    wish = state.case.wanted[number]
    source, destination = state.at[wish.vm], hosts[wish.destination]
    if max(state.flying[source], state.flying[destination]) >= _PER_HOST:
        return False
    vms = {one.id: one for one in state.case.cluster.vms}
    there = state.held[destination] | {wish.vm}
    room_bytes = state.case.cluster.hosts[destination].memory_for_vms_bytes
    if sum(vms[one].memory_bytes for one in there) > room_bytes:
        return False
    if any(wish.vm in one.members and len(there & one.members) > 1 for one in _groups(state)):
        return False
    state.held[destination].add(wish.vm)
    state.flying[source] += 1
    state.flying[destination] += 1
    state.events.append((state.now_s + _effort(wish).setup_s, "copy", number))
    return True


def _groups(state: _State) -> list[VmGroup]:
    return [one for one in state.case.cluster.groups if not one.together]


def _effort(wish: Wanted) -> Effort:
    assert wish.effort is not None, "every case says what its moves take"
    return wish.effort


def _advance(state: _State, hosts: dict[HostName, int], speeds: list[float]) -> None:
    """Go on to the next event, and do what happens then."""
    step_s = min((one.next_s() for one in state.copies), default=math.inf)
    if state.events:
        step_s = min(step_s, min(state.events)[0] - state.now_s)
    step_s = max(0.0, step_s)
    ending = [one for one in state.copies if one.next_s() <= step_s + 1e-9]
    for one in state.copies:
        one.run(state.now_s, step_s)
    state.now_s += step_s
    for one in ending:
        state.copies.remove(one)
        ends_s = state.now_s + _effort(state.case.wanted[one.move]).ending_s
        state.events.append((ends_s, "end", one.move))
    for event in [one for one in state.events if one[0] <= state.now_s + 1e-9]:
        state.events.remove(event)
        wish = state.case.wanted[event[2]]
        source, destination = state.at[wish.vm], hosts[wish.destination]
        if event[1] == "copy":
            effort, link = _effort(wish), min(speeds[2 * source], speeds[2 * destination])
            copy = Copying(
                move=event[2],
                rank=event[2],
                links=(2 * source, 2 * destination + 1),
                full_bytes_per_s=effort.full_bytes_per_s(link),
                written_bytes_per_s=effort.written_bytes_per_s(link),
                whole_bytes=effort.first_bytes,
                left_bytes=effort.first_bytes,
                near=True,
            )
            state.copies.append(copy)
            continue
        state.held[source].discard(wish.vm)
        state.at[wish.vm] = destination
        state.flying[source] -= 1
        state.flying[destination] -= 1
