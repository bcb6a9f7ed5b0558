"""Goal: tables are read as iproute2 writes them, and what can't be read is told."""

import json
import sys
from collections.abc import Sequence

import pytest

from godwit.core.errors import RecordFailed
from godwit.core.model import HostName
from godwit.drivers.forwarding import ForwardingCommands, UpstreamCommand
from godwit.ports import ForwardingEntry

# As `bridge -json fdb show` of iproute2 6.1 prints a bridge with an uplink and one guest, in part.
TABLE = [
    {"mac": "33:33:00:00:00:01", "ifname": "mgmt0", "flags": ["self"], "state": "permanent"},
    {"mac": "02:A9:E3:5C:7F:44", "ifname": "guest0", "flags": [], "master": "br", "state": ""},
    {"mac": "ae:f8:35:19:61:2c", "ifname": "guest0", "master": "br", "state": "permanent"},
    {"mac": "01:00:5e:00:00:01", "ifname": "br", "flags": ["self"], "state": ""},
    {"mac": "52:54:00:d5:02:64", "ifname": "vnet0", "flags": [], "master": "br", "state": ""},
    {"mac": "fe:54:00:d5:02:64", "ifname": "vnet0", "master": "br", "state": "permanent"},
]


def prints(text: str, *arguments: str) -> Sequence[str]:
    return [sys.executable, "-c", text, *arguments]


def tables(argv: Sequence[str], **more: object) -> ForwardingCommands:
    return ForwardingCommands(argv, limit_s=10.0, **more)  # type: ignore[arg-type]


async def test_a_table_is_read_without_the_ports_own_addresses() -> None:
    text = f"import sys; assert sys.argv[1] == 'on-h1'; print({json.dumps(json.dumps(TABLE))})"
    entries = await tables(prints(text, "on-{host}")).of_host(HostName("h1"))
    assert entries == (
        ForwardingEntry(mac="02:a9:e3:5c:7f:44", port="guest0"),
        ForwardingEntry(mac="52:54:00:d5:02:64", port="vnet0"),
    )


async def test_an_empty_answer_is_an_empty_table() -> None:
    assert await tables(prints("")).of_host(HostName("h1")) == ()


async def test_what_a_program_says_beside_the_table_does_not_matter() -> None:
    text = "import sys; print('Warning: new key', file=sys.stderr); print('[]')"
    assert await tables(prints(text)).of_host(HostName("h1")) == ()


async def test_upstream_tables_come_with_their_names_and_ports() -> None:
    argv = tuple(prints(f"print({json.dumps(json.dumps(TABLE))})"))
    ports = {HostName("h1"): "swp1"}
    upstream = [UpstreamCommand(name=name, argv=argv, ports=ports) for name in ("tor1", "tor2")]
    read = await tables(prints(""), upstream=upstream).upstream()
    assert [(one.name, len(one.entries), one.ports) for one in read] == [
        ("tor1", 2, ports),
        ("tor2", 2, ports),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import sys; print('no route', file=sys.stderr); sys.exit(255)", "status 255"),
        ("print('[{')", "no forwarding table"),
        ("print('[1]')", "no forwarding table"),
        ("print('{\"mac\": 1}')", "no forwarding table"),
        ('print(\'[{"ifname": "eth0"}]\')', "no forwarding table"),
    ],
)
async def test_what_is_no_table_is_refused(text: str, says: str) -> None:
    with pytest.raises(RecordFailed, match=says) as caught:
        await tables(prints(text)).of_host(HostName("h1"))
    assert caught.value.remedy


async def test_a_command_that_asks_for_a_password_is_given_up() -> None:
    argv = prints("import time; time.sleep(600)")
    with pytest.raises(RecordFailed, match=r"within 0\.3 s"):
        await ForwardingCommands(argv, limit_s=0.3).of_host(HostName("h1"))
