"""Goal: no plan breaks what the site declares, and none is made worse by a wish of the site.

Method: Hypothesis draws clusters with racks and declared rules of every kind, hard and soft, some
of them broken. Each plan is given its times and judged by the audit, planned on again after it was
carried out, and held against what the rules themselves say of its end.
"""

import dataclasses
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import event, given, settings

from godwit.core.audit import audit
from godwit.core.model import Cluster, HostName, Rule, When
from godwit.core.plan import Plan
from godwit.core.planner import (
    Balance,
    Consolidate,
    Drain,
    Evacuate,
    Mix,
    PauseSettings,
    Place,
    PlanRequest,
    PlanSettings,
    Repair,
    Restore,
    evaluate,
    plan_request,
)
from godwit.core.rules import (
    Absorb,
    Affinity,
    AntiAffinity,
    Available,
    Bandwidth,
    Bundle,
    Capacity,
    ClusterRule,
    Drained,
    Fits,
    InFlight,
    KeepOff,
    Movable,
    Pinned,
    Quarantine,
    Resource,
    RunOn,
    Spread,
    StayWithin,
    breaches_of,
    end_of,
    rules_in_force,
)
from godwit.core.timetable import bounds_of, with_times
from tests.property.test_property_planner import carried_out, made

SEEDS = st.integers(0, 2**32)
STEPS = PlanSettings(steps=1000)

#: The kinds that a site declares, with whether it may choose when they hold.
KINDS: dict[type[ClusterRule], bool] = {
    Affinity: False,
    AntiAffinity: True,
    RunOn: True,
    KeepOff: True,
    StayWithin: True,
    Pinned: False,
    Spread: True,
    Available: True,
    Bundle: False,
    InFlight: False,
    Quarantine: False,
    Drained: False,
    Capacity: True,
    Bandwidth: True,
    Absorb: True,
}


