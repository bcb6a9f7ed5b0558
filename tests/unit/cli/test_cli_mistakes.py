"""Goal: each bad input is one clear line, what helps, and its exit status; never a traceback."""

import json

import pytest
from api_fakes import World
from cli_fakes import CommandLine

from godwit.core.errors import HostUnreachable, OutcomeUnknown, PlanStale, StoreBusy

_BAD = [
    (("migrate", "wbe1", "--yes"), 2, "web1"),
    (("migrate", "web1", "--to", "kvn2", "--yes"), 2, "kvm2"),
    (("migrate", "web1", "--to", "kvm3", "--yes"), 3, "kvm3 does not answer"),
    (("migrate", "web1", "--to", "kvm1", "--yes"), 3, "already"),
    (("migrate", "gpu1", "--yes"), 3, "host device"),
    (("migrate", "web1"), 2, "--yes"),
    (("drain", "kvm1"), 2, "--yes"),
    (("migrate",), 2, "VM"),
    (("migrate", "web1", "--yes", "--max-downtime", "3xs"), 2, "--downtime-max"),
    (("migrate", "web1", "--yes", "--downtime-max", "0"), 2, "--downtime-max"),
    (("migrate", "web1", "--yes", "--bandwidth", "fast"), 2, "--bandwidth"),
    (("forecast", "web1", "--bandwidth", "0mbit"), 2, "--bandwidth"),
    (("policy", "set", "web1", "--label", "a=b\nc"), 2, "--label: a label can't have control"),
    (("migrate", "web1", "--bogus"), 2, "--bogus"),
    (("drain", "kvn1", "--yes"), 2, "kvm1"),
    (("drain", "kvm1", "--yes", "--parallel", "0"), 2, "--parallel"),
    (("drain", "kvm1", "--yes", "--parallel", "many"), 2, "--parallel"),
    (("undrain", "kvn1"), 2, "kvm1"),
    (("scan", "wbe1"), 2, "web1"),
    (("scan", "kvn1"), 2, "kvm1"),
    (("show", "m-nope"), 2, "m-nope"),
    (("cancel", "m-nope"), 2, "m-nope"),
    (("cancel", "a/b"), 2, "a/b"),
    (("cancel", "r-00000f"), 2, "r-00000f"),
    (("resolve", "m-nope"), 2, "m-nope"),
    (("history", "--limit", "0"), 2, "--limit"),
    (("history", "export", "--format", "xlsx"), 2, "xlsx"),
    (("report", "m-nope"), 2, "m-nope"),
    (("host", "show", "kvn1"), 2, "kvm1"),
    (("host", "remove", "kvn1"), 2, "kvm1"),
    (("host", "add"), 2, "--file"),
    (("host", "add", "kvm4"), 2, "qemu+ssh://"),
    (("host", "add", "qemu+ssh://kvm4"), 2, "/system"),
    (("host", "add", "qemu:///system"), 2, "--name"),
    (("host", "add", "qemu:///system", "--name", "kvm9"), 2, "--peer-uri"),
    (("host", "add", "qemu+ssh://kvm4/system", "--label", "x"), 2, "--label"),
    (("host", "add", "qemu+ssh://kvm4/system", "--migration-link", "x"), 2, "--migration-link"),
    (("host", "add", "qemu+ssh://kvm4/system", "--cores-overcommit", "0"), 2, "--cores-overcommit"),
    (("host", "add", "qemu+ssh://kvm4/system", "--name", "a b"), 2, "a b"),
    (("host", "add", "--file", "/nonexistent.toml"), 2, "/nonexistent.toml"),
    (("host", "add", "--file", "x.toml", "--name", "a"), 2, "--file"),
    (("--server", "nonsense", "status"), 2, "nonsense"),
    (("--server", "/nonexistent/api.sock", "status"), 4, "godwit serve"),
    (("migarte", "web1"), 2, "migrate"),
    (("status", "-o", "xml"), 2, "xml"),
]


