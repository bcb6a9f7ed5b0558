"""Goal: what is set around a migration is what the recipe says, and is taken back after a failure.

Method: a domain that remembers what it was told; the monitor answers as QEMU does.
"""

import xml.etree.ElementTree as ET

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from godwit.core.errors import BadValue, StepRefused
from godwit.core.model import VmPolicy
from godwit.core.plan import Recipe, Throttle
from godwit.drivers.libvirt import dirtying, monitor, tuning
from godwit.drivers.libvirt.policy_metadata import put_policy

MIB = 1024**2
PLAIN = Recipe(pause_start_s=0.0205, pause_max_s=1.0)


class FakeDomain:
    """A domain with QEMU's parameters, libvirt's limits and metadata."""

    def __init__(self) -> None:
        self.parameters = {
            "cpu-throttle-initial": 20,
            "cpu-throttle-increment": 10,
            "max-cpu-throttle": 99,
        }
        self.limit_ms, self.speed_mib = 300, 2**43 - 1
        self.metadata_by = {1: "", 2: ""}
        self.active = self.persistent = True

    def migrateGetMaxDowntime(self, _flags: int) -> int:  # noqa: N802 - libvirt's names
        return self.limit_ms

    def migrateSetMaxDowntime(self, limit_ms: int, _flags: int) -> None:  # noqa: N802
        self.limit_ms = limit_ms

    def migrateGetMaxSpeed(self, _flags: int) -> int:  # noqa: N802
        return self.speed_mib

    def migrateSetMaxSpeed(self, speed_mib: int, _flags: int) -> None:  # noqa: N802
        assert 0 < speed_mib <= (2**63 - 1) // MIB, "libvirt refuses more"
        self.speed_mib = speed_mib

    def isActive(self) -> bool:  # noqa: N802
        return self.active

    def isPersistent(self) -> bool:  # noqa: N802
        return self.persistent

    def metadata(self, _kind: int, _uri: str, which: int) -> str:
        if not self.metadata_by[which]:
            error = libvirt.libvirtError("none")
            error.err = (libvirt.VIR_ERR_NO_DOMAIN_METADATA, 0, "", 2, "", None, None, 0, 0)
            raise error
        return self.metadata_by[which]

    def setMetadata(  # noqa: N802
        self, _kind: int, text: str, _key: str, _uri: str, which: int
    ) -> None:
        self.metadata_by[which] = text


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> FakeDomain:
    """A domain whose monitor knows two commands."""

    def answer(
        one: FakeDomain, command: str, arguments: dict[str, int] | None = None
    ) -> dict[str, int]:
        if command == "query-migrate-parameters":
            return dict(one.parameters)
        assert command == "migrate-set-parameters"
        after = one.parameters | (arguments or {})
        if after["max-cpu-throttle"] < after["cpu-throttle-initial"]:
            raise StepRefused("QEMU refused it")
        one.parameters = after
        return {}

    monkeypatch.setattr(tuning, "ask_monitor", answer)
    return FakeDomain()


def test_limits_are_set_before_the_start_and_taken_back_after_a_failure(domain) -> None:
    recipe = Recipe(
        pause_start_s=0.0205,
        pause_max_s=1.0,
        throttle=Throttle(initial_fraction=0.01, most_fraction=0.1),
    )
    parameters, speed_mib = dict(domain.parameters), domain.speed_mib

    before = tuning.read_settings(domain, recipe)
    tuning.set_up(domain, recipe)
    set_ms, set_most = domain.limit_ms, domain.parameters["max-cpu-throttle"]
    tuning.set_bandwidth(domain, 20e6)
    tuning.restore_settings(domain, before)

    assert (set_ms, set_most) == (20, 10), "never above what was ordered"
    assert (domain.limit_ms, domain.speed_mib) == (300, speed_mib)
    assert domain.parameters == parameters


def test_a_setting_that_is_not_taken_back_keeps_no_other_from_it(domain, monkeypatch) -> None:
    recipe = Recipe(pause_start_s=0.02, pause_max_s=1.0, throttle=Throttle(most_fraction=0.5))
    parameters, speed_mib = dict(domain.parameters), domain.speed_mib
    before = tuning.read_settings(domain, recipe)
    tuning.set_up(domain, recipe)
    tuning.set_bandwidth(domain, 20e6)
    assert domain.parameters != parameters

    def refuse(*_: object) -> None:
        raise libvirt.libvirtError("refused")

    monkeypatch.setattr(domain, "migrateSetMaxDowntime", refuse)
    with pytest.raises(libvirt.libvirtError):
        tuning.restore_settings(domain, before)

    assert (domain.speed_mib, domain.parameters) == (speed_mib, parameters)


def test_a_recipe_without_bounds_of_its_own_asks_the_monitor_nothing(domain, monkeypatch) -> None:
    """Each question to the monitor marks the VM in libvirt's log."""
    monkeypatch.setattr(tuning, "ask_monitor", lambda *_: pytest.fail("it was asked"))

    for recipe in (PLAIN, Recipe(pause_start_s=0.02, pause_max_s=1.0, throttle=Throttle())):
        before = tuning.read_settings(domain, recipe)
        tuning.set_up(domain, recipe)
        tuning.restore_settings(domain, before)


def test_a_limit_is_lifted_by_the_most_that_libvirt_takes(domain) -> None:
    tuning.set_bandwidth(domain, 15e6)
    assert domain.speed_mib == 14
    tuning.set_bandwidth(domain, None)
    assert domain.speed_mib == (2**63 - 1) // MIB


