"""Goal: every resource by its method, the engine's own errors, and honesty about lost answers."""

import socket
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from api_fakes import Plot, World

from godwit import wire
from godwit.client import Client, ControllerUnreachable
from godwit.client.failures import error_from_httpx
from godwit.core.errors import (
    BadValue,
    Bug,
    HostUnreachable,
    NoDestination,
    OutcomeUnknown,
    Refused,
    UnknownHost,
    UnknownMigration,
    UnknownPlan,
    UnknownVm,
    Unsupported,
)
from godwit.core.migration import Phase


def test_the_whole_way_of_a_migration(client: Client, world: World) -> None:
    world.controller.plots["web1"] = Plot(holds_in=Phase.COPYING)
    plan = client.make_plan(wire.MigrateRequest(vm="web1", destination="kvm2"))
    assert client.plan(plan.id) == plan
    acceptance = client.accept(plan.id)
    (migration_id,) = acceptance.migrations
    with closing(client.watch(acceptance.last_notice)) as notices:
        for notice in notices:
            assert notice.migration is not None
            if notice.migration.rounds_done == 0 and notice.migration.phase == "copying":
                break
    assert client.status().migrations[0].id == migration_id
    world.loop.call_soon_threadsafe(world.controller.release)
    with closing(client.watch(notice.number)) as notices:
        for notice in notices:
            if notice.migration is not None and notice.migration.is_ended:
                break
    whole = client.migration(migration_id)
    assert whole.phase == "done"
    assert client.migrations(limit=1)[0].id == migration_id


def test_the_whole_way_of_a_drain(client: Client) -> None:
    plan = client.make_plan(wire.DrainRequest(host="kvm1"))
    acceptance = client.accept(plan.id)
    assert acceptance.run is not None
    with closing(client.watch(acceptance.last_notice)) as notices:
        next(one for one in notices if one.run is not None and one.run.is_ended)
    assert client.run(acceptance.run).state == "partly"
    assert client.runs()[0].id == acceptance.run


@pytest.mark.parametrize(
    ("asked", "longer_s"),
    [
        (wire.BalanceRequest(limit_s=900.0), 900.0),
        (wire.RepairRequest(), 10.0),
        (wire.MigrateRequest(vm="web1"), 0.0),
    ],
)
def test_the_answer_to_a_long_search_is_waited_for(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    asked: wire.SearchedRequest | wire.MigrateRequest,
    longer_s: float,
) -> None:
    waits: list[float] = []
    send = httpx.HTTPTransport.handle_request

    def noted(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        waits.append(request.extensions["timeout"]["read"])
        return send(transport, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", noted)
    client.make_plan(asked)
    client.version()
    planning_s, reading_s = waits
    assert planning_s == reading_s + longer_s


def test_the_inventory_and_the_readings(client: Client) -> None:
    added = client.add_hosts([wire.NewHost(uri="qemu+ssh://kvm4/system", labels={"a": "b"})])
    assert added[0].record.labels == {"a": "b"}
    assert client.host("kvm4").name == "kvm4"
    assert client.set_maintenance("kvm4", on=True).in_maintenance
    client.remove_host("kvm4")
    assert [one.name for one in client.hosts()] == ["kvm1", "kvm2", "kvm3"]
    assert [one.name for one in client.cluster().vms] == ["gpu1", "web1", "web2"]
    assert client.vm("web1")[0].host == "kvm1"
    assert client.version().api == "v1"


def test_errors_arrive_as_the_engine_raised_them(client: Client, world: World) -> None:
    with pytest.raises(UnknownHost):
        client.host("nope")
    with pytest.raises(UnknownVm):
        client.vm("nope")
    with pytest.raises(UnknownPlan):
        client.accept("p-nope")
    with pytest.raises(UnknownMigration):
        client.cancel_migration("m-nope")
    with pytest.raises(NoDestination) as caught:
        client.make_plan(wire.MigrateRequest(vm="gpu1"))
    assert "host device" in caught.value.evidence
    with pytest.raises(Refused):
        client.make_plan(wire.MigrateRequest(vm="web1", destination="kvm1"))
    world.controller.raises = HostUnreachable("kvm1 is gone", evidence="refused")
    with pytest.raises(HostUnreachable, match="kvm1 is gone"):
        client.cluster()
    world.controller.raises = RuntimeError("oops")
    with pytest.raises(Bug) as bug:
        client.cluster()
    assert "request" in bug.value.evidence


@pytest.mark.parametrize("name", ["a/b", "..", ".", ""])
def test_a_name_that_would_lead_elsewhere_is_never_asked_for(client: Client, name: str) -> None:
    with pytest.raises(BadValue):
        client.remove_host(name)


def test_names_with_odd_characters_arrive_as_they_are(client: Client) -> None:
    for name in ("a b", "ü?x=1#y", "100%"):
        with pytest.raises(UnknownHost) as caught:
            client.host(name)
        assert repr(name) in caught.value.message


def test_a_nonexistent_controller_is_said_to_be_none(tmp_path: Path) -> None:
    with (
        Client(str(tmp_path / "nobody.sock")) as client,
        pytest.raises(ControllerUnreachable) as caught,
    ):
        client.accept("p-1")
    assert "nobody.sock" in caught.value.evidence


@pytest.mark.parametrize("server", ["", "kvm1", "ftp://kvm1", "http://kvm1:port"])
def test_what_is_no_address_is_refused(server: str) -> None:
    with pytest.raises(BadValue), Client(server) as client:
        client.version()


def _answer_with(path: Path, answer: bytes) -> threading.Thread:
    """Serve one connection: read the request, send those bytes, hang up."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def serve() -> None:
        with listening:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_a_lost_answer_to_a_change_is_not_known_to_have_failed(tmp_path: Path) -> None:
    thread = _answer_with(tmp_path / "s", b"")
    with Client(str(tmp_path / "s")) as client, pytest.raises(OutcomeUnknown):
        client.accept("p-1")
    thread.join()


def test_a_lost_answer_to_a_reading_loses_nothing(tmp_path: Path) -> None:
    thread = _answer_with(tmp_path / "s", b"")
    with Client(str(tmp_path / "s")) as client, pytest.raises(ControllerUnreachable):
        client.status()
    thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n\r\n<html>",
        b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
def test_who_is_no_controller_is_told_from_one(tmp_path: Path, answer: bytes) -> None:
    thread = _answer_with(tmp_path / "s", answer)
    with Client(str(tmp_path / "s")) as client, pytest.raises(Unsupported, match="Godwit"):
        client.version()
    thread.join()


def test_a_stream_that_breaks_is_said_to_have(client: Client, world: World) -> None:
    with closing(client.watch(99)) as notices:
        started = threading.Timer(0.1, world.stop_serving)
        started.start()
        with pytest.raises(ControllerUnreachable):
            next(notices)
        started.join()


def test_every_exception_of_httpx_becomes_one_of_ours() -> None:
    def walk(kind: type[Exception]) -> list[type[Exception]]:
        return [kind, *(one for child in kind.__subclasses__() for one in walk(child))]

    roots = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
    for kind in {one for root in roots for one in walk(root)}:
        error = kind.__new__(kind)
        Exception.__init__(error, "text")
        for changes in (True, False):
            ours = error_from_httpx(error, server="s", changes=changes)  # type: ignore[arg-type]
            assert isinstance(ours, ControllerUnreachable | OutcomeUnknown | BadValue)
            if isinstance(error, httpx.ReadTimeout | httpx.RemoteProtocolError):
                assert isinstance(ours, OutcomeUnknown) is changes
            if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                assert isinstance(ours, ControllerUnreachable)
