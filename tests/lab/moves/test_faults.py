"""Real faults in the middle of a real migration: what is true afterwards, on both hosts.

Goal: the guest runs exactly once, unharmed, and Godwit says where. Method: the copy is made slow
enough to be hit by a bandwidth limit, the fault is done when memory really flows, and the guest
then checks all that it ever wrote.
"""

import asyncio

import pytest

from godwit.core.migration import Phase
from godwit.lab import faults
from godwit.lab.layout import Network

pytestmark = pytest.mark.lab

SLOW = 15e6


async def _copying(site, vm="victim"):
    migration = await site.begin(vm, "h2", bandwidth_bytes_per_s=SLOW)
    await site.copying(migration)
    return migration


def _victim(guest):
    return guest("victim", memory="256MiB", working_set="96MiB", dirty_rate="4MiB/s")


async def test_cancel_in_mid_copy_leaves_the_guest_and_the_next_try_succeeds(site, guest, lab):
    _victim(guest)
    migration = await _copying(site)

    await site.controller.cancel(migration)
    ended = await site.end(migration)
    limit_ms = lab.host("h1").run(["virsh", "-q", "migrate-getmaxdowntime", "victim"])
    again = await site.move("victim", "h2")

    assert ended.phase is Phase.CANCELLED
    assert limit_ms.strip() == "300", "a limit of ours must not outlive our migration"
    assert again.phase is Phase.DONE, again.failure
    assert lab.copies("victim") == {"h2": "running"}
    assert lab.guest("victim").verify().is_intact


async def test_cut_data_path_is_noticed_and_aborted_with_the_guest_unharmed(site, guest, lab):
    _victim(guest)
    with lab.meter(["victim"], seconds_max=120) as meter:
        migration = await _copying(site)
        await asyncio.to_thread(faults.cut_link, lab, "h2", Network.MIGRATION)
        ended = await site.end(migration)
        report = meter.stop()["victim"]

    assert ended.phase is Phase.FAILED
    assert ended.failure.code == "stalled"
    assert "h2" in ended.failure.cause
    assert lab.copies("victim") == {"h1": "running"}
    assert report.tcp_broken == 0
    assert report.outage_s_max < 1.0
    assert lab.guest("victim").verify().is_intact


async def test_libvirtd_killed_at_the_source_ends_with_one_guest_that_runs(site, guest, lab):
    _victim(guest)
    migration = await _copying(site)

    await asyncio.to_thread(faults.kill_libvirtd, lab, "h1")
    await site.until(migration, lambda one: one.phase in {Phase.CONFIRMING, Phase.UNKNOWN})
    await asyncio.to_thread(faults.start_libvirtd, lab, "h1")
    ended = await site.end(migration, within_s=120)

    assert ended.phase in {Phase.FAILED, Phase.DONE}
    where = "h1" if ended.phase is Phase.FAILED else "h2"
    assert lab.copies("victim") == {where: "running"}
    assert lab.guest("victim").verify().is_intact


async def test_libvirtd_killed_at_the_destination_leaves_the_guest_at_the_source(site, guest, lab):
    _victim(guest)
    migration = await _copying(site)

    await asyncio.to_thread(faults.kill_libvirtd, lab, "h2")
    await site.until(
        migration, lambda one: one.phase not in {Phase.COPYING, Phase.STARTING}, within_s=90
    )
    await asyncio.to_thread(faults.start_libvirtd, lab, "h2")
    ended = await site.end(migration, within_s=120)

    assert ended.phase is Phase.FAILED
    assert lab.copies("victim") == {"h1": "running"}
    assert lab.guest("victim").verify().is_intact


async def test_destination_that_loses_power_does_not_harm_the_guest(site, guest, lab):
    _victim(guest)
    migration = await _copying(site)

    await asyncio.to_thread(faults.power_off, lab, "h2")
    ended = await site.end(migration, within_s=150)
    await asyncio.to_thread(faults.power_on, lab, "h2")

    assert ended.phase is Phase.FAILED
    assert lab.copies("victim") == {"h1": "running"}
    assert lab.guest("victim").verify().is_intact


async def test_controller_that_goes_away_in_mid_copy_is_succeeded_by_one_that_adopts(
    site, guest, lab
):
    _victim(guest)
    migration = await _copying(site)

    await site.restart()
    adopted = await site.until(migration, lambda one: one.phase is Phase.COPYING)
    ended = await site.end(migration)

    assert adopted.id == migration
    assert ended.phase is Phase.DONE, ended.failure
    assert lab.copies("victim") == {"h2": "running"}
    assert lab.guest("victim").verify().is_intact
