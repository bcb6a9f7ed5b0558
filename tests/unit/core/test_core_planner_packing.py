"""Goal: who fits only when many change places together is placed, and no room or rule is broken.

Method: made-up hosts that are nearly full, of which one is emptied; planned with and without the
packing.
"""

from random import Random

import pytest

from godwit.core.audit import audit
from godwit.core.model import Cluster, HostName, VmGroup, VmId
from godwit.core.planner import Drain, Evacuate, PauseSettings, PlanSettings, plan_request
from godwit.core.timetable import bounds_of, with_outlooks, with_times
from godwit.core.units import GIB
from tests.unit.core.builders import cluster, host, vm

ROOM_GIB, SIZES_GIB = 64, (3, 5, 7, 9, 11, 14, 17, 21)
H0 = HostName("h0")


def nearly_full(seed: int, *, hosts: int = 10, fill: float = 0.97) -> Cluster:
    """So much memory is promised that all of it could just lie on all hosts but one."""
    chance = Random(seed)
    room, vms, left = [ROOM_GIB] * hosts, [], ROOM_GIB * (hosts - 1) * fill
    while left > 0:
        size = chance.choice(SIZES_GIB)
        fitting = [at for at in range(hosts) if room[at] >= size]
        if not fitting:
            break
        at = chance.choice(fitting)
        room[at], left = room[at] - size, left - size
        name = f"v{len(vms)}"
        vms.append(vm(name, f"h{at}", memory_bytes=size * GIB, vcpus=1, busy_cores=0.1))
    made = [
        host(f"h{at}", memory_total_bytes=ROOM_GIB * GIB, memory_reserve_bytes=0, cores=64)
        for at in range(hosts)
    ]
    return cluster(made, vms)


def left_by(of: Cluster, *, packs: bool, monkeypatch: pytest.MonkeyPatch) -> int:
    with monkeypatch.context() as patch:
        if not packs:
            patch.setattr("godwit.core.planner.packing.may_help", lambda *_: False)
        return len(plan_request(of, Drain(hosts=(H0,))).unplaced)


def test_more_is_placed_than_by_levelling_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [nearly_full(seed, fill=0.99) for seed in range(12)]
    without = [left_by(one, packs=False, monkeypatch=monkeypatch) for one in cases]
    with_packing = [left_by(one, packs=True, monkeypatch=monkeypatch) for one in cases]
    assert all(one <= other for one, other in zip(with_packing, without, strict=True))
    assert sum(one == 0 for one in with_packing) >= sum(one == 0 for one in without) + 2


@pytest.mark.parametrize("seed", range(4))
def test_what_was_packed_can_be_carried_out(seed: int) -> None:
    of = nearly_full(seed)
    plan = plan_request(of, Drain(hosts=(H0,)), PlanSettings(parallel=2))
    ends = {one.id: one.host for one in of.vms} | {one.vm: one.destination for one in plan.moves}
    for name in {one.name for one in of.hosts}:
        held = sum(one.memory_bytes for one in of.vms if ends[one.id] == name)
        assert held <= ROOM_GIB * GIB
    timed = with_times(of, with_outlooks(of, plan), PauseSettings())
    assert timed.timed is not None
    assert audit(of, timed.timed, bounds_of(timed, of)) == ()


def test_the_same_seed_packs_the_same() -> None:
    of = nearly_full(1)
    plans = [plan_request(of, Evacuate(host=H0), seed=5) for _ in range(2)]
    assert plans[0] == plans[1]


def test_who_stays_and_who_is_kept_apart_is_left_so() -> None:
    """A group on every host but one: none of it may come to a host that has one of it."""
    of = nearly_full(2)
    first = {}
    for one in of.vms:
        first.setdefault(one.host, one.id)
    members = frozenset(VmId(one) for name, one in first.items() if name != HostName("h9"))
    apart = VmGroup(name="apart", together=False, members=members)
    plan = plan_request(
        cluster(of.hosts, of.vms, groups=(apart,)), Drain(hosts=(H0,)), PlanSettings()
    )
    ends = {one.id: one.host for one in of.vms} | {one.vm: one.destination for one in plan.moves}
    hosts = [ends[one] for one in members]
    assert len(set(hosts)) == len(hosts)


def test_nothing_is_packed_where_nothing_can_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that are kept apart and one host for both: no search of any kind finds another."""

    def searched(*_: object, **__: object) -> None:
        raise AssertionError("it was searched all the same")

    monkeypatch.setattr("godwit.core.planner.packing.packed", searched)
    vms = [vm("a", "h0"), vm("b", "h0"), vm("large", "h0", memory_bytes=60 * GIB)]
    pair = VmGroup(name="pair", together=False, members=frozenset(one.id for one in vms[:2]))
    seen = cluster([host("h0"), host("h1", memory_total_bytes=32 * GIB)], vms, groups=[pair])
    plan = plan_request(seen, Drain(hosts=(H0,)))
    assert len(plan.unplaced) == 2
