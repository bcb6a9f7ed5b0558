"""Goal: what the libvirt driver does around its calls, without a libvirt: connections are faked."""

import asyncio
import threading
from dataclasses import replace

import libvirt
import pytest

from godwit.core.errors import OutcomeUnknown, StepRefused
from godwit.core.model import Feature, HostName, HostRecord, Presence, VmId
from godwit.core.plan import Recipe
from godwit.drivers.libvirt import LibvirtHost
from godwit.drivers.libvirt import connection as driver
from godwit.ports import HypervisorEventKind, MigrationOrder

ORDER = MigrationOrder(
    vm=VmId("uuid-of-web"),
    peer_uri="qemu+tls://b/system",
    migration_address=None,
    persistent=True,
    recipe=Recipe(pause_start_s=0.02, pause_max_s=1.0),
)


def failure(code: int, domain: int) -> libvirt.libvirtError:
    """An error as libvirt raises it."""
    error = libvirt.libvirtError("faked")
    error.err = (code, domain, "faked", 2, "", None, None, 0, 0)
    return error


class FakeCapabilities:
    """A host that can do everything."""

    features = frozenset(Feature)


class FakeDomain:
    """A domain that remembers its limits, and whose migration fails, its stream limited by then."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.limits_ms = [300]
        self.speeds_mib = [1000]
        self.told: list[tuple[dict[str, object], int]] = []

    def migrateGetMaxSpeed(self, _flags: int) -> int:  # noqa: N802
        return self.speeds_mib[-1]

    def migrateSetMaxSpeed(self, speed_mib: int, _flags: int) -> None:  # noqa: N802
        self.speeds_mib.append(speed_mib)

    def migrateGetMaxDowntime(self, _flags: int) -> int:  # noqa: N802 - libvirt's name
        return self.limits_ms[-1]

    def migrateSetMaxDowntime(self, limit_ms: int, _flags: int) -> None:  # noqa: N802
        self.limits_ms.append(limit_ms)

    def migrateToURI3(  # noqa: N802
        self, _uri: str, parameters: dict[str, object], flags: int
    ) -> None:
        self.told.append((parameters, flags))
        self.migrateSetMaxSpeed(8, 0)
        raise self.error


class FakeConnection:
    """A connection that is alive or not, to a host with one domain."""

    def __init__(self, domain: FakeDomain | None = None, *, alive: bool = True) -> None:
        self.domain, self.alive = domain, alive
        self.subscriptions: set[int] = set()
        self.closed = threading.Event()
        self.closed_by_daemon = False

    def isAlive(self) -> bool:  # noqa: N802
        return self.alive

    def lookupByUUIDString(self, _vm: str) -> FakeDomain:  # noqa: N802
        assert self.domain is not None
        return self.domain

    def domainEventDeregisterAny(self, subscription: int) -> None:  # noqa: N802
        self.subscriptions.discard(subscription)

    def unregisterCloseCallback(self) -> None:  # noqa: N802
        return

    def close(self) -> None:
        self.closed_by_daemon = threading.current_thread().daemon
        self.closed.set()


def connected(
    monkeypatch: pytest.MonkeyPatch, control: FakeConnection, *more: FakeConnection
) -> LibvirtHost:
    """A host with a control connection; further ones are handed out when it opens them."""
    to_open = iter(more)
    monkeypatch.setattr(driver, "start_event_loop", lambda: None)
    monkeypatch.setattr(driver, "_open", lambda _uri: next(to_open))
    record = HostRecord(name=HostName("a"), uri="qemu:///system", peer_uri="qemu+tls://a/system")
    host = LibvirtHost(record)
    host._link._connection = control  # type: ignore[assignment]
    host._link._capabilities = FakeCapabilities()  # type: ignore[assignment]
    return host


async def test_a_migration_whose_answer_was_lost_keeps_its_pause_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is libvirt's, peer to peer, and may still copy: 300 ms would be above the promise."""
    domain = FakeDomain(failure(libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC))
    broken = FakeConnection(domain, alive=False)
    host = connected(monkeypatch, FakeConnection(domain), broken)

    with pytest.raises(OutcomeUnknown):
        await host.migrate(ORDER)

    assert domain.limits_ms == [300, 20]


async def test_a_migration_that_was_refused_leaves_the_limits_from_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    domain = FakeDomain(failure(libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_FROM_QEMU))
    host = connected(monkeypatch, FakeConnection(domain), FakeConnection(domain))

    with pytest.raises(StepRefused):
        await host.migrate(ORDER)

    assert domain.limits_ms == [300, 20, 300]
    assert domain.speeds_mib == [1000, 8, 1000]


