"""Goal: a probe never stops the event loop and never raises, whatever this machine lacks."""

import asyncio
import socket
from typing import Any, Self

import pytest

from godwit.core.model import Probe
from godwit.drivers import network


class FakeSocket:
    """Notes where it is told to connect, and gets no further."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def settimeout(self, _timeout_s: float) -> None:
        return

    def connect(self, address: tuple[str, int]) -> None:
        self.asked.append(address)
        raise OSError("no route")


async def test_a_name_is_looked_up_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    sock: Any = FakeSocket()
    monkeypatch.setattr(network, "_icmp_socket", lambda *_: network._Icmp(sock=sock, raw=False))

    async def look_up(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, 0, 0, "", ("192.0.2.7", 0))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)

    answered = await network.SystemProber().answers(Probe(address="web.example"), timeout_s=1.0)

    assert not answered
    assert sock.asked == [("192.0.2.7", 0)]


async def test_a_machine_without_the_family_gets_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(network, "_icmp_socket", refuse)

    assert not await network.SystemProber().answers(Probe(address="2001:db8::7"), timeout_s=1.0)
