"""Goal: a file of Ganeti's htools is read as htools reads it, and can be written again.

Method: a small file with a bit of everything; ``bench/hbal`` does the same with hbal itself.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from godwit.core.errors import BadValue
from godwit.core.model import (
    Cluster,
    DiskSighting,
    HostName,
    Knowledge,
    RunState,
    VmId,
    VmKnowledge,
    VmPolicy,
)
from godwit.core.planner import choose_destination
from godwit.core.rules import Pinned
from godwit.core.units import GIB, MIB
from godwit.formats import encode, losses, read_raw, read_saved
from godwit.formats.htools import read_htools, write_htools
from godwit.formats.htools_writing import htools_from_cluster
from tests.unit.core.builders import cluster, group, host, promise, vm

SPEC = "128,1,1024,1,1,1|0,1,0,0,0,0;1048576,128,10485760,16,8,12|sharedfile,plain"
TEXT = f"""\
default|uuid-1|preferred||
far|uuid-2|last_resort|a,b|

n1|65536|4096|45056|1048576|1000000|16|M|uuid-1|1||N|0|1|1.0
n2|65536|4096|61440|1048576|1048576|16|N|uuid-1|2|rack:b|N|0|0|1.5
n3|65536|4096|57000|1048576|1048576|16|N|uuid-2|1||N|0|1|1.0
n4|0|0|0|0|0|0|Y|uuid-1|1||N|0|0|1.0

web1|8192|10240|2|running|Y|n1||sharedfile|service:web,x|0|-|N
web2|4096|0|1|ERROR_up|N|n1||rbd|service:web|0|-|N
old|4096|0|1|ADMIN_down|Y|n1||plain||1|-|N
pair|4096|2048|4|running|Y|n1|n2|drbd||1|-|N

