"""Goal: a cluster goes into a file and comes out of it, and nobody loses a file by it.

Method: the whole path in process, over the fake controller; files in a folder of their own.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from api_fakes import World
from api_scene import make_cluster
from cli_fakes import CommandLine

from godwit.formats import encode, read_cluster, read_saved


def test_what_is_saved_is_the_cluster_that_the_controller_reads(
    godwit: CommandLine, world: World, tmp_path: Path
) -> None:
    path = tmp_path / "c.json"
    ran = godwit("cluster", "save", str(path))
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"{path}: 3 hosts, 3 VMs",
        "Not answering, so without their VMs: kvm3",
    ]
    found = read_cluster(path)
    assert found == replace(world.controller.cluster, known=found.known)
    assert found.known.vms


def test_an_anonymised_file_says_nothing_of_whose_it_is(
    godwit: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "c.json"
    ran = godwit("cluster", "save", "--anonymise", str(path), "-o", "json")
    assert ran.json == {
        "path": str(path),
        "bytes": path.stat().st_size,
        "hosts": 3,
        "vms": 3,
        "anonymised": True,
    }
    text = path.read_text()
    for word in (
        "kvm1",
        "kvm2",
        "kvm3",
        "web",
        "gpu1",
        "/srv",
        "nas:",
        "connection refused",
        "br0",
        "default",
    ):
        assert word not in text
    assert read_saved(path).anonymised


def test_a_file_that_is_there_is_not_replaced_unasked(godwit: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("mine")
    ran = godwit("cluster", "save", str(path))
    assert ran.status == 2
    assert "--force" in ran.err
    assert path.read_text() == "mine"
    assert godwit("cluster", "save", "--force", str(path)).status == 0
    again = godwit("cluster", "convert", str(path), str(path))
    assert again.status == 2


def test_a_name_without_a_format_is_refused_before_a_host_is_asked(
    godwit: CommandLine, tmp_path: Path
) -> None:
    ran = godwit("cluster", "save", str(tmp_path / "c.txt"))
    assert ran.status == 2
    assert ".data" in ran.err
    assert godwit.attached == 0


def test_load_shows_what_is_in_a_file_and_asks_nobody(godwit: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "c.json.gz"
    path.write_bytes(encode(make_cluster(), path))
    ran = godwit("cluster", "load", str(path))
    assert ran.status == 0
    assert godwit.attached == 0
    assert "godwit-cluster 1" in ran.out
    assert "3, 3 active, 1 that something keeps from moving" in ran.out
    assert "2027-01-15 08:00:00 UTC" in ran.out
    assert "kvm3 does not answer: connection refused" in ran.out
    shown = godwit("cluster", "load", str(path), "-o", "json").json
    assert shown["vms_total"] == 3
    assert [one["record"]["name"] for one in shown["hosts"]] == ["kvm1", "kvm2", "kvm3"]
    assert shown["hosts"][0]["vms_active"] == 3


def test_a_damaged_file_is_refused_with_the_place(godwit: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    raw = encode(make_cluster(), path)
    path.write_bytes(raw[: len(raw) // 2])
    ran = godwit("cluster", "load", str(path))
    assert ran.status == 2
    assert "not whole" in ran.err
    document = json.loads(raw)
    document["vms"][0]["memory_bytes"] = "a lot"
    path.write_text(json.dumps(document))
    ran = godwit("cluster", "load", str(path), "-o", "json")
    assert ran.status == 2
    assert "vms.0.memory_bytes" in ran.err
    assert godwit("cluster", "load", str(tmp_path / "none.json")).status == 2


@pytest.mark.parametrize("output", ["text", "json"])
def test_convert_says_what_the_other_format_can_not_hold(
    godwit: CommandLine, tmp_path: Path, output: str
) -> None:
    source, middle = tmp_path / "c.json", tmp_path / "c.data"
    assert godwit("cluster", "save", str(source)).status == 0
    ran = godwit("cluster", "convert", str(source), str(middle), "-o", output)
    assert ran.status == 0
    assert middle.read_text().startswith("default|")
    assert "VMs of which something was learnt" in ran.err
    back = godwit("cluster", "convert", str(middle), str(tmp_path / "d.json"), "--anonymise")
    assert back.status == 0
    assert back.out.endswith(
        "3 hosts, 3 VMs, anonymised\nNot answering, so without their VMs: host-3\n"
    )
    assert [vm.memory_bytes for vm in read_cluster(tmp_path / "d.json").vms] == [
        vm.memory_bytes for vm in make_cluster().vms
    ]


def test_help_teaches(godwit: CommandLine) -> None:
    assert "save" in godwit("cluster", "--help").out
    for command in ("save", "load", "convert"):
        out = godwit("cluster", command, "--help").out
        assert "Examples" in out
        assert f"$ godwit cluster {command}" in out