def test_the_increment_of_the_throttle_is_told_to_qemu_in_percent(domain) -> None:
    tuning.raise_throttle(domain, 0.2)

    assert domain.parameters["cpu-throttle-increment"] == 20


def test_what_qemu_refuses_is_an_error_with_its_words(monkeypatch) -> None:
    import libvirt_qemu

    said = '{"id":"x","error":{"class":"GenericError","desc":"no such parameter"}}'
    monkeypatch.setattr(libvirt_qemu, "qemuMonitorCommand", lambda *_: said)

    with pytest.raises(StepRefused) as refused:
        monitor.ask_monitor(object(), "migrate-set-parameters", {"x": 1})

    assert "no such parameter" in refused.value.evidence


def test_a_policy_is_written_for_now_and_for_the_next_start_each_in_its_place(domain) -> None:
    domain.metadata_by = {1: '<vm pause-max="2s"/>', 2: '<vm priority="4"/>'}

    put_policy(domain, VmPolicy(pause_max_s=0.5, given=frozenset({"pause_max_s"})))

    assert ET.fromstring(domain.metadata_by[1]).attrib == {"downtime-max": "500ms"}
    assert ET.fromstring(domain.metadata_by[2]).attrib == {
        "downtime-max": "500ms",
        "priority": "4",
    }


def test_a_policy_is_written_where_there_was_none_and_a_transient_vm_has_only_one(domain) -> None:
    domain.persistent = False

    put_policy(domain, VmPolicy(may_postcopy=True, given=frozenset({"may_postcopy"})))

    assert domain.metadata_by == {1: '<vm postcopy="yes" />', 2: ""}


def test_a_policy_that_can_not_be_understood_is_written_nowhere(domain) -> None:
    domain.metadata_by = {1: '<vm deadlin="5s"/>', 2: "<vm/>"}
    before = dict(domain.metadata_by)

    with pytest.raises(BadValue, match="deadlin"):
        put_policy(domain, VmPolicy(priority=2, given=frozenset({"priority"})))

    assert domain.metadata_by == before


class FakeConnection:
    """A connection to one domain whose dirtying is measured."""

    def __init__(self, state: tuple[int, int] = (1, 1), job: int = 0, **stats: int) -> None:
        self.stats = {f"dirtyrate.{key}": value for key, value in stats.items()}
        self._state, self._job = state, job
        self.started: list[tuple[int, int]] = []
        self.refusal: libvirt.libvirtError | None = None

    def lookupByUUIDString(self, _vm: str) -> "FakeConnection":  # noqa: N802
        return self

    def state(self) -> tuple[int, int]:
        return self._state

    def info(self) -> tuple[int, int]:
        return (1, 256 * 1024)

    def jobInfo(self) -> list[int]:  # noqa: N802
        return [self._job]

    def domainListGetStats(self, domains, _stats, _flags):  # noqa: N802
        return [(domains[0], self.stats)]

    def startDirtyRateCalc(self, window_s: int, mode: int) -> None:  # noqa: N802
        if self.refusal is not None:
            raise self.refusal
        self.started.append((window_s, mode))


def test_a_measurement_is_what_was_written_within_the_window() -> None:
    connection = FakeConnection(calc_status=2, calc_period=2, megabytes_per_second=30)

    assert dirtying.start_dirtying(connection, "vm", 2)
    found = dirtying.read_dirtying(connection, "vm")

    assert connection.started == [(2, 0)]
    assert (found.window_s, found.written_bytes) == (2.0, 60 * MIB)
    assert found.resolution_bytes == 2 * MIB


@pytest.mark.parametrize(
    ("connection", "says"),
    [
        (FakeConnection(state=(3, 1)), "paused user"),
        (FakeConnection(state=(3, 12)), "paused postcopy"),
        (FakeConnection(state=(5, 1)), "shut off"),
        (FakeConnection(job=2), "has one"),
        (FakeConnection(calc_status=1), "libvirt says so"),
    ],
)
def test_a_vm_that_stands_still_or_moves_or_is_measured_is_not_measured(connection, says) -> None:
    with pytest.raises(StepRefused) as refused:
        dirtying.start_dirtying(connection, "vm", 1)

    assert says in refused.value.evidence
    assert not connection.started


def test_a_hypervisor_that_can_not_measure_says_nothing_and_a_failure_is_a_failure() -> None:
    connection = FakeConnection()
    for code, is_failure in (
        (libvirt.VIR_ERR_NO_SUPPORT, False),
        (libvirt.VIR_ERR_INTERNAL_ERROR, True),
    ):
        error = libvirt.libvirtError("refused")
        error.err = (code, libvirt.VIR_FROM_QEMU, "refused", 2, "", None, None, 0, 0)
        connection.refusal = error
        if is_failure:
            with pytest.raises(libvirt.libvirtError):
                dirtying.start_dirtying(connection, "vm", 1)
        else:
            assert dirtying.start_dirtying(connection, "vm", 1) is False


def test_while_it_is_measured_there_is_no_result() -> None:
    connection = FakeConnection(calc_status=1, calc_period=2)

    assert dirtying.read_dirtying(connection, "vm") is None


@given(st.integers(64 * MIB, 2**42), st.floats(0.01, 100))
def test_the_resolution_is_never_finer_than_a_sample_or_the_unit(memory_bytes, window_s) -> None:
    whole_s = dirtying.window_whole_s(window_s)
    resolution = dirtying.resolution_bytes(memory_bytes, whole_s)

    assert 1 <= whole_s <= 60
    assert resolution >= 2 * MIB
    assert resolution >= whole_s * MIB
