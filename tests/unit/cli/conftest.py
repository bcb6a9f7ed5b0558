"""The command line in process, over the world of the API's tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

from api_fakes import World, refused_sockets
from cli_fakes import CommandLine


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def godwit(world: World, tmp_path: Path) -> CommandLine:
    return CommandLine(world, tmp_path)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody at a terminal, who can be asked. What is printed stays plain."""
    monkeypatch.setattr("godwit.cli.screen.Screen.can_ask", property(lambda _: True))


@pytest.fixture(autouse=True)
def sockets_left_to_the_collector(request: pytest.FixtureRequest) -> Iterator[None]:
    with refused_sockets(refused="nonexistent" in request.node.name):
        yield
