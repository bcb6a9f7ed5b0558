"""Goal: every timed plan keeps every rule, whenever its moves start and end; and none is missed.

Method: Hypothesis draws tight clusters and wishes without order. Plans are judged by the audit, and
by a world that is written here and imports neither it nor the schedule: it carries them out with
moves that take any time at all. Small clusters are searched by brute force: what is called
impossible must be, and the widest state that the audit finds must be the widest there is.
"""

import dataclasses
from collections import deque
from itertools import combinations
from random import Random

import hypothesis.strategies as st
from hypothesis import event, given, settings

from godwit.core.audit import audit
from godwit.core.audit.widths import heaviest
from godwit.core.model import Cluster, CpuAnswer, Host, HostName, RunState, VmId, VmPolicy
from godwit.core.schedule import Effort, Search, Wanted, make_schedule
from godwit.core.timed import ApartRule, Bounds, FlightGroup, Limits, StuckKind, TimedPlan
from godwit.core.units import GIB, MIB
from tests.unit.core.builders import cluster, group, host, promise, some_groups, vm

SEEDS = st.integers(0, 2**32)


def some_bounds(seen: Cluster, chance: Random) -> Bounds:
    vms, names = [one.id for one in seen.vms], [one.name for one in seen.hosts]

    def some(count: int) -> frozenset[VmId]:
        return frozenset(chance.sample(vms, min(len(vms), count)))

    return Bounds(
        limits=Limits(
            per_host=chance.choice([None, 1, 2, 4]),
            per_link=chance.choice([None, 1, 2]),
            whole=chance.choice([None, None, 1, 3]),
            groups=(FlightGroup(name="f", members=some(3), most=1),) * chance.randint(0, 1),
        ),
        apart=(ApartRule(name="racks", members=some(2), label="rack"),) * chance.randint(0, 1),
        only={
            one: frozenset(chance.sample(names, chance.randint(1, len(names))))
            for one in some(chance.randint(0, 2))
        },
        link_bytes_per_s=100.0 * MIB,
    )


def some_host(name: str, held_bytes: int, chance: Random) -> Host:
    """A host that is nearly full with what it holds, in one of two racks or in none."""
    one = host(
        name,
        memory_total_bytes=held_bytes + chance.randint(0, 7) * GIB,
        cores=chance.randint(6, 30),
        cores_overcommit=1.0,
        migration_link_bytes_per_s=chance.choice([None, 100.0 * MIB, 300.0 * MIB]),
    )
    labels = {"rack": chance.choice("ab")} if chance.random() < 0.8 else {}
    return dataclasses.replace(one, record=dataclasses.replace(one.record, labels=labels))


def made(hosts: int, vms: int, groups: int, seed: int) -> tuple[Cluster, list[Wanted], Bounds]:
    """A cluster whose hosts are nearly full, and a wish for most of its VMs."""
    chance = Random(seed)
    names = [f"h{n}" for n in range(1, hosts + 1)]
    states = [*[RunState.RUNNING] * 12, RunState.SHUT_OFF, RunState.PAUSED_USER]
    all_vms = [
        vm(
            f"vm{n}",
            chance.choice(names),
            state=chance.choice(states),
            memory_bytes=chance.randint(1, 6) * GIB,
            vcpus=chance.randint(1, 4),
            policy=VmPolicy(priority=chance.choice([0, 0, 0, 1])),
        )
        for n in range(vms)
    ]
    held = {
        name: sum(one.memory_bytes for one in all_vms if one.host == name and one.is_active)
        for name in names
    }
    flying = [one for one in all_vms if chance.random() < 0.05]
    odd = [(one, HostName(chance.choice(names))) for one in all_vms if chance.random() < 0.1]
    seen = cluster(
        [some_host(name, held[name], chance) for name in names],
        all_vms,
        groups=some_groups(groups, all_vms, chance, most=2, together_fraction=0.3),
        reservations=[promise(one, chance.choice(names)) for one in flying],
        cpu={(one.id, name): CpuAnswer(compatible=False) for one, name in odd},
    )
    wishes = [
        Wanted(
            vm=one.id,
            destination=HostName(chance.choice(names)),
            effort=Effort(
                first_bytes=one.memory_bytes * chance.uniform(0.2, 1.0),
                dirty_bytes_per_s=chance.choice([0.0, 10.0, 60.0, 500.0]) * MIB,
                setup_s=chance.choice([0.0, 0.5, 2.0]),
                ending_s=chance.choice([0.0, 0.5]),
                stream_bytes_per_s=chance.choice([None, None, 80.0 * MIB]),
            ),
            due_s=chance.choice([None, None, None, 30.0]),
        )
        for one in all_vms
        if chance.random() < 0.8
    ]
    return seen, wishes, some_bounds(seen, chance)


CASES = st.builds(made, st.integers(2, 6), st.integers(1, 14), st.integers(0, 3), SEEDS)
FEW = {"tries": 6, "states": 300}


