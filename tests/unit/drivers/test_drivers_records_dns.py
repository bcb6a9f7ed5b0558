"""Goal: DNS says the true place of a guest, and nobody's newer word is ever overwritten."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import dns.rcode
import pytest

from godwit.core.errors import BadValue, RecordFailed
from godwit.core.model import HostName, MigrationId, VmId
from godwit.drivers.records.dns import DnsKeeper
from godwit.drivers.records.dns_names import (
    DnsNames,
    HostSubnet,
    RecordType,
    check_template,
    wanted,
    zone_of,
)
from godwit.drivers.records.dns_server import DnsServer
from godwit.drivers.records.secret_files import TsigKey
from godwit.ports import GuestPlace, PlaceChange
from tests.unit.drivers.dns_fakes import KEY_NAME, SECRET, FakeDns, dns_server

ZONE, REVERSE = "vms.example.org.", "2.0.10.in-addr.arpa."
NAME, PLACE = "web.vms.example.org.", "web._host.vms.example.org."
NAMES = DnsNames(
    host_name="{vm}.vms.example.org.",
    place_name="{vm}._host.vms.example.org.",
    zones=(ZONE, REVERSE),
    types=frozenset(RecordType),
    ttl_s=60,
)


def place(host: str, *addresses: str, **labels: str) -> GuestPlace:
    return GuestPlace(
        vm=VmId("uuid"),
        vm_name="web",
        host=HostName(host),
        addresses=addresses or ("10.0.2.5",),
        macs=("52:54:00:00:00:01",),
        labels=labels,
    )


CHANGE = PlaceChange(migration=MigrationId("m-1"), old=place("h1"), new=place("h2"))


@pytest.fixture
async def server() -> AsyncIterator[FakeDns]:
    async with dns_server(ZONE, REVERSE) as fake:
        yield fake


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    put(file, SECRET + "\n")
    return file


def put(file: Path, text: str, *, mode: int = 0o600) -> None:
    file.write_text(text)
    file.chmod(mode)


def keeper(server: FakeDns, secret: Path, names: DnsNames = NAMES, name: str = KEY_NAME):
    key = TsigKey(name=name, algorithm="hmac-sha256", secret_file=secret)
    return DnsKeeper("dns", DnsServer("127.0.0.1", port=server.port, key=key), names)


async def prepared(one: DnsKeeper, change: PlaceChange = CHANGE) -> PlaceChange:
    return replace(change, saw=(await one.prepare(change)).saw)


async def test_a_switch_writes_all_records_in_one_update_a_zone(server: FakeDns, secret: Path):
    one = keeper(server, secret)
    change = await prepared(one)
    assert server.updates == [], "prepare changes nothing"

    await one.switch(change)
    said = await one.verify(change)

    assert server.values(PLACE, "TXT") == ('"h2"',)
    assert server.values(NAME, "A") == ("10.0.2.5",)
    assert server.values("5.2.0.10.in-addr.arpa.", "PTR") == (NAME,)
    assert [update.zone[0].name.to_text() for update in server.updates] == [ZONE, REVERSE]
    assert "3 record sets" in said


async def test_roll_back_restores_to_the_letter_what_was_there(server: FakeDns, secret: Path):
    server.sets[PLACE, "TXT"] = (300, ('"h1"',))
    server.sets[NAME, "A"] = (1200, ("10.0.2.4", "10.0.2.9"))
    before = dict(server.sets)
    one = keeper(server, secret)
    change = await prepared(one)
    await one.switch(change)
    assert server.sets != before

    await one.roll_back(change)

    assert server.sets == before


async def test_roll_back_of_what_was_never_switched_changes_nothing(server: FakeDns, secret: Path):
    server.sets[PLACE, "TXT"] = (300, ('"h1"',))
    before = dict(server.sets)
    one = keeper(server, secret)
    change = await prepared(one)

    await one.roll_back(change)
    await one.roll_back(change)

    assert server.sets == before


async def test_each_step_may_be_repeated(server: FakeDns, secret: Path):
    server.sets[PLACE, "TXT"] = (300, ('"h1"',))
    before = dict(server.sets)
    one = keeper(server, secret)
    change = await prepared(one)
    await one.switch(change)
    after = dict(server.sets)

    await one.switch(change)
    assert server.sets == after
    await one.roll_back(change)
    await one.roll_back(change)

    assert server.sets == before


async def test_a_controller_that_is_late_never_overwrites_a_newer_place(
    server: FakeDns, secret: Path
):
    server.sets[PLACE, "TXT"] = (60, ('"h1"',))
    one = keeper(server, secret)
    change = await prepared(one)
    server.sets[PLACE, "TXT"] = (60, ('"h3"',))
    before = dict(server.sets)

    for step in (one.switch, one.roll_back):
        with pytest.raises(RecordFailed, match="changed by somebody else") as caught:
            await step(change)
        assert '"h3"' in caught.value.evidence
    with pytest.raises(RecordFailed, match="names another host"):
        await one.switch(CHANGE)

    assert server.sets == before


async def test_what_was_not_prepared_is_switched_and_rolled_back_all_the_same(
    server: FakeDns, secret: Path
):
    server.sets[PLACE, "TXT"] = (60, ('"h1"',))
    one = keeper(server, secret)

    await one.switch(CHANGE)
    assert server.values(PLACE, "TXT") == ('"h2"',)
    await one.roll_back(CHANGE)

    assert server.values(PLACE, "TXT") == ('"h1"',)


async def test_verify_says_what_is_there_instead(server: FakeDns, secret: Path):
    server.sets[PLACE, "TXT"] = (60, ('"h1"',))
    one = keeper(server, secret)
    change = await prepared(one)

    with pytest.raises(RecordFailed, match="does not say the new place") as caught:
        await one.verify(change)

    assert 'it says "h1", expected "h2"' in caught.value.evidence


async def test_addresses_follow_the_subnet_of_the_host(server: FakeDns, secret: Path):
    subnets = (
        HostSubnet(label="rack", value="b", network=ipaddress.ip_network("10.0.3.0/24")),
        HostSubnet(label="rack", value="b", network=ipaddress.ip_network("2001:db8:b::/64")),
    )
    names = replace(NAMES, zones=(*NAMES.zones, "3.0.10.in-addr.arpa."), subnets=subnets)
    server.zones = names.zones
    addresses = ("10.0.2.5", "2001:db8:a::5", "fe80::1", "web.example")
    old, new = place("h1", *addresses, rack="a"), place("h2", *addresses, rack="b")
    server.sets["5.2.0.10.in-addr.arpa.", "PTR"] = (60, (NAME,))
    one = keeper(server, secret, names)
    change = await prepared(one, replace(CHANGE, old=old, new=new))

    await one.switch(change)

    assert server.values(NAME, "A") == ("10.0.3.5",)
    assert server.values(NAME, "AAAA") == ("2001:db8:b::5",)
    assert server.values("5.3.0.10.in-addr.arpa.", "PTR") == (NAME,)
    assert server.values("5.2.0.10.in-addr.arpa.", "PTR") == ()
    await one.verify(change)
    await one.roll_back(change)
    assert server.sets == {("5.2.0.10.in-addr.arpa.", "PTR"): (60, (NAME,))}


async def test_a_wrong_key_is_told_without_the_secret(server: FakeDns, secret: Path):
    put(secret, SECRET[::-1].replace("=", "A"))
    one = keeper(server, secret)
    with pytest.raises(RecordFailed) as caught:
        await one.switch(CHANGE)
    assert SECRET[:12] not in str(caught.value)
    put(secret, "not base64 at all!")
    with pytest.raises(RecordFailed, match="can't be used") as caught:
        await one.switch(CHANGE)
    assert "not base64 at all" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert server.updates == []


async def test_a_secret_that_everybody_may_read_is_not_used(server: FakeDns, secret: Path):
    put(secret, SECRET, mode=0o644)
    with pytest.raises(RecordFailed, match="can't be used") as caught:
        await keeper(server, secret).prepare(CHANGE)
    assert "chmod" in caught.value.evidence


@pytest.mark.parametrize(
    ("rcode", "helps"),
    [(dns.rcode.REFUSED, "Allow this key"), (dns.rcode.SERVFAIL, "server's log")],
)
async def test_a_refusal_names_what_helps(
    server: FakeDns, secret: Path, rcode: dns.rcode.Rcode, helps: str
):
    server.refuse = rcode
    with pytest.raises(RecordFailed) as caught:
        await keeper(server, secret).switch(replace(CHANGE, saw="{}"))
    assert helps in caught.value.remedy


async def test_a_cache_is_not_mistaken_for_the_server(server: FakeDns, secret: Path):
    server.authoritative = False
    with pytest.raises(RecordFailed, match="does not hold the zone"):
        await keeper(server, secret).prepare(CHANGE)


async def test_a_server_that_is_not_there_is_told(secret: Path):
    one = keeper(FakeDns(zones=(), port=1), secret)
    with pytest.raises(RecordFailed, match="does not answer"):
        await one.prepare(CHANGE)


async def test_whoever_waits_may_give_up(server: FakeDns, secret: Path):
    server.silent = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await keeper(server, secret).switch(CHANGE)


async def test_a_name_that_dns_can_not_hold_is_refused(server: FakeDns, secret: Path):
    bad = replace(CHANGE, old=replace(CHANGE.old, vm_name="my web"))
    with pytest.raises(RecordFailed, match="can't be part of a DNS name"):
        await keeper(server, secret).switch(bad)


async def test_a_name_outside_of_all_zones_is_refused_before_anything_is_sent(
    server: FakeDns, secret: Path
):
    names = replace(NAMES, zones=("example.net.",))
    with pytest.raises(RecordFailed, match="none of the zones"):
        await keeper(server, secret, names).switch(CHANGE)
    assert server.updates == []


async def test_address_records_stay_while_no_address_is_known(server: FakeDns, secret: Path):
    server.sets[NAME, "A"] = (60, ("10.0.2.77",))
    nowhere = replace(CHANGE.old, addresses=())
    one = keeper(server, secret)
    change = replace(CHANGE, old=nowhere, new=replace(CHANGE.new, addresses=()))
    said = await one.prepare(change)

    await one.switch(replace(change, saw=said.saw))

    assert said.what.startswith("1 record set read; no address of the guest is known")
    assert server.values(NAME, "A") == ("10.0.2.77",)
    assert server.values(PLACE, "TXT") == ('"h2"',)


def test_only_what_is_asked_for_is_kept():
    names = replace(NAMES, types=frozenset({RecordType.TXT}))
    assert set(wanted(names, CHANGE.new)) == {(PLACE, RecordType.TXT)}


def test_a_name_lies_in_its_most_special_zone():
    names = replace(NAMES, zones=("example.org.", ZONE))
    assert zone_of(names, NAME) == ZONE
    assert zone_of(names, "xvms.example.org.") == "example.org."
    assert zone_of(names, "example.net.") is None


@pytest.mark.parametrize("template", ["web.example.org.", "{vm}.example.org", "{vm}..org.", "{vm}"])
def test_a_template_that_makes_no_name_is_refused(template: str):
    with pytest.raises(BadValue):
        check_template(template)
