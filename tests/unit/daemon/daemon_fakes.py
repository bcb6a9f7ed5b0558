"""What the tests of the daemon use in place of a real controller and real commands."""

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["FakeController", "Starter"]

#: Starts ``owner_process.py`` with those arguments.
Starter = Callable[..., "subprocess.Popen[str]"]


@dataclass
class FakeController:
    """Notes what is done to it. Only the daemon's own part of the controller is there."""

    is_busy: bool = False
    done: list[str] = field(default_factory=list)
    failure: Exception | None = None
    start_s: float = 0.0
    close_s: float = 0.0

    async def start(self) -> None:
        self.done.append("start")
        await asyncio.sleep(self.start_s)
        if self.failure is not None:
            raise self.failure

    async def close(self) -> None:
        await asyncio.sleep(self.close_s)
        self.done.append("close")