class World:
    """Carries a plan out, its moves taking any time; knows numbers and no rule."""

    def __init__(self, seen: Cluster, bounds: Bounds) -> None:
        self.seen, self.bounds = seen, bounds
        self.vms = {one.id: one for one in seen.vms}
        self.hosts = {one.name: one for one in seen.hosts}
        self.held = {one.name: set[VmId]() for one in seen.hosts}
        for one in seen.vms:
            if one.is_active:
                self.held[one.host].add(one.id)
        for promised in seen.reservations:
            self.held[promised.host].add(promised.vm)

    def carry_out(self, plan: TimedPlan, chance: Random) -> None:
        waiting = {one.id: one for one in plan.moves}
        running = dict.fromkeys(())
        ended = set()
        while waiting or running:
            ready = [one for one in waiting.values() if set(one.after) <= ended]
            if ready and (not running or chance.random() < 0.7):
                one = chance.choice(sorted(ready, key=lambda move: move.id))
                running[one.id] = waiting.pop(one.id)
                assert one.vm in self.held[one.source]
                assert one.vm not in self.held[one.destination]
                self.held[one.destination].add(one.vm)
                self.check(one.destination, one.vm)
                self.check_flights([*running.values()])
            else:
                one = running.pop(chance.choice(sorted(running)))
                self.held[one.source].remove(one.vm)
                ended.add(one.id)

    def check(self, name: HostName, newcomer: VmId) -> None:
        to = self.hosts[name]
        there = [self.vms[one] for one in self.held[name]]
        assert sum(one.memory_bytes for one in there) <= to.memory_for_vms_bytes, f"memory: {name}"
        assert sum(one.vcpus for one in there) <= to.cores_for_vms, f"cores of {name}"
        assert name in self.bounds.only.get(newcomer, {name})
        for one in self.seen.groups:
            if not one.together and newcomer in one.members:
                assert self.held[name] & one.members == {newcomer}, f"{one.name} meets on {name}"
        for rule in self.bounds.apart:
            if newcomer in rule.members:
                rack = to.record.labels.get("rack", name)
                near = [h for h in self.seen.hosts if h.record.labels.get("rack", h.name) == rack]
                met = set[VmId]().union(*(self.held[one.name] for one in near)) & rule.members
                assert met == {newcomer}, f"{rule.name} meets in {rack}"

    def check_flights(self, running: list) -> None:
        limits = self.bounds.limits
        for name in self.hosts:
            out = sum(one.source == name for one in running)
            into = sum(one.destination == name for one in running)
            assert out + into <= (limits.per_host or 99)
            assert max(out, into) <= (limits.per_link or 99)
        assert len(running) <= (limits.whole or 99)
        for one in limits.groups:
            assert sum(move.vm in one.members for move in running) <= one.most


@settings(max_examples=400)
@given(CASES, SEEDS)
def test_every_plan_passes_the_audit_and_keeps_every_rule_however_long_moves_take(
    case: tuple[Cluster, list[Wanted], Bounds], seed: int
) -> None:
    seen, wishes, bounds = case
    plan = make_schedule(seen, wishes, Search(bounds=bounds, **FEW))
    transits = sum(one.is_transit for one in plan.moves)
    event(f"moves {min(len(plan.moves), 5)}, transits {min(transits, 2)}")
    event(f"stuck {sorted({one.kind.value for one in plan.stuck})}")
    assert audit(seen, plan, bounds) == ()
    chance = Random(seed)
    for _ in range(3):
        world = World(seen, bounds)
        world.carry_out(plan, chance)
    # Each wish is granted in the end, or it is said why not and what would help.
    stuck = {one.vm for one in plan.stuck}
    moved = {one.vm for one in plan.moves}
    there = {(one.id, one.host) for one in seen.vms}
    for wish in wishes:
        if wish.vm in stuck:
            assert wish.vm not in moved
        elif wish.vm in moved or (wish.vm, wish.destination) not in there:
            assert wish.vm in world.held[wish.destination]
    assert all(one.why and one.remedy for one in plan.stuck)


@settings(max_examples=200)
@given(CASES)
def test_no_plan_ends_before_its_lower_bound(
    case: tuple[Cluster, list[Wanted], Bounds],
) -> None:
    seen, wishes, bounds = case
    plan = make_schedule(seen, wishes, Search(bounds=bounds, **FEW))
    assert plan.lower_bound_s <= plan.makespan_s.likely
    assert (plan.lower_bound_s > 0) == bool(plan.moves)
    for one in plan.moves:
        assert one.starts_s.low <= one.starts_s.likely <= one.starts_s.high
        assert one.ends_s.low <= one.ends_s.likely <= one.ends_s.high
        assert 0 < one.share_fraction <= 1
        assert one.sent_bytes > 0


