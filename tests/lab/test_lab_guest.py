"""The guests work, and their checks find what is wrong: a check that finds nothing proves nothing.

Method: guests on the session's lab; damage is planted in memory and on disk, and must be counted.
"""

import socket
import time
from collections.abc import Iterator

import pytest

from godwit.lab.guests import Guest
from godwit.lab.lab import Lab
from godwit.lab.problems import LabFailed, LabMisused

pytestmark = pytest.mark.lab
MIB = 1024**2


@pytest.fixture(scope="module")
def guest(lab: Lab) -> Iterator[Guest]:
    yield lab.add_guest("worker", host="h1", memory="192MiB", working_set="16MiB")
    lab.remove_guest("worker")


def test_a_guest_answers_udp_and_http(guest: Guest) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2.0)
        client.sendto(b"hello", (guest.address, 7))
        assert client.recv(100) == b"hello"
    assert guest.get("/") == "worker is here\n"
    assert guest.counters()["name"] == "worker"
    with pytest.raises(LabFailed, match="refused"):
        guest.get("/nonsense")


def test_the_dirtying_rate_and_the_working_set_can_be_changed(guest: Guest) -> None:
    guest.set_workload(dirty_bytes_per_s=8 * MIB, working_set_bytes=8 * MIB)
    before = guest.counters()
    while (after := guest.counters())["monotonic_s"] - before["monotonic_s"] < 1.0:
        pass
    written = after["memory"]["pages_written"] - before["memory"]["pages_written"]
    rate_bytes_per_s = written * 4096 / (after["monotonic_s"] - before["monotonic_s"])
    assert rate_bytes_per_s == pytest.approx(8 * MIB, rel=0.3)
    assert after["memory"]["working_set_bytes"] == 8 * MIB
    with pytest.raises(LabFailed, match="does not fit"):
        guest.set_workload(working_set_bytes=1024 * MIB)
    assert guest.counters()["memory"]["working_set_bytes"] == 8 * MIB
    guest.set_workload(dirty_bytes_per_s=0)
    assert guest.verify().is_intact


def test_the_disk_sequence_goes_on_after_a_restart(lab: Lab, guest: Guest) -> None:
    assert guest.counters()["disk"]["first_sequence"] == 1
    reached = guest.counters()["disk"]["sequence"]
    lab.host("h1").run(["virsh", "-q", "destroy", guest.name])
    assert lab.where(guest.name) is None
    lab.host("h1").run(["virsh", "-q", "start", guest.name])
    guest.wait_answering()
    counters = guest.counters()
    assert counters["disk"]["first_sequence"] > reached
    assert counters["disk"]["sequence"] >= counters["disk"]["first_sequence"]
    assert guest.verify().is_intact


def test_planted_damage_is_found_and_stays_counted(guest: Guest) -> None:
    assert guest.verify().is_intact
    guest.plant("memory")
    found = guest.verify()
    assert (found.memory_corruptions, found.disk_corruptions) == (1, 0)
    guest.plant("disk")
    found = guest.verify()
    assert (found.memory_corruptions, found.disk_corruptions) == (1, 1)
    again = guest.verify()
    assert (again.memory_corruptions, again.disk_corruptions) == (1, 1)


def test_the_power_button_switches_a_guest_off(lab: Lab, guest: Guest) -> None:
    lab.host("h1").run(["virsh", "-q", "shutdown", guest.name])
    deadline_s = time.monotonic() + 10.0
    while lab.copies(guest.name) == {"h1": "running"} and time.monotonic() < deadline_s:
        pass
    assert lab.copies(guest.name) == {"h1": "shut off"}


def test_a_defined_guest_carries_its_metadata_and_does_not_run(lab: Lab) -> None:
    snippet = "<g:policy xmlns:g='urn:godwit:test' pause=\"200ms\"/>"
    guest = lab.add_guest("still", host="h2", running=False, metadata=snippet)
    try:
        assert 'pause="200ms"' in lab.host("h2").run(["virsh", "dumpxml", guest.uuid])
        assert lab.copies("still") == {"h2": "shut off"}
        assert lab.where("still") is None
    finally:
        lab.remove_guest("still")
    assert lab.host("h2").run(["virsh", "-q", "list", "--all", "--name"]).strip() == ""


def test_wishes_that_cannot_be_met_leave_nothing(lab: Lab) -> None:
    before = lab.state().guests
    with pytest.raises(LabMisused, match="storage pool"):
        lab.add_guest("wrong", disk="nfs")
    with pytest.raises(LabMisused, match="working set"):
        lab.add_guest("wrong", memory="128MiB", working_set="128MiB")
    with pytest.raises(LabMisused, match="no name"):
        lab.add_guest("Wrong Name")
    with pytest.raises(LabMisused, match="no host"):
        lab.add_guest("wrong", host="h9")
    with pytest.raises(LabFailed, match="define"):
        lab.add_guest("wrong", metadata="<not-closed>", running=False)
    assert lab.state().guests == before
