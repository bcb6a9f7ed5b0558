"""Real guests, a real name server: DNS says where they are, whatever becomes of a migration.

Goal: what a server says is the true place, and a server that is dead harms no guest. Method: Knot
runs on the third host; it is asked by a client that has nothing of Godwit's in it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from godwit.core.migration import Migration, Phase, RecordStepped
from godwit.daemon.compose import build_controller
from godwit.daemon.settings import load_settings
from godwit.lab import faults
from godwit.store import Database
from tests.lab.moves.conftest import Site, records
from tests.lab.moves.nameserver import Nameserver

pytestmark = pytest.mark.lab

NAME, PLACE = "web.vms.lab.", "web._host.vms.lab."
SLOW = 15e6


@pytest.fixture
def nameserver(lab, tmp_path: Path) -> Iterator[Nameserver]:
    server = Nameserver.start(lab.host("h3"), tmp_path)
    yield server
    server.stop()


@pytest_asyncio.fixture
async def open_site(lab, tmp_path: Path) -> AsyncIterator[object]:
    """Opens a controller as a settings file makes it."""
    opened = []

    async def make(settings: str) -> Site:
        state = tmp_path / "state"
        state.mkdir()
        await asyncio.to_thread((state / "godwit.toml").write_text, settings)
        found = load_settings({"GODWIT_STATE": str(state)})
        controller = build_controller(found, Database(state))
        await controller.start()
        await controller.add_hosts(records(lab))
        opened.append(controller)
        return Site(lab=lab, controller=controller, state=state)

    yield make
    for controller in opened:
        await controller.close()


def steps(site: Site, migration: Migration) -> list[tuple[str, bool]]:
    life = site.controller.life(migration.id)[1]
    return [(one.step, one.worked) for one in life if isinstance(one, RecordStepped)]


async def _idle(site: Site) -> None:
    async with asyncio.timeout(30):
        while site.controller.is_busy:  # noqa: ASYNC110 - there is no notice of it
            await asyncio.sleep(0.05)


async def test_a_migration_moves_all_records_and_the_network_learns_it(
    open_site, nameserver, guest, lab
):
    web = guest("web")
    site = await open_site(nameserver.settings() + lab.settings_toml())

    there = await site.move("web", "h2")
    first = {kind: nameserver.ask(name, kind) for name, kind in ((PLACE, "TXT"), (NAME, "A"))}
    back = await site.move("web", "h1")

    address = web.record.address
    assert there.phase is back.phase is Phase.DONE, (there.failure, back.failure)
    assert first == {"TXT": {"h2": 60}, "A": {address: 60}}
    assert nameserver.ask(PLACE, "TXT") == {"h1": 60}
    reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa."
    assert nameserver.ask(reverse, "PTR") == {NAME: 60}
    assert steps(site, there) == [("prepare", True), ("switch", True), ("verify", True)]
    for one in (there, back):
        assert one.result.notes == ()
        assert one.result.forwarding.startswith("learnt: "), one.result
        assert f"fabric has {web.record.mac} at {one.move.destination}-guest" in (
            one.result.forwarding
        )
        assert one.result.outage_causes


async def test_a_migration_that_fails_after_its_switch_over_is_rolled_back(
    open_site, nameserver, guest, lab
):
    guest("web", memory="256MiB", working_set="96MiB", dirty_rate="4MiB/s")
    site = await open_site(nameserver.settings())
    done = await site.move("web", "h2")
    assert done.phase is Phase.DONE, done.failure
    before = nameserver.ask(PLACE, "TXT")

    migration = await site.begin("web", "h1", bandwidth_bytes_per_s=SLOW)
    await site.until(migration, lambda one: len(one.rounds) > 1)
    # Without its libvirtd the destination never lets the guest run, however much has arrived.
    await asyncio.to_thread(faults.stop_libvirtd, lab, "h1")
    await site.until(migration, lambda one: ("switch", True) in steps(site, one))
    await asyncio.to_thread(faults.kill_qemu, lab, "web", "h1")
    await asyncio.to_thread(faults.continue_libvirtd, lab, "h1")
    failed = await site.end(migration)
    await _idle(site)

    assert failed.phase is Phase.FAILED
    assert lab.copies("web") == {"h2": "running"}
    assert steps(site, failed) == [("prepare", True), ("switch", True), ("roll_back", True)]
    assert before == nameserver.ask(PLACE, "TXT") == {"h2": 60}
    assert lab.guest("web").verify().is_intact


async def test_a_dead_name_server_harms_nothing_and_is_told(open_site, nameserver, guest, lab):
    guest("web")
    site = await open_site(nameserver.settings(limit='"500ms"', tries="2"))
    nameserver.freeze()

    with lab.meter(["web"], seconds_max=60) as meter:
        migration = await site.move("web", "h2")
        report = meter.stop()["web"]

    assert migration.phase is Phase.DONE, migration.failure
    assert lab.copies("web") == {"h2": "running"}
    assert report.tcp_broken == 0
    assert report.outage_s_max < 1.0
    assert [worked for _, worked in steps(site, migration)] == [False] * 3
    assert any(note.startswith("the record dns could not be") for note in migration.result.notes)
