"""The TCP side of the client: one connection kept open, and short requests of their own.

State machines over non-blocking sockets, driven by ``probe``: it says when a socket is ready and
when time has come. Neither waits, ever.
"""

import json
import select
import socket
from typing import Any

__all__ = ["KeptConnection", "ShortRequest"]

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT
BROKEN = select.EPOLLERR | select.EPOLLHUP
CONNECT_S = 3.0
RECONNECT_S = 0.1
# TCP itself would go on for a quarter of an hour; no user would.
STALLED_S = 60.0
# One lost SYN costs a second before it is sent again; a user waits that long, and no longer.
SHORT_S = 2.0
PORT = 80


class KeptConnection:
    """One connection on which requests follow each other for as long as it lives."""

    def __init__(self, address: str, poller: select.epoll) -> None:
        self._address = address
        self._poller = poller
        self._socket: socket.socket | None = None
        self._is_open = False
        self._since_s = 0.0
        self._asked_s: float | None = None
        self._answer = b""
        self.requests = 0
        self.broken = 0
        self.latency_s_max = 0.0

    def fileno(self) -> int:
        """Return the descriptor of the connection, -1 while there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    def on_time(self, now_s: float) -> None:
        """Send the next request if the last one was answered; connect if there is no connection."""
        if self._socket is None:
            if now_s - self._since_s >= RECONNECT_S:
                self._connect(now_s)
        elif not self._is_open:
            if now_s - self._since_s > CONNECT_S:
                self._close(now_s)
        elif self._asked_s is None:
            self._ask(now_s)
        elif now_s - self._asked_s > STALLED_S:
            self._break(now_s)

    def on_ready(self, events: int, now_s: float) -> None:
        """Take what the socket has."""
        if self._socket is None:
            return
        if not self._is_open:
            if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or events & BROKEN:
                self._close(now_s)
                return
            self._is_open = True
            self._poller.modify(self._socket, READABLE)
            return
        try:
            part = self._socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            self._break(now_s)
            return
        self._answer += part
        if self._asked_s is not None and _is_whole(self._answer):
            self.latency_s_max = max(self.latency_s_max, now_s - self._asked_s)
            self.requests += 1
            self._asked_s = None
            self._answer = b""

    def finish(self, now_s: float) -> None:
        """Count the time that an unanswered request has waited, and close."""
        if self._asked_s is not None:
            self.latency_s_max = max(self.latency_s_max, now_s - self._asked_s)
        self._close(now_s)

    def _connect(self, now_s: float) -> None:
        self._socket = _connecting(self._address)
        self._is_open = False
        self._since_s = now_s
        self._poller.register(self._socket, WRITABLE)

    def _ask(self, now_s: float) -> None:
        assert self._socket is not None
        try:
            self._socket.send(b"GET / HTTP/1.1\r\nHost: guest\r\n\r\n")
        except OSError:
            self._break(now_s)
            return
        self._asked_s = now_s

    def _break(self, now_s: float) -> None:
        self.broken += 1
        if self._asked_s is not None:
            self.latency_s_max = max(self.latency_s_max, now_s - self._asked_s)
        self._close(now_s)

    def _close(self, now_s: float) -> None:
        if self._socket is not None:
            self._poller.unregister(self._socket)
            self._socket.close()
        self._socket = None
        self._is_open = False
        self._asked_s = None
        self._answer = b""
        self._since_s = now_s


class ShortRequest:
    """One request on a connection of its own; done when answered, refused or out of time."""

    def __init__(self, address: str, path: str, poller: select.epoll, now_s: float) -> None:
        self._poller = poller
        self._socket = _connecting(address)
        self._request = f"GET {path} HTTP/1.1\r\nHost: guest\r\nConnection: close\r\n\r\n".encode()
        self._deadline_s = now_s + SHORT_S
        self._answer = b""
        self.descriptor = self._socket.fileno()
        self.is_done = False
        self.is_answered = False
        poller.register(self._socket, WRITABLE)

    def on_time(self, now_s: float) -> None:
        """Give up when the time is over."""
        if not self.is_done and now_s > self._deadline_s:
            self.finish()

    def on_ready(self, events: int) -> None:
        """Take what the socket has, or send the request once it is connected."""
        if self.is_done:
            return
        try:
            if events & WRITABLE:
                self._socket.send(self._request)
                self._poller.modify(self._socket, READABLE)
                return
            part = self._socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            self.finish()
            return
        self._answer += part
        self.is_answered = _is_whole(self._answer)
        if self.is_answered or not part:
            self.finish()

    def counters(self) -> dict[str, Any] | None:
        """Return the body as JSON if it is that."""
        body = self._answer.partition(b"\r\n\r\n")[2]
        try:
            counters: dict[str, Any] = json.loads(body)
        except ValueError:
            return None
        return counters

    def finish(self) -> None:
        """Close the connection, answered or not."""
        if not self.is_done:
            self.is_done = True
            self._poller.unregister(self._socket)
            self._socket.close()


def _connecting(address: str) -> socket.socket:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(0.0)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.connect_ex((address, PORT))
    return connection


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.lower() == b"content-length":
            return len(body) >= int(value)
    return False
