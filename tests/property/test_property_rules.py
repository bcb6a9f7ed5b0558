"""Goal: a move that is weighed alone says what all rules say when they are asked about everything.

Method: Hypothesis draws clusters with labels, rules of every kind over them, and a walk of moves.
At each step the tally of each rule is held against its checker, and what was weighed against the
difference of two whole judgements. Then nothing may stand otherwise than if it were begun anew.
"""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import event, given, settings

from godwit.core.model import (
    Blocker,
    Cluster,
    CpuAnswer,
    Host,
    HostName,
    NumaCell,
    Pages,
    Rule,
    RunState,
    Vm,
    VmId,
)
from godwit.core.rules import (
    KINDS,
    Absorb,
    Affinity,
    AntiAffinity,
    Assignment,
    Available,
    Bandwidth,
    Breach,
    Bundle,
    Capacity,
    ClusterRule,
    Drained,
    HugePages,
    InFlight,
    KeepOff,
    NumaCells,
    OneName,
    OriginRule,
    Pinned,
    Quarantine,
    Resource,
    RunOn,
    Spread,
    Standing,
    StayWithin,
    breaches_of,
    contradictions_of,
    end_of,
    rules_in_force,
)
from godwit.core.units import GIB, MIB
from tests.unit.core.builders import cluster, group, host, promise, vm

Moves = list[tuple[VmId, HostName]]


