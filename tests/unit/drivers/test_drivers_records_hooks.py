"""Goal: commands and webhooks are told the documented payload, and never outlive their time."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from godwit.core.errors import RecordFailed
from godwit.core.model import HostName, MigrationId, VmId
from godwit.drivers.programs import filled
from godwit.drivers.records.command import CommandKeeper
from godwit.drivers.records.payload import payload
from godwit.drivers.records.webhook import WebhookKeeper, signature
from godwit.ports import GuestPlace, PlaceChange

STEPS = frozenset({"prepare", "switch", "verify", "roll_back"})
DOCUMENT = Path(__file__).parents[3] / "docs/records.md"


def _place(host: str, rack: str) -> GuestPlace:
    return GuestPlace(
        vm=VmId("8c1f9d3e-7a35-4a53-9b51-0f4c3b0f7f11"),
        vm_name="web1",
        host=HostName(host),
        addresses=("192.0.2.10",),
        macs=("52:54:00:12:34:56",),
        labels={"rack": rack},
    )


CHANGE = PlaceChange(
    migration=MigrationId("m-1a2b3c"), old=_place("kvm1", "a1"), new=_place("kvm2", "b1")
)


def script(text: str, *arguments: str, steps: frozenset[str] = STEPS) -> CommandKeeper:
    return CommandKeeper("hook", [sys.executable, "-c", text, *arguments], steps=steps)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_documented_payload_is_what_is_sent() -> None:
    example = DOCUMENT.read_text().split("```json\n")[1].split("```")[0]
    assert json.loads(payload("switch", "dhcp", CHANGE)) == json.loads(example)


async def test_a_command_gets_the_payload_its_arguments_and_variables() -> None:
    told = await script(
        "import json,os,sys; p = json.load(sys.stdin);"
        "print(p['step'], p['new']['host'], sys.argv[1:], os.environ['GODWIT_OLD_HOST'],"
        " os.environ.get('SECRET_OF_OURS'))",
        "{vm}@{new_host}",
        "{unknown} {",
    ).switch(CHANGE)
    assert told == "switch kvm2 ['web1@kvm2', '{unknown} {'] kvm1 None"


async def test_a_command_inherits_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "hush")
    said = await script("import os; print(os.environ.get('SECRET_OF_OURS'))").verify(CHANGE)
    assert said == "None"


async def test_status_zero_alone_is_success() -> None:
    failing = script("import sys; print('no such zone', file=sys.stderr); sys.exit(3)")
    for step in (failing.prepare, failing.switch, failing.verify, failing.roll_back):
        with pytest.raises(RecordFailed, match="status 3") as caught:
            await step(CHANGE)
        assert caught.value.evidence == "no such zone"


async def test_a_command_that_reads_and_says_nothing_works() -> None:
    assert await script("pass").switch(CHANGE) == "the command worked"


async def test_a_command_that_talks_without_end_is_heard_and_cut() -> None:
    said = await script("print('x' * 1000000)").switch(CHANGE)
    assert 0 < len(said) <= 400


async def test_a_command_that_is_not_there_is_told() -> None:
    with pytest.raises(RecordFailed, match="can't be started"):
        await CommandKeeper("hook", ["/nowhere/hook"], steps=STEPS).switch(CHANGE)


async def test_a_step_that_was_not_asked_for_runs_nothing() -> None:
    one = script("raise SystemExit(1)", steps=frozenset({"switch"}))
    assert "no part in roll back" in await one.roll_back(CHANGE)
    with pytest.raises(RecordFailed):
        await one.switch(CHANGE)


async def test_at_the_time_limit_the_whole_group_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    one = script(
        "import os,subprocess,sys,time,pathlib;"
        "child = subprocess.Popen(['sleep', '600']);"
        f"pathlib.Path({str(pids)!r}).write_text(f'{{os.getpid()}} {{child.pid}}');"
        "time.sleep(600)",
    )
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.6):
            await one.switch(CHANGE)
    await asyncio.sleep(0.05)
    own, child = (int(word) for word in pids.read_text().split())
    assert not is_alive(own)
    assert not is_alive(child)


@pytest.mark.parametrize("inherits", ["", ", stdin=-3, stdout=-3, stderr=-3"])
async def test_what_a_command_leaves_in_the_background_is_ended_with_it(inherits: str) -> None:
    begun_s = asyncio.get_running_loop().time()
    said = await script(
        f"import subprocess; child = subprocess.Popen(['sleep', '600']{inherits}); print(child.pid)"
    ).switch(CHANGE)
    await asyncio.sleep(0.05)
    assert not is_alive(int(said))
    assert asyncio.get_running_loop().time() - begun_s < 60


def test_what_a_value_brings_with_it_is_not_filled_in_again() -> None:
    assert filled("{vm}-{host}", {"vm": "{host}", "host": "h1"}) == "{host}-h1"


@dataclass
class Heard:
    """A web server that answers what it is told to, and keeps what it heard."""

    status: int = 204
    headers: Sequence[str] = ()
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append((first, headers, body))
                more = "".join(f"{one}\r\n" for one in self.headers)
                text = "" if self.status == 204 else "the zone is locked"
                more += f"content-length: {len(text)}\r\n"
                writer.write(f"HTTP/1.1 {self.status} X\r\n{more}\r\n{text}".encode())
                await writer.run()
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def web(**wishes: object) -> AsyncIterator[Heard]:
    heard = Heard(**wishes)  # type: ignore[arg-type]
    server = await asyncio.start_server(heard.serve, "127.0.0.1", 0)
    heard.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/moved?token=hidden"
    try:
        yield heard
    finally:
        server.close()


async def test_a_webhook_is_signed_over_its_time_and_its_body(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_bytes(b"open sesame\n")
    async with web() as heard:
        one = WebhookKeeper(
            "hook", heard.url, steps=STEPS, secret_file=secret, now_s=lambda: 1700000000.9
        )
        await one.switch(CHANGE)
        await one.close()
    ((first, headers, body),) = heard.requests
    assert first == "POST /moved?token=hidden HTTP/1.1"
    assert body == payload("switch", "hook", CHANGE)
    assert headers["godwit-timestamp"] == "1700000000"
    assert headers["godwit-signature"] == signature(b"open sesame", "1700000000", body)
    # An independent computation: printf '1700000000.{}' | openssl dgst -sha256 -hmac k
    assert signature(b"k", "1700000000", b"{}") == (
        "sha256=c6ef4734033cee2367414a0939385eca0397754aa7a59716da7463a9298b5146"
    )


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_only_2xx_is_success_and_redirects_are_not_followed(status: int) -> None:
    async with web(status=status, headers=["location: /elsewhere"]) as heard:
        one = WebhookKeeper("hook", heard.url, steps=STEPS)
        with pytest.raises(RecordFailed, match=f"answered {status}") as caught:
            await one.verify(CHANGE)
        await one.close()
    assert len(heard.requests) == 1
    assert caught.value.evidence == "the zone is locked"
    assert "hidden" not in str(caught.value)


async def test_a_webhook_that_is_not_there_is_told() -> None:
    url = "http://me:hidden@127.0.0.1:1/hidden/moved?token=hidden"
    one = WebhookKeeper("hook", url, steps=STEPS)
    with pytest.raises(RecordFailed, match=r"at http://127\.0\.0\.1:1 can't be reached") as caught:
        await one.prepare(CHANGE)
    await one.close()
    assert "hidden" not in caught.value.message + caught.value.evidence


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with web() as heard:
        one = WebhookKeeper("hook", heard.url, steps=STEPS)
        assert await one.roll_back(CHANGE) == "the webhook answered 204"
        await one.close()
