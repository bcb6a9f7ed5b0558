"""Goal: nothing of the original is left in an anonymised file, and a plan for it fits both.

Method: a cluster whose every text is a word that occurs nowhere else, and a search of the bytes.
"""

import dataclasses
from ipaddress import ip_address, ip_network
from random import Random

import pytest
from hypothesis import given, settings

from godwit.core.model import Cluster, HostName, Probe, Rule, VmId, VmPolicy
from godwit.core.planner import choose_destination
from godwit.core.rules import KINDS as RULES
from godwit.formats import anonymise, read_raw, write_json
from godwit.formats.anonymise import KINDS
from tests.property.test_property_plans import made
from tests.unit.core.builders import cluster, group, host, vm
from tests.unit.formats.drawing import DECLARED, clusters, filled, numbered, text_fields

#: Fields in which a word of a fixed vocabulary stands, which is kept.
KEPT = {name for name, kind in KINDS.items() if kind == "kept"}


def marked(path: str = "") -> tuple[Cluster, list[str]]:
    """A cluster full of words that give it away, and these words."""
    secrets: list[str] = []
    next_word = numbered("secret")

    def word(where: str) -> str:
        if where in KEPT:
            return "q35"
        secrets.append(next_word(where))
        return path.format(secrets[-1]) if path else secrets[-1]

    one = filled(Cluster, word)
    where = one.hosts[0].record.name
    vms = tuple(dataclasses.replace(vm_, host=where) for vm_ in one.vms)
    room = tuple(dataclasses.replace(each, host=where) for each in one.reservations)
    rules = tuple(filled(RULES[kind], word) for kind in DECLARED)
    # The guest's name of a disk is one of a vocabulary.
    seen = {(vm_, "vda", on): said for (vm_, _, on), said in one.disk_sightings.items()}
    changed = {"vms": vms, "reservations": room, "rules": rules, "disk_sightings": seen}
    return dataclasses.replace(one, **changed), secrets


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/srv/{0}/{0}.qcow2",
        "qemu+ssh://{0}@{0}.example.org/system?x={0}",
        "{0}:/exports",
        "The host {0} does not answer.",
        "Straße {0}",
    ],
)
def test_no_word_of_the_original_is_in_the_bytes(path: str) -> None:
    original, secrets = marked(path)
    raw = write_json(original)
    assert sum(secret.encode() in raw for secret in secrets) > 90
    hidden = write_json(anonymise(original), anonymised=True)
    assert b"secret" not in hidden
    assert b"example.org" not in hidden
    read_raw(hidden, file_name="c.json")


def test_a_word_that_is_kept_is_one_of_a_vocabulary_only() -> None:
    for telling in ("kvm1.example.org/x", "two words", "root@kvm1", "/usr/bin/qemu"):
        one = cluster([host("h1")], [vm("web1", "h1", machine=telling)])
        assert telling.encode() not in write_json(anonymise(one))


def own_text_fields(kind: type) -> set[str]:
    """Those that a kind of rule has beside what every rule has."""
    own = {one.name for one in dataclasses.fields(kind)} - {
        one.name for one in dataclasses.fields(Rule)
    }
    return {one for one in text_fields(kind) if one.split(".")[1] in own}


def test_every_field_with_a_text_says_how_it_is_hidden_and_no_other() -> None:
    assert set(text_fields(Cluster)) - {
        "Cluster.cpu_answers",
        "Cluster.disk_sightings",
        "Knowledge.paths",
    } | {field for kind in DECLARED for field in own_text_fields(RULES[kind])} == set(KINDS)


