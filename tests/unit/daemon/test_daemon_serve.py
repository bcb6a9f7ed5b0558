"""Goal: a server answers where it was told to, shares with commands, and ends cleanly."""

import logging
import signal
import stat
import tempfile
from pathlib import Path

import pytest
from daemon_fakes import FakeController, Starter

from godwit.core.errors import GodwitError
from godwit.daemon import serve, serve_command
from godwit.daemon.embedded import embedded
from godwit.daemon.serve import default_socket, run_server
from godwit.daemon.settings import Settings
from godwit.daemon.sockets import bind, private_socket, remove
from godwit.store import take
from godwit.wire import ExitStatus, exit_status_of


def test_commands_use_the_server_until_it_is_told_to_end(
    settings: Settings, tmp_path: Path, start_process: Starter
) -> None:
    path = tmp_path / "g.sock"
    server = start_process("serve", settings.state_directory, path)
    assert server.stdout is not None
    assert server.stdout.readline() == "started\n"
    with embedded(settings) as attachment:
        assert (attachment.owned, attachment.socket_path) == (False, str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    server.send_signal(signal.SIGTERM)
    assert server.stdout.read() == "closed\nleft\n"
    assert server.wait() == 0
    assert not path.exists()
    take(settings.state_directory, wait_s=0).release()


def test_it_answers_below_its_state_by_default(settings: Settings) -> None:
    assert default_socket(settings) == settings.state_directory / "godwit.sock"


@pytest.mark.parametrize("name", ["taken", "long" * 30, "nowhere/g.sock"])
def test_a_socket_that_can_not_be_made_is_named(
    settings: Settings, tmp_path: Path, controller: FakeController, name: str
) -> None:
    (tmp_path / "taken").write_text("something of somebody's")
    with pytest.raises(GodwitError, match=name):
        run_server(settings, tmp_path / name)
    assert (tmp_path / "taken").read_text() == "something of somebody's"
    assert controller.done == ["start", "close"]
    take(settings.state_directory, wait_s=0).release()


def test_only_an_empty_temporary_folder_goes_with_its_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of state may be called godwit-something: it once went with the server's socket."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    state, runtime = tmp_path / "godwit-prod", tmp_path / "etc" / "godwit-run"
    own = private_socket(tmp_path / ("long" * 30))
    for folder in (state, runtime):
        folder.mkdir(parents=True)
    (state / "godwit.db").write_text("the journal")
    for path in (state / "godwit.sock", runtime / "godwit.sock", own):
        bind(path, mode=0o600).close()
        remove(path)
        assert not path.exists()
    assert (state / "godwit.db").read_text() == "the journal"
    assert runtime.is_dir()
    assert not own.parent.exists()


def test_a_folder_for_sockets_that_can_not_be_made_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("something of somebody's")
    with pytest.raises(GodwitError, match="run for sockets can't be made") as caught:
        private_socket(tmp_path)
    assert exit_status_of(caught.value) is ExitStatus.WORLD_WRONG


def test_its_log_has_no_urls_of_webhooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GODWIT_STATE", str(tmp_path))
    monkeypatch.setattr(serve, "run_server", lambda *_: None)
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.NOTSET, logger="httpx")
    serve_command.serve()
    logging.getLogger("httpx").info("POST https://hooks.example.org/secret")
    assert not caplog.records
