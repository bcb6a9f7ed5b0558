"""Runs programs and turns their failures into errors that show what the program said.

Holds no knowledge of any program. Everything has a time limit: a command that hangs is a failure
with its own sentence.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from godwit.lab.problems import LabFailed

__all__ = ["in_network_namespace", "run", "try_run"]

NAMESPACES = Path("/run/netns")
OUTPUT_LINES_SHOWN = 12


def try_run(
    argv: Sequence[str], *, timeout_s: float = 60.0, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program and return whatever came of it.

    Raises: LabFailed when it can't be started or does not end in time.
    """
    try:
        return subprocess.run(
            list(argv),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabFailed(f"The program {argv[0]} is not installed.") from error
    except subprocess.TimeoutExpired as error:
        raise LabFailed(f"{argv[0]} did not end within {timeout_s:g} s: {_text(argv)}") from error


def run(argv: Sequence[str], *, timeout_s: float = 60.0, stdin: str | None = None) -> str:
    """Run a program and return its standard output.

    Raises: LabFailed with the last lines it wrote when it fails.
    """
    done = try_run(argv, timeout_s=timeout_s, stdin=stdin)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise LabFailed(
            f"{_text(argv)} failed with status {done.returncode}.",
            evidence="\n".join(said[-OUTPUT_LINES_SHOWN:]),
        )
    return done.stdout


def in_network_namespace(namespace: str, argv: Sequence[str]) -> list[str]:
    """Prefix a command so that it runs in a named network namespace of this machine."""
    return ["nsenter", f"--net={NAMESPACES / namespace}", "--", *argv]


def _text(argv: Sequence[str]) -> str:
    text = " ".join(argv)
    return text if len(text) <= 200 else text[:197] + "..."