@settings(max_examples=40)
@given(clusters())
def test_what_was_the_same_is_the_same_and_sorts_as_it_did(one: Cluster) -> None:
    hidden = anonymise(one)
    for before, after in (
        ([each.name for each in one.hosts], [each.name for each in hidden.hosts]),
        ([each.name for each in one.vms], [each.name for each in hidden.vms]),
        ([each.id for each in one.vms], [each.id for each in hidden.vms]),
        (labels_of(one), labels_of(hidden)),
    ):
        assert [[a < b for a in before] for b in before] == [[a < b for a in after] for b in after]
    assert len(hidden.cpu_answers) == len(one.cpu_answers)
    assert len(hidden.disk_sightings) == len(one.disk_sightings)
    assert [len(each.members) for each in hidden.groups] == [
        len(each.members) for each in one.groups
    ]
    assert hidden == anonymise(one)
    assert read_raw(write_json(hidden), file_name="c").cluster == hidden


def test_new_names_are_addresses_of_nobody_and_sort_however_many_there_are() -> None:
    probes = [Probe(address=f"192.0.2.{n}") for n in range(1, 13)]
    hosts = [host(f"h{n:02}", migration_address=f"10.0.0.{n}") for n in range(1, 13)]
    vms = [vm(f"web{n:02}", "h01", policy=VmPolicy(probe=probe)) for n, probe in enumerate(probes)]
    hidden = anonymise(cluster(hosts, vms))
    assert hidden.hosts[0].name == "host-01"
    assert [one.name for one in hidden.hosts] == sorted(one.name for one in hidden.hosts)
    addresses = {one.record.migration_address for one in hidden.hosts} | {
        one.policy.probe.address for one in hidden.vms if one.policy.probe is not None
    }
    assert len(addresses) == 24
    assert all(ip_address(one) in ip_network("198.18.0.0/15") for one in addresses if one)
    assert {nic.mac for one in hidden.vms for nic in one.nics} == {"52:54:00:00:00:01"}


def labels_of(one: Cluster) -> list[str]:
    texts = [value for each in one.hosts for value in each.record.labels.values() if value]
    return texts + [value for each in one.vms for value in each.policy.labels.values() if value]


def test_numbers_and_states_stay() -> None:
    one = made(4, 12, 3, seed=5)
    hidden = anonymise(one)
    assert [each.memory_bytes for each in hidden.vms] == [each.memory_bytes for each in one.vms]
    assert [each.state for each in hidden.vms] == [each.state for each in one.vms]
    assert [each for each in one.hosts if each.observed is None] == []
    assert [each.cores_for_vms for each in hidden.hosts] == [
        each.cores_for_vms for each in one.hosts
    ]


@pytest.mark.parametrize("seed", range(8))
def test_the_planner_chooses_the_same(seed: int) -> None:
    chance = Random(seed)
    one = made(chance.randint(2, 7), chance.randint(3, 25), 3, seed)
    hidden = anonymise(one)
    hosts = dict(zip((h.name for h in one.hosts), (h.name for h in hidden.hosts), strict=True)) | {
        None: None
    }
    for before, after in zip(one.vms, hidden.vms, strict=True):
        chosen, mirrored = choose_destination(one, before), choose_destination(hidden, after)
        best = chosen.best.host if chosen.best is not None else None
        assert hosts[best] == (mirrored.best.host if mirrored.best is not None else None)
        assert [len(each.refusals) for each in chosen.candidates] == [
            len(each.refusals) for each in mirrored.candidates
        ]


def test_groups_and_answers_follow_the_new_names() -> None:
    web1, web2 = vm("web1", "h1"), vm("web2", "h2")
    one = cluster([host("h1"), host("h2")], [web1, web2], groups=[group("g", web1, together=True)])
    hidden = anonymise(one)
    assert hidden.groups[0].members == {hidden.vms[0].id}
    assert hidden.vms[0].host == hidden.hosts[0].name == HostName("host-1")
    assert (hidden.vms[1].id, HostName("host-1")) in hidden.cpu_answers
    assert (VmId("id-web1"), HostName("h1")) not in hidden.cpu_answers
    assert hidden.vms[0].disks[0].source != hidden.vms[1].disks[0].source
    folders = {vm_.disks[0].source.rpartition("/")[0] for vm_ in hidden.vms if vm_.disks[0].source}
    assert len(folders) == 1
