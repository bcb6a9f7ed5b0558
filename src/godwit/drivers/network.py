"""Asking a guest over the network whether it answers: a TCP connect, or an ICMP echo."""

import asyncio
import ipaddress
import os
import socket
import struct
from dataclasses import dataclass

from godwit.core.model import Probe

__all__ = ["SystemProber"]

_ECHO_V4, _ECHO_V6 = 8, 128


@dataclass(frozen=True, slots=True, kw_only=True)
class _Icmp:
    """An ICMP socket, and whether the kernel hands it the IP header too."""

    sock: socket.socket
    raw: bool


class SystemProber:
    """Probes from this machine, with what the kernel lets this user do."""

    async def answers(self, probe: Probe, *, timeout_s: float) -> bool:
        """Whether the guest answered within the time; a refused connection is an answer too."""
        if probe.tcp_port is not None:
            return await _tcp(probe.address, probe.tcp_port, timeout_s)
        return await _echo(probe.address, timeout_s)


async def _tcp(address: str, port: int, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def _echo(address: str, timeout_s: float) -> bool:
    """One ICMP echo over an unprivileged datagram socket, or a raw one where that is allowed."""
    is_v6 = ":" in address
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if is_v6 else socket.IPPROTO_ICMP
    try:
        icmp = _icmp_socket(family, protocol)
    except OSError:
        return False  # not allowed, or this machine has no such family
    loop = asyncio.get_running_loop()
    token = os.urandom(8)
    with icmp.sock as sock:
        sock.settimeout(0)
        try:
            async with asyncio.timeout(timeout_s):
                sock.connect((await _numeric(address, family), 0))
                sock.send(_packet(_ECHO_V6 if is_v6 else _ECHO_V4, token))
                while True:
                    answer = await loop.sock_recv(sock, 256)
                    # An echo reply carries our token; on a raw socket our own request may, too.
                    if answer.endswith(token) and _is_reply(answer, raw=icmp.raw, is_v6=is_v6):
                        return True
        except (OSError, TimeoutError):
            return False


async def _numeric(address: str, family: int) -> str:
    """The address of a name; ``connect`` itself would look it up on the event loop's time."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(address, None, family=family)
        return str(found[0][4][0])
    return address


def _icmp_socket(family: int, protocol: int) -> "_Icmp":
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM, protocol)
        return _Icmp(sock=sock, raw=False)
    except PermissionError:
        sock = socket.socket(family, socket.SOCK_RAW, protocol)
        return _Icmp(sock=sock, raw=True)


def _is_reply(answer: bytes, *, raw: bool, is_v6: bool) -> bool:
    offset = (answer[0] & 0x0F) * 4 if raw and not is_v6 else 0
    return answer[offset] == (129 if is_v6 else 0)


def _packet(kind: int, token: bytes) -> bytes:
    header = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1)
    checksum = _checksum(header + token)
    return struct.pack("!BBHHH", kind, 0, checksum, os.getpid() & 0xFFFF, 1) + token


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