@settings(max_examples=60)
@given(CASES, SEEDS)
def test_the_same_wishes_give_the_same_plan_to_the_byte(
    case: tuple[Cluster, list[Wanted], Bounds], seed: int
) -> None:
    seen, wishes, bounds = case
    again = dataclasses.replace(
        seen,
        groups=tuple(
            dataclasses.replace(one, members=frozenset(sorted(one.members, reverse=True)))
            for one in seen.groups
        ),
        cpu_answers=dict(reversed(seen.cpu_answers.items())),
        disk_sightings=dict(reversed(seen.disk_sightings.items())),
    )
    shuffled = Random(seed).sample(wishes, len(wishes))
    search = Search(bounds=bounds, **FEW)
    plans = [make_schedule(seen, wishes, search), make_schedule(again, shuffled, search)]
    assert repr(plans[0]).encode() == repr(plans[1]).encode()


def reachable(seen: Cluster, wishes: list[Wanted]) -> bool:
    """Whether all wishes can be granted, over any hosts: every arrangement is looked at.

    A VM that is where it is wanted already does not move, not even to step aside.
    """
    there = {(one.id, one.host) for one in seen.vms}
    wishes = [one for one in wishes if (one.vm, one.destination) not in there]
    sizes = {one.id: (one.memory_bytes, one.vcpus) for one in seen.vms}
    names = [one.name for one in seen.hosts]
    moving = [one.vm for one in wishes]
    room = {one.name: (one.memory_for_vms_bytes, one.cores_for_vms) for one in seen.hosts}
    fixed = [(one.id, one.host) for one in seen.vms if one.id not in moving]
    begin = tuple(next(one.host for one in seen.vms if one.id == vm_id) for vm_id in moving)
    goal = tuple(one.destination for one in wishes)

    def may_come(at: tuple[HostName, ...], mover: VmId, to: HostName) -> bool:
        there = {one for one, where in [*fixed, *zip(moving, at, strict=True)] if where == to}
        there.add(mover)
        return (
            sum(sizes[one][0] for one in there) <= room[to][0]
            and sum(sizes[one][1] for one in there) <= room[to][1]
            and all(len(one.members & there) < 2 for one in seen.groups if mover in one.members)
        )

    seen_states, waiting = {begin}, deque([begin])
    while waiting:
        at = waiting.popleft()
        if at == goal:
            return True
        for number, mover in enumerate(moving):
            for to in names:
                if to != at[number] and may_come(at, mover, to):
                    state = (*at[:number], to, *at[number + 1 :])
                    if state not in seen_states:
                        seen_states.add(state)
                        waiting.append(state)
    return False


def small(hosts: int, vms: int, groups: int, seed: int) -> tuple[Cluster, list[Wanted]]:
    """A few VMs on hosts that are as good as full, each wanted on another host."""
    chance = Random(seed)
    names = [f"h{n}" for n in range(1, hosts + 1)]
    all_vms = [
        vm(f"v{n}", chance.choice(names), memory_bytes=chance.randint(1, 3) * GIB, vcpus=1)
        for n in range(vms)
    ]
    goals = [HostName(chance.choice(names)) for _ in all_vms]
    needed = {
        name: max(
            sum(one.memory_bytes for one in all_vms if one.host == name),
            sum(one.memory_bytes for one, to in zip(all_vms, goals, strict=True) if to == name),
        )
        for name in names
    }
    seen = cluster(
        [
            host(name, memory_total_bytes=needed[name] + (1 + chance.choice([0, 0, 1])) * GIB)
            for name in names
        ],
        all_vms,
        groups=[
            group(f"g{n}", *chance.sample(all_vms, min(2, len(all_vms))), together=False)
            for n in range(groups)
        ],
    )
    return seen, [Wanted(vm=one.id, destination=to) for one, to in zip(all_vms, goals, strict=True)]


@settings(max_examples=300)
@given(st.builds(small, st.integers(2, 4), st.integers(2, 5), st.integers(0, 1), SEEDS))
def test_what_is_called_impossible_is_and_what_is_possible_is_found(
    case: tuple[Cluster, list[Wanted]],
) -> None:
    seen, wishes = case
    bounds = Bounds(limits=Limits())
    plan = make_schedule(seen, wishes, Search(bounds=bounds, tries=2, states=5000))
    possible = reachable(seen, wishes)
    event(f"possible {possible}, transits {sum(one.is_transit for one in plan.moves)}")
    assert bool(plan.stuck) == (not possible)
    assert {one.kind for one in plan.stuck} <= {StuckKind.IMPOSSIBLE}
    assert audit(seen, plan, bounds) == ()


@settings(max_examples=300)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), SEEDS)
def test_the_widest_state_is_the_widest_of_all_sets_that_may_be_held(
    sizes: list[int], seed: int
) -> None:
    chance, count = Random(seed), len(sizes)
    # An order of intervals is an order; so is any other that follows what it implies.
    direct = {(a, b) for a in range(count) for b in range(a + 1, count) if chance.random() < 0.35}
    before = set(direct)
    while more := {(a, d) for a, b in before for c, d in before if b == c} - before:
        before |= more
    widest = max(
        sum(sizes[one] for one in chosen)
        for length in range(1, count + 1)
        for chosen in combinations(range(count), length)
        if not any((a, b) in before for a, b in combinations(chosen, 2))
    )
    rows = [[b for b in range(count) if (a, b) in before] for a in range(count)]
    assert heaviest(sizes, rows) == widest
