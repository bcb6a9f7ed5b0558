"""The command line in process, attached to servers of the API's test world."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api_fakes import World
from typer.testing import CliRunner

from godwit.cli import build_app


@dataclass
class FakeAttachment:
    """An embedded controller, as far as the command line sees it."""

    socket_path: str
    owned: bool
    waits: list[str]

    def wait_idle(self, on_wait: Callable[[str], None]) -> None:
        self.waits.append("waited")
        if len(self.waits) == 1 and self.owned:
            on_wait("1 other command uses this controller")


@dataclass
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class CommandLine:
    """Runs commands; attaches to ``sockets``, one after the other, the last one for ever."""

    world: World
    folder: Path
    owned: bool = False
    attached: int = 0
    waits: list[str] = field(default_factory=list)
    on_attach: Callable[[int], None] = lambda _: None

    @contextmanager
    def _attach(self) -> Iterator[FakeAttachment]:
        self.attached += 1
        self.on_attach(self.attached)
        path = self.folder / f"{self.attached}.sock"
        yield FakeAttachment(self.world.serve(path), self.owned, self.waits)

    def __call__(self, *args: str, answer: str = "", env: dict[str, str] | None = None) -> Ran:
        app = build_app(attach=self._attach, mounts={})
        result = CliRunner().invoke(
            app, list(args), input=answer, env={"GODWIT_SERVER": None} | (env or {})
        )
        return Ran(result.exit_code, result.stdout, result.stderr)
