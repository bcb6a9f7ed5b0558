"""Goal: every kind of plan is asked for, read, accepted and followed as a person would.

Method: the commands in process over the fake controller, which plans with the real planner; files
in a folder of their own. The clusters have one hot host.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from api_fakes import World
from api_scene import answer_all, make_host, make_vm
from cli_fakes import CommandLine

from godwit.core.model import Cluster, HostName, VmGroup
from godwit.formats import encode


def hot_cluster() -> Cluster:
    """Three hosts of 8 cores; four VMs keep all of those of kvm1 busy."""
    busy = {"web1": 3.0, "web2": 2.0, "web3": 1.5, "db": 1.5}
    made = tuple(make_host(name) for name in ("kvm1", "kvm2", "kvm3"))
    hosts = tuple(
        replace(one, observed=replace(one.observed, busy_cores=0.1)) for one in made if one.observed
    )
    vms = tuple(
        make_vm(name, "kvm1", busy_cores=cores, vcpus=4) for name, cores in sorted(busy.items())
    )
    return answer_all(Cluster(generation=7, taken_at_s=0.0, hosts=hosts, vms=vms))


def even_cluster() -> Cluster:
    """One VM on each of the same hosts, all equally busy."""
    cluster = hot_cluster()
    places = dict(zip(("db", "web1", "web2"), ("kvm1", "kvm2", "kvm3"), strict=True))
    vms = tuple(
        replace(one, host=HostName(places[one.name]), busy_cores=1.0)
        for one in cluster.vms
        if one.name in places
    )
    return replace(cluster, vms=vms)


@pytest.fixture
def hot(world: World) -> World:
    world.controller.cluster = hot_cluster()
    return world


def saved(cluster: Cluster, folder: Path, name: str = "c.json") -> str:
    path = folder / name
    path.write_bytes(encode(cluster, path))
    return str(path)


def test_a_balance_says_what_it_gains_and_costs_before_it_asks(
    godwit: CommandLine, hot: World, person: None
) -> None:
    ran = godwit("balance", answer="y\n")
    assert ran.status == 0
    plan, _, carried_out = ran.out.partition("Move 2 VMs?")
    assert "Balance: 2 moves, one after the other." in plan
    assert "Why this VM: kvm1 has 100 % of its cores busy, above the 80 % that are safe" in plan
    assert "Gains: hot cpu +" in plan
    assert "Costs: " in plan
    assert "Why not kvm" in plan
    assert "What it is worth, in points" in plan
    assert "hot cpu" in plan
    assert "Balance done: 2 VMs moved." in carried_out
    assert "maintenance" not in godwit("host", "list").out.replace("MAINTENANCE", "")


def test_nothing_worth_moving_is_an_answer_and_no_question(
    godwit: CommandLine, hot: World, person: None
) -> None:
    hot.controller.cluster = even_cluster()
    ran = godwit("balance")
    assert ran.status == 0
    assert "Balance: nothing is to be moved." in ran.out
    assert "Why: " in ran.out
    assert "?" not in ran.out
    assert godwit("balance", "--yes", "-o", "json").lines[0]["plan"]["moves"] == []


def test_json_has_what_text_has(godwit: CommandLine, hot: World) -> None:
    plan = godwit("balance", "--dry-run", "-o", "json").json
    assert plan["kind"] == "balance"
    assert {one["name"] for one in plan["terms"]} >= {"hot cpu", "imbalance cpu", "price"}
    assert plan["gain"] == pytest.approx(sum(one["gain"] for one in plan["terms"]))
    worth = plan["moves"][0]["worth"]
    assert worth["gain"] > worth["price"]["points"]
    assert worth["instead"]
    assert plan["timed"]["makespan_s"]["likely"] > 0
    assert hot.controller.lives == {}


def test_options_reach_the_search(godwit: CommandLine, hot: World) -> None:
    one = godwit("balance", "--dry-run", "--moves-max", "1", "-o", "json").json
    assert len(one["moves"]) == 1
    godwit("balance", "--dry-run", "--search-time", "500ms", "--seed", "4", "--no-measure")
    assert hot.controller.searched[-1] == (0.5, 4)
    assert hot.controller.measured[-1] is False


def test_a_plan_is_accepted_later_by_its_id(godwit: CommandLine, hot: World) -> None:
    ran = godwit("plan", "balance")
    assert ran.status == 0
    assert "Carry it out with: godwit accept p-000000" in ran.out
    assert hot.controller.lives == {}
    done = godwit("accept", "p-000000", "--yes", "-o", "json")
    assert done.status == 0
    assert done.lines[-1]["run"]["kind"] == "balance"
    assert done.lines[-1]["run"]["state"] == "done"
    shown = godwit("show", "r-000000").out
    assert "Balance (r-000000): done" in shown
    for what in ("p-000000", "r-000000"):
        assert "Why this VM: kvm1 has 100 %" in godwit("why", what).out
    assert godwit("accept", "p-00000f", "--yes").status == 2


def test_a_dry_run_names_the_plan_that_it_made(godwit: CommandLine, hot: World) -> None:
    for number, args in enumerate((("balance",), ("migrate", "db"))):
        ran = godwit(*args, "--dry-run")
        assert f"nothing was changed. Carry it out with: godwit accept p-{number:06x}" in ran.out
        assert godwit("accept", f"p-{number:06x}", "--yes").status == 0


def test_a_mix_with_nothing_to_move_asks_nothing(
    godwit: CommandLine, hot: World, person: None
) -> None:
    hot.controller.cluster = even_cluster()
    ran = godwit("plan", "mix", "--repair", "--balance")
    assert "Nothing was changed." in ran.out
    assert "accept" not in ran.out
    done = godwit("accept", "p-000000")
    assert done.status == 0
    assert "?" not in done.out


def test_what_was_emptied_comes_back(godwit: CommandLine, hot: World) -> None:
    assert godwit("restore", "kvm1", "--yes").status == 3
    assert godwit("evacuate", "kvm1", "--yes").status == 0
    assert "Evacuation of kvm1 (r-000000): done" in godwit("show", "r-000000").out
    assert godwit("undrain", "kvm1").status == 0
    moved = {one.move.vm: one.move.destination for one in hot.controller.migrations(limit=9)}
    vms = tuple(
        replace(one, host=moved.get(one.id, one.host)) for one in hot.controller.cluster.vms
    )
    hot.controller.cluster = replace(hot.controller.cluster, vms=vms)
    plan = godwit("restore", "kvm1", "--dry-run", "-o", "json").json
    assert {one["destination"] for one in plan["moves"]} == {"kvm1"}
    assert len(plan["moves"]) == 4
    assert "Way back: 4 moves" in godwit("plan", "restore", "kvm1").out


def test_the_way_back_can_stand_in_a_file(godwit: CommandLine, hot: World, tmp_path: Path) -> None:
    before = saved(hot.controller.cluster, tmp_path)
    gone = HostName("kvm2")
    vms = tuple(replace(one, host=gone) for one in hot.controller.cluster.vms)
    now = replace(hot.controller.cluster, vms=vms)
    hot.controller.cluster = now
    plan = godwit("restore", "--from", before, "--dry-run", "-o", "json").json
    assert {one["destination"] for one in plan["moves"]} == {"kvm1"}
    offline = godwit(
        "plan", "restore", "--from", before, "--cluster", saved(now, tmp_path, "now.json")
    )
    assert "Way back: 4 moves" in offline.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("restore", "--yes"), "--from FILE"),
        (("restore", "kvm1", "--from", "x.json", "--yes"), "--from FILE"),
        (("plan", "mix"), "at least one thing"),
        (("plan", "drain", "kvn1"), "kvm1"),
        (("plan", "place", "wbe1"), "web1"),
        (("drain", "kvm1", "--within", "soon", "--dry-run"), "--within"),
        (("balance", "--search-time", "0s", "--dry-run"), "--search-time"),
        (("consolidate", "--keep", "0", "--dry-run"), "--keep"),
        (("balance",), "--yes"),
    ],
)
def test_mistakes_change_nothing_and_are_named(
    godwit: CommandLine, hot: World, args: tuple[str, ...], said: str
) -> None:
    ran = godwit(*args)
    assert ran.status in {2, 3}
    assert said in ran.err
    assert hot.controller.lives == {}


def test_every_kind_is_planned_for_a_file_and_no_controller_is_needed(
    godwit: CommandLine, tmp_path: Path
) -> None:
    cluster = hot_cluster()
    both = frozenset(one.id for one in cluster.vms if one.name in {"web1", "db"})
    apart = VmGroup(name="pair", together=False, members=both)
    file = saved(replace(cluster, groups=(apart,)), tmp_path)
    for args, said in (
        (("balance",), "Balance: "),
        (("drain", "kvm1"), "Drain of kvm1: 4 moves"),
        (("evacuate", "kvm1"), "Evacuation of kvm1: 4 moves"),
        (("consolidate", "--keep", "1"), "Consolidation: "),
        (("place", "db"), "Placement: 1 move"),
        (("repair",), "Repair: 1 move"),
        (
            ("mix", "--drain", "kvm1", "--drain", "kvm2"),
            "Plan of kvm1 and kvm2: 3 moves",
        ),
    ):
        ran = godwit("plan", *args, "--cluster", file)
        assert ran.status == 0, ran.err
        assert said in ran.out
        assert f"Planned for the cluster in {file}" in ran.out
        assert "godwit accept" not in ran.out
    assert godwit.attached == 0


def test_a_file_plan_says_what_only_a_controller_knows(godwit: CommandLine, tmp_path: Path) -> None:
    file = saved(hot_cluster(), tmp_path)
    ran = godwit("plan", "restore", "kvm1", "--cluster", file)
    assert ran.status == 2
    assert "--from FILE" in ran.err
    ran = godwit("plan", "drain", "kvm9", "--cluster", file)
    assert ran.status == 2
    assert "no host 'kvm9' is in the file" in ran.err


def test_the_same_file_and_seed_give_the_same_plan(godwit: CommandLine, tmp_path: Path) -> None:
    file = saved(hot_cluster(), tmp_path)
    plans = [godwit("plan", "balance", "--cluster", file, "-o", "json").out for _ in range(2)]
    assert plans[0] == plans[1]


def test_a_drain_of_make_room_and_deadline_asks_for_both(godwit: CommandLine, hot: World) -> None:
    plan = godwit("plan", "drain", "kvm1", "--within", "10m", "--make-room", "-o", "json").json
    assert plan["deadline_s"] == 600
    assert plan["leaving"] == ["kvm1"]
