"""Taking hosts into the inventory: each is reached and read first; all are recorded, or none."""

import asyncio
from collections.abc import Sequence

from godwit.core.errors import BadValue
from godwit.core.model import Host, HostName, HostRecord
from godwit.engine.fleet import Fleet

__all__ = ["admit_hosts"]


async def admit_hosts(fleet: Fleet, records: Sequence[HostRecord]) -> tuple[Host, ...]:
    """Check and record new hosts.

    Raises: BadValue when a name is taken, or two names lead to the same host; HostUnreachable when
    one does not answer. Then nothing was recorded.
    """
    _check_names(fleet, records)
    known, _ = await fleet.read()
    uuids = {host.observed.host_uuid: host.name for host in known if host.observed is not None}
    hosts = await asyncio.gather(*(_read(fleet, record) for record in records))
    for host in hosts:
        assert host.observed is not None, "it was just read"
        other = uuids.setdefault(host.observed.host_uuid, host.name)
        if other != host.name:
            raise BadValue(
                f"{host.name} is the host that is called {other} already",
                evidence=f"both report the host UUID {host.observed.host_uuid}",
                remedy="Add each host once. If they are two machines, give each its own host_uuid"
                " in libvirtd.conf: libvirt refuses to migrate between equal ones.",
            )
    # Somebody else may have added hosts while these were read.
    _check_names(fleet, records)
    fleet.put(records)
    return tuple(hosts)


def _check_names(fleet: Fleet, records: Sequence[HostRecord]) -> None:
    taken: dict[HostName, str] = {one.name: one.uri for one in fleet.records()}
    for record in records:
        if record.name in taken:
            raise BadValue(
                f"a host named {record.name!r} is in the inventory already",
                evidence=f"{record.name} is {taken[record.name]}",
                remedy="Choose another --name, or remove the old one with `godwit host remove`.",
            )
        taken[record.name] = record.uri


async def _read(fleet: Fleet, record: HostRecord) -> Host:
    host = fleet.connect_only(record)
    try:
        reading = await host.read()
    finally:
        await host.close()
    return Host(record=record, observed=reading.host)
