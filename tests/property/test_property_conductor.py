"""Goal: whatever fails on the way, what is started keeps every rule, and what can be done is done.

Method: plans of tight clusters are carried out by the conductor's word, in a world that is told
nothing of plans: moves take any time, and some fail. The world looks at nothing before a start, so
that a move whose room was never made would be seen at once.
"""

from random import Random

import hypothesis.strategies as st
from hypothesis import event, given, settings

from godwit.core.audit import audit
from godwit.core.conductor import Course, Standing, begin, ended, ready, started
from godwit.core.model import Cluster
from godwit.core.schedule import Search, Wanted, make_schedule
from godwit.core.timed import Bounds, TimedMove, TimedPlan
from tests.property.test_property_schedule import CASES, FEW, SEEDS, World


def carried_out(
    world: World, plan: TimedPlan, chance: Random, failing_fraction: float
) -> tuple[Course, set[str]]:
    """Start what may start, one by one, and let what flies land well or not, until all is over."""
    course, failed = begin(plan, world.bounds.limits), set()
    running: dict[str, TimedMove] = {}
    while True:
        may_start = ready(course)
        if may_start and (not running or chance.random() < 0.7):
            one = chance.choice(may_start)
            course = started(course, one.id)
            running[one.id] = one
            assert one.vm in world.held[one.source]
            world.held[one.destination].add(one.vm)
            world.check(one.destination, one.vm)
            world.check_flights([*running.values()])
        elif running:
            one = running.pop(chance.choice(sorted(running)))
            well = chance.random() >= failing_fraction
            world.held[one.source if well else one.destination].remove(one.vm)
            failed |= set() if well else {one.id}
            course = ended(course, one.id, well=well)
        else:
            return course, failed


def resting_on(plan: TimedPlan, failed: set[str]) -> set[str]:
    """Those that can't be done any more: what failed, what needs it, and what needs that."""
    hopeless = set(failed)
    while True:
        more = {
            one.id
            for at, one in enumerate(plan.moves)
            if one.id not in hopeless
            and (
                set(one.needs) & hopeless
                or any(other.vm == one.vm and other.id in hopeless for other in plan.moves[:at])
            )
        }
        if not more:
            return hopeless
        hopeless |= more


@settings(max_examples=400)
@given(CASES, SEEDS, st.sampled_from([0.0, 0.1, 0.3, 0.7]))
def test_whatever_fails_every_start_keeps_the_rules_and_nothing_else_is_left_undone(
    case: tuple[Cluster, list[Wanted], Bounds], seed: int, failing_fraction: float
) -> None:
    seen, wishes, bounds = case
    plan = make_schedule(seen, wishes, Search(bounds=bounds, **FEW))
    assert audit(seen, plan, bounds) == ()
    chance = Random(seed)
    for _ in range(3):
        course, failed = carried_out(World(seen, bounds), plan, chance, failing_fraction)
        event(f"failed {min(len(failed), 3)}, given up {min(len(course.given_up), 3)}")
        assert course.is_over
        hopeless = resting_on(plan, failed)
        for one in plan.moves:
            expected = (
                Standing.FAILED
                if one.id in failed
                else Standing.GIVEN_UP
                if one.id in hopeless
                else Standing.DONE
            )
            assert course.standings[one.id] is expected
        assert [one.vm for one in course.given_up] == [
            one.vm for one in plan.moves if one.id in hopeless - failed
        ]
        assert all(one.why for one in course.given_up)
