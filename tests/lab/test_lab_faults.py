"""Each fault does what it says and no more, and can be put right.

Method: one guest on the session's lab; after each test the lab is repaired and must be whole.
"""

import json
import time
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from godwit.lab import faults
from godwit.lab.cli import app
from godwit.lab.guests import Guest
from godwit.lab.lab import Lab
from godwit.lab.layout import Network
from godwit.lab.problems import LabMisused

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def guest(lab: Lab) -> Iterator[Guest]:
    yield lab.add_guest("victim", host="h2", memory="160MiB", working_set="8MiB")
    lab.remove_guest("victim")


@pytest.fixture(autouse=True)
def _whole_afterwards(lab: Lab) -> Iterator[None]:
    yield
    faults.repair(lab)
    assert faults.repair(lab) == ()


def test_a_killed_libvirtd_stays_dead_and_its_guest_runs_on(lab: Lab, guest: Guest) -> None:
    qemu = lab.host("h2").qemu_pid("victim")
    faults.kill_libvirtd(lab, "h2")
    assert guest.get("/")
    assert lab.host("h2").libvirtd_pid() is None
    assert lab.copies("victim") == {"h2": "process"}
    with pytest.raises(LabMisused, match="no libvirtd"):
        faults.kill_libvirtd(lab, "h2")
    faults.start_libvirtd(lab, "h2")
    assert lab.where("victim") == "h2"
    assert lab.host("h2").qemu_pid("victim") == qemu


def test_a_frozen_libvirtd_answers_nobody_until_it_goes_on(lab: Lab, guest: Guest) -> None:
    faults.stop_libvirtd(lab, "h2")
    assert lab.status().hosts[1].libvirtd == "stopped"
    assert guest.get("/")
    faults.continue_libvirtd(lab, "h2")
    assert lab.where("victim") == "h2"


def test_a_frozen_qemu_is_an_outage(lab: Lab, guest: Guest) -> None:
    with lab.meter(["victim"], seconds_max=20) as meter:
        meter.wait(0.5)
        stopped_s = time.monotonic()
        faults.stop_qemu(lab, "victim")
        meter.wait(0.4)
        faults.continue_qemu(lab, "victim")
        meter.wait(0.5)
    assert meter.report("victim").outage_in(stopped_s, stopped_s + 0.4) >= 0.35
    assert meter.report("victim").is_intact


def test_a_cut_management_link_hides_a_host_from_the_controller(lab: Lab, guest: Guest) -> None:
    faults.cut_link(lab, "h2", Network.MANAGEMENT)
    assert lab.status().hosts[1].links["management"].is_cut
    assert lab.host("h1").try_run(["ping", "-c1", "-W1", "h2"]).returncode != 0
    assert guest.get("/")
    assert faults.repair(lab) == ("h2: management link restored",)
    assert lab.host("h1").try_run(["ping", "-c1", "-W1", "h2"]).returncode == 0


def test_the_command_line_breaks_shows_and_repairs(lab: Lab) -> None:
    runner = CliRunner()
    assert (
        runner.invoke(app, ["break", "link", "h3", "migration", "--rate", "50mbit"]).exit_code == 0
    )
    shown = runner.invoke(app, ["status", "--output", "json"])
    link = json.loads(shown.stdout)["hosts"][2]["links"]["migration"]
    assert link["rate_bytes_per_s"] == pytest.approx(50e6 / 8, rel=0.01)
    repaired = runner.invoke(app, ["repair"])
    assert "h3: migration link restored" in repaired.stdout
    wrong = runner.invoke(app, ["break", "libvirtd", "h9"])
    assert "no host 'h9'" in str(wrong.exception)


def test_a_killed_qemu_leaves_the_guest_off(lab: Lab, guest: Guest) -> None:
    faults.kill_qemu(lab, "victim")
    assert lab.where("victim") is None
    assert lab.host("h2").qemu_pid("victim") is None