async def test_limits_that_can_not_be_taken_back_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    domain = FakeDomain(failure(libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_FROM_QEMU))
    host = connected(monkeypatch, FakeConnection(domain), FakeConnection(domain))

    def set_once(limit_ms: int, _flags: int) -> None:
        if len(domain.limits_ms) > 1:
            raise failure(libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_FROM_QEMU)
        domain.limits_ms.append(limit_ms)

    monkeypatch.setattr(domain, "migrateSetMaxDowntime", set_once)
    with pytest.raises(StepRefused):
        await host.migrate(ORDER)

    assert domain.speeds_mib[-1] == 1000
    assert ORDER.vm in caplog.text
    assert "keeps limits" in caplog.text


async def test_a_resumption_is_given_as_it_is_and_touches_no_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While its post-copy is broken the VM has a job; its limits mean nothing any more."""
    domain = FakeDomain(failure(libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_FROM_QEMU))
    host = connected(monkeypatch, FakeConnection(domain), FakeConnection(domain))
    recipe = replace(ORDER.recipe, postcopy=True)

    with pytest.raises(StepRefused):
        await host.migrate(replace(ORDER, recipe=recipe, resume=True))

    assert domain.told[0][1] & libvirt.VIR_MIGRATE_POSTCOPY_RESUME
    assert domain.limits_ms == [300]
    assert domain.speeds_mib == [1000, 8], "the fake's own"


def answer_to_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fresh connection is asked is answered, and it is subscribed to."""

    def register(connection: FakeConnection, _fan: object) -> tuple[int, ...]:
        connection.subscriptions = {1, 2}
        return (1, 2)

    monkeypatch.setattr(driver, "read_capabilities", lambda _connection: None)
    monkeypatch.setattr(driver, "register_events", register)


async def test_a_connection_is_closed_whole_and_by_a_thread_that_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A subscription keeps libvirt's connection open; a pool of threads is joined at the exit."""
    answer_to_questions(monkeypatch)
    first, second = FakeConnection(), FakeConnection()
    host = connected(monkeypatch, FakeConnection(alive=False), first, second)
    await host.see(ORDER.vm)
    first.alive = False

    await host.see(ORDER.vm)
    await asyncio.to_thread(first.closed.wait, 5.0)
    await host.close()

    assert first.closed_by_daemon
    assert first.subscriptions == second.subscriptions == set()
    assert second.closed.is_set()


async def test_a_connection_that_is_found_dead_is_told_to_those_who_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Events may have been missed, and libvirt's own callback dies with the connection."""
    answer_to_questions(monkeypatch)
    host = connected(monkeypatch, FakeConnection(alive=False), FakeConnection())
    events = host.events()
    first = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)

    await host.see(ORDER.vm)

    assert (await asyncio.wait_for(first, 5.0)).kind is HypervisorEventKind.DISCONNECTED
    await events.aclose()


async def test_a_connection_that_can_not_be_used_is_closed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_connection: object) -> None:
        raise failure(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU)

    monkeypatch.setattr(driver, "read_capabilities", refuse)
    opened = FakeConnection()
    host = connected(monkeypatch, FakeConnection(alive=False), opened)

    await host.see(ORDER.vm)

    assert await asyncio.to_thread(opened.closed.wait, 5.0)


async def test_those_who_wait_for_a_silent_host_share_one_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An attempt may take many seconds: fifty questions must not take fifty times as long."""
    host = connected(monkeypatch, FakeConnection(alive=False))
    attempts = []

    def refuse(uri: str) -> None:
        attempts.append(uri)
        raise failure(libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC)

    monkeypatch.setattr(driver, "_open", refuse)

    seen = await asyncio.gather(*(host.see(ORDER.vm) for _ in range(5)))
    await host.see(ORDER.vm)

    assert {one.presence for one in seen} == {Presence.UNKNOWN}
    assert len(attempts) == 2, "one for the five, and one for who came later"


async def test_a_post_copy_that_broke_has_happened_and_its_limits_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The guest runs at the destination: "it did not happen" would be wrong in every way."""
    error = failure(libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_FROM_QEMU)
    said = "operation failed: job 'migration in' failed in post-copy phase"
    error.err = (*error.err[:2], said, *error.err[3:])
    domain = FakeDomain(error)
    host = connected(monkeypatch, FakeConnection(domain), FakeConnection(domain))

    with pytest.raises(OutcomeUnknown, match="post-copy broke"):
        await host.migrate(ORDER)

    assert domain.limits_ms == [300, 20]
