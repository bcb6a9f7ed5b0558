"""A controller that does nothing, for the daemon to host; and other processes that do the same."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon_fakes import FakeController, Starter

from godwit.daemon import hosting
from godwit.daemon.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_directory=tmp_path / "state")


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> FakeController:
    fake = FakeController()
    monkeypatch.setattr(hosting, "build_controller", lambda *_, **__: fake)
    return fake


@pytest.fixture
def start_process() -> Iterator[Starter]:
    """Start ``owner_process.py`` with those arguments; whatever still runs is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        command = [sys.executable, str(Path(__file__).with_name("owner_process.py"))]
        process = subprocess.Popen(
            [*command, *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
