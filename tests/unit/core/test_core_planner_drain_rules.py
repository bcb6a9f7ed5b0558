"""Goal: what a rule of the site changes in a drain is changed in all that the plan says of it.

Method: three hosts of which two could take the VMs, and a rule that speaks against one of them.
"""

from dataclasses import replace

from godwit.core.model import Cluster, HostName, Rule, Vm
from godwit.core.plan import Plan
from godwit.core.planner import (
    PauseSettings,
    Place,
    PlanSettings,
    evaluate,
    place_drain,
    plan_migration,
    plan_request,
)
from godwit.core.rules import Capacity, Resource
from godwit.core.units import GIB, MIB
from tests.unit.core.builders import cluster, host, vm

H1, H2, H3 = (HostName(f"h{n}") for n in (1, 2, 3))


def drained(vms: list[Vm], *rules: Rule, hosts: int = 3) -> tuple[Cluster, Plan]:
    seen = cluster([host(f"h{n}") for n in range(1, hosts + 1)], vms)
    seen = replace(seen, rules=rules)
    return seen, place_drain(seen, H1, parallel=1, settings=PauseSettings())


def at_most(gib: int, name: HostName, vms: list[Vm]) -> Capacity:
    """So many GiB of the 64 of a host."""
    return Capacity(
        name="headroom",
        resource=Resource.MEMORY,
        most_fraction=gib / 64,
        hosts=frozenset({name}),
        vms=frozenset(one.id for one in vms),
    )


def assert_says_what_it_does(seen: Cluster, plan: Plan) -> None:
    ends = {one.vm: one.destination for one in plan.moves}
    terms = [one for one in plan.terms if one.name != "misplaced"]
    assert tuple(terms) == evaluate(seen, ends, leaving=frozenset({H1}))
    (misplaced,) = (one for one in plan.terms if one.name == "misplaced")
    assert misplaced.after == len(plan.unplaced)
    assert misplaced.before == len(plan.unplaced) + len(plan.moves)
    for one in plan.moves:
        # Of a host that the search had not chosen nothing was weighed.
        assert one.worth is None or one.destination not in {to.host for to in one.worth.instead}
        candidate = one.choice.candidate(one.destination)
        assert candidate is not None
        assert candidate.fits


def test_a_drain_that_no_rule_changes_says_what_it_does() -> None:
    seen, plan = drained([vm("a"), vm("b", memory_bytes=8 * GIB), vm("c", "h2")])
    assert len(plan.moves) == 2
    assert_says_what_it_does(seen, plan)


def test_a_vm_goes_to_another_host_where_a_rule_speaks_against_the_first() -> None:
    vms = [vm("a"), vm("on-h3", "h3")]
    _, free = drained(vms)
    assert [one.destination for one in free.moves] == [H2]
    seen, plan = drained(vms, at_most(2, H2, vms))
    (move,) = plan.moves
    assert move.destination == H3
    assert move.reason.startswith("the only host that no rule refuses; after the move h3 has 12 %")
    refused = move.choice.candidate(H2)
    assert refused is not None
    assert [one.rule for one in refused.refusals] == ["capacity"]
    assert_says_what_it_does(seen, plan)


def test_a_vm_that_a_rule_leaves_no_host_stays_and_is_told() -> None:
    vms = [vm("a", memory_bytes=8 * GIB), vm("b", memory_bytes=4 * GIB)]
    seen, plan = drained(vms, at_most(6, H2, vms), hosts=2)
    assert [one.vm_name for one in plan.moves] == ["b"]
    (left,) = plan.unplaced
    assert left.vm_name == "a"
    assert [one.rule for one in left.refusals] == ["capacity"]
    assert_says_what_it_does(seen, plan)


def test_what_a_host_does_not_tell_is_a_warning_of_a_drain_as_of_a_migration() -> None:
    huge = vm("a", huge_page_bytes=2 * MIB, warnings=("the clock drifts",))
    seen, plan = drained([huge], hosts=2)
    asked = PauseSettings(pause_max_s=9.0)
    alone = plan_migration(seen, huge, destination=None, settings=asked).moves[0].warnings
    (told, unknown, note) = alone
    assert told == "the clock drifts"
    assert "huge pages" in unknown
    assert "9000 ms" in note
    assert plan.moves[0].warnings == (told, unknown)
    asking = place_drain(seen, H1, parallel=1, settings=asked)
    assert asking.moves[0].warnings == alone
    other = plan_request(seen, Place(vm=huge.id), PlanSettings(pause=asked))
    assert other.moves[0].warnings == alone
