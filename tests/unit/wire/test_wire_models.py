"""Goal: what crosses the wire in both directions comes back as it was; the rest tells everything.

Method: Hypothesis for the round trips; walks over the core's own types for completeness.
"""

import dataclasses
import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godwit import wire
from godwit.core import migration as core
from godwit.core.errors import BadValue
from godwit.core.model import HostName, HostRecord
from godwit.core.planner import PauseSettings
from godwit.wire.host_uri import check_uri, default_host_name, is_local

_TEXT = st.text(min_size=1, max_size=20)
_RATES = st.floats(min_value=1, max_value=1e12, allow_nan=False)

_RECORDS = st.builds(
    HostRecord,
    name=_TEXT.map(HostName),
    uri=_TEXT,
    peer_uri=_TEXT,
    migration_address=st.none() | _TEXT,
    migration_link_bytes_per_s=st.none() | _RATES,
    shared_paths=st.lists(_TEXT, max_size=3).map(tuple),
    memory_reserve_bytes=st.integers(min_value=0, max_value=2**50),
    cores_overcommit=_RATES,
    labels=st.dictionaries(_TEXT, _TEXT, max_size=3),
    in_maintenance=st.booleans(),
)


@given(_RECORDS)
def test_a_host_record_comes_back_as_it_was(record: HostRecord) -> None:
    sent = wire.host_record_to_wire(record).model_dump_json()
    assert wire.host_record_from_wire(wire.HostRecord.model_validate_json(sent)) == record


@given(_RECORDS)
def test_every_field_of_a_new_host_reaches_its_record(record: HostRecord) -> None:
    fields = {one.name for one in dataclasses.fields(HostRecord)} - {"in_maintenance"}
    assert fields == set(wire.NewHost.model_fields)
    new = wire.NewHost(
        **{name: getattr(record, name) for name in fields}
        | {"name": "kvm1", "uri": "qemu+ssh://a/system", "peer_uri": "qemu+tls://b/system"}
        | {"shared_paths": ("/srv",)}
    )
    again = wire.NewHost.model_validate_json(new.model_dump_json())
    made = wire.new_host_from_wire(again)
    assert made == dataclasses.replace(
        record,
        name=HostName("kvm1"),
        uri="qemu+ssh://a/system",
        peer_uri="qemu+tls://b/system",
        shared_paths=("/srv",),
        in_maintenance=False,
    )


@given(
    st.none() | st.floats(min_value=0.001, max_value=3600),
    st.none() | _RATES,
)
def test_pause_settings_come_back_as_they_were(
    pause_max_s: float | None, bandwidth: float | None
) -> None:
    settings = PauseSettings(pause_max_s=pause_max_s, bandwidth_bytes_per_s=bandwidth)
    for kind, target in ((wire.MigrateRequest, {"vm": "a"}), (wire.DrainRequest, {"host": "a"})):
        asked = kind(
            **target,
            pause_max_s=settings.pause_max_s,
            bandwidth_bytes_per_s=settings.bandwidth_bytes_per_s,
        )
        again = kind.model_validate_json(asked.model_dump_json())
        assert wire.pause_settings_from_wire(again) == settings


def test_no_number_without_end_gets_in() -> None:
    for number in (math.inf, math.nan):
        with pytest.raises(ValueError, match="finite"):
            wire.MigrateRequest(vm="a", pause_max_s=number)


def test_every_kind_of_event_has_its_sentence() -> None:
    source = __import__("inspect").getsource(__import__("godwit.wire.journal", fromlist=["x"]))
    for kind in get_args(core.Event):
        assert f"core.{kind.__name__}" in source


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("qemu+ssh://root@kvm1/system", "kvm1"),
        ("qemu+tls://kvm1.example.org:16514/system", "kvm1.example.org"),
        ("qemu+ssh://[fd00::1]/system", "fd00--1"),
    ],
)
def test_a_host_is_named_after_its_uri(uri: str, name: str) -> None:
    assert default_host_name(check_uri(uri)) == name
    assert not is_local(uri)


@pytest.mark.parametrize("uri", ["qemu:///system", "qemu+unix:///system?socket=/run/x"])
def test_a_local_uri_gives_no_name(uri: str) -> None:
    assert is_local(check_uri(uri))
    with pytest.raises(BadValue, match="needs a name"):
        default_host_name(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "kvm1",
        "kvm1/system",
        "qemu+ssh://kvm1",
        "qemu+ssh://kvm1/",
        "qemu://a b/system",
        "qemu+ssh://kvm1:port/system",
        "://kvm1/system",
        "qemu+ssh:/kvm1/system",
    ],
)
def test_what_is_no_libvirt_uri_is_refused_with_an_example(uri: str) -> None:
    with pytest.raises(BadValue) as caught:
        check_uri(uri)
    assert "system" in caught.value.remedy


def test_a_host_alone_needs_no_address_for_peers_and_two_do() -> None:
    local = wire.new_host_from_wire(wire.NewHost(uri="qemu:///system", name="kvm1"))
    other = wire.new_host_from_wire(wire.NewHost(uri="qemu+ssh://kvm2/system"))
    wire.check_peers([local])
    wire.check_peers([other, dataclasses.replace(other, name=HostName("kvm3"))])
    with pytest.raises(BadValue, match="kvm1") as caught:
        wire.check_peers([local, other])
    assert "--peer-uri" in caught.value.remedy
