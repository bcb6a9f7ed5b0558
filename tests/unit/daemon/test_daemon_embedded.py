"""Goal: whatever happened before, a command gets a controller, and there is never a second one.

Method: real sockets and locks, real processes for "another command", a fake controller.
"""

import os
import signal
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from daemon_fakes import FakeController, Starter

from godwit.core.errors import GodwitError, HostUnreachable, StoreBusy
from godwit.daemon.embedded import embedded
from godwit.daemon.settings import Settings
from godwit.store import read_owner, take


def _version(path: str) -> str:
    with httpx.Client(transport=httpx.HTTPTransport(uds=path)) as client:
        return str(client.get("http://godwit/v1/version").raise_for_status().json()["api"])


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def _sockets(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*.sock"))


def test_a_command_alone_starts_its_own_and_leaves_nothing(
    settings: Settings, controller: FakeController
) -> None:
    with embedded(settings) as attachment:
        path = Path(attachment.socket_path)
        assert attachment.owned
        assert _version(attachment.socket_path) == "v1"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        owner = read_owner(settings.state_directory)
        assert owner is not None
        assert (owner.pid, owner.socket) == (os.getpid(), str(path))
    assert controller.done == ["start", "close"]
    assert _sockets(settings.state_directory) == []
    take(settings.state_directory, wait_s=0).release()


def test_it_says_whether_there_is_work(settings: Settings, controller: FakeController) -> None:
    with embedded(settings) as attachment:
        assert not attachment.is_busy()
        controller.is_busy = True
        assert attachment.is_busy()


def test_a_failing_command_closes_its_controller_too(
    settings: Settings, controller: FakeController
) -> None:
    with pytest.raises(ZeroDivisionError), embedded(settings):
        _ = 1 / 0
    assert controller.done == ["start", "close"]
    take(settings.state_directory, wait_s=0).release()


def test_a_controller_that_can_not_start_says_why_and_gives_the_store_free(
    settings: Settings, controller: FakeController
) -> None:
    controller.failure = HostUnreachable("kvm1 does not answer")
    with pytest.raises(HostUnreachable, match="kvm1"), embedded(settings):
        pytest.fail("it must not get here")
    assert controller.done == ["start", "close"]
    take(settings.state_directory, wait_s=0).release()


def test_a_start_that_waits_for_hosts_can_be_interrupted(
    settings: Settings, controller: FakeController
) -> None:
    controller.start_s = 60.0
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    started_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt), embedded(settings):
        pytest.fail("it must not get here")
    assert time.monotonic() - started_s < 2
    assert controller.done == ["start", "close"]
    take(settings.state_directory, wait_s=0).release()


def test_a_controller_that_does_not_end_keeps_the_store(
    settings: Settings, controller: FakeController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("godwit.daemon.hosting._JOIN_S", 0.05)
    controller.close_s = 0.5
    with embedded(settings):
        pass
    with pytest.raises(StoreBusy):
        take(settings.state_directory, wait_s=0)


def test_a_path_that_is_too_long_for_a_socket_is_avoided(
    tmp_path: Path, controller: FakeController
) -> None:
    with embedded(Settings(state_directory=tmp_path / ("long" * 25))) as attachment:
        path = Path(attachment.socket_path)
        assert len(os.fsencode(path)) < 108
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert _version(attachment.socket_path) == "v1"
    assert not path.parent.exists()


def test_a_second_command_joins_and_the_owner_waits_for_it(
    settings: Settings, controller: FakeController, start_process: Starter
) -> None:
    with embedded(settings) as attachment:
        other = start_process("hold", settings.state_directory, 10)
        assert _line(other) == f"attached False {attachment.socket_path}"
        assert attachment.other_clients() == 1
        told: list[str] = []
        threading.Timer(0.8, other.kill).start()
        started_s = time.monotonic()
        attachment.wait_idle(told.append)
        assert time.monotonic() - started_s > 0.7
        assert told == ["another command uses this controller; waiting (Ctrl-C leaves it)"]
    assert controller.done == ["start", "close"]


def test_our_own_connections_keep_nobody_waiting(
    settings: Settings, controller: FakeController
) -> None:
    with (
        embedded(settings) as attachment,
        httpx.Client(transport=httpx.HTTPTransport(uds=attachment.socket_path)) as client,
    ):
        client.get("http://godwit/v1/version")
        attachment.wait_idle(pytest.fail)


def test_an_owner_can_be_interrupted_while_others_use_it(
    settings: Settings, start_process: Starter, controller: FakeController
) -> None:
    owner = start_process("hold", settings.state_directory, 0)
    assert _line(owner) == "started"
    assert _line(owner).startswith("attached True")
    with embedded(settings) as attachment:
        assert not attachment.owned
        assert attachment.other_clients() == 0
        owner.send_signal(signal.SIGINT)
        assert [_line(owner), _line(owner)] == ["closed", "interrupted"]
        assert owner.wait() == 0


def test_every_signal_to_end_closes_the_controller(tmp_path: Path, start_process: Starter) -> None:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    owners = [start_process("hold", tmp_path / one.name, 0) for one in signals]
    for one, owner in zip(signals, owners, strict=True):
        assert _line(owner) == "started"
        assert _line(owner).startswith("attached True")
        owner.send_signal(one)
    for owner in owners:
        assert [_line(owner), _line(owner), owner.wait()] == ["closed", "interrupted", 0]
    assert _sockets(tmp_path) == []


def test_after_sigkill_the_next_start_is_clean(
    settings: Settings, start_process: Starter, controller: FakeController
) -> None:
    owner = start_process("hold", settings.state_directory, 0)
    assert _line(owner) == "started"
    stale = _line(owner).split()[-1]
    owner.kill()
    owner.wait()
    assert Path(stale).exists()
    started_s = time.monotonic()
    with embedded(settings) as attachment:
        assert time.monotonic() - started_s < 2
        assert attachment.owned
        assert not Path(stale).exists()
        assert _version(attachment.socket_path) == "v1"


def test_an_owner_that_does_not_answer_is_waited_for_and_then_named(settings: Settings) -> None:
    with take(settings.state_directory, wait_s=0) as ownership:
        started_s = time.monotonic()
        with (
            pytest.raises(StoreBusy, match="does not answer") as caught,
            embedded(settings, wait_s=0.2),
        ):
            pytest.fail("it must not get here")
        assert 0.2 <= time.monotonic() - started_s < 3
        assert f"process {os.getpid()}" in caught.value.message
        ownership.announce(settings.state_directory / "nobody.sock")
        with pytest.raises(StoreBusy), embedded(settings, wait_s=0):
            pytest.fail("it must not get here")


def test_an_owner_that_ends_meanwhile_is_followed(
    settings: Settings, controller: FakeController
) -> None:
    before = take(settings.state_directory, wait_s=0)
    threading.Timer(0.1, before.release).start()
    with embedded(settings, wait_s=10) as attachment:
        assert attachment.owned


def test_only_sockets_are_removed(settings: Settings, controller: FakeController) -> None:
    run = settings.state_directory / "run"
    run.mkdir(parents=True)
    (run / "precious.sock").write_text("not a socket")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(run / "1.sock"))
    with embedded(settings):
        assert _sockets(settings.state_directory) == sorted(
            ["precious.sock", f"{os.getpid()}.sock"]
        )


def test_a_state_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    elsewhere = Settings(state_directory=tmp_path / "file")
    with pytest.raises(GodwitError, match="can't be used"), embedded(elsewhere):
        pytest.fail("it must not get here")