def some_host(name: str, chance: Random) -> Host:
    pages = tuple(
        Pages(page_bytes=size, count=chance.randint(0, 8) * GIB // size) for size in (2 * MIB, GIB)
    )
    cell = NumaCell(number=0, memory_bytes=16 * GIB, cores=4, pages=pages)
    return host(
        name,
        unreachable=chance.choice(["", "", "", "", "timed out"]),
        known=chance.random() < 0.9,
        in_maintenance=chance.random() < 0.15,
        memory_total_bytes=chance.randint(4, 24) * GIB,
        cores=chance.randint(1, 3),
        labels={"rack": chance.choice("ab")} if chance.random() < 0.8 else {},
        numa=chance.choice([None, (cell,), (cell,)]),
    )


def some_vm(name: str, hosts: list[str], chance: Random) -> Vm:
    return vm(
        name,
        chance.choice(hosts),
        state=chance.choice([*[RunState.RUNNING] * 6, RunState.PAUSED_USER, RunState.SHUT_OFF]),
        memory_bytes=chance.randint(1, 8) * GIB,
        vcpus=chance.randint(1, 4),
        huge_page_bytes=chance.choice([None, None, 0, 2 * MIB, GIB]),
        numa_cells=frozenset(chance.choice([(), (), (0,), (1,)])),
        blockers=(Blocker(what="a device", remedy="none"),) if chance.random() < 0.1 else (),
    )


def some_rule(kind: type[ClusterRule], vms: list[Vm], hosts: list[str], chance: Random) -> Rule:
    by = chance.choice(["host", "rack"])
    terms: dict[type[ClusterRule], dict[str, object]] = {
        Affinity: {"by": by},
        AntiAffinity: {"by": by},
        Bundle: {"by": by},
        StayWithin: {"by": by},
        Absorb: {"by": by},
        Spread: {
            "by": by,
            "most_skew": chance.choice([None, 1, 2]),
            "least_values": chance.randint(0, 3),
        },
        Available: {"least": chance.randint(1, 4), "losing": chance.choice([None, "host", "rack"])},
        Capacity: {"resource": chance.choice(list(Resource)), "most_fraction": chance.random()},
        Bandwidth: {"each_bytes_per_s": 3.0, "most_bytes_per_s": chance.uniform(3.0, 10.0)},
        InFlight: {"most": 1},
    }
    hard = chance.random() < 0.5
    return kind(
        name=f"{kind.KIND} {chance.random()}",
        hard=hard,
        price=1.0 if hard else chance.uniform(0.5, 9.0),
        vms=frozenset(one.id for one in chance.sample(vms, chance.randint(0, len(vms)))),
        hosts=frozenset(
            HostName(one) for one in chance.sample(hosts, chance.randint(0, len(hosts)))
        ),
        **terms.get(kind, {}),  # type: ignore[arg-type]
    )


SITE: list[type[ClusterRule]] = [
    Affinity, AntiAffinity, RunOn, KeepOff, StayWithin, Pinned, Spread, Available, Bundle,
    InFlight, Quarantine, Drained, Capacity, Bandwidth, HugePages, NumaCells, OneName, Absorb,
]  # fmt: skip


def made(hosts: int, vms: int, seed: int) -> tuple[Cluster, tuple[Rule, ...], Moves]:
    """A cluster, rules of every kind, and a walk. The numbers come from a seed, to be quick."""
    chance = Random(seed)
    names = [f"h{n}" for n in range(hosts)]
    # Every fifth has the name of another one.
    all_vms = [some_vm(f"vm{n}", names, chance) for n in range(vms)]
    all_vms[::5] = [replace(one, name="twin") for one in all_vms[::5]]
    seen = cluster(
        [some_host(name, chance) for name in names],
        all_vms,
        groups=[group("g", *chance.sample(all_vms, 2), together=chance.random() < 0.5)],
        reservations=[promise(one, chance.choice(names)) for one in all_vms[:2]],
        cpu={
            (one.id, HostName(chance.choice(names))): CpuAnswer(compatible=False)
            for one in all_vms[::3]
        },
    )
    rules = [some_rule(kind, all_vms, names, chance) for kind in SITE]
    active = [one.id for one in all_vms if one.is_active]
    walk = [(chance.choice(active), HostName(chance.choice(names))) for _ in range(6)]
    return seen, (*rules_in_force(seen), *rules), walk if active else []


#: How large, and from which seed: what is made of them is too long to print.
CASES = st.tuples(st.integers(2, 5), st.integers(8, 12), st.integers(0, 2**32))


def amounts(breaches: Iterable[Breach]) -> float:
    return sum(one.amount for one in breaches)


def judged(rule: ClusterRule, assignment: Assignment) -> tuple[Breach, ...]:
    return tuple(rule.check(assignment))


def test_the_cases_have_every_kind() -> None:
    _, rules, walk = made(4, 10, 1)
    assert {type(one) for one in rules} == set(KINDS.values())
    assert walk


@given(CASES)
@settings(max_examples=60)
def test_what_is_weighed_is_what_all_rules_say(
    case: tuple[int, int, int],
) -> None:
    seen, rules, walk = made(*case)
    standing = Standing(rules, seen)
    assert {type(one) for one in standing.unweighed} <= {Absorb}
    for vm_id, to in walk:
        before = standing.assignment
        effect = standing.weigh(vm_id, to)
        told = {id(one.rule): one for one in effect.changes}
        touched = standing.touched(vm_id, to)
        worded = standing.breaches_with(vm_id, to)
        if to == standing.place(vm_id):
            assert effect.changes == ()
            continue
        standing.move(vm_id, to)
        after = standing.assignment
        for rule in standing.rules:
            if rule in standing.unweighed:
                continue
            was, is_ = judged(rule, before), judged(rule, after)
            change = told.get(id(rule))
            by = amounts(is_) - amounts(was)
            assert (change.by if change else 0.0) == pytest.approx(by, abs=1e-9)
            against = rule.hard and rule.worse(was, is_, vm_id, to) is not None
            assert (change is not None and change.refused) == against, rule
            event(f"{rule.KIND} {'worse' if by > 0 else 'better' if by < 0 else 'same'}")
        assert worded == breaches_of(touched, after, at_end=True)


@given(CASES)
@settings(max_examples=30)
def test_moves_one_by_one_and_all_at_once_stand_alike(
    case: tuple[int, int, int],
) -> None:
    seen, rules, walk = made(*case)
    walked = Standing(rules, seen)
    for vm_id, to in walk:
        walked.move(vm_id, to)
    at_once = Standing(rules, seen, dict(walk))
    assert walked.assignment.places == at_once.assignment.places
    assert walked.price == pytest.approx(at_once.price)
    assert walked.hard_amount == pytest.approx(at_once.hard_amount)
    end = end_of(seen, dict(walk))
    assert walked.breaches() == breaches_of(rules, end, at_end=True)
    for soft, total in ((True, walked.price), (False, walked.hard_amount)):
        whole = [
            one
            for one in breaches_of(rules, end, at_end=True)
            if one.hard != soft and one.kind != Absorb.KIND
        ]
        assert total == pytest.approx(sum(one.price if soft else one.amount for one in whole))


@given(CASES)
@settings(max_examples=30)
def test_rules_that_some_end_keeps_contradict_nothing(
    case: tuple[int, int, int],
) -> None:
    """But for those that are a mistake by themselves, and a group that no memory can hold."""
    seen, rules, walk = made(*case)
    broken = {one.rule for one in breaches_of(rules, end_of(seen, dict(walk)), at_end=True)}
    mistakes: tuple[type[ClusterRule], ...] = (Available, Spread)
    if "memory" in broken:
        mistakes += (Affinity,)
    kept = [one for one in rules if one.name not in broken and not isinstance(one, mistakes)]
    event(f"{sum(one.hard for one in kept)} hard rules kept")
    assert contradictions_of(kept, seen) == ()


@given(CASES)
@settings(max_examples=60)
def test_what_a_rule_leaves_is_what_it_has_no_objection_to(case: tuple[int, int, int]) -> None:
    seen, rules, _ = made(*case)
    frame = end_of(seen, {}).frame
    for rule in (one for one in rules if isinstance(one, OriginRule)):
        left: dict[object, frozenset[HostName]] = {}
        for one in frame.vms.values():
            origin = frame.origins[one.id]
            fits = {host for host in frame.hosts if rule.objection(frame, one, host) is None}
            assert rule.leaves(frame, origin) == fits
            assert left.setdefault(rule.class_of(frame, origin), frozenset(fits)) == fits


@given(CASES)
@settings(max_examples=40)
def test_vms_that_move_as_one_are_weighed_as_what_all_rules_say(
    case: tuple[int, int, int],
) -> None:
    seen, rules, walk = made(*case)
    standing = Standing(rules, seen)
    moves = dict(walk)
    before = standing.assignment
    effect = standing.weigh_all(moves)
    assert standing.assignment.places == before.places
    told = {id(one.rule): one.by for one in effect.changes}
    for rule in standing.rules:
        if rule not in standing.unweighed and len(moves) > 1:
            by = amounts(judged(rule, end_of(seen, moves))) - amounts(judged(rule, before))
            assert told.get(id(rule), 0.0) == pytest.approx(by, abs=1e-8)
