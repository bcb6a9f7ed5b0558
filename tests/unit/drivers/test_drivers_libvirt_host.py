"""Goal: what the libvirt driver does around its calls, without a libvirt: connections are faked."""

import libvirt
import pytest

from godwit.core.errors import OutcomeUnknown, StepRefused
from godwit.core.model import HostName, HostRecord, VmId
from godwit.drivers.libvirt import LibvirtHost
from godwit.drivers.libvirt import host as driver
from godwit.ports import MigrationOrder

ORDER = MigrationOrder(
    vm=VmId("uuid-of-web"),
    peer_uri="qemu+tls://b/system",
    migration_address=None,
    bandwidth_bytes_per_s=None,
    pause_limit_s=0.02,
    persistent=True,
)


def failure(code: int, domain: int) -> libvirt.libvirtError:
    """An error as libvirt raises it."""
    error = libvirt.libvirtError("faked")
    error.err = (code, domain, "faked", 2, "", None, None, 0, 0)
    return error


class FakeDomain:
    """A domain that remembers its pause limits, and whose migration fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.limits_ms = [300]

    def migrateGetMaxDowntime(self, _flags: int) -> int:  # noqa: N802 - libvirt's name
        return self.limits_ms[-1]

    def migrateSetMaxDowntime(self, limit_ms: int, _flags: int) -> None:  # noqa: N802
        self.limits_ms.append(limit_ms)

    def migrateToURI3(self, *_: object) -> None:  # noqa: N802
        raise self.error


class FakeConnection:
    """A connection that is alive or not, to a host with one domain."""

    def __init__(self, domain: FakeDomain | None = None, *, alive: bool = True) -> None:
        self.domain, self.alive = domain, alive

    def isAlive(self) -> bool:  # noqa: N802
        return self.alive

    def lookupByUUIDString(self, _vm: str) -> FakeDomain:  # noqa: N802
        assert self.domain is not None
        return self.domain

    def close(self) -> None:
        return


def connected(
    monkeypatch: pytest.MonkeyPatch, control: FakeConnection, *more: FakeConnection
) -> LibvirtHost:
    """A host with a control connection; further ones are handed out when it opens them."""
    to_open = iter(more)
    monkeypatch.setattr(driver, "start_event_loop", lambda: None)
    monkeypatch.setattr(driver, "_open", lambda _uri: next(to_open))
    record = HostRecord(name=HostName("a"), uri="qemu:///system", peer_uri="qemu+tls://a/system")
    host = LibvirtHost(record)
    host._connection = control  # type: ignore[assignment]
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


async def test_a_migration_that_was_refused_leaves_the_pause_limit_from_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    domain = FakeDomain(failure(libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_FROM_QEMU))
    host = connected(monkeypatch, FakeConnection(domain), FakeConnection(domain))

    with pytest.raises(StepRefused):
        await host.migrate(ORDER)

    assert domain.limits_ms == [300, 20, 300]
