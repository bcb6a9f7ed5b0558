"""Goal: the command is put together from its rooms, and loads only those that it needs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: What few commands need: an old database, a record of DNS, a file in Parquet, a picture.
_RARE = ("alembic", "dns", "pyarrow", "matplotlib")
_HEAVY = ("fastapi", "libvirt", "sqlalchemy", "uvicorn", *_RARE)
_RUN = """
import sys
from godwit.__main__ import main
try:
    main()
finally:
    print("loaded:", *[one for one in HEAVY if one in sys.modules], file=sys.stderr)
"""


def _run(*arguments: str, state: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    program = _RUN.replace("HEAVY", repr(_HEAVY))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GODWIT_")}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**kept, "GODWIT_STATE": str(state), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_help_names_every_room_and_loads_none(tmp_path: Path) -> None:
    done = _run("--help", state=tmp_path)
    assert done.returncode == 0
    for word in ("migrate", "drain", "lab", "serve"):
        assert word in done.stdout
    # A line of each mounted room is shown: its commands are loaded for that, what they need is not.
    assert done.stderr.split() == ["loaded:"]


@pytest.mark.parametrize("room", ["lab", "serve"])
def test_a_mounted_room_answers(room: str, tmp_path: Path) -> None:
    done = _run(room, "--help", state=tmp_path)
    assert done.returncode == 0
    assert f"godwit {room}" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_command_finds_its_own_controller(tmp_path: Path) -> None:
    done = _run("status", state=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0 hosts" in done.stdout
    _, _, loaded = done.stderr.rpartition("loaded:")
    assert "fastapi" in loaded
    assert not set(loaded.split()) & set(_RARE)
    assert not (tmp_path / "godwit.db-wal").exists(), "the database was not closed"
    assert json.loads(_run("status", "-o", "json", state=tmp_path).stdout)["read"] == []
    assert (
        json.loads(_run("status", "--quick", "-o", "json", state=tmp_path).stdout)["read"] is None
    )


def test_wrong_settings_are_one_clear_refusal(tmp_path: Path) -> None:
    (tmp_path / "godwit.toml").write_text("[nonsense]\n")
    done = _run("status", state=tmp_path)
    assert done.returncode == 2
    assert "nonsense: there is no such setting" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_lab_says_its_errors_like_every_other_command(tmp_path: Path) -> None:
    done = _run("lab", "status", state=tmp_path, GODWIT_LAB_DIR=str(tmp_path / "none"))
    assert done.returncode == 2
    assert done.stderr.startswith("Error: No lab is up.\nRemedy: godwit lab up\n")
    done = _run("lab", "status", "-o", "json", state=tmp_path, GODWIT_LAB_DIR=str(tmp_path / "x"))
    assert json.loads(done.stderr.splitlines()[0])["error"]["code"] == "lab_misused"


def test_an_interrupt_while_it_is_loaded_leaves_no_traceback() -> None:
    program = """
import sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "godwit.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from godwit.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, "")
