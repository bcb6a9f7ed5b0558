"""A record kept by a web service of the site: one POST a step, signed, and only 2xx is success.

Redirects are not followed and no proxy or password of the environment is used: what is told goes
to the URL of the settings and nowhere else.
"""

import asyncio
import hashlib
import hmac
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from godwit.core.errors import RecordFailed
from godwit.drivers.records.payload import Step, payload
from godwit.drivers.records.secret_files import read_secret
from godwit.ports import PlaceChange, Prepared

__all__ = ["WebhookKeeper", "signature"]

_ANSWER_BYTES: Final = 2048
_SAID_CHARACTERS: Final = 200


class WebhookKeeper:
    """Posts to one URL for the steps it asked for."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        steps: frozenset[Step],
        secret_file: Path | None = None,
        ca_file: Path | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._url = url
        self._steps = steps
        self._secret_file = secret_file
        self._ca_file = ca_file
        self._now_s = now_s
        self._client: httpx.AsyncClient | None = None

    @property
    def name(self) -> str:
        """The name that the settings give it."""
        return self._name

    async def prepare(self, change: PlaceChange) -> Prepared:
        """Ask whether a switch would work. Raises: RecordFailed."""
        return Prepared(what=await self._post("prepare", change))

    async def switch(self, change: PlaceChange) -> str:
        """Say the new place. Raises: RecordFailed."""
        return await self._post("switch", change)

    async def verify(self, change: PlaceChange) -> str:
        """Ask whether the new place is what the network is told. Raises: RecordFailed."""
        return await self._post("verify", change)

    async def roll_back(self, change: PlaceChange) -> str:
        """Say the old place again. Raises: RecordFailed."""
        return await self._post("roll_back", change)

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _post(self, step: Step, change: PlaceChange) -> str:
        if step not in self._steps:
            return f"the webhook has no part in {step.replace('_', ' ')}"
        body = payload(step, self._name, change)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "godwit",
        }
        if self._secret_file is not None:
            at_s = str(int(self._now_s()))
            secret = read_secret(self._secret_file)
            headers["Godwit-Timestamp"] = at_s
            headers["Godwit-Signature"] = signature(secret, at_s, body)
        try:
            client = await self._open()
            async with client.stream("POST", self._url, content=body, headers=headers) as answer:
                status = answer.status_code
                said = b""
                async for part in answer.aiter_raw():
                    said += part
                    if len(said) >= _ANSWER_BYTES:
                        break
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
            raise RecordFailed(
                f"the webhook at {self._where()} can't be reached",
                evidence=f"{type(failure).__name__}: {failure}",
                remedy="Check that the service runs and that this machine reaches it.",
            ) from failure
        if not 200 <= status < 300:
            hint = "; redirects are not followed" if 300 <= status < 400 else ""
            raise RecordFailed(
                f"the webhook at {self._where()} answered {status}{hint}",
                evidence=_readable(said) or "it said nothing",
                remedy="Only 2xx means that the step was done. See docs/records.md.",
            )
        return f"the webhook answered {status}"

    async def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            # Reading the certificates of the system takes long enough to be felt by a switch-over.
            verify: ssl.SSLContext | bool = False
            if urlsplit(self._url).scheme == "https":
                verify = await asyncio.to_thread(
                    ssl.create_default_context,
                    cafile=str(self._ca_file) if self._ca_file else None,
                )
            # Whoever waits for the answer has the time limit.
            self._client = httpx.AsyncClient(
                verify=verify,
                trust_env=False,
                follow_redirects=False,
                timeout=None,  # noqa: S113
            )
        return self._client

    def _where(self) -> str:
        """The service alone: a path and a query are often the key to it."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def signature(secret: bytes, at_s: str, body: bytes) -> str:
    """Sign a body and the time at which it is sent; see docs/records.md for how to check it."""
    digest = hmac.new(secret, at_s.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def _readable(said: bytes) -> str:
    text = "".join(one if one.isprintable() else " " for one in said.decode(errors="replace"))
    return " ".join(text.split())[:_SAID_CHARACTERS]
