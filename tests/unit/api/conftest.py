"""A world for the tests of the API: a fake controller behind a real server on a Unix socket."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from api_fakes import World


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def http(world: World, tmp_path: Path) -> Iterator[httpx.Client]:
    """Plain HTTP, to see what is really sent."""
    transport = httpx.HTTPTransport(uds=world.serve(tmp_path / "api.sock"))
    with httpx.Client(base_url="http://godwit/v1", transport=transport, timeout=10) as client:
        yield client