htools:iextags:service
other
|{SPEC}|8.0|32.0
far|{SPEC}|2.0|32.0
""".replace("other\n|", "other\n\n|")


def read(text: str = TEXT) -> Cluster:
    return read_raw(text.encode(), file_name="c.data").cluster


def test_the_text_comes_back_to_the_byte() -> None:
    assert write_htools(read_htools(TEXT, file_name="c.data")) == TEXT
    without_tags = TEXT.replace("htools:iextags:service\nother\n", "")
    assert write_htools(read_htools(without_tags, file_name="c.data")) == without_tags


def test_hosts_have_the_room_that_htools_gives_them() -> None:
    found = read()
    n1, n2, n3, n4 = found.hosts
    assert [one.name for one in found.hosts] == ["n1", "n2", "n3", "n4"]
    # Free, and what its running instances have: 8192 + 4096 + 4096.
    assert n1.memory_for_vms_bytes == (45056 + 16384) * MIB
    assert found.memory_promised_bytes(n1.name) == 16384 * MIB
    assert n2.memory_for_vms_bytes == 61440 * MIB
    assert n3.memory_for_vms_bytes == 57000 * MIB, "what is missing is nobody's"
    assert (n1.cores_for_vms, n3.cores_for_vms) == (16 * 8.0, 16 * 2.0)
    assert n4.unreachable
    assert n4.record.memory_reserve_bytes == 0
    assert n4.record.in_maintenance


def test_vms_are_what_the_instances_are() -> None:
    old, pair, web1, web2 = read().vms
    assert (web1.memory_bytes, web1.vcpus, web1.host) == (8 * GIB, 2, "n1")
    assert (web1.state, web2.state, old.state) == (
        RunState.RUNNING,
        RunState.RUNNING,
        RunState.SHUT_OFF,
    )
    assert web1.policy.anti_affinity == ("service:web",)
    assert pair.policy.anti_affinity == ()
    assert read().vms == read().vms


def test_where_a_vm_may_go_follows_from_its_disk_template() -> None:
    found = read()
    old, pair, web1, _ = found.vms
    seen = found.disk_sightings
    assert seen[web1.id, "disk0", HostName("n3")] is DiskSighting.SAME
    assert seen[pair.id, "disk0", HostName("n2")] is DiskSighting.SAME
    assert seen[pair.id, "disk0", HostName("n3")] is DiskSighting.LOCAL
    assert seen[old.id, "disk0", HostName("n2")] is DiskSighting.LOCAL
    fits = {
        one.name: sorted(
            each.host for each in choose_destination(found, one).candidates if each.fits
        )
        for one in found.vms
    }
    assert fits == {"web1": ["n2", "n3"], "web2": ["n2", "n3"], "pair": ["n2"], "old": []}


def test_a_cluster_out_of_a_file_makes_that_file_again() -> None:
    again = htools_from_cluster(read())
    first = read_htools(TEXT, file_name="c.data")
    by_name = {one.name: one for one in first.instances}
    assert again.nodes == first.nodes
    assert {one.name: one for one in again.instances} == by_name
    assert again.vcpu_ratios == {"": 8.0} | {"default": 8.0, "far": 2.0}
    assert read(write_htools(again)) == replace(read(), groups=read().groups)
    assert losses(read()) == ()


def test_a_mirrored_vm_that_went_to_its_other_node_left_its_mirror_at_the_first() -> None:
    found = read()
    moved = tuple(
        replace(one, host=HostName("n2")) if one.name == "pair" else one for one in found.vms
    )
    pair = htools_from_cluster(replace(found, vms=moved)).instances[1]
    assert (pair.name, pair.primary, pair.secondary) == ("pair", "n2", "n1")


def test_any_cluster_can_be_written_and_what_is_lost_is_said() -> None:
    web1, web2 = vm("web|1", "h1"), vm("web2", "h2", blockers=())
    one = cluster(
        [host("h1"), host("h2", in_maintenance=True), host("h3", known=False, unreachable="gone")],
        [web1, web2, vm("off", "h1", state=RunState.SHUT_OFF), replace(web2, id="x", host="h1")],
        groups=[
            group("apart", web1, web2, together=False),
            group("one", web1, web2, together=True),
        ],
        reservations=[promise(web1, "h2")],
    )
    text = write_htools(htools_from_cluster(one))
    found = read_htools(text, file_name="c")
    assert [node.status for node in found.nodes] == ["N", "Y", "Y"]
    assert found.nodes[0].memory_free_mib == 64 * 1024 - 2 * 4096
    off, *twice, web_1 = found.instances
    assert (off.status, web_1.name) == ("ADMIN_down", "web_1")
    assert {each.name for each in twice} == {"web2.x.h1", "web2.id-web2.h2"}
    assert web_1.tags == ("apart",)
    assert found.tags == ("htools:iextags:apart",)
    assert losses(one) == ("1 affinity groups", "1 rooms held for migrations in flight")
    assert [each.host for each in read(text).vms] == ["h1", "h2", "h1", "h1"]


def test_names_that_the_format_makes_alike_are_told_apart() -> None:
    one = cluster([host("h1")], [vm("web|1", "h1", id="x"), vm("web_1", "h1", id="y")])
    names = [each.name for each in read(write_htools(htools_from_cluster(one))).vms]
    assert names == ["web_1.x.h1", "web_1.y.h1"]


def test_each_kind_of_loss_is_counted() -> None:
    labels = VmPolicy(labels={"tier": "web"}, given=frozenset({"labels"}))
    seen = cluster(
        [host("h1", labels={"rack": "a"}), host("h2", cores_overcommit=2.0)],
        [
            vm("plain", "h1", policy=VmPolicy(anti_affinity=("g",))),
            vm("named", "h1", policy=labels),
            vm("urgent", "h1", policy=replace(labels, priority=1)),
            vm("quick", "h1", policy=VmPolicy(pause_max_s=0.3)),
        ],
    )
    learnt = Knowledge(vms={VmId("id-quick"): VmKnowledge(vm=VmId("id-quick"))})
    held = replace(seen, known=learnt, rules=(Pinned(name="never"), Pinned(name="nor these")))
    assert losses(held) == (
        "2 rules of the site",
        "2 VMs with promises, permissions or a priority",
        "2 VMs with labels",
        "1 hosts with labels",
        "1 hosts with another overcommit than their group",
        "1 VMs of which something was learnt",
    )


def test_what_nothing_can_move_is_written_as_a_local_disk() -> None:
    one = cluster(
        [host("h1"), host("h2")],
        [vm("near", "h1"), vm("far", "h1"), vm("none", "h1", disks=())],
        disks={("id-near", "vda", "h2"): DiskSighting.LOCAL},
    )
    templates = {each.name: each.template for each in htools_from_cluster(one).instances}
    assert templates == {"near": "plain", "far": "sharedfile", "none": "diskless"}


@pytest.mark.parametrize(
    "label", ["value-1", "--5|0|0|N|uuid-1", "4096|0|0|N", "4096|0|0|N|uuid-1|1||N|0|none|1.0"]
)
def test_labels_that_say_something_else_are_no_reason_to_fail(label: str) -> None:
    found = read()
    hidden = tuple(
        replace(one, record=replace(one.record, labels={"ganeti-node": label}))
        for one in found.hosts
    )
    again = htools_from_cluster(replace(found, hosts=hidden))
    assert [one.memory_free_mib for one in again.nodes] == [45056, 61440, 57000, 0]
    assert {one.name for one in again.groups} == {"default"}
    assert read(write_htools(again)).hosts


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("n1|65536", "n1|lots", "line 4: the total memory is 'lots'"),
        ("n1|65536", "n1|65536.5", "no whole number"),
        ("n1|65536", "n1|inf", "no number"),
        ("|16|M|uuid-1", "|16|M|uuid-9", "unknown group 'uuid-9'"),
        ("running|Y|n1||sharedfile", "running|Y|n9||sharedfile", "unknown node 'n9'"),
        ("x|0|-|N\n", "x|0|-|N\nbroken|line\n", "line 10 has 2 fields"),
        ("web2|4096", "web1|4096", "about the instance 'web1'"),
        ("n2|65536", "n1|65536", "about the node 'n1'"),
        ("N|0|0|1.5", "N|0|0|fast", "'0|fast'"),
        ("web2|4096", "web2|-4096", "below zero"),
        ("|8.0|32.0", "|many|32.0", "no ratio of vCPUs"),
        ("|8.0|32.0", "|0|32.0", "the policy of the cluster allows 0.0 vCPUs a core"),
        ("|2.0|32.0", "|0|32.0", "the policy of far allows 0.0 vCPUs a core"),
        ("\n\nweb1", "\n\n\n\nweb1", "7 sections"),
    ],
)
def test_a_line_that_can_not_be_used_is_named(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(BadValue) as caught:
        read(TEXT.replace(old, new, 1))
    assert says in str(caught.value)
    assert "c.data" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("lines", range(1, 10))
def test_a_file_that_ends_in_the_middle_is_refused(lines: int) -> None:
    with pytest.raises(BadValue):
        read("\n".join(TEXT.split("\n")[:lines]))


def test_files_are_written_by_their_suffix(tmp_path: Path) -> None:
    for name in ("c.data", "c.data.gz"):
        path = tmp_path / name
        path.write_bytes(encode(read(), path))
        saved = read_saved(path)
        assert saved.format == "Ganeti htools"
        assert len(saved.cluster.vms) == 4
