"""A request id for every request, and the answer to what nobody foresaw.

Written against ASGI itself: a middleware that buffers would hold back the event stream.
"""

import json
import logging
import re
import secrets
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from godwit.wire import PROBLEM_MEDIA_TYPE, Problem

__all__ = ["HEADER", "RequestIds", "request_id_of"]

HEADER: Final = "x-request-id"
#: A client may bring its own id; anything else would let it write lines into our log.
_ACCEPTABLE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")

_log = logging.getLogger(__name__)


def request_id_of(scope: Scope) -> str:
    """Return the id that ``RequestIds`` gave the request."""
    return str(scope.get("state", {}).get("request_id", ""))


class RequestIds:
    """Gives ids to requests and answers to bugs. A bug is logged here, once, with the id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given(scope) or secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = list(message.get("headers", []))
                headers.append((HEADER.encode(), request_id.encode()))
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            _log.exception("request %s: %s %s", request_id, scope["method"], scope["path"])
            if started:
                raise  # half an answer is out: the server closes the connection
            await _send_bug(send_with_id, request_id, error)


def _given(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == HEADER.encode():
            text = value.decode("latin-1")
            return text if _ACCEPTABLE.match(text) else ""
    return ""


async def _send_bug(send: Send, request_id: str, error: Exception) -> None:
    problem = Problem(
        code="bug",
        message="Godwit made a mistake of its own",
        evidence=type(error).__name__,
        remedy="Report it with the lines of the controller's log that carry the request id.",
        request_id=request_id,
    )
    body = json.dumps(problem.model_dump()).encode()
    headers = [
        (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
