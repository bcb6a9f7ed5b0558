"""Debian's hbal, run on a case: its score, its moves, and the time it takes."""

import re
import resource
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.hbal.cases import Case, Indices

__all__ = ["Answer", "HbalMissing", "find_hbal", "hbal_moves", "hbal_score", "hbal_version"]

_INITIAL: Final = re.compile(r"^Initial score: ([0-9.]+)$", re.MULTILINE)
_FINAL: Final = re.compile(r"^Cluster score improved from ([0-9.]+) to ([0-9.]+)$", re.MULTILINE)
_MOVE: Final = re.compile(r"^ *\d+\. (\S+) +(\S+) +=> (\S+) +[0-9.]+ ", re.MULTILINE)


class HbalMissing(RuntimeError):
    """There is no hbal on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What hbal did with a case."""

    score_before: float
    score_after: float
    moves: list[tuple[int, int]]
    cpu_s: float
    wall_s: float


def find_hbal() -> str:
    """The path of hbal. Raises: HbalMissing."""
    found = shutil.which("hbal")
    if found is None:
        raise HbalMissing("hbal is not installed; on Debian and Ubuntu: apt install ganeti-htools")
    return found


def hbal_version() -> str:
    """What it says of itself."""
    return _run("--version").splitlines()[0]


def hbal_score(case: Case, where: Indices) -> float:
    """Let hbal score a placement; it moves nothing."""
    found = _INITIAL.search(_on(case, case.text_after(where), "-l", "0"))
    # It says no score of a cluster that it takes for balanced already.
    return float(found[1]) if found else 0.0


def hbal_moves(case: Case) -> Answer:
    """Let hbal balance a case to its end."""
    cpu_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall_before = time.monotonic()
    said = _on(case, case.text_after(case.origin))
    wall_s = time.monotonic() - wall_before
    cpu_after = resource.getrusage(resource.RUSAGE_CHILDREN)
    hosts = {node.name: at for at, node in enumerate(case.file.nodes)}
    vms = {one.name: at for at, one in enumerate(case.file.instances)}
    initial, final = _INITIAL.search(said), _FINAL.search(said)
    if initial is None:
        raise RuntimeError(f"hbal said no score:\n{said[-2000:]}")
    before = float(initial[1])
    return Answer(
        score_before=before,
        score_after=float(final[2]) if final else before,
        moves=[(vms[vm], hosts[to]) for vm, _, to in _MOVE.findall(said)],
        cpu_s=cpu_after.ru_utime + cpu_after.ru_stime - cpu_before.ru_utime - cpu_before.ru_stime,
        wall_s=wall_s,
    )


def _on(case: Case, text: str, *words: str) -> str:
    with tempfile.TemporaryDirectory(prefix="hbal-") as folder:
        data = Path(folder) / "cluster.data"
        data.write_text(text)
        given = ["-t", str(data), *words]
        if case.utilisation:
            loads = Path(folder) / "cluster.util"
            loads.write_text(case.utilisation)
            given += ["-U", str(loads)]
        return _run(*given)


def _run(*words: str) -> str:
    done = subprocess.run(
        [find_hbal(), *words], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
    )
    if done.returncode != 0:
        raise RuntimeError(f"hbal ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout
