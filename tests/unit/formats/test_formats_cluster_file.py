"""Goal: what is saved comes back as it was, to the byte and to the field, or not at all.

Method: Hypothesis draws clusters out of the types of the model; one file is then cut off, bent and
aged in every way that files are.
"""

import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from godwit.core.errors import BadValue
from godwit.core.model import Cluster
from godwit.formats import encode, read_cluster, read_raw, read_saved, write_json
from godwit.formats.answers import Answers, Row
from tests.unit.core.builders import cluster, group, host, promise, vm
from tests.unit.formats.drawing import clusters


def some() -> Cluster:
    web1, web2 = vm("web1", "h1"), vm("web2", "h2")
    return cluster(
        [host("h1"), host("h2"), host("h3", unreachable="timed out", known=False)],
        [web1, web2],
        groups=[group("web", web1, web2, together=False)],
        reservations=[promise(web1, "h2")],
    )


def bent(**changes: Any) -> bytes:
    document = json.loads(write_json(some()))
    return json.dumps(document | changes).encode()


def refused(raw: bytes) -> BadValue:
    with pytest.raises(BadValue) as caught:
        read_raw(raw, file_name="c.json")
    assert "c.json" in caught.value.message
    assert caught.value.evidence
    assert caught.value.remedy
    return caught.value


@settings(max_examples=60)
@given(clusters())
def test_what_is_saved_comes_back_equal_and_makes_the_same_file_again(one: Cluster) -> None:
    raw = write_json(one)
    back = read_raw(raw, file_name="c.json").cluster
    assert back == one
    assert write_json(back) == raw
    assert {type(field) for field in dataclasses.astuple(back.known.calibration)} == {float, int}


def test_every_field_of_a_cluster_is_in_the_file() -> None:
    # A field that is new in the model must be saved, too: see _Document.
    kept = set(json.loads(write_json(some()))) - {"format", "version", "godwit", "anonymised"}
    kept = (kept - {"known_vms", "known_paths", "calibration"}) | {"known"}
    assert kept == {one.name for one in dataclasses.fields(Cluster)}


def test_the_file_has_a_line_for_each_host_and_vm() -> None:
    lines = write_json(some()).decode().splitlines()
    assert sum(line.startswith('  {"record":{"name":"h') for line in lines) == 3
    assert sum(line.startswith('  {"id":"id-web') for line in lines) == 2


def test_the_hosts_of_an_answer_stand_in_their_order() -> None:
    many = [host(f"h{n:02}") for n in range(20)]
    document = json.loads(write_json(cluster(many, [vm("web1", "h00")])))
    for section in ("cpu_answers", "disk_sightings"):
        (row,) = document[section]
        assert row["hosts"] == [one.name for one in many]


def test_a_file_that_is_cut_off_anywhere_is_refused() -> None:
    raw = write_json(some())
    for end in [*range(0, len(raw) - 2, 97), len(raw) - 3]:
        refused(raw[:end])
    packed = gzip.compress(raw)
    for end in range(2, len(packed), 31):
        refused(packed[:end])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "version 2"),
        ({"version": True}, "version True"),
        ({"version": "1"}, "version '1'"),
        ({"format": "other"}, "not a saved cluster"),
        ({"weather": "fine"}, "weather"),
        ({"generation": "7"}, "generation"),
        ({"generation": 7.5}, "generation"),
        ({"taken_at_s": None}, "taken_at_s"),
        ({"hosts": {}}, "hosts"),
        ({"vms": [{"id": "x"}]}, "vms.0"),
    ],
)
def test_what_this_godwit_does_not_know_is_refused_and_named(
    change: dict[str, Any], says: str
) -> None:
    error = refused(bent(**change))
    assert says in str(error)


@pytest.mark.parametrize(
    ("section", "path", "value", "says"),
    [
        ("hosts", ("record", "name"), "h2", "2 hosts are named 'h2'"),
        ("hosts", ("record", "colour"), "red", "hosts.0.record.colour"),
        ("hosts", ("record", "cores_overcommit"), 0, "overcommit"),
        ("hosts", ("record", "memory_reserve_bytes"), -1, "reserve"),
        ("hosts", ("observed", "memory_total_bytes"), -5, "below zero"),
        ("hosts", ("observed", "cores"), -1, "cores or memory of 'h1' are below zero"),
        ("hosts", ("observed", "busy_cores"), -0.1, "the busy cores of 'h1' are below zero"),
        ("hosts", ("record", "name"), "", "a host has no name"),
        ("hosts", ("observed", "features"), ["flying"], "hosts.0.observed.features"),
        ("vms", ("host",), "h9", "no host of this file"),
        ("vms", ("host",), "", "no host of this file"),
        ("vms", ("memory_bytes",), -1, "below zero"),
        ("vms", ("vcpus",), -1, "memory or vCPUs of the VM 'web1' are below zero"),
        ("vms", ("busy_cores",), -0.1, "the busy cores of the VM 'web1' are below zero"),
        ("vms", ("memory_bytes",), "4GiB", "vms.0.memory_bytes"),
        ("vms", ("state",), "asleep", "vms.0.state"),
        ("vms", ("policy", "pause_max_s"), float("nan"), ""),
        ("vms", ("policy", "labels"), {"tier": 5}, "vms.0.policy.labels.tier"),
        ("vms", ("id",), "", "has no id"),
        ("reservations", ("host",), "h9", "no host of this file"),
        ("reservations", ("memory_bytes",), -1, "is below zero"),
        ("reservations", ("vcpus",), -1, "is below zero"),
    ],
)
def test_values_that_can_not_be_are_refused_and_named(
    section: str, path: tuple[str, ...], value: object, says: str
) -> None:
    document = json.loads(write_json(some()))
    inside = document[section][0]
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    assert says in str(refused(json.dumps(document).encode()))


def test_nothing_at_all_is_a_value_that_can_be() -> None:
    idle = vm("idle", "h1", memory_bytes=0, vcpus=0, busy_cores=0.0)
    bare = host("h1", cores=0, memory_total_bytes=0, busy_cores=0.0, memory_reserve_bytes=0)
    one = cluster([bare], [idle], reservations=[promise(idle, "h1")])
    assert read_raw(write_json(one), file_name="c").cluster == one


def test_an_unknown_field_is_told_with_the_godwit_that_wrote_it() -> None:
    error = refused(bent(godwit="9.9.9", weather="fine"))
    assert "9.9.9" in error.evidence
    assert "weather" in error.message


def test_a_vm_that_stands_twice_on_a_host_and_an_answer_given_twice_are_refused() -> None:
    document = json.loads(write_json(some()))
    twice = document | {"vms": [document["vms"][0]] * 2}
    assert "2 times" in str(refused(json.dumps(twice).encode()))
    twice = document | {"cpu_answers": document["cpu_answers"] * 2}
    assert "answered twice" in str(refused(json.dumps(twice).encode()))


def test_hosts_and_vms_added_by_hand_at_the_end_are_sorted() -> None:
    document = json.loads(write_json(some()))
    document["hosts"].reverse()
    document["vms"].reverse()
    assert read_raw(json.dumps(document).encode(), file_name="c").cluster == some()


def test_what_no_file_can_hold_is_refused_when_it_is_written() -> None:
    for broken in (float("nan"), float("inf")):
        with pytest.raises(BadValue, match="can't be written"):
            write_json(dataclasses.replace(some(), taken_at_s=broken))
    with pytest.raises(BadValue, match="can't be written"):
        write_json(cluster([host("h1")], [vm("a\udc80", "h1")]))


def test_files_are_known_by_what_is_in_them_and_written_by_their_names(tmp_path: Path) -> None:
    packed = tmp_path / "c.json.gz"
    packed.write_bytes(encode(some(), packed, anonymised=True))
    assert packed.read_bytes()[:2] == b"\x1f\x8b"
    misnamed = tmp_path / "c.data"
    misnamed.write_bytes(gzip.decompress(packed.read_bytes()))
    assert read_cluster(packed) == read_cluster(misnamed) == some()
    assert read_saved(packed).anonymised
    assert encode(some(), packed) == encode(some(), packed)
    with pytest.raises(BadValue, match="says no format"):
        encode(some(), tmp_path / "c.xml")
    with pytest.raises(BadValue, match="can't be read"):
        read_cluster(tmp_path / "missing.json")
    for raw in (b"", b"hello", b"\xff\xfe", b"[1, 2]", b"{}"):
        refused(raw)


def test_answers_are_a_mapping_and_kept_by_what_was_said() -> None:
    rows = (
        Row(subjects=(("a",), ("b",)), hosts=frozenset({"h1", "h2"}), answer=1),
        Row(subjects=(("a",),), hosts=frozenset({"h3"}), answer=2),
    )
    answers: Answers[tuple[str, str], int] = Answers(rows)
    assert dict(answers) == {
        ("a", "h1"): 1,
        ("a", "h2"): 1,
        ("b", "h1"): 1,
        ("b", "h2"): 1,
        ("a", "h3"): 2,
    }
    assert answers == dict(answers)
    assert len(answers) == 5
    assert answers.get(("b", "h3")) is None
    assert ("c", "h1") not in answers
    with pytest.raises(ValueError, match="a, h3"):
        Answers((*rows, rows[1]))
