"""Goal: everything that the planner can be asked for can be asked for over HTTP, and says why.

Method: plain HTTP to a real server; the controller is a fake one, its planner is the real one.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from api_fakes import World
from api_scene import GIB, answer_all, make_host, make_vm

from godwit.core.model import Cluster, HostName

HOT = ("web1", "web2", "web3")
ONE_MOVE = {"vm_name", "source", "destination", "worth", "forecast", "reason", "choice"}


def hot_cluster() -> Cluster:
    """Three hosts, one of which has more busy cores than is safe."""
    vms = (
        *(make_vm(name, "kvm1", busy_cores=2.5) for name in HOT),
        make_vm("db1", "kvm2", memory_bytes=2 * GIB),
    )
    hosts = tuple(make_host(name) for name in ("kvm1", "kvm2", "kvm3"))
    return answer_all(Cluster(generation=7, taken_at_s=1.0, hosts=hosts, vms=vms))


@pytest.fixture
def hot(world: World) -> World:
    world.controller.cluster = hot_cluster()
    return world


def _made(http: httpx.Client, **body: object) -> dict[str, Any]:
    response = http.post("/plans", json=body)
    assert response.status_code == 201, response.text
    plan: dict[str, Any] = response.json()
    assert http.get(f"/plans/{plan['id']}").json() == plan
    return plan


def _problem(response: httpx.Response, status: int, code: str) -> dict[str, str]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, str] = response.json()
    assert body["code"] == code
    assert body["message"]
    return body


def _ends(plan: dict[str, Any]) -> dict[str, str]:
    return {one["vm_name"]: one["destination"] for one in plan["moves"]}


def all_leave(plan: dict[str, Any]) -> bool:
    return _ends(plan).keys() == set(HOT) and plan["host"] == "kvm1"


def web1_moves(plan: dict[str, Any]) -> bool:
    return "web1" in _ends(plan)


def some_leave(plan: dict[str, Any]) -> bool:
    return bool(plan["moves"]) and {one["source"] for one in plan["moves"]} == {"kvm1"}


def nothing_moves(plan: dict[str, Any]) -> bool:
    return not plan["moves"] and "no rule is broken" in plan["reasons"]


@pytest.mark.parametrize(
    ("body", "leaving", "holds"),
    [
        ({"kind": "balance"}, [], some_leave),
        ({"kind": "drain", "host": "kvm1"}, ["kvm1"], all_leave),
        ({"kind": "drain", "host": "kvm1", "make_room": True}, ["kvm1"], all_leave),
        ({"kind": "evacuate", "host": "kvm1", "deadline_s": 3600}, ["kvm1"], all_leave),
        ({"kind": "restore", "placement": {"web1": "kvm3"}}, [], None),
        ({"kind": "consolidate", "hosts_least": 2}, ["kvm3"], None),
        ({"kind": "place", "vm": "web1"}, [], web1_moves),
        ({"kind": "repair"}, [], nothing_moves),
        ({"kind": "mix", "balance": True, "place": ["web1"]}, [], web1_moves),
        ({"kind": "mix", "drain": ["kvm2"], "evacuate": ["kvm3"]}, ["kvm2", "kvm3"], None),
        ({"kind": "mix", "repair": True}, [], nothing_moves),
    ],
)
@pytest.mark.usefixtures("hot")
def test_every_kind_is_planned_and_says_what_it_is_worth(
    http: httpx.Client,
    body: dict[str, Any],
    leaving: list[str],
    holds: Callable[[dict[str, Any]], bool] | None,
) -> None:
    plan = _made(http, **body)

    assert plan["kind"] == body["kind"]
    assert plan["leaving"] == leaving
    assert plan["deadline_s"] == body.get("deadline_s")
    assert plan["timed"] is not None
    assert plan["terms"]
    for term in plan["terms"]:
        assert set(term) == {"name", "counts", "points", "before", "after", "gain", "bound"}
        assert term["counts"]
    assert plan["gain"] == pytest.approx(sum(one["gain"] for one in plan["terms"]))
    assert plan["moves"] or plan["reasons"]
    for move in plan["moves"]:
        assert set(move) >= ONE_MOVE
        worth = move["worth"]
        assert worth["why_vm"]
        assert worth["gain"] == pytest.approx(sum(one["points"] for one in worth["gains"]))
        assert worth["price"]["time_s"] > 0
        assert worth["price"]["sent_bytes"] > 0
    assert holds is None or holds(plan), plan


@pytest.mark.usefixtures("hot")
def test_a_balance_says_what_it_cures_and_where_a_vm_could_have_gone_instead(
    http: httpx.Client,
) -> None:
    plan = _made(http, kind="balance", moves_most=1)
    terms = {one["name"]: one for one in plan["terms"]}
    assert terms["hot cpu"]["before"] > 0 == terms["hot cpu"]["after"]
    assert terms["hot cpu"]["gain"] > 0
    (move,) = plan["moves"]
    assert "hot cpu" in {one["term"] for one in move["worth"]["gains"]}
    (instead,) = move["worth"]["instead"]
    assert {move["destination"], instead["host"]} == {"kvm2", "kvm3"}
    assert instead["gain"] <= move["worth"]["gain"]
    assert instead["why"]


@pytest.mark.usefixtures("hot")
def test_a_way_back_to_known_places_brings_vms_there(http: httpx.Client, world: World) -> None:
    vm = next(one for one in world.controller.cluster.vms if one.name == "web1")
    plan = _made(http, kind="restore", placement={vm.id: "kvm3", "has-gone": "kvm2"})
    assert _ends(plan) == {"web1": "kvm3"}
    assert plan["unplaced"] == []


def test_what_was_asked_reaches_the_planner(http: httpx.Client, hot: World) -> None:
    two = _made(http, kind="balance")
    assert len(two["moves"]) == 2
    one = _made(
        http,
        kind="balance",
        moves_most=1,
        parallel=7,
        limit_s=3.5,
        seed=11,
        measure=False,
        pause_max_s=0.25,
        bandwidth_bytes_per_s=5e6,
    )
    assert len(one["moves"]) == 1
    assert one["parallel"] == 7
    recipe = one["moves"][0]["recipe"]
    assert (recipe["pause_max_s"], recipe["bandwidth_bytes_per_s"]) == (0.25, 5e6)
    assert hot.controller.searched == [(10.0, 0), (3.5, 11)]
    assert hot.controller.measured == [True, False]


def test_vms_of_other_hosts_make_room_for_a_drain_only_where_they_may(
    http: httpx.Client, world: World
) -> None:
    vms = (
        make_vm("web1", "kvm1", memory_bytes=10 * GIB),
        make_vm("db1", "kvm2", memory_bytes=4 * GIB),
    )
    rooms = {"kvm1": 17, "kvm2": 13, "kvm3": 7}
    hosts = tuple(make_host(name, memory_gib=gib) for name, gib in rooms.items())
    world.controller.cluster = answer_all(
        Cluster(generation=7, taken_at_s=1.0, hosts=hosts, vms=vms)
    )
    alone = _made(http, kind="drain", host="kvm1")
    helped = _made(http, kind="drain", host="kvm1", make_room=True)
    assert alone["moves"] == []
    assert [one["vm_name"] for one in alone["unplaced"]] == ["web1"]
    assert any("web1 could go to kvm2 if" in one for one in alone["reasons"])
    assert _ends(helped) == {"db1": "kvm3", "web1": "kvm2"}


def test_a_consolidation_leaves_as_many_hosts_in_use_as_asked(
    http: httpx.Client, world: World
) -> None:
    hosts = tuple(make_host(name) for name in ("kvm1", "kvm2", "kvm3"))
    vms = tuple(make_vm(f"web{n}", f"kvm{n}") for n in (1, 2, 3))
    world.controller.cluster = answer_all(
        Cluster(generation=7, taken_at_s=1.0, hosts=hosts, vms=vms)
    )
    assert _made(http, kind="consolidate", hosts_least=3)["leaving"] == []
    assert len(_made(http, kind="consolidate", hosts_least=2)["leaving"]) == 1


def test_a_run_of_a_balance_has_its_kind_and_no_host(http: httpx.Client, hot: World) -> None:
    plan = _made(http, kind="balance")
    accepted = http.post(f"/plans/{plan['id']}/accept")
    assert accepted.status_code == 202
    run_id = accepted.json()["run"]
    assert accepted.json()["migrations"] == []
    assert http.post(f"/plans/{plan['id']}/accept").json()["run"] == run_id
    run = _ended(http, run_id)
    assert (run["kind"], run["host"], run["state"]) == ("balance", None, "done")
    assert (run["plan_id"], run["moves_planned"]) == (plan["id"], 2)
    assert run["plan"] == plan
    assert [one["id"] for one in http.get("/runs").json()] == [run_id]
    assert http.get("/status").json()["runs"] == []
    assert not any(one.in_maintenance for one in hot.controller.host_records())
    missing = _problem(http.get("/runs/r-none"), 404, "unknown_plan")
    assert "r-none" in missing["message"]


def test_what_a_drain_took_away_is_brought_back_by_the_name_of_its_host(
    http: httpx.Client, hot: World
) -> None:
    refused = _problem(
        http.post("/plans", json={"kind": "restore", "host": "kvm1"}), 409, "refused"
    )
    assert refused["remedy"]
    plan = _made(http, kind="drain", host="kvm1")
    _ended(http, http.post(f"/plans/{plan['id']}/accept").json()["run"])
    http.put("/hosts/kvm1/maintenance", json={"on": False})
    # The fake controller moves nothing: here the VMs have come to where they were sent.
    ends = _ends(plan)
    cluster = hot.controller.cluster
    vms = tuple(
        replace(one, host=HostName(ends.get(one.name, one.host)), busy_cores=0.5)
        for one in cluster.vms
    )
    hot.controller.cluster = answer_all(replace(cluster, vms=vms))

    back = _made(http, kind="restore", host="kvm1")

    assert back["kind"] == "restore"
    assert _ends(back) == dict.fromkeys(HOT, "kvm1")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "restore"}, "either host or placement"),
        (
            {"kind": "restore", "host": "kvm1", "placement": {"web1": "kvm1"}},
            "either host or placement",
        ),
        ({"kind": "mix"}, "at least one thing"),
        ({"kind": "mix", "drain": [], "balance": False}, "at least one thing"),
        ({"kind": "balance", "moves_most": 0}, "moves_most"),
        ({"kind": "balance", "host": "kvm1"}, "host"),
        ({"kind": "balance", "parallel": 65}, "parallel"),
        ({"kind": "balance", "limit_s": 0}, "limit_s"),
        ({"kind": "balance", "seed": -1}, "seed"),
        ({"kind": "evacuate", "host": "kvm1", "deadline_s": -5}, "deadline_s"),
        ({"kind": "evacuate"}, "host"),
        ({"kind": "consolidate", "hosts_least": 0}, "hosts_least"),
        ({"kind": "place"}, "vm"),
        ({"kind": "place", "vm": ""}, "vm"),
        ({"kind": "mix", "place": [""]}, "place"),
        ({"kind": "teleport"}, "kind"),
        ({}, "kind"),
    ],
)
def test_a_request_that_says_nothing_or_too_much_is_named(
    http: httpx.Client, world: World, body: dict[str, Any], said: str
) -> None:
    problem = _problem(http.post("/plans", json=body), 422, "bad_value")
    assert said in problem["evidence"]
    assert world.controller.plans == {}


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "drain", "host": "kvn1"},
        {"kind": "evacuate", "host": "kvn1"},
        {"kind": "restore", "host": "kvn1"},
        {"kind": "restore", "placement": {"web1": "kvn1"}},
        {"kind": "mix", "drain": ["kvm2", "kvn1"]},
        {"kind": "mix", "evacuate": ["kvn1"], "balance": True},
    ],
)
def test_an_unknown_host_names_the_near_one(http: httpx.Client, body: dict[str, Any]) -> None:
    problem = _problem(http.post("/plans", json=body), 404, "unknown_host")
    assert "kvn1" in problem["message"]
    assert "kvm1" in problem["remedy"]


@pytest.mark.parametrize(
    "body", [{"kind": "place", "vm": "wbe1"}, {"kind": "mix", "repair": True, "place": ["wbe1"]}]
)
def test_an_unknown_vm_names_the_near_one(http: httpx.Client, body: dict[str, Any]) -> None:
    problem = _problem(http.post("/plans", json=body), 404, "unknown_vm")
    assert "wbe1" in problem["message"]
    assert "web1" in problem["remedy"]
    assert "kvm3" in problem["evidence"], "it did not answer, and might have it"


def _ended(http: httpx.Client, run_id: str) -> dict[str, Any]:
    for _ in range(2000):
        run: dict[str, Any] = http.get(f"/runs/{run_id}").json()
        if run["is_ended"]:
            return run
    pytest.fail(f"it never ended: {run}")
