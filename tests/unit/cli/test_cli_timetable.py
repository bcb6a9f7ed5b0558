"""Goal: a person sees in which order moves run, what waits for what, and what was left out and why.

Method: plans of the core for made-up clusters, converted and shown; what is said is asserted.
"""

from dataclasses import replace

import pytest
from api_forecasts import forecast_plan
from api_scene import GIB, answer_all, make_host, make_vm
from cli_fakes import CommandLine

from godwit import wire
from godwit.cli.options import Output
from godwit.cli.screen import Screen
from godwit.cli.views.migration import show_run_outcome
from godwit.cli.views.plan import show_plan
from godwit.core.model import Cluster, HostName
from godwit.core.plan import Plan
from godwit.core.planner import PauseSettings, plan_drain, plan_migration
from godwit.core.timetable import with_times

KVM1 = HostName("kvm1")
ASKED = PauseSettings()
#: Fast enough for the forecasts of these plans, which are made up.
LINK = 250e6


def shown(plan: Plan, capsys: pytest.CaptureFixture[str]) -> str:
    show_plan(Screen(Output.TEXT), wire.plan_to_wire(plan))
    return capsys.readouterr().out


def of_three(*vms: str, memory_gib: int = 32) -> Cluster:
    hosts = tuple(
        make_host(f"kvm{n}", memory_gib=memory_gib, migration_link_bytes_per_s=LINK)
        for n in (1, 2, 3)
    )
    made = tuple(make_vm(one, "kvm1") for one in vms)
    return answer_all(Cluster(generation=7, taken_at_s=0.0, hosts=hosts, vms=made))


def drained(of: Cluster, parallel: int) -> Plan:
    plan = plan_drain(of, KVM1, parallel=parallel, settings=ASKED)
    return with_times(of, forecast_plan(plan), ASKED)


def swapped(hosts: int) -> Plan:
    """Two full hosts that shall swap their VMs; a third one, if it is there, has room for one."""
    web, db = (
        make_vm(name, on, memory_bytes=8 * GIB) for name, on in (("web", "kvm1"), ("db", "kvm2"))
    )
    names = [f"kvm{n}" for n in range(1, hosts + 1)]
    servers = tuple(make_host(one, memory_gib=9, migration_link_bytes_per_s=LINK) for one in names)
    of = answer_all(Cluster(generation=7, taken_at_s=0.0, hosts=servers, vms=(db, web)))
    moves = [
        plan_migration(
            replace(of, vms=(one,)), one, destination=HostName(to), settings=ASKED
        ).moves[0]
        for one, to in ((web, "kvm2"), (db, "kvm1"))
    ]
    plan = plan_drain(of, HostName("kvm1"), parallel=4, settings=ASKED)
    return with_times(of, replace(plan, moves=tuple(moves), unplaced=()), ASKED)


def test_moves_one_after_the_other_say_whom_they_wait_for_and_when(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = drained(of_three("web1", "web2", "web3"), 1)
    out = shown(plan, capsys)
    first, second, third = (one.vm_name for one in plan.moves)
    assert "Drain of kvm1: 3 moves, one after the other." in out
    # 2.9 s each, as it is forecast; 2.6 to 3.4.
    assert "All of it takes about 8.7 s (" in out
    assert "; no order of these moves could take less than " in out
    assert "When: at once, until about 2.9 s (" in out
    assert "When: after 1, from about 2.9 s (" in out
    assert f"{second} waits for a free place in flight, after {first}." in out
    assert f"{third} waits for a free place in flight, after {second}." in out
    assert out.index(f"1. {first}") < out.index(f"2. {second}") < out.index(f"3. {third}")


def test_the_lower_bound_is_said_with_what_sets_it(capsys: pytest.CaptureFixture[str]) -> None:
    plan = drained(of_three("web1", "web2", "web3"), 1)
    (line,) = [one for one in shown(plan, capsys).splitlines() if one.startswith("All of it")]
    assert f"(set by {plan.timed.bound_by})" in line


def test_one_move_needs_no_timetable(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(drained(of_three("web1"), 4), capsys)
    assert "Drain of kvm1: 1 move." in out
    assert "When:" not in out
    assert "All of it" not in out


def test_a_detour_is_said_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    plan = swapped(3)
    out = shown(plan, capsys)
    first, other, last = plan.moves
    assert f"1. {first.vm_name} (8.0 GiB, 2 vCPUs): {first.source} -> kvm3" in out
    assert f"Why kvm3: steps aside to kvm3, because {last.destination} has no room" in out
    assert f"waits until {first.vm_name} has left {other.destination}" in out
    assert f"3. {last.vm_name} (8.0 GiB, 2 vCPUs): kvm3 -> {last.destination}" in out
    assert "goes on from its stop on kvm3" in out
    assert "Note: a ring of full hosts is opened through transit" in out


def test_what_has_no_way_is_said_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(swapped(2), capsys)
    assert "0 moves; 2 can't be moved" in out
    assert (
        "web has no way to kvm2, in any order of these moves; it stays on kvm1 and runs on" in out
    )
    assert "they wait for each other" in out
    assert "Remedy: Free 8.0 GiB on" in out


def test_a_vm_in_flight_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    of = of_three("web1", "web2")
    plan = drained(of, 1)
    stuck = replace(swapped(2).timed.stuck[0], kind=type(swapped(2).timed.stuck[0].kind).REFUSED)
    out = shown(replace(plan, timed=replace(plan.timed, stuck=(stuck,))), capsys)
    assert f"{stuck.vm_name} can't be moved to {stuck.destination} now" in out


def test_json_has_the_whole_timetable(godwit: CommandLine) -> None:
    plan = godwit("drain", "kvm1", "--parallel", "2", "--dry-run", "-o", "json").json
    timed = plan["timed"]
    assert [one["vm_name"] for one in timed["moves"]] == [one["vm_name"] for one in plan["moves"]]
    assert 0 < timed["lower_bound_s"] <= timed["makespan_s"]["likely"]
    assert timed["bound_by"]
    for one in timed["moves"]:
        assert one["starts_s"]["low"] <= one["starts_s"]["likely"] <= one["starts_s"]["high"]
        assert set(one["needs"]) <= {other["id"] for other in timed["moves"]}
    assert godwit("migrate", "web1", "--dry-run", "-o", "json").json["timed"] is None


def test_the_dry_run_of_a_drain_shows_when(godwit: CommandLine) -> None:
    out = godwit("drain", "kvm1", "--dry-run").out
    assert "All of it takes about" in out
    assert "When: at once, until" in out
    assert "When: after 1, from" in out


def test_a_move_that_was_given_up_is_told_with_its_cause(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = wire.plan_to_wire(drained(of_three("web1", "web2"), 1))
    why = "kvm2 has no place for it until db has left: that failed"
    left = wire.GivenUp(vm="u", vm_name="web2", source="kvm1", destination="kvm2", why=why)
    run = wire.RunDetail(
        id="r-1", plan_id="p-1", kind="drain", host="kvm1", state="partly", is_ended=True,
        accepted_at_s=0.0, ended_at_s=9.0, moves_planned=2, parallel=1, migrations=(),
        remaining=("web1", "web2"),
        unplaced=(), given_up=(left,), plan=plan, last_notice=1,
    )  # fmt: skip
    show_run_outcome(Screen(Output.TEXT), run)
    out = capsys.readouterr().out
    assert "web2 was not moved to kvm2: that move was not started. It runs on kvm1" in out
    assert f"Cause: {why}" in out
