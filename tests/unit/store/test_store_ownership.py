"""Goal: one owner at a time, named to those who are refused, and never one that is dead."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from godwit.core.errors import GodwitError, StoreBusy
from godwit.store import read_owner, take

_OWNING = """
import sys, time
from pathlib import Path
from godwit.store.ownership import take
with take(Path(sys.argv[1]), wait_s=0) as ownership:
    ownership.announce(Path("/tmp/of-another.sock"))
    print("owned", flush=True)
    time.sleep(60)
"""


def _start_owner(directory: Path) -> subprocess.Popen[str]:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNING, str(directory)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "owned\n"
    owner.stdout.close()
    return owner


def test_the_second_owner_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    owner = _start_owner(tmp_path)
    try:
        with pytest.raises(StoreBusy) as caught:
            take(tmp_path, wait_s=0)
    finally:
        owner.kill()
        owner.wait()
    assert f"process {owner.pid}" in caught.value.message
    assert str(tmp_path) in caught.value.evidence
    assert "since 2" in caught.value.evidence
    assert f"kill {owner.pid}" in caught.value.remedy


def test_the_owner_says_where_it_answers(tmp_path: Path) -> None:
    assert read_owner(tmp_path) is None
    with take(tmp_path, wait_s=0) as ownership:
        found = read_owner(tmp_path)
        assert found == ownership.owner
        assert (found.pid, found.socket) == (os.getpid(), "")
        ownership.announce(tmp_path / "s.sock")
        found = read_owner(tmp_path)
        assert found is not None
        assert found.socket == str(tmp_path / "s.sock")


def test_a_shorter_text_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    with take(tmp_path, wait_s=0) as ownership:
        ownership.announce(Path("/" + "long" * 50))
        ownership.announce(Path("/short"))
        assert json.loads((tmp_path / "controller.lock").read_text())["socket"] == "/short"


def test_a_killed_owner_keeps_nobody_out(tmp_path: Path) -> None:
    owner = _start_owner(tmp_path)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    with take(tmp_path, wait_s=0) as ownership:
        assert ownership.predecessor is not None
        assert ownership.predecessor.pid == owner.pid
        assert ownership.predecessor.socket == "/tmp/of-another.sock"
        assert ownership.owner.pid == os.getpid()


def test_one_who_waits_gets_it_when_it_is_given_free(tmp_path: Path) -> None:
    first = take(tmp_path, wait_s=0)
    started_s = time.monotonic()
    threading.Timer(0.15, first.release).start()
    take(tmp_path, wait_s=10).release()
    assert 0.1 < time.monotonic() - started_s < 5


def test_releasing_twice_does_not_harm_the_next_owner(tmp_path: Path) -> None:
    first = take(tmp_path, wait_s=0)
    first.release()
    with take(tmp_path, wait_s=0):
        first.release()
        with pytest.raises(StoreBusy):
            take(tmp_path, wait_s=0)


@pytest.mark.parametrize("said", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_file_that_says_nothing_readable_is_no_owner(tmp_path: Path, said: str) -> None:
    (tmp_path / "controller.lock").write_text(said)
    assert read_owner(tmp_path) is None
    take(tmp_path, wait_s=0).release()


def test_a_refused_one_without_a_readable_file_is_refused_clearly(tmp_path: Path) -> None:
    with take(tmp_path, wait_s=0):
        (tmp_path / "controller.lock").write_text("")
        with pytest.raises(StoreBusy, match="another controller owns"):
            take(tmp_path, wait_s=0)


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GodwitError, match="GODWIT_STATE"):
        take(tmp_path / "file", wait_s=0)
