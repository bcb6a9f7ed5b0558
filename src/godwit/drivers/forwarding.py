"""Reads forwarding tables by the site's commands, in the JSON of `bridge -json fdb show`."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from godwit.core.errors import RecordFailed
from godwit.core.model import HostName
from godwit.drivers.programs import filled, run_program
from godwit.ports import ForwardingEntry, UpstreamTable

__all__ = ["ForwardingCommands", "UpstreamCommand"]

#: A table of some ten thousand entries.
_TABLE_BYTES_MAX: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamCommand:
    """How to read one switch between the hosts, and which of its ports leads to which host."""

    name: str
    argv: tuple[str, ...]
    ports: Mapping[HostName, str] = field(default_factory=dict)


class ForwardingCommands:
    """Runs one command for a host (``{host}`` is its name), and one for each switch."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        upstream: Sequence[UpstreamCommand] = (),
        limit_s: float,
    ) -> None:
        self._argv = tuple(argv)
        self._upstream = tuple(upstream)
        self._limit_s = limit_s

    async def of_host(self, host: HostName) -> tuple[ForwardingEntry, ...]:
        """Read the table of a host. Raises: RecordFailed."""
        return await self._read([filled(one, {"host": host}) for one in self._argv])

    async def upstream(self) -> tuple[UpstreamTable, ...]:
        """Read the tables of all switches at once. Raises: RecordFailed."""
        tables = await asyncio.gather(*(self._read(one.argv) for one in self._upstream))
        return tuple(
            UpstreamTable(name=one.name, entries=entries, ports=one.ports)
            for one, entries in zip(self._upstream, tables, strict=True)
        )

    async def _read(self, argv: Sequence[str]) -> tuple[ForwardingEntry, ...]:
        try:
            async with asyncio.timeout(self._limit_s):
                ended = await run_program(argv, output_bytes_max=_TABLE_BYTES_MAX)
        except TimeoutError as failure:
            raise RecordFailed(
                f"{argv[0]} did not give a forwarding table within {self._limit_s:g} s",
                evidence=" ".join(argv),
                remedy="Run it by hand. It must not ask for a password.",
            ) from failure
        if ended.status != 0:
            raise RecordFailed(
                f"{argv[0]} gave no forwarding table: it ended with {ended.how}",
                evidence=ended.said or "it said nothing",
                remedy=f"Run it by hand: {' '.join(argv)}",
            )
        try:
            return _entries(json.loads(ended.output or b"[]"))
        except (ValueError, TypeError, KeyError, AttributeError) as failure:
            raise RecordFailed(
                f"what {argv[0]} gave is no forwarding table",
                evidence=ended.said[:200],
                remedy="It must be the JSON of `bridge -json fdb show`: a list of objects with"
                " mac and ifname.",
            ) from failure


def _entries(rows: list[dict[str, Any]]) -> tuple[ForwardingEntry, ...]:
    return tuple(
        ForwardingEntry(mac=row["mac"].lower(), port=row["ifname"])
        for row in rows
        # Permanent ones are the ports' own addresses, "self" are the filters of a card.
        if row.get("state") != "permanent" and "self" not in row.get("flags", [])
    )
