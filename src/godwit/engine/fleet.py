"""The hosts of the inventory with their connections, and the reading of all of them at once."""

import asyncio
from collections.abc import Iterable

from godwit.core.errors import DriverError, UnknownHost
from godwit.core.model import Host, HostName, HostObservation, HostRecord, Vm
from godwit.ports import Connector, HypervisorHost, Store

__all__ = ["Fleet"]


class Fleet:
    """Knows every recorded host and keeps its connection. A slow host never delays another."""

    def __init__(self, *, store: Store, connector: Connector) -> None:
        self._store = store
        self._connector = connector
        self._records = {record.name: record for record in store.hosts()}
        self._hosts: dict[HostName, HypervisorHost] = {}
        self._last: dict[HostName, HostObservation] = {}

    def records(self) -> tuple[HostRecord, ...]:
        """The inventory, by name."""
        return tuple(self._records[name] for name in sorted(self._records))

    def record(self, name: HostName) -> HostRecord:
        """One host's record. Raises: UnknownHost."""
        if name not in self._records:
            known = ", ".join(sorted(self._records)) or "none"
            raise UnknownHost(
                f"there is no host {name!r} in the inventory",
                evidence=f"recorded hosts: {known}",
                remedy="See `godwit host list`; add one with `godwit host add`.",
            )
        return self._records[name]

    def hypervisor(self, name: HostName) -> HypervisorHost:
        """The connection to a host, made when first used. Raises: UnknownHost."""
        if name not in self._hosts:
            self._hosts[name] = self._connector.connect(self.record(name))
        return self._hosts[name]

    def connect_only(self, record: HostRecord) -> HypervisorHost:
        """A connection to a host that is not recorded; the caller closes it."""
        return self._connector.connect(record)

    def put(self, records: Iterable[HostRecord]) -> None:
        """Record hosts, durably: all of them or none."""
        new = tuple(records)
        self._store.put_hosts(new)
        self._records |= {record.name: record for record in new}

    async def remove(self, name: HostName) -> None:
        """Forget a host. Raises: UnknownHost."""
        self.record(name)
        self._store.remove_host(name)
        del self._records[name]
        self._last.pop(name, None)
        if (host := self._hosts.pop(name, None)) is not None:
            await host.close()

    async def read(self) -> tuple[tuple[Host, ...], tuple[Vm, ...]]:
        """Read every host at once. One that does not answer is in the result with the reason."""
        readings = await asyncio.gather(*(self._read_one(one) for one in self.records()))
        hosts = tuple(host for host, _ in readings)
        vms = sorted((vm for _, vms in readings for vm in vms), key=lambda vm: (vm.name, vm.host))
        return hosts, tuple(vms)

    async def _read_one(self, record: HostRecord) -> tuple[Host, tuple[Vm, ...]]:
        try:
            reading = await self.hypervisor(record.name).read()
        except DriverError as error:
            last = self._last.get(record.name)
            why = f"{error.message} ({error.evidence})" if error.evidence else error.message
            return Host(record=record, observed=last, unreachable=why), ()
        self._last[record.name] = reading.host
        return Host(record=record, observed=reading.host), reading.vms

    async def close(self) -> None:
        """Close every connection."""
        hosts, self._hosts = list(self._hosts.values()), {}
        await asyncio.gather(*(host.close() for host in hosts))
