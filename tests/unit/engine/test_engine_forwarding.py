"""Goal: a network that has not learnt the guest's new place is noticed, told again, and named."""

import asyncio

import pytest

from godwit.core.errors import RecordFailed
from godwit.core.migration import Migration, Phase
from godwit.core.model import HostName, VmId
from godwit.drivers.simulated import Point
from godwit.engine.announcing import Announced, outage_causes
from godwit.engine.forwarding import Ports, judge_destination, judge_source, judge_upstream
from godwit.ports import ForwardingEntry, RepairAction, UpstreamTable
from tests.unit.engine.stage import Stage, guest

A, B = HostName("a"), HostName("b")
MAC = "52:54:00:00:00:01"


def at(*ports: str, mac: str = MAC) -> tuple[ForwardingEntry, ...]:
    return tuple(ForwardingEntry(mac=mac, port=port) for port in ports)


def table(*ports: str, **leads: str) -> UpstreamTable:
    return UpstreamTable(
        name="tor", entries=at(*ports), ports={HostName(h): p for h, p in leads.items()}
    )


@pytest.mark.parametrize(
    ("tap", "entries", "is_right"),
    [
        ("vnet3", at("vnet3"), True),
        ("vnet3", at("uplink"), False),
        ("vnet3", at("uplink", "vnet3"), False),
        ("vnet3", (), False),
        ("vnet3", at("vnet3", mac="52:54:00:00:00:99"), False),
        (None, at("uplink"), True),
        (None, (), False),
    ],
)
def test_the_destination_must_have_it_at_the_guests_own_tap(
    tap: str | None, entries: tuple[ForwardingEntry, ...], *, is_right: bool
) -> None:
    (learnt,) = judge_destination(B, Ports(taps={MAC: tap}), entries)
    assert learnt.is_right is is_right
    assert MAC in learnt.what


@pytest.mark.parametrize(
    ("entries", "rights"),
    [((), []), (at("uplink"), [True]), (at("vnet0"), [False]), (at("vnet0", "uplink"), [False])],
)
def test_the_source_must_not_have_it_at_the_tap_that_it_had(
    entries: tuple[ForwardingEntry, ...], rights: list[bool]
) -> None:
    learnt = judge_source(A, Ports(taps={MAC: "vnet0"}), entries)
    assert [one.is_right for one in learnt] == rights


@pytest.mark.parametrize(
    ("now", "before", "rights"),
    [
        (table("swp2", a="swp1", b="swp2"), at("swp1"), [True]),
        (table("swp1", a="swp1", b="swp2"), at("swp1"), [False]),
        (table(a="swp1", b="swp2"), at("swp1"), [False]),
        (table(a="swp1", b="swp2"), (), []),
        (table("lag", a="lag", b="lag"), at("lag"), []),
        (table("swp2"), at("swp1"), [True]),
        (table("swp1"), at("swp1"), [False]),
        (table("swp1"), (), []),
        (table(), at("swp1"), []),
    ],
)
def test_upstream_it_must_be_at_the_port_of_the_destination_or_at_another_one(
    now: UpstreamTable, before: tuple[ForwardingEntry, ...], rights: list[bool]
) -> None:
    learnt = judge_upstream(now, before, (MAC,), source=A, destination=B)
    assert [one.is_right for one in learnt] == rights


class Tables:
    """Tables of a network that learns a guest's place after some announcements."""

    def __init__(self, stage: Stage, *, learns_after: int = 1, fault: str = "") -> None:
        self._stage, self._after, self._fault = stage, learns_after, fault
        self.reads: list[HostName] = []

    def _announced(self) -> int:
        return sum(1 for word, _ in self._stage.orders if word == RepairAction.ANNOUNCE.value)

    async def of_host(self, host: HostName) -> tuple[ForwardingEntry, ...]:
        self.reads.append(host)
        await asyncio.sleep(3600.0 if self._fault == "hangs" else 0.01)
        if self._fault:
            raise RecordFailed("ssh gave no forwarding table", evidence="status 255")
        return at("uplink") if self._announced() >= self._after else ()

    async def upstream(self) -> tuple[UpstreamTable, ...]:
        await asyncio.sleep(0.01)
        port = "swp2" if self._announced() >= self._after else "swp1"
        return (table(port, a="swp1", b="swp2"),)


async def moved(stage: Stage, tables: Tables | None) -> Migration:
    stage.world.add_guest("a", guest(address="10.0.0.1"))
    migration = await stage.moved(await stage.start(tables=tables))
    assert migration.phase is Phase.DONE
    stage.assert_ended_well(migration)
    return migration


