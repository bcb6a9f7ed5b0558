"""Goal: every command does what it says, in text and in JSON, and says what a person needs.

Method: the whole path in process: command, client, socket, server, API, fake controller. What is
said is asserted, not how it is laid out.
"""

from dataclasses import replace

import pytest
from api_fakes import Plot, World
from cli_fakes import CommandLine

from godwit.core.migration import Failure, Phase, Result, Whereabouts


def test_scan_says_what_could_move_where_and_what_stands_in_the_way(godwit: CommandLine) -> None:
    ran = godwit("scan")
    assert ran.status == 0
    assert "kvm3 does not answer: connection refused" in ran.out
    assert "web1, web2 -> kvm3" in ran.out
    assert "gpu1 can't be moved live: a host device" in ran.out
    assert "Remedy: Detach the host device." in ran.out
    assert "vda shared" in ran.out
    assert "10.0.2" in ran.out
    assert "11.3.0" in ran.out


def test_scan_of_one_vm_judges_every_host(godwit: CommandLine) -> None:
    out = godwit("scan", "web1").out
    assert "kvm2: " in out
    assert "kvm3: no." in out
    assert "web2" not in out


def test_scan_of_one_host_shows_its_vms_only(godwit: CommandLine) -> None:
    shown = godwit("scan", "kvm1", "-o", "json").json
    assert [one["record"]["name"] for one in shown["hosts"]] == ["kvm1"]
    assert len(shown["vms"]) == 3


def test_migrate_shows_the_plan_follows_it_and_reports(godwit: CommandLine) -> None:
    ran = godwit("migrate", "web1", "--yes", "--max-downtime", "300ms")
    assert ran.status == 0
    assert "web1 (2.0 GiB, 2 vCPUs): kvm1 -> kvm2" in ran.out
    assert "Why kvm2: " in ran.out
    assert "Not kvm3: kvm3 does not answer" in ran.out
    assert "raised to 300 ms if it must be" in ran.out
    assert "round 1 ended, 120 MiB left" in ran.out
    assert "pause limit raised to 110 ms" in ran.out
    assert "web1 runs on kvm2, and only there." in ran.out
    assert "42 ms (promised: at most 300 ms)" in ran.out
    assert "61 ms (to within 20 ms)" in ran.out
    assert "7.3 s, 2 rounds" in ran.out
    assert "812 MiB" in ran.out


def test_migrate_in_json_is_a_line_a_step(godwit: CommandLine) -> None:
    ran = godwit("migrate", "web1", "--yes", "-o", "json")
    assert ran.status == 0
    events = [one["event"] for one in ran.lines]
    assert events[:2] == ["plan", "accepted"]
    assert events[-1] == "result"
    assert "notice" in events
    assert ran.lines[-1]["migration"]["result"]["pause_s"] == 0.042


def test_what_was_not_measured_is_said_to_be(godwit: CommandLine, world: World) -> None:
    world.controller.plots["web1"] = Plot(result=Result(rounds=3))
    out = godwit("migrate", "web1", "--yes").out
    assert "pause    not measured" in out
    assert "outage   not measured: no address of the guest is known" in out


def test_the_outage_is_told_with_its_causes_and_what_the_network_learnt(
    godwit: CommandLine, world: World
) -> None:
    causes = ("the vCPUs stood still for 42 ms", "60 ms more passed until it was reached")
    result = Result(
        pause_s=0.042, outage_s=0.102, rounds=1, outage_causes=causes, forwarding="learnt: kvm2 has"
    )
    world.controller.plots["web1"] = Plot(result=result)
    out = godwit("migrate", "web1", "--yes").out
    assert f"  because  {causes[0]}; {causes[1]}\n" in out
    assert "  tables   learnt: kvm2 has\n" in out
    assert ", 1 round;" in out
    world.controller.plots["web2"] = Plot(
        result=replace(
            result,
            outage_s=None,
            forwarding="not learnt: kvm1 still has it",
            notes=("the network has not learnt the guest's new place: kvm1 still has it",),
        )
    )
    out = godwit("migrate", "web2", "--yes").out
    assert "because" not in out, "the pause is told already"
    assert out.count("kvm1 still has it") == 1


def test_dry_run_changes_nothing(godwit: CommandLine, world: World) -> None:
    ran = godwit("migrate", "web1", "--dry-run")
    assert ran.status == 0
    assert "nothing was changed" in ran.out
    assert godwit("drain", "kvm1", "--dry-run", "-o", "json").json["host"] == "kvm1"
    assert world.controller.lives == {}


