"""The meter sees what a client would: migrations, cut links; and slow links are slow.

Method: one guest that dirties memory, with its disk on shared storage, is migrated there and back
with plain virsh while a client asks it without pause. The exact figures are the machine's; asserted
is that an outage is seen where one was made, and that nothing is lost.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import godwit
from godwit.lab import faults
from godwit.lab.guests import Guest
from godwit.lab.lab import Lab
from godwit.lab.layout import Network, known_host
from godwit.lab.meter_report import MeterReport
from godwit.lab.picture import Window, draw_outages
from godwit.lab.processes import living

pytestmark = pytest.mark.lab
MIB = 1024**2


@pytest.fixture(scope="module")
def guest(lab: Lab) -> Iterator[Guest]:
    yield lab.add_guest(
        "mover", host="h1", memory="192MiB", working_set="32MiB", dirty_rate="10MiB/s"
    )
    lab.remove_guest("mover")


def migrate(lab: Lab, guest: str, destination: str, *options: str) -> tuple[float, float]:
    """Migrate with virsh, peer to peer, and return when it started and ended."""
    source = lab.where(guest)
    assert source is not None
    address = known_host(destination)
    started_s = time.monotonic()
    lab.host(source).run(
        [
            *("virsh", "-q", "migrate", "--live", "--p2p", "--persistent", "--undefinesource"),
            *(*options, guest, address.peer_uri, f"tcp://{address.migration}"),
        ],
        timeout_s=120,
    )
    ended_s = time.monotonic()
    assert lab.copies(guest) == {destination: "running"}
    return started_s, ended_s


def test_a_guest_under_load_survives_migrations_and_the_client_sees_each_pause(
    lab: Lab, guest: Guest, tmp_path: Path
) -> None:
    with lab.meter(["mover"], seconds_max=60) as meter:
        meter.wait(1.0)
        there = migrate(lab, "mover", "h2")
        meter.wait(1.0)
        back = migrate(lab, "mover", "h1")
        meter.wait(1.0)
        assert meter.progress()["mover"]["udp_sent"] > 500
    report = meter.report("mover")
    for window in (there, back):
        assert 0.02 < report.outage_in(*window) < 5.0
    assert report.tcp_broken == 0
    assert report.tcp_requests > 50
    assert report.is_intact
    assert report.disk_sequence > 0
    assert guest.verify().is_intact
    assert MeterReport.from_json(report.to_json()) == report

    picture = tmp_path / "outages.svg"
    windows = [Window(label="there", start_s=there[0], end_s=there[1], guest="mover")]
    draw_outages([report], picture, windows=windows, title="there and back")
    assert "mover" in picture.read_text()


def test_a_guest_with_a_local_disk_takes_it_along(lab: Lab) -> None:
    local = lab.add_guest(
        "settler", host="h1", memory="160MiB", working_set="8MiB", disk="local", disk_size="8MiB"
    )
    try:
        lab.host("h2").run(["truncate", "-s", "8M", "/srv/local/settler.img"])
        reached = local.counters()["disk"]["sequence"]
        migrate(lab, "settler", "h2", "--copy-storage-all")
        assert local.verify().is_intact
        assert local.counters()["disk"]["sequence"] > reached
    finally:
        lab.remove_guest("settler")


def test_a_cut_link_is_an_outage_but_breaks_no_connection(lab: Lab, guest: Guest) -> None:
    with lab.meter(["mover"], seconds_max=30) as meter:
        meter.wait(1.0)
        cut_s = time.monotonic()
        faults.cut_link(lab, "h1", Network.GUEST)
        carrier = lab.host("h1").run(["cat", "/sys/class/net/guest0/carrier"])
        meter.wait(0.5)
        faults.restore_link(lab, "h1", Network.GUEST)
        restored_s = time.monotonic()
        meter.wait(1.5)
    report = meter.report("mover")
    assert carrier.strip() == "1"
    assert report.outage_in(cut_s, restored_s) >= 0.45
    assert report.outage_in(cut_s, restored_s) < restored_s - cut_s + 0.3
    assert report.tcp_broken == 0
    assert report.udp_lost >= 200


def test_a_slow_link_limits_what_goes_through(lab: Lab) -> None:
    size_mib = 4
    faults.slow_link(lab, "h1", Network.MIGRATION, 4.0 * MIB)
    try:
        receive = lab.host("h2").enter(["busybox", "nc", "-l", "-p", "9000"])
        # Its input stays open: busybox's nc ends the connection at the end of either side's.
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(receive, **pipes) as receiver:
            time.sleep(0.2)
            started_s = time.monotonic()
            send = f"head -c {size_mib}M /dev/zero | busybox nc 10.213.1.12 9000"
            with subprocess.Popen(lab.host("h1").enter(["sh", "-c", send])) as sender:
                assert receiver.stdout is not None
                received = len(receiver.stdout.read())
                took_s = time.monotonic() - started_s
                sender.wait(timeout=10)
    finally:
        faults.restore_link(lab, "h1", Network.MIGRATION)
    assert received == size_mib * MIB
    assert took_s == pytest.approx(1.0, rel=0.35)
    assert lab.link("h1", Network.MIGRATION).rate_bytes_per_s() == pytest.approx(125e6)


def test_the_meter_ends_with_its_parent(lab: Lab, guest: Guest) -> None:
    script = (
        "import os, signal\n"
        "from godwit.lab.lab import Lab\n"
        "Lab.load().meter(['mover']).start()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = str(Path(godwit.__file__).parents[1])
    subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": path, **_paths()}, check=False
    )
    deadline_s = time.monotonic() + 5.0
    while list(living(lambda process: "godwit.lab.probe" in process.arguments())):
        assert time.monotonic() < deadline_s, "the probe outlived its parent"


def _paths() -> dict[str, str]:
    return {key: os.environ[key] for key in ("PATH", "GODWIT_LAB_DIR", "HOME")}
