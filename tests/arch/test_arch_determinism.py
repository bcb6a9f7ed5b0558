"""Goal: the same cluster gives the same plan to the byte, whatever the hash seed of the process."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = [sys.executable, "-m", "tests.arch.drain_of_a_made_up_cluster"]


def _start(seed: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.Popen(_PROGRAM, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def test_two_hash_seeds_give_the_same_plan() -> None:
    runs = [_start(seed) for seed in ("1", "4711")]
    first, second = (run.communicate(timeout=280)[0] for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert first == second
    summary = first.splitlines()[0]
    assert int(summary.split()[0]) > 3, f"the plan must have something to differ in: {summary}"
