"""The lab comes up, stays up when asked twice, goes away without a trace, and survives crashes.

Method: real labs on a machine of the test's own (see conftest); traces are looked for by namespace,
interface, process and mount.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import godwit
from godwit.lab import faults, remains, requirements
from godwit.lab.lab import Lab
from godwit.lab.places import Places
from godwit.lab.problems import LabMisused, LabUnfit
from godwit.lab.processes import process_of
from godwit.lab.state import exclusive
from godwit.lab.userland import Userland

pytestmark = pytest.mark.lab

CRASH = """
import os, signal
from godwit.lab.lab import Lab
def say(line):
    if line == "booting h2":
        os.kill(os.getpid(), signal.SIGKILL)
Lab.up(hosts=2, say=say)
"""


def processes_that_see(folder: Path) -> list[str]:
    """Return the processes of this machine that have something of a lab's folder mounted."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and str(folder) in (entry / "mountinfo").read_text():
                found.append((entry / "comm").read_text().strip())
    return found


def test_up_twice_keeps_the_lab_and_down_leaves_nothing(machine: Places) -> None:
    lab = Lab.up(hosts=2)
    pids = [host.libvirtd_pid() for host in lab.hosts()]
    assert all(pids)
    assert [host.libvirtd_pid() for host in Lab.up(hosts=2).hosts()] == pids
    with pytest.raises(LabMisused, match="A lab of 2 hosts"):
        Lab.up(hosts=3)
    with pytest.raises(LabMisused, match="debian-13"):
        Lab.up(hosts=2, userland=Userland.DEBIAN_12)

    assert {"tini", "libvirtd"} <= set(processes_that_see(machine.root))
    assert Lab.down()
    assert not remains.find(machine)
    assert not machine.root.exists()
    assert not processes_that_see(machine.root)
    assert not Lab.down()


def test_a_lab_whose_hosts_have_no_power_is_still_the_lab(machine: Places) -> None:
    lab = Lab.up(hosts=1)
    lab.add_guest("kept", running=False)
    faults.power_off(lab, "h1")
    assert [guest.name for guest in Lab.up(hosts=1).guests()] == ["kept"]
    assert faults.repair(lab) == ("h1: powered on",)
    assert lab.copies("kept") == {"h1": "shut off"}


def test_what_a_killed_up_left_is_cleared_by_the_next(machine: Places) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(godwit.__file__).parents[1])}
    crashed = subprocess.run([sys.executable, "-c", CRASH], env=environment, check=False)
    assert crashed.returncode == -signal.SIGKILL
    left = remains.find(machine)
    assert "gw-h1" in left.namespaces
    assert left.processes

    lab = Lab.up(hosts=2)
    assert all(host.is_on() for host in lab.hosts())
    assert not any(process.is_alive() for process in left.processes)


def test_processes_outside_the_lab_are_left_alone(machine: Places) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        Lab.up(hosts=1)
        Lab.down()
        assert process_of(bystander.pid) is not None
        bystander.kill()


def test_namespaces_that_no_state_file_explains_are_not_touched(machine: Places) -> None:
    subprocess.run(["ip", "netns", "add", "gw-fabric"], check=True)
    with pytest.raises(LabMisused, match="knows nothing"):
        Lab.up(hosts=1)
    assert remains.find(machine).namespaces == ("gw-fabric",)


def test_two_operations_at_once_are_kept_apart(machine: Places) -> None:
    with exclusive(machine), pytest.raises(LabMisused, match="under way"):  # noqa: SIM117
        with exclusive(machine, wait_s=0.2):
            pass


def test_no_packet_can_leave_the_machine(machine: Places) -> None:
    lab = Lab.up(hosts=1)
    host = lab.host("h1")
    assert "default" not in host.run(["ip", "route"])
    assert host.try_run(["ping", "-c1", "-W1", "192.0.2.1"]).returncode != 0


def test_a_host_keeps_its_definitions_over_a_power_cut(lab: Lab) -> None:
    lab.add_guest("kept", host="h3", running=False)
    try:
        faults.power_off(lab, "h3")
        assert not lab.host("h3").is_on()
        assert lab.copies("kept") == {}
        host = faults.power_on(lab, "h3")
        assert lab.copies("kept") == {"h3": "shut off"}
        assert "shared" in host.run(["virsh", "-q", "pool-list"])
        assert "guests" in host.run(["virsh", "-q", "net-list"])
    finally:
        lab.remove_guest("kept")


def test_the_hosts_file_names_each_host_and_shares_out_the_memory(lab: Lab) -> None:
    hosts = tomllib.loads(lab.hosts_toml())["host"]
    assert [host["name"] for host in hosts] == ["h1", "h2", "h3"]
    assert hosts[1]["uri"] == "qemu+tcp://10.213.0.12/system"
    assert hosts[1]["peer_uri"] == "qemu+tcp://h2/system"
    assert hosts[1]["migration_address"] == "10.213.1.12"
    total_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
    reserved_mib = int(hosts[0]["memory_reserve"].removesuffix("MiB"))
    assert abs(total_mib * 2 / 3 - reserved_mib) < 2


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, **more: None if name == "mmdebstrap" else real(name, **more)
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    lacks = [lack for lack in requirements.missing() if lack.package == "mmdebstrap"]
    assert [lack.what for lack in lacks] == ["the program mmdebstrap"]
    with pytest.raises(LabUnfit, match=r"apt-get install -y .*mmdebstrap"):
        requirements.check()
