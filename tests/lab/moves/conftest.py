"""A controller over the real hosts of the lab, in this process, with a store of its own per test.

Whatever a test breaks is mended after it: links, daemons and hosts, and every guest it made is
removed. A test that leaves a VM on two hosts fails, whatever else it shows.
"""

import asyncio
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from godwit.core.migration import Migration, Phase
from godwit.core.model import HostName, HostRecord, MigrationId
from godwit.core.planner import PauseSettings
from godwit.core.units import parse_bytes
from godwit.daemon.clock import SystemClock
from godwit.drivers.libvirt import LibvirtConnector
from godwit.drivers.network import SystemProber
from godwit.engine import Controller, NoticeKind
from godwit.lab import faults
from godwit.lab.guests import Guest
from godwit.lab.lab import Lab
from godwit.store import Database, SqlJournal, SqlKnowledge, SqlStore

MIB = 1024**2


def records(lab: Lab) -> list[HostRecord]:
    """The lab's hosts as the inventory holds them."""
    return [
        HostRecord(
            name=HostName(one["name"]),
            uri=one["uri"],
            peer_uri=one["peer_uri"],
            migration_address=one["migration_address"],
            shared_paths=tuple(one["shared_paths"]),
            memory_reserve_bytes=parse_bytes(one["memory_reserve"]),
        )
        for one in tomllib.loads(lab.hosts_toml())["host"]
    ]


@pytest.fixture
def host_records(lab: Lab) -> list[HostRecord]:
    """The lab's hosts, for tests that use a driver without a controller."""
    return records(lab)


def open_controller(state: Path) -> Controller:
    """A controller over the store in a folder; several in a row over the same one."""
    database = Database(state)
    return Controller(
        store=SqlStore(database),
        journal=SqlJournal(database),
        knowledge=SqlKnowledge(database),
        connector=LibvirtConnector(),
        prober=SystemProber(),
        clock=SystemClock(),
    )


@dataclass
class Site:
    """The lab, its controller, and the ways in which tests wait for things."""

    lab: Lab
    controller: Controller
    state: Path
    phases: list[tuple[str, str]] = field(default_factory=list)

    async def begin(self, vm: str, to: str | None = None, **settings: float) -> MigrationId:
        """Plan a migration, accept it, and return at once."""
        plan = await self.controller.plan_migration(
            vm, destination=HostName(to) if to else None, settings=PauseSettings(**settings)
        )
        return (await self.controller.accept(plan.id)).migrations[0]

    async def end(self, migration: MigrationId, *, within_s: float = 90.0) -> Migration:
        """Wait until it needs nothing more, or a person."""
        return await self.until(
            migration, lambda one: one.is_ended or one.needs_person, within_s=within_s
        )

    async def move(self, vm: str, to: str | None = None, **settings: float) -> Migration:
        """Plan, accept and wait for the end."""
        return await self.end(await self.begin(vm, to, **settings))

    async def until(
        self,
        migration: MigrationId,
        holds: Callable[[Migration], bool],
        *,
        within_s: float = 60.0,
    ) -> Migration:
        """Wait until something holds for a migration; driven by its transitions, not by polling."""
        async with asyncio.timeout(within_s):
            if holds(one := self.controller.migration(migration)):
                return one
            async for notice in self.controller.watch():
                # A transition between the first look and the subscription is seen here.
                if notice.kind in {NoticeKind.MIGRATION, NoticeKind.PROGRESS}:
                    one = self.controller.migration(migration)
                    if holds(one):
                        return one
        raise AssertionError("the stream of notices ended")

    async def copying(self, migration: MigrationId, *, sent_bytes: int = 8 * MIB) -> Migration:
        """Wait until memory really flows."""

        def flows(one: Migration) -> bool:
            progress = self.controller.progress(migration)
            return (
                one.phase is Phase.COPYING
                and progress is not None
                and progress.transferred_bytes > sent_bytes
            )

        return await self.until(migration, flows)

    async def restart(self) -> Controller:
        """Drop this controller and start another one over the same store."""
        await self.controller.close()
        self.controller = open_controller(self.state)
        await self.controller.start()
        return self.controller


@pytest_asyncio.fixture
async def site(lab: Lab, tmp_path: Path) -> AsyncIterator[Site]:
    """A fresh controller that knows the lab's three hosts."""
    controller = open_controller(tmp_path)
    await controller.start()
    await controller.add_hosts(records(lab))
    site = Site(lab=lab, controller=controller, state=tmp_path)
    yield site
    await site.controller.close()


@pytest.fixture
def guest(lab: Lab) -> Iterator[Callable[..., Guest]]:
    """Makes guests that are checked and removed at the end of the test."""
    made: list[str] = []

    def make(name: str, **wishes: object) -> Guest:
        made.append(name)
        return lab.add_guest(name, **wishes)  # type: ignore[arg-type]

    yield make
    faults.repair(lab)
    doubled = {
        name: copies
        for name in made
        if len(copies := {h: s for h, s in lab.copies(name).items() if s == "running"}) > 1
    }
    for name in made:
        lab.remove_guest(name)
    assert not doubled, f"guests that ran twice: {doubled}"