async def test_what_was_learnt_at_once_is_told_and_announced_once(stage: Stage) -> None:
    tables = Tables(stage)
    result = (await moved(stage, tables)).result
    assert sorted(tables.reads) == ["a", "b"]
    assert result is not None
    assert result.forwarding == (
        f"learnt: b has {MAC} at uplink; a has {MAC} at uplink; tor has {MAC} at swp2"
    )
    assert (result.notes, result.announced_again) == ((), False)


async def test_it_is_announced_again_until_it_is_learnt(stage: Stage) -> None:
    result = (await moved(stage, Tables(stage, learns_after=3))).result
    assert result is not None
    assert result.forwarding.startswith("learnt: ")
    assert result.announced_again
    assert stage.orders.count((RepairAction.ANNOUNCE.value, 0.0)) == 3


async def test_a_network_that_never_learns_is_named_and_not_told_for_ever(stage: Stage) -> None:
    result = (await moved(stage, Tables(stage, learns_after=99))).result
    assert result is not None
    assert result.forwarding.startswith("not learnt: ")
    assert any(f"tor has {MAC} at swp1, and b is at swp2" in note for note in result.notes)
    assert stage.orders.count((RepairAction.ANNOUNCE.value, 0.0)) == 4


@pytest.mark.parametrize("fault", ["fails", "hangs"])
async def test_tables_that_can_not_be_read_are_told_and_harm_nothing(
    stage: Stage, fault: str
) -> None:
    migration = await moved(stage, Tables(stage, fault=fault))
    result = migration.result
    assert result is not None
    assert result.forwarding.startswith("not checked: ")
    assert any("could not be checked" in note for note in result.notes)
    assert migration.ended_at_s is not None
    assert migration.ended_at_s - migration.accepted_at_s < 30.0


async def test_a_first_look_that_was_let_go_of_harms_no_later_verification(stage: Stage) -> None:
    """The first look hangs until the migration is lost, and a person starts the guest again."""
    tables = Tables(stage)
    hangs, reads = [True], tables.upstream

    async def upstream() -> tuple[UpstreamTable, ...]:
        await asyncio.sleep(3600.0 if hangs.pop() else 0.0)
        return await reads()

    tables.upstream = upstream
    stage.world.add_guest("a", guest())
    controller = await stage.start(tables=tables)
    stage.world.at(Point.ROUND, lambda: stage.world.kill_qemu("a", VmId("uuid-of-web")))
    lost = await stage.moved(controller)
    assert lost.phase is Phase.LOST
    hangs += [False] * 9
    stage.world.add_guest("b", guest())
    await controller.resolve(lost.id)
    await stage.until(lambda: not controller.is_busy)

    migration = controller.migration(lost.id)
    assert migration.phase is Phase.DONE
    assert migration.result is not None
    assert migration.result.forwarding.startswith("learnt")


async def test_where_nothing_can_be_read_nothing_is_said(stage: Stage) -> None:
    result = (await moved(stage, None)).result
    assert result is not None
    assert (result.forwarding, result.notes) == ("", ())


def announced(*at_s: float) -> Announced:
    return Announced(answers=True, again=len(at_s) > 1, at_s=at_s, forwarding="", notes=())


@pytest.mark.parametrize(
    ("pause_s", "outage_s", "answered_at_s", "says"),
    [
        (None, None, None, ()),
        (0.058, None, None, ("the vCPUs stood still for 58 ms",)),
        (
            0.058,
            0.153,
            5.0,
            (
                "the vCPUs stood still for 58 ms",
                "95 ms more passed until the guest was reached again over the network",
                "it was reached before Godwit announced it again",
            ),
        ),
        (None, 0.2, 10.5, ("it was reached only after Godwit announced it again",)),
        (None, 0.2, 12.0, ("it was reached only after Godwit announced it again, 2 times",)),
        (0.2, 0.1, None, ("the vCPUs stood still for 200 ms",)),
    ],
)
def test_the_causes_of_an_outage_are_those_that_are_known(
    pause_s: float | None,
    outage_s: float | None,
    answered_at_s: float | None,
    says: tuple[str, ...],
) -> None:
    causes = outage_causes(
        pause_s=pause_s,
        outage_s=outage_s,
        answered_at_s=answered_at_s,
        announced=announced(10.0, 11.0),
    )
    assert causes == says
