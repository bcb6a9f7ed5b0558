"""A DNS server in memory that does what RFC 2136 says of the updates that are sent here.

It checks the signature of every message, demands prerequisites exactly, applies an update whole or
not at all, and keeps what it was sent.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update

SECRET = base64.b64encode(b"a secret of the tests, 32 bytes.").decode()
KEY_NAME = "godwit-key."


@dataclass
class FakeDns:
    """``sets`` maps (name, type) to (ttl, values)."""

    zones: tuple[str, ...]
    sets: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    refuse: dns.rcode.Rcode | None = None
    authoritative: bool = True
    silent: bool = False
    updates: list[dns.update.UpdateMessage] = field(default_factory=list)
    port: int = 0

    def values(self, name: str, kind: str) -> tuple[str, ...]:
        return self.sets.get((name, kind), (0, ()))[1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            length = int.from_bytes(await reader.readexactly(2), "big")
            wire = await reader.readexactly(length)
            if self.silent:
                await asyncio.sleep(3600)
            answer = self._answer(wire).to_wire()
            writer.write(len(answer).to_bytes(2, "big") + answer)
            await writer.run()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def _answer(self, wire: bytes) -> dns.message.Message:
        keyring = {dns.name.from_text(KEY_NAME): dns.tsig.Key(KEY_NAME, SECRET, "hmac-sha256")}
        try:
            message = dns.message.from_wire(wire, keyring=keyring)
        except (dns.message.UnknownTSIGKey, dns.tsig.BadSignature):
            message = dns.message.from_wire(wire, keyring=False)
            message.tsig = None
            answer = dns.message.make_response(message)
            answer.set_rcode(dns.rcode.NOTAUTH)
            return answer
        answer = dns.message.make_response(message)
        if not message.had_tsig and isinstance(message, dns.update.UpdateMessage):
            answer.set_rcode(dns.rcode.REFUSED)
        elif self.refuse is not None:
            answer.set_rcode(self.refuse)
        elif isinstance(message, dns.update.UpdateMessage):
            answer.set_rcode(self._update(message))
        else:
            self._read(message, answer)
        return answer

    def _read(self, query: dns.message.Message, answer: dns.message.Message) -> None:
        asked = query.question[0]
        kind = dns.rdatatype.to_text(asked.rdtype)
        if self.authoritative:
            answer.flags |= dns.flags.AA
        ttl_s, values = self.sets.get((asked.name.to_text().lower(), kind), (0, ()))
        if values:
            answer.answer.append(dns.rrset.from_text(asked.name, ttl_s, "IN", kind, *values))

    def _update(self, update: dns.update.UpdateMessage) -> dns.rcode.Rcode:
        self.updates.append(update)
        if update.zone[0].name.to_text() not in self.zones:
            return dns.rcode.NOTAUTH
        demanded: dict[tuple[str, str], set[str]] = {}
        for one in update.prerequisite:
            key = (one.name.to_text().lower(), dns.rdatatype.to_text(one.rdtype))
            if one.deleting == dns.rdataclass.NONE:
                if key in self.sets:
                    return dns.rcode.YXRRSET
            else:
                demanded.setdefault(key, set()).update(item.to_text() for item in one)
        if any(set(self.values(*key)) != values for key, values in demanded.items()):
            return dns.rcode.NXRRSET
        for one in update.update:
            key = (one.name.to_text().lower(), dns.rdatatype.to_text(one.rdtype))
            if one.deleting is not None:
                self.sets.pop(key, None)
            else:
                ttl_s, values = one.ttl, tuple(sorted(item.to_text() for item in one))
                self.sets[key] = (ttl_s, tuple(sorted((*self.values(*key), *values))))
        return dns.rcode.NOERROR


@asynccontextmanager
async def dns_server(*zones: str) -> AsyncIterator[FakeDns]:
    """Run one on a free port of this machine."""
    fake = FakeDns(zones=zones)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
