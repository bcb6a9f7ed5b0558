"""Goal: `rules check` says what is wrong first, all that is in force below, and changes nothing.

Method: the command over the fake controller, whose cluster is given rules; the judgement is real.
"""

from dataclasses import replace

import httpx
import pytest
from api_fakes import World
from cli_fakes import CommandLine

from godwit.client import Client
from godwit.core.errors import HostUnreachable
from godwit.core.model import HostName, Rule, VmId
from godwit.core.rules import AntiAffinity, KeepOff, Pinned, RunOn, Spread

FROM = "[[rule]] 1 of godwit.toml"


def give(world: World, *rules: Rule) -> None:
    """Let the site have these rules, about all VMs and hosts where they name none."""
    seen = world.controller.cluster
    vms = frozenset(one.id for one in seen.vms)
    hosts = frozenset(one.name for one in seen.hosts)
    meant = tuple(replace(one, vms=one.vms or vms, hosts=one.hosts or hosts) for one in rules)
    world.controller.cluster = replace(seen, rules=meant)


def the(world: World, *names: str) -> frozenset[VmId]:
    return frozenset(one.id for one in world.controller.cluster.vms if one.name in names)


@pytest.fixture
def apart(world: World) -> AntiAffinity:
    """web1 and web2 are on one host."""
    return AntiAffinity(name="web apart", origin=FROM, vms=the(world, "web1", "web2"))


def test_all_is_well(godwit: CommandLine) -> None:
    ran = godwit("rules", "check")
    assert ran.status == 0, ran.err
    assert "No rule is broken, and none excludes another." in ran.out
    assert "Not known, no answer: kvm3 and the VMs there." in ran.out
    rows = {line.split()[0]: line for line in ran.out.splitlines() if line}
    for name in ("memory", "cores", "cpu", "storage", "n+1", "huge_pages"):
        assert "built in" in rows[name]
    assert "soft, 10 each" in rows["n+1"]


def test_a_broken_hard_rule_is_told_with_its_numbers_and_fails(
    godwit: CommandLine, world: World, apart: AntiAffinity
) -> None:
    give(world, apart)
    ran = godwit("rules", "check")
    assert ran.status == 1
    assert "Hard rules that are broken\n  web apart: host kvm1 has 2 VMs" in ran.out
    assert "\n    Move web2 to another host; web1 may stay." in ran.out
    row = next(line for line in ran.out.splitlines() if line.startswith("web apart "))
    assert "anti-affinity" in row
    assert "by host" in row
    assert row.endswith(FROM)


def test_a_soft_one_tells_its_price_and_fails_only_when_that_is_asked_for(
    godwit: CommandLine, world: World, apart: AntiAffinity
) -> None:
    give(world, replace(apart, hard=False, price=7.0))
    ran = godwit("rules", "check")
    assert ran.status == 0
    assert "Soft rules that are broken" in ran.out
    assert "web1, web2 (costs 7)" in ran.out
    assert godwit("rules", "check", "--strict").status == 1


def test_rules_that_exclude_each_other_come_first(godwit: CommandLine, world: World) -> None:
    web1, kvm1 = the(world, "web1"), frozenset({HostName("kvm1")})
    give(
        world,
        RunOn(name="licence", origin=FROM, vms=web1, hosts=kvm1),
        KeepOff(name="tenants", vms=web1, hosts=kvm1),
    )
    ran = godwit("rules", "check")
    assert ran.status == 1
    first, second, third = ran.out.splitlines()[:3]
    assert first == "Rules that exclude each other"
    assert second == (
        f"  'licence' ({FROM}) and 'tenants' (built in): together they leave no host to web1"
    )
    assert third.startswith("    Take the VM out of one of them")


def test_a_rule_that_means_nobody_is_pointed_out(godwit: CommandLine, world: World) -> None:
    give(world, Pinned(name="stay", origin=FROM))
    nobody = replace(world.controller.cluster.rules[0], vms=frozenset())
    world.controller.cluster = replace(world.controller.cluster, rules=(nobody,))
    ran = godwit("rules", "check")
    assert ran.status == 0
    assert f"'stay' ({FROM}) speaks of no VM." in ran.out


def test_the_json_has_all_of_it(godwit: CommandLine, world: World, apart: AntiAffinity) -> None:
    give(world, apart, Spread(name="wide", origin=FROM, most_skew=None, least_values=4, price=3.0))
    ran = godwit("rules", "check", "-o", "json")
    assert ran.status == 1
    found = ran.json
    (contradiction,) = found["contradictions"]
    assert contradiction["rules"] == ["wide"]
    assert contradiction["numbers"] == {"values_used_min": 4, "values_there": 3}
    breach = next(one for one in found["breaches"] if one["rule"] == "web apart")
    assert breach["vm_names"] == ["web1", "web2"]
    assert breach["hosts"] == ["kvm1"]
    assert (breach["amount"], breach["price"], breach["hard"]) == (1.0, 0.0, True)
    assert breach["numbers"] == {"vms_there": 2}
    rule = next(one for one in found["rules"] if one["name"] == "wide")
    assert rule["kind"] == "spread"
    assert rule["when"] == "at the end"
    assert rule["terms"] == {"by": "host", "least_values": "4"}
    assert (rule["price"], rule["vm_count"], rule["is_idle"]) == (None, 3, False)
    assert found["unread"] == ["kvm3"]


def test_the_client_and_plain_http_say_the_same(world: World, godwit: CommandLine) -> None:
    path = world.serve(godwit.folder / "api.sock")
    with Client(path) as client:
        typed = client.check_rules()
    with httpx.Client(base_url="http://godwit/v1", transport=httpx.HTTPTransport(uds=path)) as http:
        plain = http.get("/rules")
    assert plain.status_code == 200
    assert plain.json() == typed.model_dump(mode="json")


def test_the_help_teaches(godwit: CommandLine) -> None:
    said = godwit("rules", "check", "--help").out
    for word in ("hard rule", "soft", "godwit.toml", "metadata", "Exit status", "--strict"):
        assert word in said
    assert "check" in godwit("rules").out + godwit("rules").err


def test_what_fails_on_the_way_is_said(godwit: CommandLine, world: World) -> None:
    world.controller.raises = HostUnreachable("kvm1 is gone", evidence="refused", remedy="Wait.")
    ran = godwit("rules", "check")
    assert ran.status == 4
    assert "kvm1 is gone" in ran.err
    assert "Wait." in ran.err
