"""Goal: every resource answers what the controller says, and every error in one body by one table.

Method: plain HTTP over a real socket to a real server, with a fake controller behind it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from api_fakes import FakeController, Plot, World
from api_scene import make_vm

from godwit.core import errors
from godwit.core.migration import Phase
from godwit.formats import read_raw
from godwit.wire.problems import TABLE


def _problem(response: httpx.Response) -> dict[str, str]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, str] = response.json()
    assert set(body) == {"code", "message", "evidence", "remedy", "request_id"}
    assert response.headers["x-request-id"] == body["request_id"] != ""
    return body


def test_cluster_names_every_host_and_every_refusal(http: httpx.Client) -> None:
    cluster = http.get("/cluster").json()
    assert [one["record"]["name"] for one in cluster["hosts"]] == ["kvm1", "kvm2", "kvm3"]
    assert cluster["hosts"][2]["unreachable"] == "connection refused"
    assert cluster["hosts"][2]["observed"] is None
    gpu1, web1, _ = cluster["vms"]
    assert gpu1["choice"]["best"] is None
    assert gpu1["choice"]["vm_refusals"][0]["rule"] == "devices"
    assert web1["choice"]["best"] == "kvm2"
    refused = web1["choice"]["candidates"][1]
    assert refused["host"] == "kvm3"
    assert "connection refused" in refused["refusals"][0]["why"]
    assert web1["disks"][0]["seen_by"]["kvm2"] == "same"


def test_the_cluster_as_a_file_is_whole_and_anonymised_where_that_is_asked_for(
    http: httpx.Client, world: World
) -> None:
    answer = http.get("/cluster/file")
    assert answer.headers["content-type"] == "application/json"
    found = read_raw(answer.content, file_name="c").cluster
    assert found == replace(world.controller.cluster, known=found.known)
    assert found.known.vms
    hidden = http.get("/cluster/file?anonymised=true").content
    assert read_raw(hidden, file_name="c").anonymised
    assert b"kvm1" in answer.content
    assert b"kvm1" not in hidden
    assert http.get("/cluster/file?anonymised=perhaps").status_code == 422


def test_unknown_vm_names_near_matches_and_the_hosts_that_did_not_answer(
    http: httpx.Client,
) -> None:
    response = http.get("/vms/wbe1")
    assert response.status_code == 404
    problem = _problem(response)
    assert problem["code"] == "unknown_vm"
    assert "kvm3" in problem["evidence"]
    assert "web1" in problem["remedy"]
    assert http.get("/vms/web1").json()[0]["name"] == "web1"


def test_unknown_host_names_near_matches(http: httpx.Client) -> None:
    for response in (
        http.get("/hosts/kvn1"),
        http.delete("/hosts/kvn1"),
        http.put("/hosts/kvn1/maintenance", json={"on": True}),
        http.post("/plans", json={"kind": "drain", "host": "kvn1"}),
    ):
        assert response.status_code == 404
        problem = _problem(response)
        assert problem["code"] == "unknown_host"
        assert "kvm1" in problem["remedy"]


def test_a_plan_moves_nothing_until_it_is_accepted_and_is_accepted_once(
    http: httpx.Client, world: World
) -> None:
    made = http.post("/plans", json={"kind": "migrate", "vm": "web1", "pause_max_s": 0.3})
    assert made.status_code == 201
    plan = made.json()
    assert plan["moves"][0]["destination"] == "kvm2"
    assert plan["moves"][0]["recipe"]["pause_max_s"] == 0.3
    assert http.get("/migrations").json() == []
    before = world.controller.last_notice
    first = http.post(f"/plans/{plan['id']}/accept")
    again = http.post(f"/plans/{plan['id']}/accept")
    assert first.status_code == again.status_code == 202
    assert first.json()["migrations"] == again.json()["migrations"] == ["m-000000"]
    assert first.json()["last_notice"] == before
    assert len(http.get("/migrations").json()) == 1
    assert http.get(f"/plans/{plan['id']}").json() == plan


def test_a_stale_plan_is_refused(http: httpx.Client, world: World) -> None:
    plan = http.post("/plans", json={"kind": "migrate", "vm": "web1"}).json()
    object.__setattr__(world.controller.cluster, "generation", 8)
    response = http.post(f"/plans/{plan['id']}/accept")
    assert response.status_code == 409
    assert _problem(response)["code"] == "plan_stale"


def test_a_migration_is_told_whole(http: httpx.Client) -> None:
    plan = http.post("/plans", json={"kind": "migrate", "vm": "web1"}).json()
    http.post(f"/plans/{plan['id']}/accept")
    migration = _until(http, "/migrations/m-000000", lambda one: one["is_ended"])
    assert migration["phase"] == "done"
    assert migration["runner"] == "destination"
    assert [one["number"] for one in migration["rounds"]] == [1, 2]
    assert migration["result"]["pause_s"] == 0.042
    said = [(one["event"], one["who"]) for one in migration["journal"]]
    assert said[0] == ("accepted", "person")
    assert ("pause_limit_ordered", "godwit") in said
    assert ("round_ended", "kvm1") in said
    assert ("found", "hosts") in said
    decisions = [one["event"] for one in migration["journal"] if one["is_decision"]]
    assert decisions == ["accepted", "preconditions_held", "start_ordered", "pause_limit_ordered"]


def test_cancel_and_resolve_answer_at_once(http: httpx.Client, world: World) -> None:
    world.controller.plots["web1"] = Plot(holds_in=Phase.COPYING)
    plan = http.post("/plans", json={"kind": "migrate", "vm": "web1"}).json()
    http.post(f"/plans/{plan['id']}/accept")
    _until(http, "/migrations/m-000000", lambda one: one["phase"] == "copying")
    assert http.get("/status").json()["migrations"][0]["id"] == "m-000000"
    response = http.post("/migrations/m-000000/cancel")
    assert response.status_code == 202
    assert response.json()["phase"] == "cancelling"
    _until(http, "/migrations/m-000000", lambda one: one["phase"] == "cancelled")
    over = http.post("/migrations/m-000000/cancel")
    assert over.status_code == 409
    assert _problem(over)["code"] == "refused"
    assert http.post("/migrations/m-000000/resolve").status_code == 409
    assert http.get("/status").json()["migrations"] == []


def test_a_drain_tells_what_moved_and_what_stays(http: httpx.Client) -> None:
    plan = http.post("/plans", json={"kind": "drain", "host": "kvm1", "parallel": 2}).json()
    assert [one["vm_name"] for one in plan["unplaced"]] == ["gpu1"]
    accepted = http.post(f"/plans/{plan['id']}/accept").json()
    run = _until(http, f"/runs/{accepted['run']}", lambda one: one["is_ended"])
    assert run["state"] == "partly"
    assert run["remaining"] == run["unplaced"] == ["gpu1"]
    assert [one["phase"] for one in run["migrations"]] == ["done", "done"]
    assert run["plan"]["id"] == plan["id"]
    assert http.get("/runs").json()[0]["id"] == accepted["run"]
    assert http.post(f"/runs/{accepted['run']}/cancel").status_code == 409


def test_hosts_are_added_listed_put_into_maintenance_and_removed(http: httpx.Client) -> None:
    added = http.post(
        "/hosts",
        json=[
            {"uri": "qemu+ssh://root@kvm4/system"},
            {"uri": "qemu:///system", "name": "kvm5", "peer_uri": "qemu+tls://kvm5/system"},
        ],
    )
    assert added.status_code == 201
    assert [one["record"]["name"] for one in added.json()] == ["kvm4", "kvm5"]
    assert added.json()[0]["record"]["peer_uri"] == "qemu+ssh://root@kvm4/system"
    record = http.put("/hosts/kvm4/maintenance", json={"on": True}).json()
    assert record["in_maintenance"] is True
    assert http.get("/hosts/kvm4").json()["record"]["in_maintenance"] is True
    assert http.delete("/hosts/kvm4").status_code == 204
    names = [one["name"] for one in http.get("/hosts").json()]
    assert names == ["kvm1", "kvm2", "kvm3", "kvm5"]


def test_a_host_that_its_peers_cannot_reach_is_refused(http: httpx.Client) -> None:
    response = http.post("/hosts", json=[{"uri": "qemu:///system", "name": "kvm9"}])
    assert response.status_code == 422
    problem = _problem(response)
    assert "peer" in problem["remedy"]
    assert "kvm9" in problem["message"]


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/plans", {"kind": "migrate"}, "vm"),
        ("/plans", {"kind": "teleport"}, "kind"),
        ("/plans", {"kind": "drain", "host": "kvm1", "parallel": 0}, "parallel"),
        ("/plans", {"kind": "migrate", "vm": "a", "pause_max_s": 0}, "pause_max_s"),
        ("/plans", {"kind": "migrate", "vm": "a", "speed": 1}, "speed"),
        ("/hosts", [{"uri": "qemu+ssh://a/system", "nmae": "x"}], "nmae"),
    ],
)
def test_a_request_that_cannot_be_read_names_its_key(
    http: httpx.Client, path: str, body: object, key: str
) -> None:
    response = http.post(path, json=body)
    assert response.status_code == 422
    problem = _problem(response)
    assert problem["code"] == "bad_value"
    assert key in problem["evidence"]


@pytest.mark.parametrize(
    "error",
    [
        errors.HostUnreachable("kvm1 does not answer", evidence="refused", remedy="Look."),
        errors.Unsupported("too old"),
        errors.OutcomeUnknown("lost"),
        errors.IllegalTransition("no row"),
    ],
)
def test_errors_of_the_controller_keep_their_code_and_get_their_status(
    http: httpx.Client, world: World, error: errors.GodwitError
) -> None:
    world.controller.raises = error
    response = http.get("/cluster")
    assert response.status_code == TABLE[error.code].http
    problem = _problem(response)
    assert (problem["code"], problem["message"]) == (error.code, error.message)
    assert (problem["evidence"], problem["remedy"]) == (error.evidence, error.remedy)


def test_what_nobody_foresaw_is_a_bug_that_tells_no_secret(
    http: httpx.Client, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.controller.raises = RuntimeError("password=hunter2")
    response = http.get("/cluster", headers={"X-Request-Id": "mine-1"})
    assert response.status_code == 500
    problem = _problem(response)
    assert problem["code"] == "bug"
    assert problem["request_id"] == "mine-1"
    assert "hunter2" not in response.text
    assert "mine-1" in caplog.text


def test_a_request_id_that_could_forge_log_lines_is_replaced(http: httpx.Client) -> None:
    response = http.get("/version", headers={"X-Request-Id": "a b<script>"})
    assert response.headers["x-request-id"] != "a b<script>"


def test_an_address_that_is_no_resource_is_a_problem_too(http: httpx.Client) -> None:
    assert _problem(http.get("/nothing"))["code"] == "not_found"
    assert _problem(http.patch("/cluster"))["code"] == "method_not_allowed"


def test_vms_of_one_name_on_two_hosts_are_both_told(http: httpx.Client, world: World) -> None:
    controller: FakeController = world.controller
    twice = (*controller.cluster.vms, make_vm("web2", "kvm2"))
    object.__setattr__(controller.cluster, "vms", twice)
    assert [one["host"] for one in http.get("/vms/web2").json()] == ["kvm1", "kvm2"]


def _until(
    http: httpx.Client, path: str, holds: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    for _ in range(2000):
        body = http.get(path).json()
        if holds(body):
            return dict(body)
    pytest.fail(f"{path} never came to it: {body}")