@pytest.mark.parametrize(("args", "status", "said"), _BAD, ids=[" ".join(one[0]) for one in _BAD])
def test_a_mistake_is_said_in_a_few_lines(
    godwit: CommandLine, args: tuple[str, ...], status: int, said: str
) -> None:
    ran = godwit(*args)
    assert ran.status == status, ran.err
    first, *rest = ran.err.splitlines()
    assert first.startswith("Error: ")
    assert all(line.startswith(("Evidence: ", "Remedy: ")) for line in rest)
    assert rest[-1].startswith("Remedy: ")
    assert said in ran.err
    assert ran.out == ""


def test_with_json_an_error_is_one_object(godwit: CommandLine) -> None:
    ran = godwit("migrate", "wbe1", "--yes", "--output", "json")
    error = json.loads(ran.err)["error"]
    assert error["code"] == "unknown_vm"
    assert error["exit_status"] == ran.status == 2
    assert error["remedy"]
    unasked = godwit("migrate", "web1", "-o", "json")
    assert "--yes" in json.loads(unasked.err)["error"]["remedy"]
    usage = godwit("migrate", "--output=json")
    assert json.loads(usage.err)["error"]["code"] == "bad_input"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HostUnreachable("kvm1 is gone", evidence="refused", remedy="Look."), 4),
        (PlanStale("it moved on"), 3),
        (StoreBusy("another one"), 3),
        (OutcomeUnknown("who knows"), 5),
    ],
)
def test_errors_of_the_controller_end_with_their_status(
    godwit: CommandLine, world: World, error: Exception, status: int
) -> None:
    world.controller.raises = error
    ran = godwit("scan")
    assert ran.status == status
    assert str(error) in ran.err


def test_a_bug_of_the_controller_is_said_to_be_one(godwit: CommandLine, world: World) -> None:
    world.controller.raises = RuntimeError("oops")
    ran = godwit("scan")
    assert ran.status == 70
    assert "mistake of its own" in ran.err


def test_a_bug_of_the_command_line_is_said_to_be_one(
    godwit: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("godwit.cli.views.hosts.show_records", lambda *_: 1 / 0)
    ran = godwit("host", "list")
    assert ran.status == 70
    assert "ZeroDivisionError" in ran.err
    assert "Traceback" not in ran.err


def test_a_store_that_is_busy_is_refused(godwit: CommandLine) -> None:
    def busy(_: int) -> None:
        raise StoreBusy("another controller owns the store", remedy="Wait.")

    godwit.on_attach = busy
    ran = godwit("status")
    assert ran.status == 3
    assert "Remedy: Wait." in ran.err


@pytest.mark.parametrize(
    "args",
    [
        (), ("host",), ("host", "add"), ("host", "list"), ("host", "show"), ("host", "remove"),
        ("scan",), ("status",), ("migrate",), ("drain",), ("undrain",), ("cancel",), ("resolve",),
        ("history",), ("history", "export"), ("show",), ("report",), ("balance",), ("evacuate",),
        ("restore",), ("consolidate",), ("repair",), ("accept",), ("plan",), ("plan", "balance"),
        ("plan", "drain"), ("plan", "mix"), ("plan", "place"),
    ],
)  # fmt: skip
def test_help_teaches_by_example(godwit: CommandLine, args: tuple[str, ...]) -> None:
    ran = godwit(*args, "--help")
    assert ran.status == 0
    if args not in {(), ("host",), ("plan",)}:
        assert f"$ godwit {' '.join(args)}" in ran.out
    else:
        assert {(): "balance", ("host",): "add", ("plan",): "consolidate"}[args] in ran.out
    assert godwit.attached == 0


def test_the_version_is_told_and_nothing_is_attached(godwit: CommandLine) -> None:
    assert godwit("--version").out.startswith("godwit ")
    assert godwit.attached == 0
