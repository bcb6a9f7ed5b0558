"""Goal: the command line over the real engine: what the fake of these tests assumes is so.

Method: the real controller, store, API, client and commands over simulated hosts, in real time.
Few and short: the rest of the command line is tried against the fake.
"""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_fakes import FakeController, World
from cli_fakes import CommandLine

from godwit.core.migration import Phase
from godwit.core.model import VmId
from godwit.core.units import MIB
from godwit.drivers.simulated import (
    Guest,
    SimulatedConnector,
    SimulatedProber,
    SimulatedWorld,
)
from godwit.engine import Controller
from godwit.store import Database, SqlJournal, SqlKnowledge, SqlStore


class EngineWorld(World):
    """The real controller in place of the fake."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__()

    async def _make(self) -> FakeController:
        self.hosts = SimulatedWorld()
        for name in ("kvm1", "kvm2", "kvm3"):
            self.hosts.add_host(name)
        self._database = Database(self._folder)
        await self.start_controller()
        return self.controller

    async def start_controller(self) -> None:
        controller = Controller(
            store=SqlStore(self._database),
            journal=SqlJournal(self._database),
            knowledge=SqlKnowledge(self._database),
            connector=SimulatedConnector(self.hosts),
            prober=SimulatedProber(self.hosts),
            clock=self.hosts.clock,
        )
        await controller.start()
        self.controller = controller  # type: ignore[assignment]

    async def add_guest(self, name: str, dirty_mib_per_s: float = 20.0) -> None:
        guest = Guest(
            name=name,
            id=VmId(f"uuid-of-{name}"),
            memory_bytes=64 * MIB,
            working_set_bytes=16 * MIB,
            dirty_bytes_per_s=dirty_mib_per_s * MIB,
        )
        self.hosts.add_guest("kvm1", guest)

    def close(self) -> None:
        self.run(self.controller.close())  # type: ignore[attr-defined]
        self.run(self.hosts.close())
        self.stop_serving()
        self._database.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10)
        self.loop.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineWorld]:
    world = EngineWorld(tmp_path)
    yield world
    world.close()


@pytest.fixture
def godwit(engine: EngineWorld, tmp_path: Path) -> CommandLine:
    command = CommandLine(engine, tmp_path)
    file = tmp_path / "hosts.toml"
    file.write_text(
        "".join(
            f'[[host]]\nuri = "simulated://{name}/system"\nshared_paths = ["/shared"]\n'
            for name in ("kvm1", "kvm2", "kvm3")
        )
    )
    ran = command("host", "add", "--file", str(file))
    assert ran.status == 0, ran.err
    return command


def test_a_vm_moves_and_every_command_tells_of_it(godwit: CommandLine, engine: EngineWorld) -> None:
    engine.run(engine.add_guest("web1"))
    assert "kvm2, kvm3" in godwit("scan").out
    ran = godwit("migrate", "web1", "--to", "kvm2", "--yes")
    assert ran.status == 0, ran.err + ran.out
    assert "web1 runs on kvm2, and only there." in ran.out
    assert "round 1 ended" in ran.out
    assert "kvm2" in godwit("history").out
    shown = godwit("show", "web1")
    assert "say that kvm2 runs the guest, and only it" in shown.out
    page = godwit("report", "web1", "--file", "-").out
    assert "web1 runs on kvm2, and only there" in page
    assert "round 1:" in page
    assert "kvm2" in godwit("history", "export").out
    assert godwit("migrate", "web1", "--to", "kvm2", "--yes").status == 3
    assert godwit("migrate", "wbe1", "--yes").err.count("web1") == 1


def test_a_drain_empties_a_host(godwit: CommandLine, engine: EngineWorld) -> None:
    for name in ("web1", "web2"):
        engine.run(engine.add_guest(name))
    ran = godwit("drain", "kvm1", "--parallel", "2", "--yes")
    assert ran.status == 0, ran.err + ran.out
    assert "kvm1 is empty (2 VMs moved) and in maintenance" in ran.out
    assert "is in maintenance" in godwit("migrate", "web1", "--to", "kvm1", "--yes").err
    assert godwit("undrain", "kvm1").status == 0
    assert godwit("migrate", "web1", "--to", "kvm1", "--yes").status == 0


def test_a_cancel_from_another_command_is_confirmed(
    godwit: CommandLine, engine: EngineWorld
) -> None:
    engine.run(engine.add_guest("hot", dirty_mib_per_s=5000.0))
    statuses: list[int] = []

    def migrate() -> None:
        from godwit.client import Client
        from godwit.wire import MigrateRequest

        with Client(path) as client:
            plan = client.make_plan(MigrateRequest(vm="hot", bandwidth_bytes_per_s=MIB))
            acceptance = client.accept(plan.id)
            for notice in client.watch(acceptance.last_notice):
                if notice.migration is not None and notice.migration.phase == "copying":
                    break
            statuses.append(1)

    path = engine.serve(godwit.folder / "other.sock")
    thread = threading.Thread(target=migrate)
    thread.start()
    thread.join(timeout=20)
    assert statuses == [1]
    ran = godwit("cancel", "hot")
    assert ran.status == 0, ran.err + ran.out
    assert "It runs on kvm1, unharmed" in ran.out


def test_a_controller_that_is_replaced_in_mid_copy_is_followed(
    godwit: CommandLine, engine: EngineWorld
) -> None:
    engine.run(engine.add_guest("web1"))

    async def replace_it() -> None:
        async for notice in engine.controller.watch():
            if notice.migration is not None and notice.migration.phase is Phase.COPYING:
                break
        await engine.controller.close()  # type: ignore[attr-defined]
        await engine.start_controller()
        # What was served until now answers for the controller that is gone.
        await engine._stop_serving()

    replacing = asyncio.run_coroutine_threadsafe(replace_it(), engine.loop)
    ran = godwit("migrate", "web1", "--to", "kvm2", "--bandwidth", "40MiB/s", "--yes")
    replacing.result(timeout=20)
    assert ran.status == 0, ran.err + ran.out
    assert "Attaching to a new one" in ran.err
    assert "web1 runs on kvm2, and only there." in ran.out
    assert godwit.attached == 3
