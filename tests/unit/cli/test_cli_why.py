"""Goal: why gives every reason there is, and accuracy says how right forecasts were.

Method: the commands over the fake controller, with made-up scores and what it has learnt.
"""

from dataclasses import replace

import pytest
from api_fakes import Plot, World
from api_learnt import make_score
from api_scene import MIB, answer_all, make_host
from cli_fakes import CommandLine

from godwit import wire
from godwit.cli.views.accuracy import compare
from godwit.core.migration import Failure, Whereabouts


def test_why_a_migration_gives_hosts_recipe_decisions_and_facts(godwit: CommandLine) -> None:
    godwit("migrate", "web1", "--yes")
    out = godwit("why", "m-000000").out
    for said in (
        "Why kvm2: ",
        "Not kvm3: kvm3 does not answer",
        "Why this recipe: the plain stream is the fastest",
        "Not multifd-2: about 3.2 s",
        "Not multifd-2-zstd: kvm1 has 0.4 idle cores",
        "sets the pause limit to 110 ms",
        "a round leaves 12 MiB",
        "2.9 s (2.6 to 3.4)",
        "7.3 s",
        "kvm3: Check that",
    ):
        assert said in out, said
    assert godwit("why", "m-000000", "-o", "json").json["move"]["forecast"]["rounds"]["low"] == 3


def test_why_a_failure_says_what_would_help(godwit: CommandLine, world: World) -> None:
    failure = Failure(code="x", cause="it never converged", evidence="4 rounds", remedy="Throttle.")
    world.controller.plots["web1"] = Plot(end=Whereabouts.SOURCE, failure=failure)
    godwit("migrate", "web1", "--yes")
    out = godwit("why", "m-000000").out
    assert "it never converged" in out
    assert "web1: Throttle." in out
    assert "not measured" in out


def test_a_host_that_would_do_is_compared_with_the_one_taken(
    godwit: CommandLine, world: World
) -> None:
    controller = world.controller
    hosts = (*controller.cluster.hosts[:2], make_host("kvm4", memory_gib=16))
    controller.cluster = answer_all(replace(controller.cluster, hosts=hosts))
    godwit("migrate", "web1", "--yes")
    assert "Not kvm4: it would do, but be at 13 %" in godwit("why", "m-000000").out
    godwit("migrate", "web2", "--to", "kvm4", "--yes")
    assert "Not kvm2: it would be less loaded" in godwit("why", "m-000001").out


def test_why_a_vm_tells_its_policy_what_was_learnt_and_where_it_could_go(
    godwit: CommandLine,
) -> None:
    godwit("migrate", "web1", "--yes")
    out = godwit("why", "web1").out
    for said in (
        "downtime-max",
        "420 MiB are sent in a first pass (3 moves, the last 1 h 00 m ago)",
        "WITHIN 10 s",
        "sampled before a move",
        "2 h 00 m ago",
        "112 MiB/s",
        "kvm2: 6 % of its memory promised",
        "kvm3: no. kvm3 does not answer",
        "m-000000",
    ):
        assert said in out, said
    insight = godwit("why", "web1", "-o", "json").json
    written = [one["written_bytes"] for one in insight["known"]["curve"]]
    assert written == sorted(written)
    assert 0 < written[0] < written[-1] <= 2048 * MIB
    assert "Nothing yet: it is measured before its first move." in godwit("why", "web2").out


def test_why_a_host_tells_its_paths_and_which_vms_could_leave(godwit: CommandLine) -> None:
    out = godwit("why", "kvm1").out
    for said in ("web1: to kvm2", "gpu1: nowhere", "Detach the host device", "112 MiB/s", "41 ms"):
        assert said in out, said
    silent = godwit("why", "kvm3").out
    assert "Not known: it does not answer." in silent
    assert "It runs no VM" not in silent
    assert godwit("why", "kvm1", "-o", "json").json["paths"][0]["bandwidth"]["count"] == 7


@pytest.mark.parametrize(("what", "said"), [("wbe1", "web1"), ("m-9999", "m-9999")])
def test_why_of_nothing_is_an_error(godwit: CommandLine, what: str, said: str) -> None:
    ran = godwit("why", what)
    assert ran.status == 2
    assert said in ran.err


def test_a_forecast_needs_no_yes_and_moves_nothing(godwit: CommandLine, world: World) -> None:
    ran = godwit("forecast", "web1", "--to", "kvm2", "--downtime-max", "200ms")
    assert ran.status == 0
    assert "Forecast: about 2.9 s (2.6 to 3.4)" in ran.out
    assert world.controller.lives == {}
    move = godwit("forecast", "web1", "-o", "json").json
    assert move["forecast"]["pause_s"]["likely"] == 0.06
    for wrong in ((), ("web1", "--accuracy")):
        assert godwit("forecast", *wrong).status == 2
    assert godwit("forecast", "web1", "--to", "kvm3").status == 3


def test_accuracy_is_told_figure_by_figure(godwit: CommandLine, world: World) -> None:
    assert "No forecast has been scored yet" in godwit("forecast", "--accuracy").out
    good = [make_score(2.9, pause_s=0.07, sent_bytes=520.0 * MIB)] * 8
    slow = [make_score(5.8, pause_s=0.06)]
    gave_up = [make_score(None, completed=False)]
    world.controller.scores = (*good, *slow, *gave_up)
    out = godwit("forecast", "--accuracy").out
    lines = {one.split()[0]: one.split() for one in out.splitlines() if one}
    assert "Forecasts of 10 migrations, 9 of them moved their guest." in out
    assert lines["time"][1:3] == ["0.0", "%"]
    assert lines["time"][-3:] == ["89", "%", "9"]
    assert lines["pause"][1:3] == ["10", "ms"]
    assert lines["outage"][1:] == ["-", "-", "-", "0"]
    assert '"Will converge" was right in 90 % (precision 90 %, recall 100 %).' in out
    assert "too few" in out
    shown = godwit("forecast", "--accuracy", "-o", "json").json
    assert [one["count"] for one in shown["figures"]] == [9, 8, 9, 0]


def test_facts_are_judged_by_their_range(godwit: CommandLine) -> None:
    godwit("migrate", "web1", "--yes")
    migration = wire.MigrationDetail.model_validate(godwit("show", "web1", "-o", "json").json)
    assert migration.result is not None
    within = migration.result.model_copy(update={"total_s": 3.0, "outage_s": None})
    found = {one.name: one for one in compare(migration.model_copy(update={"result": within}))}
    assert found["time"].verdict == "within"
    assert found["sent"].verdict == "above"
    assert found["rounds"].verdict == "below"
    assert (found["outage"].verdict, found["outage"].fact_words) == ("", "not measured")
    assert compare(migration.model_copy(update={"forecast": None})) == ()
