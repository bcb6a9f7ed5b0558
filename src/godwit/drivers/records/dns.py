"""Records in DNS, by dynamic update (RFC 2136): where the guest's name leads and who runs it.

The switch is one update a zone, all or nothing, and demands that the sets still say what
``prepare`` saw: a controller that is late can't overwrite a newer place. Roll-back demands what the
switch wrote, and restores to the letter what was there before.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Final, Protocol

from godwit.core.errors import BadValue, RecordFailed
from godwit.drivers.records.dns_names import (
    PLACE,
    DnsNames,
    Key,
    RecordType,
    Said,
    change_of,
    wanted,
    zone_of,
)
from godwit.drivers.records.dns_server import SetChange
from godwit.ports import GuestPlace, PlaceChange, Prepared

__all__ = ["DnsKeeper", "Server"]

_REMEDY_NEWER: Final = "Nothing was written. If it is out of date, correct it by hand."


class Server(Protocol):
    """The server as it is used here."""

    async def read(self, key: Key) -> Said:
        """Ask for one set. Raises: RecordFailed."""
        ...

    async def update(self, zone: str, changes: tuple[SetChange, ...]) -> bool:
        """Change sets of a zone, all or none; False when they are not as demanded."""
        ...


class DnsKeeper:
    """Keeps the records of guests in the zones of one server."""

    def __init__(self, name: str, server: Server, names: DnsNames) -> None:
        self._name = name
        self._server = server
        self._names = names

    @property
    def name(self) -> str:
        """The name that the settings give it."""
        return self._name

    async def prepare(self, change: PlaceChange) -> Prepared:
        """Read what all sets say now. Raises: RecordFailed."""
        saw = await self._read(self._keys(change))
        what = f"{_sets(len(saw))} read"
        for key, said in saw.items():
            if key[1] is PLACE and said.values not in {(), _place(change.old)}:
                what += f"; {key[0]} says {_text(said.values)}, not {change.old.host}"
        if not any(key[1] in {RecordType.A, RecordType.AAAA} for key in saw) and (
            self._names.types & {RecordType.A, RecordType.AAAA}
        ):
            what += "; no address of the guest is known, so its address records stay"
        return Prepared(what=what, saw=_packed(saw))

    async def switch(self, change: PlaceChange) -> str:
        """Write the new place. Raises: RecordFailed, also when a newer place is written there."""
        saw = await self._seen(change)
        after = {
            key: Said(values=values, ttl_s=self._names.ttl_s)
            for key, values in change_of(self._names, change.old, change.new, saw).items()
        }
        before = {key: saw.get(key, Said()).values for key in after}
        return await self._write(before, after)

    async def verify(self, change: PlaceChange) -> str:
        """Read back what the switch wrote. Raises: RecordFailed when it is not there."""
        saw = _unpacked(change.saw)
        expected = change_of(self._names, change.old, change.new, saw)
        found = await self._read(tuple(expected))
        for key, values in expected.items():
            if found[key].values != values:
                raise RecordFailed(
                    f"{key[0]} {key[1].value} does not say the new place",
                    evidence=f"it says {_text(found[key].values)}, expected {_text(values)}",
                    remedy="Correct it by hand, or see the server's log.",
                )
        return f"{_sets(len(expected))} read back as written"

    async def roll_back(self, change: PlaceChange) -> str:
        """Restore what ``prepare`` saw, or else the old place. Raises: RecordFailed."""
        if change.saw:
            saw = _unpacked(change.saw)
            switched = change_of(self._names, change.old, change.new, saw)
            after = {key: saw.get(key, Said()) for key in switched}
            return await self._write(switched, after)
        found = await self._look(change)
        after = {
            key: Said(values=values, ttl_s=self._names.ttl_s)
            for key, values in change_of(self._names, change.new, change.old, found).items()
        }
        before = {key: found.get(key, Said()).values for key in after}
        return await self._write(before, after)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _keys(self, change: PlaceChange) -> tuple[Key, ...]:
        try:
            keys = {**wanted(self._names, change.old), **wanted(self._names, change.new)}
        except BadValue as failure:
            raise RecordFailed(
                failure.message, evidence=failure.evidence, remedy=failure.remedy
            ) from failure
        for name, _ in keys:
            if zone_of(self._names, name) is None:
                raise RecordFailed(
                    f"{name} lies in none of the zones of the settings",
                    evidence=f"zones: {', '.join(self._names.zones)}",
                    remedy="Add its zone, or correct the template.",
                )
        return tuple(keys)

    async def _read(self, keys: tuple[Key, ...]) -> dict[Key, Said]:
        answers = await asyncio.gather(*(self._server.read(key) for key in keys))
        return dict(zip(keys, answers, strict=True))

    async def _seen(self, change: PlaceChange) -> Mapping[Key, Said]:
        # A name that can't be kept is refused here too, whether it was prepared or not.
        self._keys(change)
        return _unpacked(change.saw) if change.saw else await self._look(change)

    async def _look(self, change: PlaceChange) -> Mapping[Key, Said]:
        """What the sets say now, when nobody saw it before; refused when it is a third place."""
        found = await self._read(self._keys(change))
        for key, said in found.items():
            ours = {(), _place(change.old), _place(change.new)}
            if key[1] is PLACE and said.values not in ours:
                raise RecordFailed(
                    f"{key[0]} names another host",
                    evidence=f"it says {_text(said.values)}, and this move is from"
                    f" {change.old.host} to {change.new.host}",
                    remedy=_REMEDY_NEWER,
                )
        return found

    async def _write(self, before: Mapping[Key, tuple[str, ...]], after: Mapping[Key, Said]) -> str:
        """Change every set that must change, one update a zone, the zone of the place first."""
        changes = [
            SetChange(key=key, before=before[key], after=said)
            for key, said in after.items()
            if before[key] != said.values
        ]
        if not changes:
            return "every record says so already"
        zones: dict[str, list[SetChange]] = {}
        for one in sorted(changes, key=_place_first):
            zone = zone_of(self._names, one.key[0])
            assert zone is not None, "checked when the names were made"
            zones.setdefault(zone, []).append(one)
        for zone, parts in zones.items():
            if not await self._server.update(zone, tuple(parts)):
                await self._require_done(parts)
        return "; ".join(
            f"{one.key[0]} {one.key[1].value}: {_text(one.after.values)}" for one in changes
        )

    async def _require_done(self, changes: list[SetChange]) -> None:
        """The sets were not as demanded: well, if an earlier try of ours wrote them."""
        found = await self._read(tuple(one.key for one in changes))
        for one in changes:
            if found[one.key].values != one.after.values:
                name, kind = one.key
                raise RecordFailed(
                    f"{name} {kind.value} was changed by somebody else",
                    evidence=f"it says {_text(found[one.key].values)}, and was expected to say"
                    f" {_text(one.before)}",
                    remedy=_REMEDY_NEWER,
                )


def _place_first(change: SetChange) -> tuple[bool, str, str]:
    name, kind = change.key
    return (kind is not PLACE, name, kind.value)


def _place(place: GuestPlace) -> tuple[str, ...]:
    return (f'"{place.host}"',)


def _sets(count: int) -> str:
    return f"{count} record set{'' if count == 1 else 's'}"


def _text(values: tuple[str, ...]) -> str:
    return ", ".join(values) or "nothing"


def _packed(saw: Mapping[Key, Said]) -> str:
    rows = {
        f"{name} {kind.value}": [said.ttl_s, *said.values] for (name, kind), said in saw.items()
    }
    return json.dumps(rows, sort_keys=True)


def _unpacked(text: str) -> Mapping[Key, Said]:
    saw: dict[Key, Said] = {}
    for row, (ttl_s, *values) in json.loads(text or "{}").items():
        name, _, kind = row.partition(" ")
        saw[name, RecordType(kind)] = Said(values=tuple(values), ttl_s=ttl_s)
    return saw
