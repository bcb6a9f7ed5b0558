"""The commands as a person runs them, over real hosts: what they print, and how they end.

Goal: the README's promises, tried from outside. Method: the installed `godwit` as a process of its
own, over a state folder of its own; killed with SIGKILL where that is the promise to be tried.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from godwit.lab.lab import Lab

pytestmark = pytest.mark.lab


@dataclass(frozen=True, slots=True)
class Shell:
    """A person at a prompt with a state folder of their own."""

    state: Path

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "godwit", *words],
            env=os.environ | {"GODWIT_STATE": str(self.state)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        with self.start(*words) as process:
            out, err = process.communicate(timeout=180)
        return subprocess.CompletedProcess(list(words), process.returncode, out, err)

    def json(self, *words: str) -> Any:
        """Run a command and return the one document it printed."""
        done = self.run(*words, "--output", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def migrations(self) -> list[dict[str, Any]]:
        """The history, newest first."""
        found: list[dict[str, Any]] = self.json("history")
        return found


@pytest.fixture
def shell(lab: Lab, tmp_path: Path) -> Shell:
    """A prompt where the lab's hosts are in the inventory."""
    hosts = tmp_path / "hosts.toml"
    hosts.write_text(lab.hosts_toml())
    shell = Shell(tmp_path / "state")
    added = shell.run("host", "add", "--file", str(hosts))
    assert added.returncode == 0, added.stderr
    return shell


def wait_for_copy(process: subprocess.Popen[str]) -> None:
    """Read a following command's JSON lines until memory really flows."""
    assert process.stdout is not None
    for line in process.stdout:
        notice = json.loads(line).get("notice", {})
        if notice.get("kind") == "progress" and notice["progress"]["transferred_bytes"] > 8e6:
            return
    raise AssertionError("the command ended before memory flowed")


SLOW = ("--bandwidth", "120mbit", "--yes", "--output", "json")


def test_killed_command_leaves_its_migration_to_the_next_one(
    shell: Shell, lab: Lab, guest: Callable[..., object]
) -> None:
    guest("victim", working_set="96MiB", dirty_rate="2MiB/s")
    process = shell.start("migrate", "victim", "--to", "h2", *SLOW)
    wait_for_copy(process)

    process.send_signal(signal.SIGKILL)
    process.communicate()
    seen = shell.migrations()[0]
    deadline_s = time.monotonic() + 60
    while not seen["is_ended"] and time.monotonic() < deadline_s:
        seen = shell.migrations()[0]

    assert seen["phase"] == "done"
    assert lab.copies("victim") == {"h2": "running"}
    assert lab.guest("victim").verify().is_intact


def test_interrupted_command_says_how_to_go_on_and_harms_nothing(
    shell: Shell, lab: Lab, guest: Callable[..., object]
) -> None:
    guest("victim", working_set="96MiB")
    process = shell.start("migrate", "victim", "--to", "h2", *SLOW)
    wait_for_copy(process)

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    cancelled = shell.run("cancel", "victim")

    assert process.returncode == 130
    assert "godwit status" in err
    assert cancelled.returncode == 0, cancelled.stderr
    assert lab.copies("victim") == {"h1": "running"}
    assert lab.guest("victim").verify().is_intact


def test_second_command_joins_the_controller_of_the_first(
    shell: Shell, lab: Lab, guest: Callable[..., object]
) -> None:
    guest("victim", working_set="96MiB")
    first = shell.start("migrate", "victim", "--to", "h2", *SLOW)
    wait_for_copy(first)

    cancelled = shell.run("cancel", "victim")
    out, err = first.communicate(timeout=60)

    assert cancelled.returncode == 0, cancelled.stderr
    assert first.returncode == 1, err
    assert json.loads(out.splitlines()[-1])["migration"]["phase"] == "cancelled"
    assert lab.copies("victim") == {"h1": "running"}


def test_drain_shows_its_plan_carries_it_out_and_keeps_the_host_in_maintenance(
    shell: Shell, lab: Lab, guest: Callable[..., object]
) -> None:
    guest("small")
    guest("large", memory="384MiB", dirty_rate="5MiB/s")
    guest("stuck", disk="local")

    shown = shell.run("drain", "h1", "--dry-run")
    drained = shell.run("drain", "h1", "--yes")
    refused = shell.run("migrate", "small", "--to", "h1", "--yes")
    undrained = shell.run("undrain", "h1")

    assert shown.returncode == 0, shown.stderr
    assert "stuck" in shown.stdout
    assert "local to h1" in " ".join(shown.stdout.split())
    assert drained.returncode == 1, "one VM could not leave, and the status says so"
    assert lab.where("stuck") == "h1"
    assert {lab.where("small"), lab.where("large")} <= {"h2", "h3"}
    assert refused.returncode == 3
    assert "h1 is in maintenance" in refused.stderr
    assert undrained.returncode == 0


def test_wrong_input_is_one_clear_error_with_its_exit_status(
    shell: Shell, guest: Callable[..., object]
) -> None:
    guest("victim")
    for words, status, says in (
        (("migrate", "nosuch", "--yes"), 2, "no host has a VM named 'nosuch'"),
        (("migrate", "victm", "--yes"), 2, "victim"),
        (("migrate", "victim", "--to", "h9", "--yes"), 2, "h9"),
        (("migrate", "victim", "--max-downtime", "soon", "--yes"), 2, "'soon' is not a duration"),
        (("migrate", "victim"), 2, "--yes"),
        (("migrate", "victim", "--sideways"), 2, "--sideways"),
        (("drain", "h9", "--yes"), 2, "h9"),
        (("host", "add", "qemu+tcp://10.213.0.99/system"), 4, "can't be reached"),
        (("host", "add", "teapot"), 2, "teapot"),
        (("show", "m-000000"), 2, "m-000000"),
    ):
        done = shell.run(*words)

        assert done.returncode == status, (words, done.stderr)
        assert says in " ".join(done.stderr.split()), (words, done.stderr)
        assert "Traceback" not in done.stderr


def test_vm_larger_than_any_room_is_refused_with_the_numbers(
    shell: Shell, lab: Lab, guest: Callable[..., object], tmp_path: Path
) -> None:
    guest("giant", memory="1GiB")
    tight = Shell(tmp_path / "tight")
    hosts = tmp_path / "tight.toml"
    reserve = lab.hosts_toml().replace('memory_reserve = "', 'memory_reserve = "1')
    hosts.write_text(reserve)
    assert tight.run("host", "add", "--file", str(hosts)).returncode == 0

    refused = tight.run("migrate", "giant", "--yes")

    assert refused.returncode == 3
    assert "the VM needs 1.0 GiB" in " ".join(refused.stderr.split())


def test_policy_set_with_virsh_as_the_readme_says_is_read(
    shell: Shell, lab: Lab, guest: Callable[..., object]
) -> None:
    guest("promised")
    policy = '<vm pause-max="300ms"><anti-affinity group="web"/><probe address="10.213.2.1"/></vm>'
    lab.host("h1").run(
        [
            *["virsh", "metadata", "promised", "--uri", "urn:godwit:vm:1"],
            *["--key", "godwit", "--live", "--config", "--set", policy],
        ]
    )

    plan = shell.run("migrate", "promised", "--dry-run")

    assert plan.returncode == 0, plan.stderr
    assert "300 ms" in plan.stdout
