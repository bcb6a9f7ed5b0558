"""The world of the API's tests, with a client in place of plain HTTP."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

from api_fakes import World, refused_sockets

from godwit.client import Client


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def client(world: World, tmp_path: Path) -> Iterator[Client]:
    with Client(world.serve(tmp_path / "api.sock")) as client:
        yield client


@pytest.fixture(autouse=True)
def sockets_left_to_the_collector(request: pytest.FixtureRequest) -> Iterator[None]:
    with refused_sockets(refused="nonexistent" in request.node.name):
        yield
