"""Runs programs of the site: arguments as a list, never a shell, nothing left behind.

Each runs in a process group of its own, which is killed as soon as nobody waits for it any more:
at its end, at its time limit, when the controller leaves.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from godwit.core.errors import RecordFailed

__all__ = ["Ended", "filled", "run_program"]

#: The only variables that a program inherits: where things are, who runs it, its language.
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "SSH_AUTH_SOCK", "USER", "TZ")
_PART_BYTES: Final = 64 * 1024
_SAID_CHARACTERS: Final = 400
#: How long its outputs may take to end once everything of it was killed.
_LAST_WORDS_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What came of a program. ``output`` is its standard output, from the beginning."""

    status: int
    output: bytes
    said: str

    @property
    def how(self) -> str:
        """How it ended, in words."""
        return f"signal {-self.status}" if self.status < 0 else f"status {self.status}"


async def run_program(
    argv: Sequence[str],
    *,
    told: bytes = b"",
    variables: Mapping[str, str] | None = None,
    output_bytes_max: int = _PART_BYTES,
) -> Ended:
    """Run a program to its end. ``told`` is its standard input.

    ``said`` is what it wrote last on both outputs. What is beyond ``output_bytes_max`` is read and
    thrown away. Raises: RecordFailed when it can't be started.
    """
    loop = asyncio.get_running_loop()
    try:
        process, heard = await loop.subprocess_exec(
            lambda: _Heard(output_bytes_max, loop),
            *argv,
            env=_environment(variables or {}),
            start_new_session=True,
        )
    except (OSError, ValueError) as failure:
        raise RecordFailed(
            f"the command {argv[0]} can't be started",
            evidence=str(failure),
            remedy="Check it in the settings: a program that this user may run.",
        ) from failure
    try:
        stdin = process.get_pipe_transport(0)
        assert isinstance(stdin, asyncio.WriteTransport), "asked for"
        stdin.write(told)
        stdin.close()
        await heard.exited
    finally:
        # Also what it left in the background: what is over must not act later.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.get_pid(), signal.SIGKILL)
        await asyncio.wait({heard.exited, heard.closed}, timeout=_LAST_WORDS_S)
        process.close()
    status = process.get_returncode()
    assert status is not None, "it has exited"
    output = bytes(heard.outputs[1])
    said = _readable(output[-_PART_BYTES:], bytes(heard.outputs[2]))
    return Ended(status=status, output=output, said=said)


class _Heard(asyncio.SubprocessProtocol):
    """Reads all outputs to their end, so that the program never waits for us."""

    def __init__(self, output_bytes_max: int, loop: asyncio.AbstractEventLoop) -> None:
        self.outputs = {1: bytearray(), 2: bytearray()}
        self.exited: asyncio.Future[None] = loop.create_future()
        #: Outputs may stay open longer, in the hands of those that it started.
        self.closed: asyncio.Future[None] = loop.create_future()
        self._bytes_max = {1: output_bytes_max, 2: _PART_BYTES}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept = self.outputs[fd]
        kept += data[: self._bytes_max[fd] - len(kept)]

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own
        if not self.closed.done():
            self.closed.set_result(None)


def _readable(*outputs: bytes) -> str:
    lines = [
        "".join(one for one in line if one.isprintable()).strip()
        for output in outputs
        for line in output.decode(errors="replace").splitlines()
    ]
    return "\n".join(line for line in lines if line)[-_SAID_CHARACTERS:]


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    ours = {key: os.environ[key] for key in _INHERITED if key in os.environ}
    return ours | {key: value.replace("\0", "") for key, value in variables.items()}


def filled(argument: str, values: Mapping[str, str]) -> str:
    """Put values in for ``{words}``, in one pass: what a value brings with it is never a word.

    Braces around anything else stay as they are.
    """
    first, *parts = argument.split("{")
    text = first
    for part in parts:
        word, closing, rest = part.partition("}")
        text += values[word] + rest if closing and word in values else "{" + part
    return text
