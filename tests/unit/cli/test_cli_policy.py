"""Goal: a policy says who sets each field; only what is named changes; mistakes change nothing.

Method: the commands over the fake controller, which keeps policies as the driver does.
"""

from dataclasses import replace

import httpx
import pytest
from api_fakes import World
from cli_fakes import CommandLine

from godwit.core.errors import BadValue
from godwit.core.rules import PolicyRule
from godwit.wire import POLICY_FIELDS, PolicyChange, policy_change_from_wire


def _fields(godwit: CommandLine, vm: str = "web1") -> dict[str, tuple[object, str]]:
    shown = godwit("policy", "show", vm, "-o", "json").json
    return {one["name"]: (one["value"], one["origin"]) for one in shown["fields"]}


def test_each_field_says_where_it_comes_from(godwit: CommandLine, world: World) -> None:
    world.controller.policy_rules = (
        PolicyRule(patterns=("db*",), priority=9),
        PolicyRule(patterns=("web*",), may_throttle=True, pause_max_s=0.5),
        PolicyRule(deadline_s=600.0),
    )
    assert godwit("policy", "set", "web1", "--downtime-max", "300ms").status == 0
    out = godwit("policy", "show", "web1").out
    lines = {one.split()[0]: " ".join(one.split()[1:]) for one in out.splitlines()[2:] if one}
    assert lines["downtime-max"] == "300 ms the VM's metadata"
    assert lines["throttle"] == "yes [[policy]] 2 of godwit.toml"
    assert lines["deadline"] == "10 m [[policy]] 3 of godwit.toml"
    assert lines["priority"] == "0 default"
    assert len(lines) == len(POLICY_FIELDS)


def test_only_what_is_named_changes(godwit: CommandLine) -> None:
    ran = godwit(
        "policy", "set", "web1", "--downtime-max", "300ms", "--downtime-target", "100ms",
        "--longer-downtime", "3s", "--deadline", "10m", "--throttle", "yes", "--postcopy", "yes",
        "--priority", "5", "--label", "tier=db",
    )  # fmt: skip
    assert ran.status == 0
    assert "deadline" in ran.out
    before = _fields(godwit)
    changed = godwit(
        "policy", "set", "web1", "--unset", "deadline", "--label", "rack=a", "--throttle", "no"
    )
    assert "affinity" not in changed.out, "only what changed is shown"
    after = _fields(godwit)
    assert after["deadline_s"] == (None, "default")
    assert after["labels"] == ({"rack": "a", "tier": "db"}, "vm")
    assert after["may_throttle"] == (False, "vm")
    same = set(before) - {"deadline_s", "labels", "may_throttle"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["pause_longer_s"] == (3.0, "vm")
    again = godwit("policy", "set", "web1", "--throttle", "no")
    assert "nothing has changed" in again.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--downtime-max", "soon"), "--downtime-max"),
        (("--downtime-max", "0"), "--downtime-max"),
        (("--downtime-target", "2s"), "downtime-target, 2.0 s, is above downtime-max, 1.0 s"),
        (("--longer-downtime", "10ms"), "longer-downtime, 10 ms, is below downtime-max"),
        (("--throttle", "maybe"), "--throttle"),
        (("--label", "tier"), "KEY=VALUE"),
        (("--unset", "deadlin"), "Did you mean deadline?"),
        (("--priority", "5", "--unset", "priority"), "both set and unset"),
        ((), "nothing is to be changed"),
    ],
)
def test_a_mistake_changes_nothing(godwit: CommandLine, args: tuple[str, ...], said: str) -> None:
    before = _fields(godwit)
    ran = godwit("policy", "set", "web1", *args)
    assert ran.status == 2
    assert said in ran.err
    assert _fields(godwit) == before


def test_what_the_host_refuses_is_said(godwit: CommandLine) -> None:
    ran = godwit("policy", "set", "gpu1", "--priority", "5")
    assert ran.status == 2
    assert "two probes" in ran.err


def test_limits_are_judged_as_they_would_be_together(world: World) -> None:
    vm = next(one for one in world.controller.cluster.vms if one.name == "web1")
    both = PolicyChange(pause_max_s=3.0, pause_target_s=2.0)
    assert policy_change_from_wire(both, vm).given == {"pause_max_s", "pause_target_s"}
    with pytest.raises(BadValue):
        policy_change_from_wire(PolicyChange(pause_target_s=2.0, unset=("pause_max_s",)), vm)


def test_a_rule_of_the_site_is_no_limit_to_what_a_vm_promises(world: World) -> None:
    vm = next(one for one in world.controller.cluster.vms if one.name == "web1")
    ruled = replace(vm.policy, pause_longer_s=2.0, given=vm.policy.given - {"pause_longer_s"})
    more = PolicyChange(pause_max_s=3.0)
    assert "pause_max_s" in policy_change_from_wire(more, replace(vm, policy=ruled)).given
    own = replace(ruled, given=ruled.given | {"pause_longer_s"})
    with pytest.raises(BadValue):
        policy_change_from_wire(more, replace(vm, policy=own))


def test_over_http_an_unknown_field_is_named(world: World, godwit: CommandLine) -> None:
    transport = httpx.HTTPTransport(uds=world.serve(godwit.folder / "api.sock"))
    with httpx.Client(base_url="http://godwit/v1", transport=transport) as http:
        wrong = http.patch("/vms/web1/policy", json={"downtime": 1})
        assert wrong.status_code == 422
        assert "downtime" in wrong.json()["evidence"]
        assert http.patch("/vms/web1/policy", json={"unset": ["speed"]}).status_code == 422
        assert http.get("/vms/wbe1/policy").status_code == 404
