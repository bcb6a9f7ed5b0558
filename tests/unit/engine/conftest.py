"""Every test of the engine runs in simulated time, on a stage of simulated hosts."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from godwit.drivers.simulated import VirtualLoop
from tests.unit.engine.stage import Stage


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"simulated": VirtualLoop}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: a journal syncs every write, and we make thousands."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """Three hosts and no guest."""
    stage = Stage(folder)
    yield stage
    await stage.close()


@pytest.fixture
async def locked_stage(folder: Path) -> AsyncIterator[Stage]:
    """The same, on storage whose image locks hold across hosts."""
    stage = Stage(folder, image_locks=True)
    yield stage
    await stage.close()