def test_a_failed_migration_says_why_and_who_runs_the_guest(
    godwit: CommandLine, world: World
) -> None:
    failure = Failure(
        code="stalled", cause="no bytes came through", evidence="30 s", remedy="Look."
    )
    world.controller.plots["web1"] = Plot(end=Whereabouts.SOURCE, failure=failure)
    ran = godwit("migrate", "web1", "--yes")
    assert ran.status == 1
    assert "web1 was not moved. It runs on kvm1, unharmed." in ran.out
    for said in ("Cause: no bytes came through", "Evidence: 30 s", "Remedy: Look."):
        assert said in ran.out


def test_two_running_copies_are_loud_and_wait_for_a_person(
    godwit: CommandLine, world: World
) -> None:
    world.controller.plots["web1"] = Plot(end=Whereabouts.BOTH)
    ran = godwit("migrate", "web1", "--yes")
    assert ran.status == 5
    assert "both hosts run the guest" in ran.out
    assert "virsh destroy" in ran.out
    status = godwit("status")
    assert "1 WAITS FOR A PERSON" in status.out
    assert "BOTH hosts" in status.out
    resolved = godwit("resolve", "m-000000")
    assert resolved.status == 0
    assert "It runs on kvm1" in resolved.out


def test_a_person_is_asked_and_no_is_no(godwit: CommandLine, world: World, person: None) -> None:
    ran = godwit("migrate", "web1", answer="n\n")
    assert ran.status == 1
    assert "Move web1 to kvm2?" in ran.out
    assert "Nothing was changed." in ran.out
    assert world.controller.lives == {}
    nothing = godwit("migrate", "web1", answer="")
    assert nothing.status == 130
    assert "Nothing was changed." in nothing.out
    assert godwit("migrate", "web1", answer="y\n").status == 0


def test_a_drain_shows_everything_first_and_ends_with_the_state_of_the_host(
    godwit: CommandLine, person: None
) -> None:
    ran = godwit("drain", "kvm1", "--parallel", "2", answer="y\n")
    assert ran.status == 1  # gpu1 stays
    plan, _, carried_out = ran.out.partition("Move 2 VMs away from kvm1, leaving 1 there?")
    assert "2 moves, at most 2 at once; 1 can't be moved" in plan
    assert "gpu1 can't be moved; it stays on kvm1 and runs on" in plan
    assert "Remedy: Detach the host device." in plan
    assert "kvm1 is NOT empty" in carried_out
    assert "2 moved; still there: gpu1" in carried_out
    assert "godwit undrain kvm1" in carried_out
    assert "maintenance" in godwit("host", "list").out
    assert "may be given VMs again" in godwit("undrain", "kvm1").out
    assert "was not in maintenance" in godwit("undrain", "kvm1").out


def test_a_drain_that_empties_the_host_is_a_success(godwit: CommandLine, world: World) -> None:
    vms = tuple(one for one in world.controller.cluster.vms if one.name != "gpu1")
    object.__setattr__(world.controller.cluster, "vms", vms)
    ran = godwit("drain", "kvm1", "--yes", "-o", "json")
    assert ran.status == 0
    assert ran.lines[-1]["run"]["state"] == "done"
    assert len(ran.lines[-1]["run"]["migrations"]) == 2


def test_a_drain_of_an_empty_host_says_so(godwit: CommandLine) -> None:
    ran = godwit("drain", "kvm2", "--yes")
    assert ran.status == 0
    assert "kvm2 runs no VM" in ran.out


@pytest.mark.parametrize("by", ["m-000000", "web1"])
def test_cancel_waits_for_the_confirmed_end(godwit: CommandLine, world: World, by: str) -> None:
    world.controller.plots["web1"] = Plot(holds_in=Phase.COPYING)
    assert godwit("migrate", "web1", "--yes", "--detach").status == 0
    ran = godwit("cancel", by)
    assert ran.status == 0
    assert "It runs on kvm1, unharmed" in ran.out
    assert godwit("cancel", "m-000000").status == 3


def test_a_detached_cancel_says_in_json_what_it_ordered(godwit: CommandLine, world: World) -> None:
    world.controller.plots["web1"] = Plot(holds_in=Phase.COPYING)
    godwit("migrate", "web1", "--yes", "--detach")
    ran = godwit("cancel", "web1", "--detach", "-o", "json")
    assert ran.status == 0
    assert ran.json["event"] == "accepted"
    assert ran.json["acceptance"]["migrations"] == ["m-000000"]


