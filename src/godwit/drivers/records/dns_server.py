"""Speaking with one authoritative DNS server: direct questions and updates, both signed.

The only module that knows dnspython, and the one place where its failures are mapped.
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.update

from godwit.core.errors import RecordFailed
from godwit.drivers.records.dns_names import Key, RecordType, Said
from godwit.drivers.records.secret_files import TsigKey, read_secret

__all__ = ["DnsServer", "SetChange"]

#: The answers that say that the sets were not as the update demanded.
_NOT_AS_DEMANDED: Final = frozenset(
    {dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN}
)

_REMEDIES: Final[Mapping[int, str]] = {
    dns.rcode.REFUSED: "Allow this key to update the zone (Knot: acl; BIND: update-policy).",
    dns.rcode.NOTAUTH: "Check the zones in the settings, and the key's name, algorithm and secret.",
    dns.rcode.NOTZONE: "Check the zones in the settings: a name lies outside of its zone.",
    dns.rcode.SERVFAIL: "See the server's log: it may be unable to write its zone.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SetChange:
    """One set: what it must say now for the update to be done, and what it says from then on."""

    key: Key
    before: tuple[str, ...]
    after: Said


class DnsServer:
    """One server. Nothing is kept open between two questions."""

    def __init__(self, address: str, *, port: int = 53, key: TsigKey | None = None) -> None:
        self._address = address
        self._port = port
        self._key = key

    def __str__(self) -> str:
        return f"{self._address} port {self._port}"

    async def read(self, key: Key) -> Said:
        """Ask for one set. Raises: RecordFailed, also when the server is only a cache."""
        name, kind = key
        query = dns.message.make_query(name, kind.value)
        query.flags &= ~dns.flags.RD
        answer = await self._exchange(query, name)
        if answer.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            raise self._refused(answer.rcode(), f"the question for {name} {kind.value}")
        if not answer.flags & dns.flags.AA:
            raise RecordFailed(
                f"the DNS server {self} does not hold the zone of {name}",
                evidence="its answer is not authoritative",
                remedy="Name the primary server of the zone in the settings, not a resolver.",
            )
        found = answer.get_rrset(
            answer.answer,
            dns.name.from_text(name),
            dns.rdataclass.IN,
            dns.rdatatype.from_text(kind.value),
        )
        if found is None:
            return Said()
        # Names are the same in capitals and in small letters; texts are not.
        fold = str.lower if kind is RecordType.PTR else str
        values = tuple(sorted(fold(one.to_text()) for one in found))
        return Said(values=values, ttl_s=found.ttl)

    async def update(self, zone: str, changes: tuple[SetChange, ...]) -> bool:
        """Change sets of one zone, all or none. Whether they were as demanded, and so are changed.

        Raises: RecordFailed when the server does not answer or refuses.
        """
        update = dns.update.UpdateMessage(zone)
        for change in changes:
            name, kind = change.key
            absolute = dns.name.from_text(name)
            if change.before:
                update.present(absolute, kind.value, *change.before)
            else:
                update.absent(absolute, kind.value)
            if change.after.values:
                update.replace(absolute, change.after.ttl_s, kind.value, *change.after.values)
            else:
                update.delete(absolute, kind.value)
        answer = await self._exchange(update, zone)
        if answer.rcode() in _NOT_AS_DEMANDED:
            return False
        if answer.rcode() != dns.rcode.NOERROR:
            raise self._refused(answer.rcode(), f"the update of {zone}")
        return True

    async def _exchange(self, message: dns.message.Message, about: str) -> dns.message.Message:
        """One question over TCP: an update must not be repeated by a lost answer's sake."""
        if self._key is not None:
            message.use_tsig(_tsig(self._key))
        try:
            return await dns.asyncquery.tcp(
                message, await self._numeric(), timeout=None, port=self._port
            )
        except dns.tsig.PeerError as failure:
            raise self._bad_key(type(failure).__name__) from failure
        except dns.tsig.BadSignature as failure:
            raise self._bad_key("its answer is not signed with this key") from failure
        except (dns.exception.DNSException, OSError, EOFError) as failure:
            raise RecordFailed(
                f"the DNS server {self} does not answer for {about}",
                evidence=str(failure) or type(failure).__name__,
                remedy="Check that it runs, and that this machine reaches it over TCP.",
            ) from failure

    async def _numeric(self) -> str:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._address, self._port, type=socket.SOCK_STREAM)
        return str(found[0][4][0])

    def _bad_key(self, evidence: str) -> RecordFailed:
        assert self._key is not None, "only a signed question has such an answer"
        return RecordFailed(
            f"the DNS server {self} does not accept the key {self._key.name}",
            evidence=evidence,
            remedy="Check its name, algorithm and secret on both sides, and both clocks.",
        )

    def _refused(self, rcode: dns.rcode.Rcode, what: str) -> RecordFailed:
        return RecordFailed(
            f"the DNS server {self} refused {what}",
            evidence=f"it answered {dns.rcode.to_text(rcode)}",
            remedy=_REMEDIES.get(rcode, "See the server's log."),
        )


def _tsig(key: TsigKey) -> dns.tsig.Key:
    secret = read_secret(key.secret_file)
    try:
        return dns.tsig.Key(dns.name.from_text(key.name), secret.decode(), key.algorithm)
    except (ValueError, dns.exception.DNSException):
        # Without its cause: that one may quote the secret.
        raise RecordFailed(
            f"the secret in {key.secret_file} can't be used",
            evidence="it is not base64",
            remedy="Put the secret of the key there, as the server's own configuration has it.",
        ) from None