def declared(seen: Cluster, kind: type[ClusterRule], number: int, chance: Random) -> Rule:
    """A rule of a kind as a site might declare it: about few VMs, and mostly possible to keep."""
    names = [one.name for one in seen.hosts]
    ids = [one.id for one in seen.vms]
    some = chance.sample(ids, min(len(ids), chance.randint(2, 4)))
    by = chance.choice(["host", "rack"])
    few = frozenset(chance.sample(names, chance.randint(1, max(1, len(names) // 2))))
    many = frozenset(names) - frozenset(chance.sample(names, min(1, len(names) - 1)))
    terms: dict[type[ClusterRule], dict[str, object]] = {
        Affinity: {"by": by},
        AntiAffinity: {"by": by},
        Bundle: {"by": by},
        StayWithin: {"by": "rack"},
        Spread: {
            "by": by,
            "most_skew": chance.choice([None, 1, 2]),
            "least_values": chance.choice([0, 2]),
        },
        Available: {
            "least": chance.randint(1, max(1, len(some) - 1)),
            "losing": chance.choice([None, "host", "rack"]),
        },
        Capacity: {
            "resource": chance.choice(list(Resource)),
            "most_fraction": chance.uniform(0.4, 1.0),
        },
        Bandwidth: {"each_bytes_per_s": 3.0, "most_bytes_per_s": chance.choice([4.0, 7.0, 10.0])},
        InFlight: {"most": chance.randint(1, 2)},
        Absorb: {"by": by},
    }
    hard = chance.random() < 0.5
    rule = kind(
        name=f"{kind.KIND} {number}",
        origin=f"[[rule]] {number}",
        hard=hard,
        price=1.0 if hard else chance.choice([0.5, 5.0, 50.0]),
        vms=frozenset(ids if kind in {Capacity, Absorb, Drained, Quarantine} else some),
        hosts=few if kind in {KeepOff, Drained, Quarantine} else many,
        **terms.get(kind, {}),  # type: ignore[arg-type]
    )
    if KINDS[kind] and chance.random() < 0.5:
        rule = dataclasses.replace(rule, when=chance.choice(list(When)))
    return rule


def with_rules(seen: Cluster, rules: int, seed: int) -> Cluster:
    """The same cluster with racks, and so many declared rules."""
    chance = Random(seed)
    hosts = tuple(
        dataclasses.replace(
            one,
            record=dataclasses.replace(
                one.record,
                labels={"rack": chance.choice("abc")} if chance.random() < 0.9 else {},
            ),
        )
        for one in seen.hosts
    )
    # Room that is promised to a VM which does not run is a slip that rules don't know.
    active = {one.id for one in seen.vms if one.is_active}
    flying = tuple(one for one in seen.reservations if one.vm in active)
    racked = dataclasses.replace(seen, hosts=hosts, reservations=flying)
    if not seen.vms:
        return racked
    kinds = [chance.choice(list(KINDS)) for _ in range(rules)]
    return dataclasses.replace(
        racked,
        rules=tuple(declared(racked, one, number, chance) for number, one in enumerate(kinds)),
    )


CLUSTERS = st.builds(
    with_rules,
    st.builds(made, st.integers(2, 6), st.integers(3, 14), st.integers(0, 2), SEEDS),
    st.integers(2, 5),
    SEEDS,
)


def some_request(seen: Cluster, seed: int) -> PlanRequest:
    chance = Random(seed)
    names = [one.name for one in seen.hosts]
    ids = [one.id for one in seen.vms]
    drain = Drain(hosts=(chance.choice(names),), make_room=chance.random() < 0.7)
    found: list[PlanRequest] = [
        Balance(),
        drain,
        Evacuate(host=chance.choice(names)),
        Repair(),
        Consolidate(hosts_least=1),
        Restore(
            placement={
                one: HostName(chance.choice(names)) for one in chance.sample(ids, len(ids) // 2)
            }
        ),
        Mix(requests=(drain, Balance())),
        Mix(requests=(drain, Repair())),
    ]
    if ids:
        found.append(Place(vm=chance.choice(ids)))
    return chance.choice(found)


def broken(
    seen: Cluster, plan: Plan | None = None, *, without: int | None = None
) -> tuple[float, float, float]:
    """By how much hard rules are broken after a plan, what soft ones cost, and the loss of a host.

    The last is a term of its own, unless the site declares a rule.
    """
    moves = plan.moves if plan is not None else ()
    ends = {one.vm: one.destination for at, one in enumerate(moves) if at != without}
    left_out: tuple[type[Rule], ...] = (Fits, Movable)
    spare = 0.0
    if not any(isinstance(one, Absorb) for one in seen.rules):
        left_out += (Absorb,)
        (term,) = [one for one in evaluate(seen, ends) if one.name == "spare"]
        spare = term.points * term.after
    rules = [one for one in rules_in_force(seen) if not isinstance(one, left_out)]
    found = breaches_of(rules, end_of(seen, ends), at_end=True)
    hard, soft = sum(one.amount for one in found if one.hard), sum(one.price for one in found)
    return round(hard, 9), round(soft, 9), spare


@settings(max_examples=250, deadline=None)
@given(CLUSTERS, SEEDS)
def test_no_plan_is_found_faulty_whatever_the_site_declares(seen: Cluster, seed: int) -> None:
    plan = plan_request(seen, some_request(seen, seed), STEPS, seed=seed)
    timed = with_times(seen, plan, PauseSettings())
    assert timed.timed is not None
    event(f"{plan.kind.value}: {min(len(plan.moves), 3)} moves, stuck {len(timed.timed.stuck)}")
    for rule in seen.rules:
        event(f"{type(rule).__name__} {'hard' if rule.hard else 'soft'}")
    assert audit(seen, timed.timed, bounds_of(timed, seen)) == ()


@settings(max_examples=250, deadline=None)
@given(CLUSTERS, st.sampled_from([Balance(), Repair()]))
def test_what_was_planned_under_rules_is_not_worth_another_plan(
    seen: Cluster, request: PlanRequest
) -> None:
    plan = plan_request(seen, request, STEPS)
    event(f"{plan.kind.value}: {min(len(plan.moves), 3)} moves")
    again = plan_request(carried_out(seen, plan), request, STEPS)
    assert again.moves == ()


@settings(max_examples=150, deadline=None)
@given(CLUSTERS)
def test_a_repair_leaves_less_broken_and_makes_no_move_in_vain(seen: Cluster) -> None:
    # What is in flight holds room at both ends until it has landed: a plan sees to that too.
    seen = dataclasses.replace(seen, reservations=())
    plan = plan_request(seen, Repair(), STEPS)
    event(f"{min(len(plan.moves), 4)} moves")
    before, after = broken(seen), broken(seen, plan)
    if not plan.moves:
        return
    assert (after[0], after[1] + after[2]) < (before[0], before[1] + before[2])
    for at in range(len(plan.moves)):
        less = broken(seen, plan, without=at)
        assert (less[0], less[1] + less[2]) > (after[0], after[1] + after[2])


@settings(max_examples=60, deadline=None)
@given(CLUSTERS, SEEDS)
def test_under_rules_the_same_input_gives_the_same_plan_to_the_byte(
    seen: Cluster, seed: int
) -> None:
    again = dataclasses.replace(
        seen,
        rules=tuple(
            dataclasses.replace(
                one,
                vms=frozenset(sorted(one.vms, reverse=True)),
                hosts=frozenset(sorted(one.hosts, reverse=True)),
            )
            for one in seen.rules
        ),
    )
    request = some_request(seen, seed)
    plans = [plan_request(one, request, STEPS, seed=seed) for one in (seen, again)]
    assert repr(plans[0]) == repr(plans[1])


@settings(max_examples=150, deadline=None)
@given(CLUSTERS, SEEDS)
def test_a_plan_loses_no_more_by_soft_rules_than_it_gains(seen: Cluster, seed: int) -> None:
    plan = plan_request(seen, some_request(seen, seed), STEPS, seed=seed)
    before, after = broken(seen), broken(seen, plan)
    soft = sum(one.gain for one in plan.terms if one.name.startswith("rule "))
    assert soft == pytest.approx(before[1] - after[1], abs=1e-6)
    if plan.moves:
        assert after[0] <= before[0] + 1e-9
        others = sum(one.gain for one in plan.terms) - soft
        event("loses by soft rules" if soft < 0 else "does not")
        assert soft >= 0 or others > -soft