def test_cancel_of_a_drain_stops_it(godwit: CommandLine, world: World) -> None:
    world.controller.plots["web1"] = Plot(holds_in=Phase.COPYING)
    assert godwit("drain", "kvm1", "--yes", "--detach").status == 0
    ran = godwit("cancel", "r-000000")
    assert ran.status == 0
    assert "kvm1 is NOT empty (cancelled" in ran.out


def test_history_and_show_tell_who_said_what(godwit: CommandLine) -> None:
    assert "No migration yet" in godwit("history").out
    godwit("migrate", "web1", "--yes")
    history = godwit("history")
    assert "m-000000" in history.out
    assert "42 ms" in history.out
    for what in ("m-000000", "web1"):
        out = godwit("show", what).out
        assert "Why kvm2" in out
        assert "sets the pause limit to 110 ms (a round leaves 12 MiB)" in out
        assert "say that kvm2 runs the guest, and only it" in out
        assert "round 2 left 12.0 MiB" in out
        assert "42 ms" in out
    assert godwit("show", "m-000000", "-o", "json").json["journal"]
    assert "kvm1 -> kvm2" in godwit("show", "p-000000").out


def test_show_of_a_drain(godwit: CommandLine) -> None:
    godwit("drain", "kvm1", "--yes")
    out = godwit("show", "r-000000").out
    assert "Drain of kvm1 (r-000000): partly" in out
    assert "gpu1 can't be moved" in out


def test_hosts_are_added_by_uri_and_by_file(godwit: CommandLine) -> None:
    ran = godwit(
        "host", "add", "qemu+ssh://root@kvm4/system", "--migration-link", "10gbit",
        "--memory-reserve", "2GiB", "--shared-path", "/a", "--shared-path", "/b",
        "--label", "rack=a", "--cores-overcommit", "4",
    )  # fmt: skip
    assert ran.status == 0
    shown = godwit("host", "show", "kvm4", "-o", "json").json["record"]
    assert shown["migration_link_bytes_per_s"] == 1.25e9
    assert shown["memory_reserve_bytes"] == 2 * 1024**3
    assert shown["shared_paths"] == ["/a", "/b"]
    assert shown["labels"] == {"rack": "a"}
    assert shown["cores_overcommit"] == 4
    file = godwit.folder / "hosts.toml"
    file.write_text('[[host]]\nuri = "qemu+tls://kvm5/system"\n')
    assert godwit("host", "add", "--file", str(file)).status == 0
    assert "kvm5" in godwit("host", "list").out
    assert "memory reserve" in godwit("host", "show", "kvm5").out
    assert godwit("host", "remove", "kvm5").status == 0
    assert "kvm5" not in godwit("host", "list").out


def test_status_without_anything_to_say(godwit: CommandLine) -> None:
    out = godwit("status").out
    assert "3 hosts (1 without an answer), no migrations in flight." in out
    assert "kvm1" in godwit("status", "--quick").out


@pytest.mark.parametrize(
    "args",
    [
        ("scan",), ("scan", "web1"), ("status",), ("status", "--quick"), ("history",),
        ("host", "list"), ("host", "show", "kvm1"), ("undrain", "kvm1"),
        ("migrate", "web1", "--dry-run"), ("host", "remove", "kvm1"),
    ],
)  # fmt: skip
def test_json_is_one_document_and_nothing_else(godwit: CommandLine, args: tuple[str, ...]) -> None:
    ran = godwit(*args, "--output", "json")
    assert ran.status == 0
    assert ran.json is not None
    assert ran.err == ""


def test_a_configured_server_is_used_and_nothing_is_attached(
    godwit: CommandLine, world: World
) -> None:
    path = world.serve(godwit.folder / "configured.sock")
    assert godwit("--server", path, "host", "list").status == 0
    assert godwit("host", "list", env={"GODWIT_SERVER": path}).status == 0
    assert godwit.attached == 0


def test_the_owner_of_a_controller_waits_for_those_who_still_use_it(godwit: CommandLine) -> None:
    godwit.owned = True
    ran = godwit("host", "list")
    assert godwit.waits == ["waited"]
    assert "1 other command uses this controller" in ran.err
